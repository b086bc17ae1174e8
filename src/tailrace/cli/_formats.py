"""The formats as people and programs read them, from their declarations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import msgspec
from rich.table import Table
from rich.text import Text

from tailrace.cli._console import output
from tailrace.kernel.layout import ALWAYS, Column, Format
from tailrace.registry import format_named, formats

_WIDE = 150
"""Columns of a window in which everything has room."""


def list_all(*, as_json: bool) -> None:
    """Every format in a line."""
    if as_json:
        _ndjson({"name": known.name, "title": known.title, "about": known.about} for known in formats().values())
        return
    table = Table("format", "what it is", "fields", box=None, pad_edge=False)
    for known in formats().values():
        table.add_row(known.name, known.title, str(len(known.columns)))
    output().print(table)


def show(name: str, *, as_json: bool) -> None:
    """Every field of a format. Raises UsageError if there is none of that name."""
    known = format_named(name)
    if as_json:
        _ndjson(_described(column) for column in known.columns)
        return
    console = output()
    console.print(Text(f"{known.name}: {known.title}", style="bold"))
    console.print(Text(f"{known.about}\n{known.source}\n"))
    wide = console.width >= _WIDE
    console.print(_table(known, schemas=wide))
    if not wide:
        console.print(Text("names in ECS and OpenTelemetry: in a wider window, or with --json"), style="dim")
    console.print(Text(f"\nA line:\n{known.example}"), soft_wrap=True)


def _table(known: Format, *, schemas: bool) -> Table:
    """The fields of a format; names in other schemas need room."""
    table = Table(box=None, pad_edge=False)
    for name in ("field", "type", "unit"):
        table.add_column(name, no_wrap=True)
    for name in ("meaning", *(("ECS", "OpenTelemetry") if schemas else ())):
        table.add_column(name, overflow="fold")
    for column in known.columns:
        cells = (column.name, column.type, column.unit, column.doc, column.ecs, column.otel)
        table.add_row(*(Text(cell) for cell in cells[: len(table.columns)]))
    for name, type_, doc in ALWAYS:
        table.add_row(name, type_, "", Text(doc), style="dim")
    return table


def _described(column: Column) -> dict[str, Any]:
    return {
        "name": column.name, "type": column.type, "unit": column.unit, "meaning": column.doc,
        "ecs": column.ecs, "otel": column.otel,
    }  # fmt: skip


def _ndjson(rows: Iterator[dict[str, Any]]) -> None:
    for row in rows:
        click.echo(msgspec.json.encode(row))
