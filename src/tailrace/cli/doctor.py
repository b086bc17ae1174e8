"""`tailrace doctor`: what is wrong, and the command that repairs it."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import CLOUD, resolved, settings_options


@click.command("doctor", short_help="Find what is wrong, and what repairs it.")
@click.argument("environment", metavar="[ENV]", default="")
@settings_options("to", *CLOUD)
@click.option("--json", "as_json", is_flag=True, help="NDJSON: one finding a line.")
def command(environment: str, *, as_json: bool, **flags: Any) -> int:
    r"""Look for what breaks in practice, and say what repairs it. Nothing is changed.

    Without ENV: what is installed, region, credentials, the clock, and the sources and sinks of tailrace.toml as this machine
    reaches them. With ENV also its deployment: the bucket and who may write to it, notifications, queues, the function and its role, its
    network, keys, quotas and alarms; what is not deployed yet is looked at as far as it is there.

    ✓ is as it should be, ✗ is wrong (exit 1), ? could not be seen: `tailrace policy doctor ENV` prints the permissions for all of it.
    """
    from tailrace.cli._doctor import examine  # noqa: PLC0415 - not needed for --help

    return examine(resolved(flags, environment=environment), environment, as_json=as_json)
