"""Write the reference pages from the declarations in the code: `python tools/reference.py docs`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import click

from tailrace.cli import group
from tailrace.kernel.layout import ALWAYS, Format
from tailrace.kinds import SinkKind, SourceKind
from tailrace.registry import formats, sinks, sources
from tailrace.settings import Settings, declared
from tailrace.store.requests import documentation
from tailrace.transforms import Transforms

WRITTEN = "<!-- Written by `make docs` from the code; do not edit. -->\n"


def main(folder: Path) -> None:
    """Write every page into the folder."""
    for name, page in pages():
        (folder / name).write_text(page, encoding="utf-8")


def pages() -> Iterator[tuple[str, str]]:
    """The pages by their file names."""
    yield "formats.md", "\n".join(_formats())
    yield "settings.md", "\n".join(_settings())
    yield "commands.md", "\n".join(_commands())
    yield "sql.md", "\n".join(_sql())


def _formats() -> Iterator[str]:
    yield f"{WRITTEN}\n# Formats\n"
    yield "`tailrace formats NAME` shows the same. Every record has `format` and `time`; any record may also have:\n"
    yield from _table(("field", "type", "meaning"), ((f"`{name}`", type_, doc) for name, type_, doc in ALWAYS))
    yield ""
    yield from _table(
        ("format", "what it is"), ((f"[{each.name}](#{each.name})", each.title) for each in formats().values())
    )
    for each in formats().values():
        yield from _format(each)


def _format(known: Format) -> Iterator[str]:
    yield f"\n## {known.name}\n\n{known.title}. {known.about}\n\nSource: <{known.source}>\n"
    yield f"```\n{known.example}\n```\n"
    rows = (
        (f"`{column.name}`", column.type, column.unit, column.doc, f"`{column.ecs}`", f"`{column.otel}`")
        for column in known.columns
    )
    yield from _table(("field", "type", "unit", "meaning", "ECS", "OpenTelemetry"), rows)


def _settings() -> Iterator[str]:
    yield f"{WRITTEN}\n# Settings\n"
    yield (
        "A flag or `--set KEY=VALUE` counts before the environment (`TAILRACE_STORE`; two underscores stand for the dot of a"
        " nested key: `TAILRACE_RETRY__DEADLINE`), that before `./tailrace.toml` or `--config FILE`, that before the default."
        " `tailrace settings` shows each value and where it comes from.\n"
    )
    yield from _table(("setting", "default", "meaning"), _rows())
    yield "\n## Sources\n"
    yield (
        "Written as below. Settings of their own are given by `--set KEY=VALUE`, or in `tailrace.toml` as `[sources.NAME]` with"
        ' `url = "…"`, which is then used by its name: `tailrace ship NAME`, or `from = ["NAME"]` for `tailrace run`.\n'
    )
    yield from _kinds(sources().values())
    yield "\n## Sinks\n"
    yield (
        "`--to SINK`, written as below. Settings of their own are given by `--set KEY=VALUE`, or in `tailrace.toml` as"
        ' `[sinks.NAME]` with `url = "…"`, which is then used as `--to NAME`.\n'
    )
    yield from _kinds(sinks().values())
    yield "\n## Every sink\n"
    yield "What a sink is to see of records; set like its own settings. [Transforms](transforms.md) tells more.\n"
    yield from _table(("setting", "meaning"), ((f"`{each.key}`", each.meaning) for each in declared(Transforms)))


def _kinds(kinds: Collection[SourceKind | SinkKind]) -> Iterator[str]:
    yield from _table(("written", "what it is"), ((f"`{kind.form}`", kind.about) for kind in kinds))
    for kind in kinds:
        if own := list(declared(kind.settings)):
            yield f"\n### {kind.form}\n"
            yield from _table(("setting", "meaning"), ((f"`{each.key}`", each.meaning) for each in own))


def _rows() -> Iterator[tuple[str, str, str]]:
    defaults = Settings(workers=1)
    for each in declared(Settings):
        shown = "processors, at most 4" if each.key == "workers" else _text(each.value_in(defaults))
        yield f"`{each.key}`", shown, each.meaning


def _text(value: object) -> str:
    return f"`{value}`" if value not in ((), "") else ""


def _sql() -> Iterator[str]:
    yield f"{WRITTEN}\n# SQL\n"
    yield (
        "`tailrace query` offers a view for each format, with the columns of [its page](formats.md), `extra` and `invalid`;"
        " `haproxy` over all formats of HAProxy; and `requests` over everything, one row for each request or connection:\n"
    )
    rows = ((f"`{name}`", type_, doc) for name, type_, doc, _of in documentation())
    yield from _table(("column of requests", "type", "meaning"), rows)
    yield "\nWhat each column is made of:\n"
    families = ("alb", "clb", "nlb", "haproxy")
    made = (
        (f"`{name}`", *(f"`{of[family]}`" if family in of else "" for family in families))
        for name, _type, _doc, of in documentation()
    )
    yield from _table(("column", *families), made)


def _commands() -> Iterator[str]:
    yield f"{WRITTEN}\n# Commands\n"
    context = click.Context(group, info_name="tailrace", terminal_width=100)
    yield from _help(group, context)
    yield from _below(group, context)


def _below(parent: click.Group, context: click.Context) -> Iterator[str]:
    for name in parent.list_commands(context):
        command = parent.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context, terminal_width=100)
        yield f"\n## {inner.command_path}\n"
        yield from _help(command, inner)
        if isinstance(command, click.Group):
            yield from _below(command, inner)


def _help(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"```\n{command.get_help(context)}\n```"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
