"""`tailrace lb logs`: access logs of load balancers, switched on and off from here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from tailrace.cli._options import CLOUD, resolved, settings_options

F = TypeVar("F", bound=Callable[..., Any])


def _which(function: F) -> F:
    """Which kind of load balancer is meant, and of which cloud."""
    narrowed = click.option(
        "--type", "kind", type=click.Choice(("classic", "application")),
        help="Only classic load balancers (aws elb), or only others (aws elbv2).",
    )(function)  # fmt: skip
    return settings_options(*CLOUD)(narrowed)


def _changing(function: F) -> F:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="The plan as NDJSON: one change a line."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Only show what would be changed."),
    ):
        function = option(function)
    return function


@click.group("logs", short_help="Switch the access logs of load balancers on and off.")
def command() -> None:
    """Access logs of load balancers, on AWS and on private clouds, through the load balancing API.

    \b
      tailrace lb logs list --region eucalyptus
      tailrace lb logs enable web --bucket my-logs --interval 5 --region eucalyptus
      tailrace lb logs show web --region eucalyptus
    """  # noqa: D301 - \b is click's


@command.command("enable", short_help="Switch a log on, or let it go elsewhere.")
@click.argument("name", metavar="NAME")
@click.option("--bucket", metavar="BUCKET", help="Where the log goes; where it went, if not given.")
@click.option("--prefix", metavar="PREFIX", help="What stands before AWSLogs/ in the names of objects.")
@click.option(
    "--interval", type=click.Choice(("5", "60")), help="Minutes between the objects of a classic load balancer."
)
@_changing
@_which
def enable(name: str, **flags: Any) -> int:
    """Let the access log of the load balancer NAME (a name or an ARN) go to a bucket.

    What is to be changed is shown first, and nothing is done without consent. Doing the same again does nothing.
    """
    from tailrace.cli.lb import _logs  # noqa: PLC0415 - not needed for --help

    how = {key: flags.pop(key) for key in ("bucket", "prefix", "interval", "dry_run", "yes", "as_json", "kind")}
    return _logs.switch(name, resolved(flags), enabled=True, **how)


@command.command("disable", short_help="Switch a log off.")
@click.argument("name", metavar="NAME")
@_changing
@_which
def disable(name: str, **flags: Any) -> int:
    """Write no more access log of the load balancer NAME (a name or an ARN); what was written stays in the bucket."""
    from tailrace.cli.lb import _logs  # noqa: PLC0415 - not needed for --help

    how = {key: flags.pop(key) for key in ("dry_run", "yes", "as_json", "kind")}
    return _logs.switch(name, resolved(flags), enabled=False, **how)


@command.command("show", short_help="Tell where a log goes, and how to read it.")
@click.argument("name", metavar="NAME")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@_which
def show(name: str, *, as_json: bool, **flags: Any) -> int:
    """Tell where the access log of the load balancer NAME (a name or an ARN) goes, and how to read it."""
    from tailrace.cli.lb import _logs  # noqa: PLC0415 - not needed for --help

    kind = flags.pop("kind")
    return _logs.show(name, resolved(flags), kind=kind, as_json=as_json)


@command.command("list", short_help="List load balancers and where their logs go.")
@click.option("--json", "as_json", is_flag=True, help="As NDJSON: one load balancer a line.")
@_which
def listing(*, as_json: bool, **flags: Any) -> int:
    """List the load balancers of a region, and where their access logs go."""
    from tailrace.cli.lb import _logs  # noqa: PLC0415 - not needed for --help

    kind = flags.pop("kind")
    return _logs.listing(resolved(flags), kind=kind, as_json=as_json)
