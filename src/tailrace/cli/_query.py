"""Asking the store, and writing what it answers."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from tailrace.cli._cells import visible
from tailrace.cli._console import output
from tailrace.cli._tables import write_csv, write_json, write_plain, write_table
from tailrace.clock import Clock, SystemClock
from tailrace.errors import UsageError
from tailrace.store.query import Contents, Queries
from tailrace.store.session import Answer

_EXPLAINED = ["explain_key", "explain_value"]
_HINT = 'Ask for instance: tailrace query "DESCRIBE requests"'


def run(store: str, sql: str | None, form: str, clock: Clock | None = None) -> None:
    """Answer a question (`-`: read it), or without one list the views. Raises UsageError and Fatal."""
    clock = clock or SystemClock()
    sql = _text_of(sql) if sql is not None else None
    begun = clock.monotonic()
    queries = Queries(Path(store), clock)
    if sql is None:
        _write(_listing(queries.contents()), form)
        if form == "table":
            click.echo(_HINT, err=True)
        return
    with queries.ask(sql) as answer:
        written, more = _write(answer, form)
    if form == "table":
        click.echo(_account(written, clock.monotonic() - begun, more=more), err=True)


def _text_of(sql: str) -> str:
    """The question itself, read from standard input if it is `-`. Raises UsageError."""
    try:
        data = sys.stdin.buffer.read() if sql == "-" else os.fsencode(sql)
    except OSError as error:
        message = f"cannot read the SQL from standard input: {error.strerror}"
        raise UsageError(message) from error
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        message = f"the SQL is no valid UTF-8 at byte {error.start}; write it as UTF-8"
        raise UsageError(message) from error


def _write(answer: Answer, form: str) -> tuple[int, bool]:
    """Write an answer; tell how many rows, and whether there are more."""
    out = sys.stdout.buffer
    if form == "json":
        return write_json(answer, out), False
    if form == "csv":
        return write_csv(answer, out, harmless=sys.stdout.isatty()), False
    if answer.schema.names == _EXPLAINED:
        return _write_plan(answer), False
    if sys.stdout.isatty():
        return write_table(answer, output())
    return write_plain(answer, out), False


def _write_plan(answer: Answer) -> int:
    """A plan is a drawing of several lines."""
    rows = answer.rows()
    for row in rows:
        for line in row["explain_value"].splitlines():
            click.echo(visible(line))
    return len(rows)


def _account(rows: int, seconds: float, *, more: bool) -> str:
    if more:
        return f"the first {rows:,} rows; add LIMIT, or write all with --csv or --json"
    return f"{rows:,} {'row' if rows == 1 else 'rows'} in {seconds:.2f} s"


def _listing(contents: list[Contents]) -> Answer:
    """The views as an answer like any other."""
    import pyarrow as pa  # noqa: PLC0415 - an optional library

    names = ["view", "rows", "first_day", "last_day", "files", "bytes"]
    values = [
        [each.view for each in contents],
        [each.rows for each in contents],
        [each.first_day or None for each in contents],
        [each.last_day or None for each in contents],
        [each.files for each in contents],
        [each.size for each in contents],
    ]
    kinds = [pa.string(), pa.int64(), pa.string(), pa.string(), pa.int64(), pa.int64()]
    arrays = [pa.array(column, kind) for column, kind in zip(values, kinds, strict=True)]
    batch = pa.RecordBatch.from_arrays(arrays, names)
    return Answer(batch.schema, iter([batch]))
