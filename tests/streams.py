"""Compressed content, and streams that give it in pieces of any size."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
from collections.abc import Callable, Iterable

import pytest
import zstandard

from tailrace.framing import CHUNK, Corrupt, chunks


def gz(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {"gzip": gz, "zstandard": zstd, "bzip2": bz2.compress}
LOG = b"".join(b'192.0.2.%d - - "GET /item/%d HTTP/1.1" 200 %d\n' % (n % 251, n * 7919, n * n) for n in range(30_000))


class Pieces(io.RawIOBase):
    """A stream that gives at most so many bytes at a read, in turn, and can seek or not."""

    def __init__(self, data: bytes, sizes: Iterable[int] = (1 << 20,), *, seekable: bool = True) -> None:
        self._data, self._sizes, self._seekable, self.at, self.read_bytes = data, list(sizes), seekable, 0, 0
        self._turns = itertools.cycle(self._sizes)

    def seekable(self) -> bool:
        return self._seekable

    def tell(self) -> int:
        assert self._seekable
        return self.at

    def seek(self, offset: int, whence: int = 0) -> int:
        assert self._seekable
        assert whence == 0
        self.at = offset
        return offset

    def read(self, size: int = -1) -> bytes:
        assert size > 0
        data = self._data[self.at : self.at + min(size, next(self._turns))]
        self.at += len(data)
        self.read_bytes += len(data)
        return data


def read_broken(stream: io.RawIOBase, size: int = CHUNK) -> tuple[bytes, Corrupt]:
    """What comes out of a damaged stream, and how it ends."""
    got = bytearray()
    try:
        for chunk in chunks(stream, size=size):
            got += chunk
    except Corrupt as error:
        return bytes(got), error
    pytest.fail("the damage went unseen")
