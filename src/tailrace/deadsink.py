"""Dead letters in any sink: letters travel as records do, and a receipt waits for them as for all others.

As NDJSON a letter is the object that `letters.py` describes, with the time of its delivery; where ids are asked for it
has one of its own, because several sinks may refuse the same record. What is delivered again has the same names and
ids, so it overwrites where a sink can: rejects and what each sink refused are as if of different items, because sinks may
have an item up to different places. A sink cannot take letters back, so those of a delivery that was repeated with
other settings stay there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Protocol, TypeVar

import msgspec

from tailrace.clock import Clock
from tailrace.errors import SourceError
from tailrace.kernel.layout import TIME
from tailrace.kernel.names import FORMAT, ID, name_of
from tailrace.letters import DEAD_LETTER, Letter, fields, of_refusal, of_reject
from tailrace.model import ArrowStream, Batch, Counts, Item, RawLines, Refusal, Reject, View
from tailrace.ports import Sink

T = TypeVar("T")

_LETTERS, _BYTES = 500, 256 << 10
"""So many letters, or about so many bytes of payload, travel together."""


class Trying(Protocol):
    """Makes a call again for as long as is reasonable, if it raises Retryable."""

    def __call__(self, call: Callable[[], T], /) -> T:
        """What the call returns. Raises its Retryable in the end."""


class DeadSink:
    """Gives rejects and refusals to a sink."""

    def __init__(self, sink: Sink, clock: Clock, trying: Trying) -> None:
        self._sink = sink
        self._clock = clock
        self._trying = trying
        self._item: Item | None = None
        self._part = 0

    def write(self, item: Item, rejects: Sequence[Reject], start: int) -> None:
        """Keep rejects of one item. Raises what the sink raises."""
        self._keep(item, (of_reject(item.identity, reject, item.modified) for reject in rejects), start)

    def refuse(self, item: Item, sink: str, refusals: Sequence[Refusal], start: int) -> None:
        """Keep what a sink refused of one item; likewise."""
        letters = (of_refusal(item.identity, sink, each, item.modified) for each in refusals)
        identity = item.identity
        self._keep(replace(item, identity=replace(identity, etag=f"{identity.etag} {sink}")), letters, start)

    def _keep(self, item: Item, letters: Iterator[Letter], start: int) -> None:
        for together in _slices(letters):
            if self._item and self._item.identity != item.identity:
                self._trying(self.flush)
            if self._item is None:
                self._item, self._part = item, start
            batch = _batch(together, self._clock.now())
            self._trying(partial(self._sink.write, item, batch, self._part))

    def flush(self) -> None:
        """Make durable what was written. Raises SourceError if the sink will never take it: the item is given back."""
        if self._item is None:
            return
        flushed = self._sink.flush()
        item, self._item = self._item, None
        if flushed.refusals:
            reasons = ", ".join(sorted({refusal.reason for refusal in flushed.refusals}))
            message = (
                f"{self._sink.name} refused {len(flushed.refusals)} dead letters of {item.identity.name} ({reasons});"
                " name another sink by dead_letters, and run again"
            )
            raise SourceError(message)

    def abandon(self) -> None:
        """Forget what was written since the last flush."""
        self._item = None
        self._sink.abandon()

    def keep_only(self, item: Item, start: int) -> None:
        """Nothing to do: what a sink has, it keeps."""


def _slices(letters: Iterator[Letter]) -> Iterator[list[Letter]]:
    together: list[Letter] = []
    size = 0
    for letter in letters:
        together.append(letter)
        size += len(letter.payload)
        if len(together) >= _LETTERS or size >= _BYTES:
            yield together
            together, size = [], 0
    if together:
        yield together


def _batch(letters: Sequence[Letter], now: float) -> Batch:
    number = len(letters)
    counts = Counts(lines=number, records=number, record_lines=number)
    return Batch(LetterRecords(letters, now), [], counts, letters[-1].offset)


class LetterRecords:
    """Letters as records: what a sink may ask of a batch.

    Of a view only its constants concern them: no filter may keep a letter out, and its fields are none of a format.
    """

    def __init__(self, letters: Sequence[Letter], now: float, view: View | None = None) -> None:
        self._letters = letters
        self._now = now
        self._time = datetime.fromtimestamp(now, UTC)
        self._constants = {name: msgspec.Raw(value.encode()) for name, value in (view.constants if view else ())}

    def __len__(self) -> int:
        """How many letters."""
        return len(self._letters)

    def select(self, view: View) -> LetterRecords:
        """All of them."""
        return LetterRecords(self._letters, self._now, view)

    @property
    def mask(self) -> bytes:
        """None is kept out."""
        return bytes([1]) * len(self._letters)

    @property
    def filtered(self) -> int:
        """None is kept out."""
        return 0

    def ndjson(self, schema: str = "aws", *, ids: bool = False) -> bytes:
        """One JSON object a line; the names of time and format are the schema's, all others the letter's own."""
        return b"".join(self._object(letter, schema, ids=ids) + b"\n" for letter in self._letters)

    def _object(self, letter: Letter, schema: str, *, ids: bool) -> bytes:
        time = self._time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        about = {FORMAT[schema]: DEAD_LETTER, name_of(TIME, schema): time}
        return msgspec.json.encode({**({ID: letter.id} if ids else {}), **about, **fields(letter), **self._constants})

    def raw(self) -> RawLines:
        """The letters as JSON, at the time of their delivery."""
        lines = [self._object(letter, "aws", ids=False) for letter in self._letters]
        ends, end = [], 0
        for line in lines:
            end += len(line)
            ends.append(end)
        times = [int(self._now * 1000)] * len(lines)
        return RawLines(b"".join(lines), ends, times, [letter.offset for letter in self._letters])

    def partitions(self) -> list[tuple[str, str | None, int]]:
        """All are of one format and of the day of their delivery."""
        return [(DEAD_LETTER, self._time.date().isoformat(), len(self._letters))]

    def columns(self, format_name: str, day: str | None) -> ArrowStream:  # noqa: ARG002 - as all records
        """The letters as Arrow columns. Raises ImportError without pyarrow."""
        import pyarrow as pa  # noqa: PLC0415 - only Parquet needs it

        rows = [_flat(letter) for letter in self._letters]
        data = {
            name: pa.array([row.get(name) for row in rows], getattr(pa, type_)()) for name, type_ in _COLUMNS.items()
        }
        times = pa.array([int(self._now * 1_000_000)] * len(rows), pa.timestamp("us", "UTC"))
        identified = {ID: pa.array([letter.id for letter in self._letters], pa.string()), "time": times, **data}
        found: ArrowStream = pa.StructArray.from_arrays(list(identified.values()), names=list(identified))
        return found


_COLUMNS = {
    "kind": "string", "container": "string", "container_base64": "string", "key": "string", "key_base64": "string",
    "etag": "string", "offset": "int64", "lines": "int64", "sink": "string", "reason": "string", "detail": "string",
    "length": "int64", "sha256": "string", "modified": "float64", "payload": "string", "payload_base64": "string",
}  # fmt: skip


def _flat(letter: Letter) -> dict[str, object]:
    told = fields(letter)
    return {**told.pop("item"), **told}
