"""Records of very many days, in little memory.

A row alone in a batch takes twenty times the memory of its values, and thousands of files cannot be open at once. So
rows of days that have too few of them wait in one file, in the order in which they came, and are taken out day by day
in the end: as many days at a time as fit the memory, one pass over the file for each such group.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tailrace.sinks._parquet import ROW_GROUP_ROWS, plain_type
from tailrace.sinks._waiting import Waiting, memory_of, overhead_of

_STAGED = 8 << 20
"""Rows are written together from so much memory on."""
_PASS = 16 << 20
"""The days of one pass over the file have so many bytes."""

Groups = Iterable[Sequence[pa.RecordBatch]]
"""Row groups, each in batches."""


class Spill:
    """Rows of one format on the disk, each with the number of its day."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._days: dict[str, int] = {}
        self._bytes: list[int] = []
        self._rows: list[int] = []
        self._staged: list[tuple[int, pa.RecordBatch]] = []
        self._staged_bytes = 0
        self._sink: pa.OSFile | None = None
        self._writer: pa.RecordBatchFileWriter | None = None

    def add(self, day: str, batches: Sequence[pa.RecordBatch]) -> None:
        """Keep the rows of a day. Raises OSError."""
        batches = [_without_dictionaries(batch) for batch in batches]
        memory = sum(map(memory_of, batches))
        number = self._days.setdefault(day, len(self._days))
        if number == len(self._bytes):
            self._bytes.append(0)
            self._rows.append(0)
        self._bytes[number] += memory - sum(map(overhead_of, batches))
        self._rows[number] += sum(batch.num_rows for batch in batches)
        self._staged += [(number, batch) for batch in batches]
        self._staged_bytes += memory
        if self._staged_bytes > _STAGED:
            self._write()

    def _write(self) -> None:
        numbers = [number for number, batch in self._staged for _ in range(batch.num_rows)]
        rows = pa.concat_batches([batch for _, batch in self._staged])
        numbered = rows.append_column("", pa.array(numbers, pa.int32()))
        if self._writer is None:
            self._sink = pa.OSFile(str(self.path), "wb")
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writer = pa.ipc.new_file(self._sink, numbered.schema, options=options)
        self._writer.write_batch(numbered)
        self._staged.clear()
        self._staged_bytes = 0

    def days(self) -> Iterator[tuple[str, Groups]]:
        """Each day with its row groups, to be used up before the next day is asked for. Raises OSError."""
        if self._staged:
            self._write()
        self._close()
        days = list(self._days)
        ends = self._passes()
        for first, end in pairwise([0, *ends]):
            if end - first == 1:
                yield days[first], _grouped(self._read(first, end))
            else:
                yield from self._sorted(days, first, end)

    def _passes(self) -> list[int]:
        """Where each pass ends: days are taken together up to the limit."""
        ends: list[int] = []
        total = 0
        for number, size in enumerate(self._bytes):
            if number and total + size > _PASS:
                ends.append(number)
                total = 0
            total += size
        return [*ends, len(self._bytes)]

    def _read(self, first: int, end: int) -> Iterator[pa.RecordBatch]:
        """The rows of the days from `first` up to `end`, with their numbers."""
        with pa.OSFile(str(self.path), "rb") as source, pa.ipc.open_file(source) as reader:
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                days = batch.column(batch.num_columns - 1)
                wanted = pc.and_(pc.greater_equal(days, first), pc.less(days, end))
                found = batch.filter(wanted)
                if found.num_rows:
                    yield found if end - first > 1 else _plain(found)

    def _sorted(self, days: list[str], first: int, end: int) -> Iterator[tuple[str, Groups]]:
        rows = pa.concat_batches(list(self._read(first, end)))
        rows = _plain(rows.take(pc.array_sort_indices(rows.column(rows.num_columns - 1))))
        at = 0
        for number in range(first, end):
            yield days[number], [[rows.slice(at, self._rows[number])]]
            at += self._rows[number]

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None and self._sink is not None:
            try:
                writer.close()
            finally:
                self._sink.close()

    def discard(self) -> None:
        """Leave no trace. Raises nothing."""
        with suppress(OSError, ValueError):
            self._close()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def _grouped(batches: Iterable[pa.RecordBatch]) -> Groups:
    """Batches of one day, put together to row groups of a good size."""
    waiting = Waiting()
    for batch in batches:
        waiting.add(batch)
        if waiting.memory > _PASS or waiting.rows >= ROW_GROUP_ROWS:
            yield waiting.take()
    if waiting.rows:
        yield waiting.take()


def _without_dictionaries(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Each day has dictionaries of its own, and a file of many days has room for one."""
    return batch.cast(pa.schema([(field.name, plain_type(field.type)) for field in batch.schema]))


def _plain(numbered: pa.RecordBatch) -> pa.RecordBatch:
    """Rows without the number of their day."""
    return numbered.select(range(numbered.num_columns - 1))
