"""A stream from far away that goes on where it was when the connection breaks."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from tailrace.clock import Clock
from tailrace.clouds import failures

TRIES: Final = 5
"""So often in a row a connection may fail before the first byte that is new."""

_FIRST_PAUSE: Final = 0.5  # seconds; each further one is twice as long
_SMALL_READ: Final = 8 << 10


class Part(NamedTuple):
    """A body with the bytes from an offset on, and the offset behind its last one."""

    body: Any
    end: int


class Remote(NamedTuple):
    """What lies far away: its size, how to get its bytes from an offset on, and what to raise in the end.

    It may turn out to be larger than its size, never smaller.
    """

    size: int
    part_from: Callable[[int], Part]
    given_up: Callable[[Exception | None], Exception]


class Resuming(io.RawIOBase):
    """Reads something remote, and connects anew as often as that brings it forward."""

    def __init__(self, remote: Remote, clock: Clock) -> None:
        self._remote = remote
        self._clock = clock
        self._at = 0
        self._body: Any = None
        self._failures = 0
        self._size = remote.size
        self._most: int | None = None

    def connect(self) -> None:
        """Make sure that there is a body to read. Raises what the remote gives up with."""
        while self._body is None:
            try:
                self._body, end = self._remote.part_from(self._at)
                self._size = max(self._size, end)
            except failures.raised() as error:
                self._pause(error)

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, fewer than asked for perhaps; none at the end and only there."""
        if size < 0:
            return self.readall()
        while self._at < self._size and size:
            self.connect()
            try:
                data: bytes = self._body.read(min(size, self._most or size))
            except failures.raised() as error:
                self._pause(error)
                continue
            if data:
                self._at += len(data)
                self._failures = 0
                return data
            self._pause(None)
        return b""

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes: by another connection."""
        return True

    def tell(self) -> int:
        """The offset of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to an offset; the next read connects there."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset != self._at:
            self._let_go()
            self._at = base + offset
        return self._at

    def close(self) -> None:
        """Let go of the connection."""
        self._let_go()
        super().close()

    def _pause(self, error: Exception | None) -> None:
        self._let_go()
        self._failures += 1
        if self._failures == TRIES:
            raise self._remote.given_up(error)
        # What came in is lost if the connection breaks within one read; so on a bad one read little at a time.
        self._most = _SMALL_READ
        self._clock.sleep(_FIRST_PAUSE * 2 ** (self._failures - 1))

    def _let_go(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()
