"""`tailrace lb agent`: from HAProxy's log to an object in its owner's bucket."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import CLOUD, resolved, settings_options
from tailrace.errors import UsageError


@click.command("agent", short_help="Take HAProxy's log on its machine, and put it into a bucket.")
@click.argument("config_file", metavar="[CONFIG]", required=False)
@settings_options(*CLOUD)
@click.option("--once", is_flag=True, help="Put what is there now, and end: for cron, with followed files.")
@click.option(
    "--status", metavar="FILE", help="Append a line of JSON about itself to FILE each minute, not to standard error."
)
def command(config_file: str | None, *, once: bool, status: str | None, **flags: Any) -> int:
    """Take HAProxy's log, keep it in a spool, and put an object of it into a bucket at each interval's end, until SIGTERM.

    CONFIG: a file like tailrace.toml; its [lb] tells where the log comes from and where objects go. SIGUSR1 ends the interval at once.
    """
    from tailrace.cli.lb._agent import run  # noqa: PLC0415 - not needed for --help

    if config_file and flags.get("config"):
        raise UsageError("the settings are given as an argument and by --config; give them once")
    settings = resolved({**flags, "config": config_file or flags.get("config")})
    return run(settings, once=once, status=status)
