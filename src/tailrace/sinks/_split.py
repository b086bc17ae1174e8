"""The records of a batch by format and day, where the kernel tells how many of each there are but writes them together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from tailrace.kernel.names import Schema
from tailrace.letters import DEAD_LETTER
from tailrace.model import NO_TIME, RawLines, Records, record_id

_FORMAT = re.compile(rb'\{(?:"_id":"[^"]*",)?"(?:[^"\\]|\\.)*":"([^"]*)"')
"""The format is told first, behind the id, under whatever name a view gives it."""
_MS_A_DAY = 86_400_000
_EPOCH = date(1970, 1, 1).toordinal()


class Kind(NamedTuple):
    """What records have in common: format, and day in UTC if they have a time."""

    format: str
    day: str | None


class Split:
    """The records of a batch, kind by kind; what it takes to tell them apart is done when it is asked for."""

    def __init__(self, records: Records, schema: Schema, *, ids: bool = False) -> None:
        self._records, self._schema, self._ids = records, schema, ids
        self.kinds = [Kind(format_name, day) for format_name, day, _rows in records.partitions()]
        self._raw: RawLines | None = None
        self._lines: Sequence[bytes] = ()
        self._rows: dict[Kind, list[int]] = {}

    def ndjson(self, kind: Kind) -> bytes | memoryview:
        """The records of a kind, one JSON object a line."""
        if len(self.kinds) == 1:
            return self._records.ndjson(self._schema, ids=self._ids)
        self._tell_apart()
        return b"".join(self._lines[row] + b"\n" for row in self._rows[kind])

    def first(self, kind: Kind) -> int:
        """Where in the item the first record of a kind begins."""
        if len(self.kinds) > 1:
            self._tell_apart()
        raw = self._raw or self._records.raw()
        return raw.offsets[self._rows[kind][0] if self._rows else 0]

    def mark(self, kind: Kind, token: bytes) -> str:
        """What tells apart dead letters of the same records of an item that several sinks refused; else empty.

        A letter's id is that of its record only if no sink refused it.
        """
        if kind.format != DEAD_LETTER:
            return ""
        begin = len('{"_id":"')
        own = bytes(self._records.ndjson(ids=True)[begin : begin + 32]).decode()
        return "" if own == record_id(token, self.first(kind)) else own[:16]

    def _tell_apart(self) -> None:
        if self._rows:
            return
        self._lines = bytes(self._records.ndjson(self._schema, ids=self._ids)).split(b"\n")
        self._raw = self._records.raw()
        for row, at in enumerate(self._raw.times):
            found = _FORMAT.match(self._lines[row])
            assert found
            self._rows.setdefault(Kind(found[1].decode(), _day(at)), []).append(row)


def _day(at: int) -> str | None:
    return None if at == NO_TIME else _date(at // _MS_A_DAY)


@lru_cache(maxsize=1024)
def _date(days: int) -> str:
    return date.fromordinal(_EPOCH + days).isoformat()
