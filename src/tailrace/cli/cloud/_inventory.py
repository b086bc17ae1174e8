"""What is in clouds, for people and programs."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import click
import msgspec
from rich.table import Table
from rich.text import Text

from tailrace.cli._cells import visible
from tailrace.cli._console import output, people, say
from tailrace.cli.cloud._asked import clouds_of
from tailrace.clouds import failures
from tailrace.clouds.cloud import Cloud
from tailrace.clouds.connecting import connect
from tailrace.clouds.inventory import KINDS, Kind
from tailrace.clouds.inventory.kind import Cell, Row
from tailrace.errors import EXIT_OK, EXIT_PARTIAL, EXIT_UNUSABLE, TailraceError
from tailrace.settings import Resolved

_AT_ONCE = 8
Found = list[Row] | str
"""What is there, or why that cannot be told."""


def show_all(resolved: Resolved, names: Sequence[str], what: str, *, as_json: bool) -> int:
    """Tell what is there; the exit code. Raises UsageError."""
    kind = KINDS[what]
    clouds, whole = clouds_of(resolved, names or [""])
    with people().status(f"asking {', '.join(clouds)}"), ThreadPoolExecutor(_AT_ONCE) as pool:
        found = dict(zip(clouds, pool.map(partial(_rows, kind), clouds.values()), strict=True))
    for name, rows in found.items():
        if isinstance(rows, str):
            say(f"{name}: {rows}")
    there = {name: rows for name, rows in found.items() if not isinstance(rows, str)}
    if as_json:
        for name, rows in there.items():
            for row in rows:
                click.echo(msgspec.json.encode({"cloud": name, **row}))
    elif there:
        output().print(_matrix(kind, there) if what == "instance-types" and len(there) > 1 else _table(kind, there))
    return EXIT_OK if whole and len(there) == len(found) else EXIT_PARTIAL if there else EXIT_UNUSABLE


def _rows(kind: Kind, cloud: Cloud) -> Found:
    made = {}

    def client(service: str) -> object:
        made[service] = connect(cloud, service)
        return made[service]

    try:
        return list(kind.rows(client))
    except TailraceError as error:
        return str(error)
    except failures.raised() as error:
        used = made.get(kind.service)
        lasting = failures.fatal(error, kind.service, used) if used else None
        return str(
            lasting
            or f"{kind.service} failed with {failures.code_of(error)}; `tailrace cloud check {cloud.name}` tells more"
        )


def _table(kind: Kind, found: dict[str, list[Row]]) -> Table:
    several = len(found) > 1
    table = Table(*(["cloud"] if several else []), box=None, pad_edge=False)
    for column in kind.columns:
        number = any(isinstance(row.get(column), int) for rows in found.values() for row in rows)
        table.add_column(column.replace("_", " "), justify="right" if number else "left", overflow="fold")
    for name, rows in found.items():
        for row in rows:
            cells = [_text(row.get(column)) for column in kind.columns]
            table.add_row(*([Text(visible(name))] if several else []), *cells)
    counts = ", ".join(f"{name}: {len(rows)}" for name, rows in found.items())
    table.caption, table.caption_justify = Text(counts, style="dim"), "left"
    return table


def _matrix(kind: Kind, found: dict[str, list[Row]]) -> Table:
    """Types of instances by name, a column for each cloud: what is compared stands side by side."""
    by_type: dict[Cell, dict[str, Row]] = {}
    for name, rows in found.items():
        for row in rows:
            by_type.setdefault(row[kind.columns[0]], {})[name] = row
    table = Table("type", *map(visible, found), box=None, pad_edge=False)
    for type_, there in by_type.items():
        table.add_row(
            _text(type_), *(Text(_machine(there[name])) if name in there else Text("–", style="dim") for name in found)
        )
    return table


def _machine(row: Row) -> str:
    disk = f", {row['disk_gb']} GB" if row.get("disk_gb") else ""
    return f"{row.get('cpus')} × cpu, {row.get('memory_mib')} MiB{disk}"


def _text(cell: Cell) -> Text:
    return Text("–", style="dim") if cell in (None, "") else Text(visible(str(cell)))
