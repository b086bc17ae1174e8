"""What is counted, in memory that all processes of the agent share and that none of them takes with it when it dies."""

from __future__ import annotations

import mmap
import struct
from typing import Final

NAMES: Final = (
    "received",
    "followed",
    "spooled",
    "dropped",
    "discarded",
    "kernel_dropped",
    "full",
    "ready",
    "objects",
    "put_lines",
    "records",
    "rejects",
    "failures",
    "restarts",
    "dead_dropped",
)
"""received, followed: lines by datagrams, from files. dropped: lines that came while the spool was full. discarded: that came while
logging was switched off. kernel_dropped: datagrams that the kernel had no room for. failures: puts that are tried again.
dead_dropped: dead letters for which there was no room."""
_WORD: Final = struct.Struct("<Q")


class Counters:
    """Numbers by name; each has one process that changes it."""

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, mmap.PAGESIZE)

    def add(self, name: str, number: int = 1) -> None:
        """So many more."""
        self.set(name, self[name] + number)

    def set(self, name: str, number: int) -> None:
        """So many now."""
        _WORD.pack_into(self._map, NAMES.index(name) * 8, number)

    def __getitem__(self, name: str) -> int:
        return int(_WORD.unpack_from(self._map, NAMES.index(name) * 8)[0])

    def all(self) -> dict[str, int]:
        """All of them."""
        return {name: self[name] for name in NAMES}
