"""`tailrace formats`: what can be read."""

from __future__ import annotations

import click


@click.command("formats", short_help="What can be read, field by field.")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="NDJSON: one format a line, or one field a line.")
def command(name: str | None, *, as_json: bool) -> None:
    """List the formats that are known, or each field of one: its type, its unit and its meaning."""
    from tailrace.cli import _formats  # noqa: PLC0415 - not needed for --help

    if name is None:
        _formats.list_all(as_json=as_json)
    else:
        _formats.show(name, as_json=as_json)
