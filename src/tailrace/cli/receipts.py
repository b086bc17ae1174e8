"""`tailrace receipts`: what has been delivered, whether the accounts balance, and what is missing."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import CLOUD, resolved, settings_options
from tailrace.errors import UsageError


@click.command("receipts", short_help="What has been delivered; --check verifies it, --missing finds what is not.")
@settings_options("store", "state", *CLOUD)
@click.option("--check", is_flag=True,
              help="Verify every receipt, every file and the number of dead letters; exit 1 if something does not fit.")  # fmt: skip
@click.option("--missing", metavar="s3://BUCKET/PREFIX",
              help="List the objects there that have no balanced, complete receipt; exit 1 if there are any.")  # fmt: skip
@click.option(
    "--since",
    "--from",
    "since",
    metavar="TIME",
    help="With --missing: objects from this time on, or of this age (14d).",
)
@click.option(
    "--until",
    "--to",
    "until",
    metavar="TIME",
    help="With --missing: objects before this time. Load balancers' keys tell it.",
)
@click.option(
    "--sink", metavar="SINK", help="With --missing: at this sink; its name, the beginning of it, or a pattern."
)
@click.option("--limit", metavar="N", type=click.IntRange(min=0), default=50, show_default=True,
              help="Show the last N, of what is missing the first N; 0 shows all.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="NDJSON: all of them, one a line.")
def command(*, check: bool, missing: str | None, limit: int, as_json: bool, **flags: Any) -> int:
    """List the receipts of a store, or of another state: what was delivered of each object to each sink, and what became of its lines."""
    from tailrace.cli import _receipts  # noqa: PLC0415 - not needed for --help

    asked = {name: flags.pop(name) for name in ("since", "until", "sink")}
    settings = resolved(flags).settings
    if missing:
        from tailrace.cli._missing import list_missing  # noqa: PLC0415 - not needed for the others

        if check:
            raise UsageError("--check and --missing are two questions; ask them one after the other")
        return list_missing(missing, settings, {**asked, "limit": limit, "as_json": as_json})
    if given := [f"--{name}" for name, value in asked.items() if value]:
        message = f"{given[0]} belongs to --missing s3://BUCKET/PREFIX"
        raise UsageError(message)
    if check:
        return _receipts.check_all(settings, as_json=as_json)
    return _receipts.list_all(settings, limit, as_json=as_json)
