"""Answers as tables, CSV and JSON, written batch by batch. Each writer tells how many rows it has written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from tailrace.cli._cells import columns, is_number, is_rigid, json_of, text_of, visible
from tailrace.store.session import BATCH_ROWS, Answer

if TYPE_CHECKING:
    import pyarrow as pa

NULL = "NULL"
MOST_ROWS = 1000
"""A terminal is shown so many rows at most."""
_LEAST_WIDTH = 14
"""A column narrower than this, and than its content, is no pleasure: rows are then shown one below the other."""
_PADDED = 100
"""A plain column is padded up to this width."""
_SPECIAL = frozenset(',"\r\n')


def write_json(answer: Answer, out: BinaryIO) -> int:
    """One array of objects, one in each line."""
    names = list(_distinct(answer.schema.names))
    written = 0
    for batch in answer.batches:
        rows = [json_of(dict(zip(names, row, strict=True))) for row in zip(*columns(batch), strict=True)]
        if rows:
            out.write((b",\n" if written else b"[\n") + b",\n".join(rows))
            written += len(rows)
    out.write(b"\n]\n" if written else b"[]\n")
    out.flush()
    return written


def write_csv(answer: Answer, out: BinaryIO, *, harmless: bool = False) -> int:
    """CSV by RFC 4180. A null is nothing, an empty text a pair of quotes; `harmless` writes control characters out."""
    show: Callable[[str], str] = visible if harmless else str
    out.write(_csv_line(answer.schema.names, show))
    written = 0
    for batch in answer.batches:
        out.write(b"".join(_csv_line(row, show) for row in zip(*columns(batch), strict=True)))
        written += batch.num_rows
    out.flush()
    return written


def _csv_line(values: Sequence[Any], show: Callable[[str], str]) -> bytes:
    cells = [_csv_cell(value, show) for value in values]
    # A line without anything would be no row.
    return ((",".join(cells) if cells != [""] else '""') + "\r\n").encode()


def _csv_cell(value: Any, show: Callable[[str], str]) -> str:
    if value is None:
        return ""
    text = show(text_of(value))
    return text if text and _SPECIAL.isdisjoint(text) else '"' + text.replace('"', '""') + '"'


def write_plain(answer: Answer, out: BinaryIO) -> int:
    """A table for a file or a pipe: nothing is cut off. Columns are as wide as the first rows need."""
    numbers = [is_number(field.type) for field in answer.schema]
    widths: list[int] = []
    written = 0
    for rows in _text_batches(answer):
        if not widths:
            names = [visible(name) for name in answer.schema.names]
            widths = [min(_PADDED, max(map(cell_len, column))) for column in zip(names, *rows, strict=True)]
            rules = ["-" * width for width in widths]
            out.write(_plain_line(names, widths, numbers) + _plain_line(rules, widths, numbers))
        out.write(b"".join(_plain_line(row, widths, numbers) for row in rows))
        written += len(rows)
    out.flush()
    return written


def _text_batches(answer: Answer) -> Iterator[list[list[str]]]:
    """The rows as text, many at a time: widths are chosen by the first of them. An empty list, if there are none."""
    waiting: list[list[str]] = []
    given = False
    for batch in answer.batches:
        waiting += [[_shown(value) for value in row] for row in zip(*columns(batch), strict=True)]
        if len(waiting) >= BATCH_ROWS:
            given = True
            yield waiting
            waiting = []
    if waiting or not given:
        yield waiting


def _plain_line(cells: Sequence[str], widths: Sequence[int], numbers: Sequence[bool]) -> bytes:
    padded = [
        " " * (width - cell_len(cell)) + cell if number else cell + " " * (width - cell_len(cell))
        for cell, width, number in zip(cells, widths, numbers, strict=True)
    ]
    return ("  ".join(padded).rstrip() + "\n").encode()


def write_table(answer: Answer, console: Console) -> tuple[int, bool]:
    """A table for a terminal, or rows one below the other where it is too narrow. Also tells whether there are more rows."""
    found = list(islice(_rows(answer), MOST_ROWS + 1))
    rows = found[:MOST_ROWS]
    names = [visible(name) for name in answer.schema.names]
    if _fits(names, rows, list(map(is_rigid, answer.schema.types)), console.width):
        console.print(_table(names, rows, answer.schema))
    else:
        for number, row in enumerate(rows, 1):
            console.print(_below_one_another(names, row, number, console.width))
    return len(rows), len(found) > MOST_ROWS


def _rows(answer: Answer) -> Iterator[tuple[Any, ...]]:
    for batch in answer.batches:
        yield from zip(*columns(batch), strict=True)


def _fits(names: Sequence[str], rows: Sequence[Sequence[Any]], rigid: Sequence[bool], width: int) -> bool:
    """Whether every column gets a width at which it can be read."""
    needed = 0
    for number, name in enumerate(names):
        longest = max((cell_len(_shown(row[number])) for row in rows), default=0)
        needed += 2 + max(cell_len(name), longest if rigid[number] else min(_LEAST_WIDTH, longest))
    return needed - 2 <= width


def _table(names: Sequence[str], rows: Iterable[Sequence[Any]], schema: pa.Schema) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for name, kind in zip(names, schema.types, strict=True):
        justify: Literal["left", "right"] = "right" if is_number(kind) else "left"
        table.add_column(Text(name), justify=justify, overflow="fold", no_wrap=is_rigid(kind))
    for row in rows:
        table.add_row(*map(_cell, row))
    return table


def _below_one_another(names: Sequence[str], row: Sequence[Any], number: int, width: int) -> Group:
    longest = max(map(cell_len, names), default=0)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", min_width=min(longest, width // 2), overflow="fold")
    table.add_column(overflow="fold")
    for name, value in zip(names, row, strict=True):
        table.add_row(Text(name), _cell(value))
    return Group(Text(f"── row {number:,} {'─' * width}"[:width], style="dim"), table)


def _cell(value: Any) -> Text:
    return Text(NULL, style="dim") if value is None else Text(_shown(value))


def _shown(value: Any) -> str:
    return NULL if value is None else visible(text_of(value))


def _distinct(names: Sequence[str]) -> Iterator[str]:
    """Names of which no two are the same: the second `a` is `a_1`."""
    taken: set[str] = set()
    for name in names:
        given, number = name, 0
        while given in taken:
            number += 1
            given = f"{name}_{number}"
        taken.add(given)
        yield given
