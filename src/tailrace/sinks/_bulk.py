"""What is sent to `_bulk`: for each record a line that says what to do with it, and a line that is the record.

A chunk is what one batch becomes: one piece of bytes as long as all goes well. It is taken apart into records only where
some of them must be sent again, or fewer at a time.

https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec

from tailrace.kernel.names import FORMAT, ID
from tailrace.letters import DEAD_LETTER, fields, of_refusal
from tailrace.model import NO_TIME, Item, RawLines, Records, Refusal
from tailrace.sinks._index_name import IndexName

_ID_DIGITS: Final = 32
_OPENING: Final = f'{{"{ID}":"'.encode()
"""A record begins so, and then comes its id."""
_ID_END: Final = len(_OPENING) + _ID_DIGITS + 1
_ACTION: Final = b'{"create":{"_id":"'
_INDEXED: Final = b'{"create":{"_index":"%b","_id":"'
_BEHIND_ID: Final = b"}}\n{"
_STAMP: Final = b'"@timestamp":'
"""Never in a text, where quotes stand behind a backslash."""
_DAY: Final = len("2026-11-22")
_TAIL: Final = len('"_id":""}}') + _ID_DIGITS
"""So an action ends."""


class Origin(Protocol):
    """What the rows of a chunk were made of."""

    def refusal(self, row: int, reason: str, detail: str) -> Refusal:
        """A row as what will never be taken."""


class Lines:
    """The records of a batch, looked at again only for those that are refused."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._raw: RawLines | None = None

    def refusal(self, row: int, reason: str, detail: str) -> Refusal:
        """The record as it was logged."""
        raw = self._raw = self._raw or self._records.raw()
        begin = raw.ends[row - 1] if row else 0
        return Refusal(raw.offsets[row], reason, bytes(raw.data[begin : raw.ends[row]]), detail)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records on their way: their bytes, and which rows of their origin they are."""

    body: bytes
    rows: Sequence[int]
    origin: Origin
    ids: bool = True

    def __len__(self) -> int:
        """How many records."""
        return len(self.rows)

    def refusal(self, position: int, reason: str, detail: str) -> Refusal:
        """One of the records as what will never be taken."""
        return self.origin.refusal(self.rows[position], reason, detail)

    def only(self, positions: Sequence[int]) -> Chunk:
        """Some of the records."""
        lines = self.body.split(b"\n")
        kept = [line for at in positions for line in lines[2 * at : 2 * at + 2]]
        return replace(self, body=b"\n".join([*kept, b""]), rows=[self.rows[at] for at in positions])

    def halves(self) -> tuple[Chunk, Chunk]:
        """Two chunks of about as many records; for at least two."""
        middle = len(self) // 2
        return self.only(range(middle)), self.only(range(middle, len(self)))

    def without_ids(self) -> Chunk:
        """The same records, for the server to choose their ids."""
        lines = self.body.split(b"\n")
        for at in range(0, len(lines) - 1, 2):
            lines[at] = lines[at][:-_TAIL].removesuffix(b",") + b"}}"
        return replace(self, body=b"\n".join(lines), ids=False)


class Writing:
    """How records are written: the names of their fields, the index of each, and whether each needs `@timestamp`."""

    def __init__(self, schema: str, index: IndexName, *, stamped: bool) -> None:
        self._schema, self._index, self._stamped = schema, index, stamped

    def chunk(self, item: Item, records: Records, now: float) -> Chunk:
        """The records of a batch of an item."""
        data = bytes(records.ndjson(self._schema, ids=True))
        head = self._common_head(data, item, records)
        pieces = _alike(data, head) if head else self._each(data, item, records, now)
        return Chunk(b"".join(pieces), range(len(records)), Lines(records))

    def _common_head(self, data: bytes, item: Item, records: Records) -> bytes | None:
        """The beginning of the action that suits all records of the batch; None if there is none, or records need to be changed."""
        if not self._stamped and not self._index.by_record:
            return self._head(self._index.of(item.identity.key))
        parts = records.partitions()
        # What fields are called is the same for all records, so the first tells it of those that have a time.
        if self._stamped and (
            any(day is None for _format, day, _rows in parts) or _STAMP not in data[: data.index(b"\n")]
        ):
            return None
        names = {self._index.of(item.identity.key, name, day) for name, day, _rows in parts}
        return self._head(names.pop()) if len(names) == 1 else None

    def _head(self, index: str) -> bytes:
        """A fixed index is named by the request's path."""
        return _ACTION if self._index.fixed else _INDEXED % index.encode()

    def _each(self, data: bytes, item: Item, records: Records, now: float) -> list[bytes]:
        """Pieces for records that are told apart."""
        pieces: list[bytes] = []
        heads: dict[tuple[bytes, bytes], bytes] = {}
        instead = _written(item.modified or now)
        for line, at in zip(data.split(b"\n"), records.raw().times, strict=False):
            name, time = _format_and_time(line, timed=at != NO_TIME)
            kind = (name, time[:_DAY])
            if kind not in heads:
                heads[kind] = self._head(self._index.of(item.identity.key, name.decode(), time[:_DAY].decode() or None))
            missing = self._stamped and _STAMP not in line
            stamp = b'%b"%b",' % (_STAMP, time or instead) if missing else b""
            pieces += (heads[kind], line[len(_OPENING) : _ID_END], _BEHIND_ID, stamp, line[_ID_END + 1 :], b"\n")
        return pieces


def _format_and_time(line: bytes, *, timed: bool) -> tuple[bytes, bytes]:
    """The values of the first fields of a record behind its id, whatever they are called; no time if it has none."""
    parts = line.split(b'"', 12)  # {"_id":"…","format":"…","time":"…
    return parts[7], parts[11] if timed else b""


def letters(index: str, sink: str, item: Item, refusals: Sequence[Refusal], now: float) -> Chunk:
    """Refused records as dead letters, under their own ids, for an index of their own."""
    about = {FORMAT["ecs"]: DEAD_LETTER, "@timestamp": _written(now).decode()}
    lines: list[bytes] = []
    for refusal in refusals:
        letter = of_refusal(item.identity, sink, refusal, item.modified)
        lines.append(_INDEXED % index.encode() + letter.id.encode() + b'"}}')
        lines.append(msgspec.json.encode({**about, **fields(letter)}))
    return Chunk(b"\n".join([*lines, b""]), range(len(refusals)), _Given(refusals))


@dataclass(frozen=True, slots=True)
class _Given:
    """Refusals that are known already."""

    refusals: Sequence[Refusal]

    def refusal(self, row: int, reason: str, detail: str) -> Refusal:
        """The record, and why its letter was refused."""
        return replace(self.refusals[row], reason=reason, detail=detail)


def _alike(data: bytes, head: bytes) -> list[bytes]:
    """Pieces for records that differ in nothing but their ids and themselves."""
    pieces: list[bytes] = []
    find, at, end = data.find, 0, len(data)
    while at < end:
        following = find(b"\n", at) + 1
        pieces += (head, data[at + len(_OPENING) : at + _ID_END], _BEHIND_ID, data[at + _ID_END + 1 : following])
        at = following
    return pieces


def _written(seconds: float) -> bytes:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()
