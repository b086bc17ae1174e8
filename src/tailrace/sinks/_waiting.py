"""Records that wait until they make a good row group.

Columns of the native kernel are put together by the kernel itself. All others wait as pyarrow's batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from tailrace.model import ArrowStream, Growing, Table

_SMALL_ROWS = 64
_SMALL_BATCHES = 64
"""So many batches smaller than that are put together: their columns' overhead would outweigh their values."""
_OVERHEAD = 400
"""Bytes that a column of a batch takes however few its rows."""


class Waiting:
    """Batches in order, and how many rows and bytes of memory they are."""

    def __init__(self) -> None:
        self.rows = 0
        self.memory = 0
        self._batches: list[pa.RecordBatch] = []
        self._small: list[pa.RecordBatch] = []
        self._small_memory = 0
        self._table: Table | None = None
        self._table_memory = 0
        self._growing: Any = Growing

    def add(self, columns: ArrowStream) -> None:
        """Take a batch."""
        if isinstance(columns, self._growing):
            self._grow(columns)
        else:
            self._end_table()
            self._add(pa.record_batch(columns))

    def _grow(self, columns: Growing) -> None:
        if self._table is None:
            self._table = columns.table()
            self._growing = type(columns)  # to ask for the protocol takes ten times as long
        before = self._table.rows
        self._table.add(columns)
        self.rows += self._table.rows - before
        self.memory += self._table.memory - self._table_memory
        self._table_memory = self._table.memory

    def _end_table(self) -> None:
        """Let the table's rows wait as a batch, so that others may follow. It stays, for it knows the values by now."""
        if self._table is not None and self._table.rows:
            self.rows -= self._table.rows
            self.memory -= self._table_memory
            columns = {name: pa.array(column) for name, column in self._table.take()}
            batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
            self._table_memory = self._table.memory
            self._add(batch)

    def _add(self, batch: pa.RecordBatch) -> None:
        memory = memory_of(batch)
        self.rows += batch.num_rows
        self.memory += memory
        if batch.num_rows < _SMALL_ROWS:
            self._small.append(batch)
            self._small_memory += memory
            if len(self._small) >= _SMALL_BATCHES:
                self._join_small()
        else:
            self._join_small()
            self._batches.append(batch)

    def _join_small(self) -> None:
        if len(self._small) > 1:
            joined = pa.concat_batches(self._small)
            self.memory += memory_of(joined) - self._small_memory
            self._batches.append(joined)
        else:
            self._batches.extend(self._small)
        self._small.clear()
        self._small_memory = 0

    def take(self) -> Sequence[pa.RecordBatch]:
        """All batches; none are left."""
        batches, _memory = self.take_measured()
        return batches

    def take_measured(self) -> tuple[Sequence[pa.RecordBatch], int]:
        """All batches and the memory that they take; none are left."""
        self._end_table()
        self._join_small()
        taken = (self._batches, self.memory)
        self._batches = []
        self.rows = self.memory = 0
        return taken


def memory_of(batch: pa.RecordBatch) -> int:
    """About how many bytes of memory a batch takes."""
    return int(batch.get_total_buffer_size()) + overhead_of(batch)  # `nbytes` takes thirty times as long


def overhead_of(batch: pa.RecordBatch) -> int:
    """How many bytes of memory a batch takes beside its values."""
    return _OVERHEAD * int(batch.num_columns)
