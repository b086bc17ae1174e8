"""Segments: files of blocks, each of whole lines as they came, with how far their sources have been read.

A block is written at once and carries its checksum, so a segment that was cut off anywhere tells where its last whole block ends, and
thereby from where on each source is to be read: lines and positions are durable together.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Final
from zlib import crc32

import msgspec

_HEAD: Final = struct.Struct("<4sIIIQQ")
_MAGIC: Final = b"\x00tl1"
HEAD_SIZE: Final = _HEAD.size
_COPIED: Final = 64 << 10


class Position(msgspec.Struct, frozen=True, array_like=True):
    """How far a followed file has been read.

    `head`: digest of its first `head_size` bytes, by which it is known again. `done`: it is not read any more. `written`: when it was last
    written to, in ns.
    """

    path: str
    device: int
    inode: int
    offset: int
    head_size: int = 0
    head: str = ""
    done: bool = False
    written: int = 0

    @property
    def file(self) -> tuple[str, int, int]:
        """What tells files apart."""
        return self.path, self.device, self.inode


_positions = msgspec.json.Decoder(list[Position])
_encode = msgspec.json.encode
Piece = bytes | bytearray | memoryview


@dataclass(slots=True)
class Reached:
    """How far sources have been read: the number of the last burst of datagrams, and files."""

    burst: int = 0
    files: dict[tuple[str, int, int], Position] = field(default_factory=dict)

    def take(self, burst: int, positions: Sequence[Position]) -> None:
        """Take in what a block tells."""
        self.burst = max(self.burst, burst)
        for position in positions:
            if position.done:
                self.files.pop(position.file, None)
            else:
                self.files[position.file] = position


def block(data: Piece, burst: int, positions: Sequence[Position] = (), lines: int = 0) -> list[Piece]:
    """The pieces of a block."""
    note = _encode(positions) if positions else b""
    head = _HEAD.pack(_MAGIC, len(data), len(note), crc32(data, crc32(note)), burst, lines)
    return [head, note, data] if note else [head, data]


@dataclass(frozen=True, slots=True)
class Block:
    """A block in a segment: where its lines are, and what it tells."""

    start: int
    length: int
    lines: int
    burst: int
    positions: Sequence[Position]

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.start + self.length


def blocks(descriptor: int, *, thorough: bool) -> Iterator[Block]:
    """The whole blocks of a segment up to the first that is not; checksums of all, or of the last one only."""
    size, at = os.fstat(descriptor).st_size, 0
    while at + HEAD_SIZE <= size:
        magic, length, noted, checksum, burst, lines = _HEAD.unpack(os.pread(descriptor, HEAD_SIZE, at))
        start = at + HEAD_SIZE + noted
        if magic != _MAGIC or start + length > size:
            return
        note = os.pread(descriptor, noted, at + HEAD_SIZE) if noted else b""
        last = start + length + HEAD_SIZE > size
        if (thorough or last) and _checksum(descriptor, start, length, crc32(note)) != checksum:
            return
        positions = _positions.decode(note) if note else ()
        yield Block(start, length, lines, burst, positions)
        at = start + length


def _checksum(descriptor: int, at: int, length: int, begun: int) -> int:
    end = at + length
    while at < end:
        piece = os.pread(descriptor, min(_COPIED, end - at), at)
        if not piece:
            break
        begun, at = crc32(piece, begun), at + len(piece)
    return begun


class Lines(io.RawIOBase):
    """The lines of a segment, one after the other, without what stands between them."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._blocks = blocks(file.fileno(), thorough=False)
        self._at = self._end = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Some bytes; 0 at the end."""
        while self._at == self._end:
            following = next(self._blocks, None)
            if following is None:
                return 0
            self._at, self._end = following.start, following.end
        with memoryview(buffer) as view:
            read = os.preadv(self._file.fileno(), [view[: self._end - self._at]], self._at)
        self._at += read
        return read

    def close(self) -> None:
        """Close the segment."""
        self._file.close()
        super().close()


def lines_of(file: BinaryIO) -> io.BufferedReader:
    """A segment's lines, to be read."""
    return io.BufferedReader(Lines(file), _COPIED)
