"""What reads control objects: they are accounted for like any other, and nothing in them is a record or a reject."""

from __future__ import annotations

from dataclasses import replace

from tailrace.kernel.load import Parser
from tailrace.model import Batch, Counts


class Control:
    """A parser to which all lines are control lines. `inner` makes its batches, and is fed nothing."""

    def __init__(self, inner: Parser, offset: int) -> None:
        self._inner, self._end, self._open = inner, offset, False

    def feed(self, data: bytes) -> Batch:
        """Take the next bytes; the batch holds their account."""
        self._end += len(data)
        self._open = data[-1:] != b"\n" if data else self._open
        return self._told(self._inner.feed(b""), data.count(b"\n"))

    def finish(self, *, truncated: bool = False) -> Batch:
        """Tell that no more bytes come; what is left of a line is one, unless they broke off."""
        return self._told(self._inner.finish(truncated=truncated), int(self._open and not truncated))

    def _told(self, batch: Batch, lines: int) -> Batch:
        rejects = [replace(reject, offset=self._end) for reject in batch.rejects]
        return replace(batch, rejects=rejects, counts=Counts(lines=lines, control=lines), end=self._end)
