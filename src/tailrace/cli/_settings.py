"""The settings as people and programs read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import click
import msgspec
from rich.table import Table
from rich.text import Text

from tailrace.cli._console import output, warn
from tailrace.kinds import SinkKind, SourceKind
from tailrace.registry import sinks, sources
from tailrace.settings import TABLES, Resolved, Settings, declared
from tailrace.transforms import Transforms


class Row(NamedTuple):
    """A setting, what it is, and why."""

    key: str
    value: str
    origin: str
    meaning: str


def show(resolved: Resolved, *, as_json: bool) -> None:
    """Every setting of the run, and of the sources and sinks."""
    for name in resolved.ignored:
        warn(f"{name} is no setting and is ignored")
    found = [*rows(resolved), *named(resolved)]
    if as_json:
        for row in found:
            click.echo(msgspec.json.encode(row._asdict()))
        return
    table = Table("setting", "value", "from", "meaning", box=None, pad_edge=False)
    for row in found:
        table.add_row(*(Text(cell) for cell in row), style="" if row.origin != "default" else "dim")
    output().print(table)
    for room, kinds in (("source", sources()), ("sink", sinks())):
        output().print(_kinds(room, kinds.values()))


def rows(resolved: Resolved) -> Iterator[Row]:
    """The settings of the run."""
    for each in declared(Settings):
        value = _text(each.value_in(resolved.settings))
        yield Row(each.key, value, resolved.origins.get(each.key, "default"), each.meaning)


def named(resolved: Resolved) -> Iterator[Row]:
    """The settings of named sources and sinks. What they are is not shown, for it may be secret."""
    for room in TABLES:
        for name, options in getattr(resolved.settings, room).items():
            for key in options:
                full = f"{room}.{name}.{key}"
                yield Row(full, "***", resolved.origins.get(full, ""), "")


def _kinds(room: str, kinds: Iterable[SourceKind | SinkKind]) -> Table:
    table = Table(f"\n{room}", "\nsetting", "\nmeaning", box=None, pad_edge=False)
    for kind in kinds:
        table.add_row(Text(kind.form), "", Text(kind.about))
        for each in declared(kind.settings):
            table.add_row("", Text(each.key), Text(each.meaning))
    if room == "sink":
        table.add_row(Text("every sink"), "", Text("what it is to see of records"))
        for each in declared(Transforms):
            table.add_row("", Text(each.key), Text(each.meaning))
    return table


def _text(value: Any) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)
