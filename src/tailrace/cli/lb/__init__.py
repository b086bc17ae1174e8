"""`tailrace lb`: access logging for load balancers. Each verb is one file of its name."""

from __future__ import annotations

import click

from tailrace.cli._verbs import Verbs


@click.group(
    "lb", cls=Verbs, package=__name__, short_help="Access logging for the HAProxy load balancers of private clouds."
)
def command() -> None:
    """Access logging for load balancers: on the machine where HAProxy runs, for their owners, and as the API that switches it on."""
