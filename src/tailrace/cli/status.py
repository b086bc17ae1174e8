"""`tailrace status`: how a deployment is."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import CLOUD, resolved, settings_options


@click.command("status", short_help="Show how a deployment is.")
@click.argument("environment", metavar="ENV")
@settings_options(*CLOUD)
@click.option("--json", "as_json", is_flag=True, help="JSON, in one line.")
def command(environment: str, *, as_json: bool, **flags: Any) -> int:
    """Show how the deployment ENV is: stack, live version, lag, queues, alarms, and the receipts of what was written last.

    Exits with 1 if there is no such deployment, or if its stack is in a state from which `tailrace deploy ENV` must bring it in order.
    """
    from tailrace.cli._status import show  # noqa: PLC0415 - not needed for --help

    return show(environment, resolved(flags, environment=environment), as_json=as_json)
