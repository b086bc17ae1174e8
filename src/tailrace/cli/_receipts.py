"""Receipts as people and programs read them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.table import Table
from rich.text import Text

from tailrace.cli._cells import utc, visible
from tailrace.cli._console import output, surroundings
from tailrace.cli._summary import counted
from tailrace.clock import SystemClock
from tailrace.errors import EXIT_FAILED_CHECK, EXIT_OK
from tailrace.hosts.states import SQLITE, dynamodb
from tailrace.letters import described
from tailrace.ports import State
from tailrace.receipts import Receipt, imbalances
from tailrace.settings import Settings
from tailrace.state.sqlite import SqliteState
from tailrace.store.check import check

_WIDE = 110
"""Columns of a window in which everything has room."""


def list_all(settings: Settings, limit: int, *, as_json: bool) -> int:
    """Every receipt, the last ones last. Raises UsageError where there are none."""
    with closing(opened(settings)) as state:
        if as_json:
            for receipt in state.receipts():
                click.echo(msgspec.json.encode(document(receipt)))
            return EXIT_OK
        seen, last = 0, deque[Receipt](maxlen=limit or None)
        for receipt in state.receipts():
            seen += 1
            last.append(receipt)
    console = output()
    console.print(_table(last, wide=console.width >= _WIDE))
    if seen > len(last):
        click.echo(f"the last {len(last)} of {seen:,} receipts; --limit 0 shows all", err=True)
    return EXIT_OK


def opened(settings: Settings) -> State:
    """The state that the settings name, for reading only. Raises UsageError where there is none."""
    if settings.state in ("", SQLITE):
        return SqliteState.open(Path(settings.store), read_only=True, clock=SystemClock())
    return dynamodb(settings, surroundings(settings), read_only=True)


def check_all(settings: Settings, *, as_json: bool) -> int:
    """Verify the accounts, and the files of a store. Raises UsageError where there are no receipts."""
    own = settings.state in ("", SQLITE)
    problems = check(Path(settings.store), SystemClock(), letters=not settings.dead_letters) if own else []
    with closing(opened(settings)) as state:
        number, lines = 0, 0
        for receipt in state.receipts():
            number, lines = number + 1, lines + receipt.whole.counts.lines
            problems += [] if own else [f"{receipt.item.name}: {problem}" for problem in imbalances(receipt)]
    if as_json:
        click.echo(msgspec.json.encode({"receipts": number, "lines": lines, "problems": list(map(visible, problems))}))
        return EXIT_FAILED_CHECK if problems else EXIT_OK
    for problem in problems:
        click.echo(visible(problem))
    told = f"{counted(len(problems), 'problem')} found" if problems else "all balance"
    click.echo(f"{counted(number, 'receipt')} over {counted(lines, 'line')}: {told}", err=bool(problems))
    return EXIT_FAILED_CHECK if problems else EXIT_OK


def document(receipt: Receipt) -> dict[str, Any]:
    """A receipt as JSON: what it counts, an unfinished last line included."""
    whole = receipt.whole
    fields = asdict(whole)
    del fields["tail"]
    return {
        **fields,
        "item": {**described(whole.item), "id": whole.item.digest},
        "sink": visible(whole.sink),
        "started": _time(whole.started),
        "finished": _time(whole.finished),
    }


def _table(receipts: Iterable[Receipt], *, wide: bool) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("finished", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("lines", "records", "rejects", *(("control", "blank") if wide else ())):
        table.add_column(name, justify="right", no_wrap=True)
    if wide:
        table.add_column("sink", overflow="fold")
    table.add_column("object", overflow="fold", ratio=1)
    for receipt in receipts:
        table.add_row(*(Text(cell) for cell in _cells(receipt, wide=wide)))
    return table


def _cells(receipt: Receipt, *, wide: bool) -> tuple[str, ...]:
    whole, counts = receipt.whole, receipt.whole.counts
    beside = (f"{counts.control:,}", f"{counts.blank:,}", whole.sink.partition(":")[0]) if wide else ()
    return (
        _time(whole.finished),
        "truncated" if whole.truncated and whole.state == "complete" else whole.state,
        *(f"{figure:,}" for figure in (counts.lines, counts.records, whole.dead_rejects)),
        *beside,
        visible(whole.item.name),
    )


def _time(seconds: float) -> str:
    return utc(seconds) if seconds else ""
