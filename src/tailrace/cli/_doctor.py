"""What the doctor finds, for people and programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Final

import click
import msgspec
from rich.table import Table
from rich.text import Text

from tailrace.cli._cells import visible
from tailrace.cli._console import output, surroundings
from tailrace.deploy.doctor.examining import Examination
from tailrace.deploy.doctor.finding import Finding, Mark
from tailrace.errors import EXIT_FAILED_CHECK, EXIT_OK
from tailrace.settings import Resolved

_SIGNS: Final[dict[Mark, tuple[str, str]]] = {
    "ok": ("✓", "green"),
    "wrong": ("✗", "bold red"),
    "unknown": ("?", "yellow"),
}


def examine(resolved: Resolved, environment: str, *, as_json: bool) -> int:
    """Tell all that is found; the exit code."""
    found: list[Finding] = []
    for each in Examination(resolved, environment, surroundings(resolved.settings)).findings():
        found.append(each)
        if as_json:
            click.echo(msgspec.json.encode(asdict(each)))
    if not as_json:
        show(found)
    return EXIT_FAILED_CHECK if any(each.mark == "wrong" for each in found) else EXIT_OK


def show(found: Sequence[Finding]) -> None:
    """A table, and below it the commands, which are not broken into lines so that they can be copied."""
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for each in found:
        sign, style = _SIGNS[each.mark]
        table.add_row(Text(sign, style=style), Text(each.subject), Text(visible(each.found)))
    console = output()
    console.print(table)
    for mark, title in (
        ("wrong", "What repairs it:"),
        ("unknown", "What would tell more:"),
        ("ok", "What could be done yet:"),
    ):
        _remedies(title, [each for each in found if each.mark == mark and each.remedy])
    counts = {mark: sum(each.mark == mark for each in found) for mark in _SIGNS}
    console.print(f"\n{counts['ok']} as they should be, {counts['wrong']} wrong, {counts['unknown']} could not be seen")


def _remedies(title: str, found: Iterable[Finding]) -> None:
    lines = dict.fromkeys(f"  {each.subject}: {visible(each.remedy)}" for each in found)
    if lines:
        click.echo(f"\n{title}")
        for line in lines:
            click.echo(line)
