"""`tailrace report`: what the local store tells of its traffic."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import resolved, settings_options


@click.command("report")
@settings_options("store")
@click.option(
    "--since", metavar="TIME", help="From this time on: RFC 3339 (UTC without a zone), or so long ago: 2h, 3d."
)
@click.option("--until", metavar="TIME", help="Before this time, written in the same ways.")
@click.option(
    "--load-balancer", metavar="NAME", help="Of this load balancer only: its name, or NAME within app/NAME/ID."
)
@click.option("--top", metavar="N", type=click.IntRange(min=1, max=10_000), default=10, show_default=True,
              help="Show so many paths, clients and status codes.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Write the same figures as one JSON object.")
def command(
    *, since: str | None, until: str | None, load_balancer: str | None, top: int, as_json: bool, **flags: Any
) -> None:
    """Show requests, errors and latency: altogether, by load balancer and over time; top paths, clients and status codes.

    Latency is in seconds; see `tailrace query "DESCRIBE requests"` for what is counted.
    """
    from tailrace.cli import _report  # noqa: PLC0415 - not needed for --help

    asked = _report.Asked(since or "", until or "", load_balancer or "", top)
    _report.run(resolved(flags).settings.store, asked, as_json=as_json)
