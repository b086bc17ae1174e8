"""The settings as people and programs read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import click
import msgspec
from rich.table import Table
from rich.text import Text

from tailrace.cli._console import output, warn
from tailrace.documentation import field_docs
from tailrace.registry import sinks
from tailrace.settings import Resolved, Settings, keys_of


class Row(NamedTuple):
    """A setting, what it is, and why."""

    key: str
    value: str
    origin: str
    meaning: str


def show(resolved: Resolved, *, as_json: bool) -> None:
    """Every setting of the run and of the sinks."""
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
    output().print(_sinks())


def rows(resolved: Resolved) -> Iterator[Row]:
    """The settings of the run."""
    for key in keys_of(Settings):
        *path, name = key.split(".")
        kind, value = Settings, resolved.settings
        for part in path:
            value = getattr(value, part)
            kind = type(value)
        yield Row(key, _text(getattr(value, name)), resolved.origins.get(key, "default"), field_docs(kind)[name])


def named(resolved: Resolved) -> Iterator[Row]:
    """The settings of named sinks. What they are is not shown, for it may be secret."""
    for name, options in resolved.settings.sinks.items():
        for key in options:
            origin = resolved.origins.get(f"sinks.{name}.{key}", "")
            yield Row(f"sinks.{name}.{key}", "***", origin, "")


def _sinks() -> Table:
    table = Table("\nsink", "\nsetting", "\nmeaning", box=None, pad_edge=False)
    for kind in sinks().values():
        table.add_row(Text(kind.form), "", Text(kind.about))
        docs: dict[str, str] = field_docs(kind.settings)
        for key in keys_of(kind.settings):
            table.add_row("", Text(key), Text(docs.get(key, "")))
    return table


def _text(value: Any) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)
