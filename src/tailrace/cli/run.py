"""`tailrace run`: the worker that stays."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import CLOUD, READING, resolved, settings_options
from tailrace.errors import UsageError


@click.command("run", short_help="Stay, and carry objects as they appear.")
@click.argument("config_file", metavar="[CONFIG]", required=False)
@settings_options("from", "to", "store", "state", "workers", "listen", *READING, *CLOUD)
@click.option("--check", is_flag=True, help="Only look whether sources, sinks and permissions are in place.")
def command(config_file: str | None, *, check: bool, **flags: Any) -> int:
    """Carry objects from sources to sinks as they appear, until SIGTERM or Ctrl-C.

    CONFIG: a file like tailrace.toml; its `from` names queues of events (sqs:NAME) and whatever `tailrace ship` takes. An event
    is acknowledged when every sink has its object. At the stop, workers confirm what they have, and the rest is given back.
    """
    from tailrace.cli._service import check as checked  # noqa: PLC0415 - not needed for --help
    from tailrace.cli._service import serve  # noqa: PLC0415

    if config_file and flags.get("config"):
        raise UsageError("the settings are given as an argument and by --config; give them once")
    settings = resolved({**flags, "config": config_file or flags.get("config")})
    return checked(settings) if check else serve(settings)
