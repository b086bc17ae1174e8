"""Merging and removing, and what people are told of it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import click

from tailrace.cli._summary import counted, size
from tailrace.clock import SystemClock
from tailrace.errors import UsageError
from tailrace.quantities import Duration
from tailrace.store.maintenance import compact, prune


def compact_files(store: str) -> None:
    """Merge small files. Raises UsageError where there is no store."""
    done = compact(Path(store), SystemClock())
    if not done.files_before:
        click.echo("nothing to merge: no day has several small files of one format")
        return
    click.echo(
        f"{counted(done.files_before, 'file')} became {done.files_after:,}: {counted(done.rows, 'record')},"
        f" {size(done.bytes_before)} became {size(done.bytes_after)}"
    )


def prune_days(store: str, older_than: str) -> None:
    """Remove old days. Raises UsageError where there is no store, or if the age cannot be read."""
    before = first_kept(older_than, SystemClock().now())
    done = prune(Path(store), before, SystemClock())
    click.echo(
        f"removed {counted(done.rows, 'record')} of {counted(done.days, 'day')} before {before}:"
        f" {counted(done.files, 'file')}, {size(done.bytes)}"
    )


def first_kept(older_than: str, now: float) -> date:
    """The first day that is kept: the one that a date names, or the one of which some is younger than an age."""
    try:
        return date.fromisoformat(older_than)
    except ValueError:
        pass
    try:
        age = Duration.parse(older_than)
        return datetime.fromtimestamp(now - age, UTC).date()
    except (ValueError, OverflowError, OSError) as error:
        message = f"--older-than {older_than}: write an age such as 14d or 12h, or a date such as 2026-11-01"
        raise UsageError(message) from error
