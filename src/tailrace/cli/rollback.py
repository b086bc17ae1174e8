"""`tailrace rollback`: an earlier version becomes live again."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import CLOUD, resolved, settings_options


@click.command("rollback", short_help="Make the release before live again.")
@click.argument("environment", metavar="ENV")
@click.option(
    "--to", "version", metavar="VERSION", default="", help="This version of the function, not the last good one."
)
@settings_options(*CLOUD)
def command(environment: str, *, version: str, **flags: Any) -> int:
    """Make the last good release before the live one live again in the deployment ENV, with its code and its settings.

    The alias that everything calls is moved, and nothing else is changed; `tailrace deploy ENV` moves it on again.
    """
    from tailrace.cli._deploying import roll_back  # noqa: PLC0415 - not needed for --help

    return roll_back(environment, resolved(flags, environment=environment), version)
