"""Items on their way to a sink as the loop carries them: batches, flushes, calls made again, beginnings from the last flush."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from random import Random
from typing import Any, TypeVar

from making import alb, batch
from receiving import DAY
from tailrace.errors import Retryable
from tailrace.model import Batch, Flushed, Identity, Item, Records, Rendering, Totals, View
from tailrace.ports import Sink
from tailrace.receipts import Share
from tailrace.transforms import Seen

T = TypeVar("T")
_MANY = 50


class Only:
    """Records of which only one form exists, as a parser gives them to a sink that tells so."""

    def __init__(self, records: Records, rendering: Rendering) -> None:
        self._records, self._rendering = records, rendering

    def __len__(self) -> int:
        return len(self._records)

    def ndjson(self, schema: str = "aws", *, ids: bool = False) -> bytes | memoryview:
        assert (schema, ids) == (self._rendering.schema, self._rendering.ids)
        return self._records.ndjson(schema, ids=ids)

    def select(self, view: View) -> Only:
        assert view == self._rendering.view
        return Only(self._records.select(view), self._rendering)

    @property
    def filtered(self) -> int:
        return self._records.filtered


@lru_cache(maxsize=4096)
def wide(number: int) -> bytes:
    """A line of 192 KiB that does not compress well."""
    return alb(DAY, number).replace(b"?q=", b"?q=" + Random(number).randbytes(96 << 10).hex().encode(), 1)


@lru_cache(maxsize=32)
def parsed(content: bytes, identity: Identity, offset: int) -> Batch:
    """What the parser makes of lines; the same ones go to every sink."""
    return batch(content, Item(identity, io.BytesIO, None, 0.0), offset)


def item(key: str = "AWSLogs/a.log") -> Item:
    return Item(Identity("s3", "bucket", key, "1"), io.BytesIO, None, 0.0)


@dataclass
class Carrier:
    """One item and one sink. `again`: how often a call had to be made again."""

    sink: Sink
    item: Item = field(default_factory=item)
    again: int = 0
    totals: Totals = field(default_factory=Totals)
    flushes: list[Flushed] = field(default_factory=list)
    _offset: int = 0
    _part: int = 0
    _since: list[Batch] = field(default_factory=list)

    def batch(self, lines: Sequence[bytes]) -> Batch:
        """The next lines of the item."""
        content = b"".join(lines)
        made = parsed(content, self.item.identity, self._offset)
        self._offset += len(content)
        if self.sink.rendering:
            limited: Any = Only(made.records, self.sink.rendering)
            made = replace(made, records=limited)
        return made

    def write(self, *lines: bytes) -> None:
        """Offer these lines as one batch."""
        made = self.batch(lines)
        self._since.append(made)
        self.offer(made)

    def offer(self, made: Batch) -> None:
        """Have the sink take a batch."""
        self._persist(lambda: self.sink.write(self.item, made, self._part))

    def flush(self) -> Flushed:
        """Confirm what was written."""
        offered = sum(len(each.records) for each in self._since)
        flushed = self._persist(self.sink.flush)
        self.totals += Share(offered, flushed).totals
        self.flushes.append(flushed)
        self._since, self._part = [], self._part + 1
        return flushed

    def begin_again(self) -> None:
        """Let the sink forget what was not flushed, and write that once more."""
        self.sink.abandon()
        for each in self._since:
            self.offer(each)

    def _persist(self, call: Callable[[], T]) -> T:
        for _ in range(_MANY):
            try:
                return call()
            except Retryable:
                self.again += 1
        raise AssertionError("it never came through")


def lines(first: int, number: int = 10) -> list[bytes]:
    """Lines with the marks from `first` on."""
    return [alb(DAY, mark) for mark in range(first, first + number)]


def carry(sink: Sink, *contents: Sequence[bytes], of: Item | None = None) -> Carrier:
    """Carry batches of an item and flush."""
    carrier = Carrier(sink, of or item())
    for content in contents:
        carrier.write(*content)
    carrier.flush()
    return carrier


def seen(sink: Sink, view: View) -> Sink:
    """The sink through a view."""
    return Seen(sink, view)
