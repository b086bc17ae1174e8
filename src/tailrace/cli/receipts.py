"""`tailrace receipts`: what has been delivered, and whether the accounts balance."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import CLOUD, resolved, settings_options


@click.command("receipts", short_help="What has been delivered; --check verifies it.")
@settings_options("store", "state", *CLOUD)
@click.option("--check", is_flag=True, help="Verify the balance of every receipt and every file; exit 1 if one fails.")
@click.option("--limit", metavar="N", type=click.IntRange(min=0), default=50, show_default=True,
              help="Show the last N; 0 shows all.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="NDJSON: all receipts, one a line.")
def command(*, check: bool, limit: int, as_json: bool, **flags: Any) -> int:
    """List the receipts of a store, or of another state: what was delivered of each object to each sink, and what became of its lines."""
    from tailrace.cli import _receipts  # noqa: PLC0415 - not needed for --help

    settings = resolved(flags).settings
    if check:
        return _receipts.check_all(settings, as_json=as_json)
    return _receipts.list_all(settings, limit, as_json=as_json)
