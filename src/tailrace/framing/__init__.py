"""Framing: from the bytes of an item to chunks of its decompressed content.

How the content is compressed is told by its first bytes and never by a name: gzip of one or many members, zstandard
(frames and skippable frames), bzip2 of one or many streams, or not at all. No chunk is larger than asked for, however
well the content is compressed. Where compressed data ends or breaks, everything before is given out first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from tailrace.framing._input import Compression, Corrupt, Input, compression_of
from tailrace.framing._members import bzip2, gzip
from tailrace.framing._zstandard import zstandard

__all__ = ["CHUNK", "Corrupt", "chunks"]

CHUNK: Final = 640 << 10
"""The size of a chunk, unless another is asked for: a smaller one costs more calls, a larger one only more memory."""


def chunks(stream: BinaryIO, *, skip: int = 0, size: int = CHUNK) -> Iterator[bytes]:
    """The decompressed content of a stream from byte `skip` on, in pieces of at most `size` bytes.

    Raises Corrupt after the last readable byte if there is more that cannot be read. What the stream itself raises
    goes through. The stream is left open.
    """
    source = Input(stream)
    compression = compression_of(source)
    if skip and not compression and source.seek(skip):
        skip = 0
    for block in _READERS[compression](source, size):
        if skip >= len(block):
            skip -= len(block)
            continue
        rest = block[skip:] if skip else block
        skip = 0
        if len(rest) <= size:
            yield rest
        else:
            yield from (rest[start : start + size] for start in range(0, len(rest), size))


def _plain(source: Input, size: int) -> Iterator[bytes]:
    while data := source.some(size):
        yield data


_READERS: Final[dict[Compression, Callable[[Input, int], Iterator[bytes]]]] = {
    "gzip": gzip,
    "zstandard": zstandard,
    "bzip2": bzip2,
    "": _plain,
}
