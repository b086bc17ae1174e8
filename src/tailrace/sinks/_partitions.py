"""The records of one item on their way into one file for each format and day, in bounded memory.

Rows wait until they make a good row group or memory is short. A few files are open at a time; where an item has more
days than that, the one that was longest without a row makes room: its file is closed, and should the day come again,
it gets another one (`…-1.parquet`); if it had no file yet its rows wait in a `Spill` for the end. So there are at
most as many files as days, plus one for each row group, and never more open than `_OPEN`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tailrace.model import ArrowStream
from tailrace.sinks._parquet import ROW_GROUP_ROWS, RowGroups
from tailrace.sinks._spill import Groups, Spill
from tailrace.sinks._waiting import Waiting

_OPEN = 32
"""So many files are open at most."""


class Partition(NamedTuple):
    """What a file holds: one format, one day."""

    format: str
    day: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A complete file, still under its temporary name; `number` counts the files of its partition."""

    partition: Partition
    number: int
    path: Path
    rows: int
    size: int


@dataclass(slots=True)
class _Open:
    """Rows of a partition that are in no row group yet, and its file if it has one."""

    waiting: Waiting = field(default_factory=Waiting)
    file: RowGroups | None = None


class Partitions:
    """Files under construction in a folder, their names beginning with `stem`."""

    def __init__(self, folder: Path, stem: str, memory: int) -> None:
        self._folder = folder
        self._stem = stem
        self._limit = memory
        self._memory = 0
        self._serial = 0
        self._open: OrderedDict[Partition, _Open] = OrderedDict()
        self._spills: dict[str, Spill] = {}
        self._numbers: dict[Partition, int] = {}
        self._finished: list[Finished] = []
        self._files: list[RowGroups] = []

    def add(self, partition: Partition, columns: ArrowStream) -> None:
        """Take rows of one format and day. Raises OSError."""
        opened = self._open.get(partition)
        if opened is None:
            if len(self._open) >= _OPEN:
                self._evict(*self._open.popitem(last=False))
            opened = self._open[partition] = _Open()
        self._open.move_to_end(partition)
        before = opened.waiting.memory
        opened.waiting.add(columns)
        self._memory += opened.waiting.memory - before
        if opened.waiting.rows >= ROW_GROUP_ROWS:
            self._write(opened)
        while self._memory > self._limit:
            self._write(max(self._open.values(), key=lambda candidate: candidate.waiting.memory))

    def _write(self, opened: _Open) -> None:
        """Make a row group of what waits."""
        if opened.file is None:
            opened.file = self._new_file()
        self._memory -= opened.waiting.memory
        opened.file.write(opened.waiting.take())

    def _new_file(self) -> RowGroups:
        file = RowGroups(self._temporary("parquet"))
        self._files.append(file)
        return file

    def _temporary(self, kind: str) -> Path:
        self._serial += 1
        return self._folder / f"{self._stem}.{self._serial}.{kind}"

    def _evict(self, partition: Partition, opened: _Open) -> None:
        """Make room for another partition."""
        if opened.file is None:
            self._spill(partition, opened)
        else:
            self._finish(partition, opened)

    def _spill(self, partition: Partition, opened: _Open) -> None:
        if partition.format not in self._spills:
            self._spills[partition.format] = Spill(self._temporary("arrow"))
        self._memory -= opened.waiting.memory
        self._spills[partition.format].add(partition.day, opened.waiting.take())

    def _finish(self, partition: Partition, opened: _Open) -> None:
        if opened.waiting.rows:
            self._write(opened)
        assert opened.file is not None
        self._close(partition, opened.file)

    def _close(self, partition: Partition, file: RowGroups) -> None:
        number = self._numbers.get(partition, 0)
        self._numbers[partition] = number + 1
        self._finished.append(Finished(partition, number, file.path, file.rows, file.finish()))
        self._files.remove(file)

    def finish(self) -> Sequence[Finished]:
        """Complete every file and make it durable. Raises OSError."""
        while self._open:
            partition, opened = self._open.popitem(last=False)
            if opened.file is None and partition.format in self._spills:
                self._spill(partition, opened)
            else:
                self._finish(partition, opened)
        for format_name, spill in self._spills.items():
            for day, groups in spill.days():
                self._write_day(Partition(format_name, day), groups)
            spill.discard()
        return self._finished

    def _write_day(self, partition: Partition, groups: Groups) -> None:
        file = self._new_file()
        for group in groups:
            file.write(group)
        self._close(partition, file)

    def discard(self) -> None:
        """Leave no trace of what is not published. Raises nothing."""
        for file in self._files:
            file.discard()
        for spill in self._spills.values():
            spill.discard()
        for finished in self._finished:
            with suppress(OSError):
                finished.path.unlink(missing_ok=True)
        self._open.clear()
