"""The inbox: memory into which datagrams are received, and which does not die with the process.

It is a file of the spool that is mapped, so the kernel itself writes each datagram to where another process finds it. At no time is a line in a
process's own memory only. Beyond what is known to be received the memory is zero, so that a datagram is found even if the process was killed
before it could write down its length.
"""

from __future__ import annotations

import mmap
import os
import socket
import struct
from pathlib import Path
from typing import Final

from tailrace.disk import writing

SIZE: Final = 512 << 10
DATAGRAM: Final = 64 << 10
"""No datagram is longer: HAProxy's `len` ends at 65535."""
ROOM: Final = DATAGRAM + 1
_DATA: Final = 4096
_HALF: Final = SIZE // 2
_WORD: Final = struct.Struct("<Q")
_FILL_BITS: Final = 24
_ZEROS: Final = bytes(SIZE)
_NEWLINE: Final = 10


class Inbox:
    """Receives. `burst` is the number under which what is in it is written to the spool.

    Burst and length are one word, which is written at once: whoever dies leaves either what was before or what is after.
    """

    def __init__(self, path: Path, boot: bytes, burst: int) -> None:
        """Find what another process has left, unless the machine was started anew since. `burst`: the last one in the spool."""
        with writing(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, _DATA + SIZE)
                self._map = mmap.mmap(descriptor, _DATA + SIZE)
            finally:
                os.close(descriptor)
        self._data = memoryview(self._map)[_DATA:]
        self.datagrams = 0
        mark = boot[:64].ljust(64, b"\0")
        (word,) = _WORD.unpack_from(self._map, 0)
        self.burst, self.fill = word >> _FILL_BITS, word & ((1 << _FILL_BITS) - 1)
        if self._map[64:128] != mark or self.burst <= burst or self.fill > SIZE:
            self._map[_DATA:] = _ZEROS
            self.burst = burst
            self._next()
            self._map[64:128] = mark
        else:
            self._mend()

    def _mend(self) -> None:
        """Take in the datagram whose length was not yet written down."""
        tail = bytes(self._data[self.fill : self.fill + ROOM]).rstrip(b"\0")
        if tail:
            self._took(len(tail))
        self.datagrams = bytes(self._data[: self.fill]).count(b"\n")

    def receive(self, listening: socket.socket) -> bool:
        """Take all datagrams that wait, as far as there is room; False if some may wait still."""
        data, fill, receive, into = self._data, self.fill, listening.recv_into, _WORD.pack_into
        mapped, number, base = self._map, 0, self.burst << _FILL_BITS
        try:
            while fill < _HALF:
                size = receive(data[fill : fill + DATAGRAM], DATAGRAM, socket.MSG_DONTWAIT)
                if not size:
                    continue
                fill += size
                if data[fill - 1] != _NEWLINE:
                    data[fill] = _NEWLINE
                    fill += 1
                into(mapped, 0, base | fill)
                number += 1
        except (BlockingIOError, InterruptedError):
            return True
        finally:
            self.fill = fill
            self.datagrams += number
        return False

    def _took(self, size: int) -> None:
        self.fill += size
        if self._data[self.fill - 1] != _NEWLINE:
            self._data[self.fill] = _NEWLINE
            self.fill += 1
        _WORD.pack_into(self._map, 0, self.burst << _FILL_BITS | self.fill)

    @property
    def content(self) -> memoryview:
        """What was received since it was emptied: whole lines."""
        return self._data[: self.fill]

    @property
    def is_full(self) -> bool:
        """Whether it receives nothing before it is emptied."""
        return bool(self.fill >= _HALF)

    def empty(self) -> None:
        """Forget what is in it, because it is in the spool under its burst, or not wanted."""
        self._data[: self.fill] = _ZEROS[: self.fill]
        self._next()

    def _next(self) -> None:
        self.burst, self.fill, self.datagrams = self.burst + 1, 0, 0
        _WORD.pack_into(self._map, 0, self.burst << _FILL_BITS)


def boot_id() -> bytes:
    """What is another one after the machine was started anew: then the memory of before is not to be trusted."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    except OSError:
        return b"unknown"
