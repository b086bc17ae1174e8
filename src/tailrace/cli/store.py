"""`tailrace store`: looking after the local store."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import resolved, settings_options


@click.group("store", short_help="Look after the local store.")
def command() -> None:
    """Look after the local store: merge small files, remove old days."""


@command.command("compact", short_help="Merge small files.")
@settings_options("store")
def _compact(**flags: Any) -> None:
    """Merge the small files of each day and format into larger ones, which queries read faster."""
    from tailrace.cli import _store  # noqa: PLC0415 - not needed for --help

    _store.compact_files(resolved(flags).settings.store)


@command.command("prune", short_help="Remove old days.")
@settings_options("store")
@click.option("--older-than", metavar="AGE", required=True,
              help="Remove days that ended before so long ago, such as 14d; or a date, whose day is kept.")  # fmt: skip
def _prune(older_than: str, **flags: Any) -> None:
    """Remove the records of old days. The receipts stay, so that nothing of them is delivered again."""
    from tailrace.cli import _store  # noqa: PLC0415 - not needed for --help

    _store.prune_days(resolved(flags).settings.store, older_than)
