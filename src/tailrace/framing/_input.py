"""The compressed bytes: read in order, looked at ahead, told apart by how they begin."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, Literal

from tailrace.errors import TailraceError

KEPT_OF_TAIL: Final = 64 << 10
"""So much is kept of what stands behind compressed data; its length and SHA-256 tell the rest."""

_PIECE: Final = 64 << 10  # read at a time of compressed data; decompressed it makes less than a chunk, mostly
_KEPT_TO_REPEAT: Final = 4 << 20

Compression = Literal["gzip", "zstandard", "bzip2", ""]

ZSTANDARD_FRAME: Final = (b"\x28", b"\xb5", b"\x2f", b"\xfd")
_BEGINNINGS: Final[dict[Compression, tuple[tuple[bytes, ...], ...]]] = {
    "gzip": ((b"\x1f", b"\x8b"),),
    "zstandard": (ZSTANDARD_FRAME, (bytes(range(0x50, 0x60)), b"\x2a", b"\x4d", b"\x18")),  # and a skippable frame
    # A line of text may begin with BZh1, so the number of the first block (π) or of the end (√π) must follow.
    "bzip2": (
        (b"B", b"Z", b"h", b"123456789", b"\x31", b"\x41", b"\x59", b"\x26", b"\x53", b"\x59"),
        (b"B", b"Z", b"h", b"123456789", b"\x17", b"\x72", b"\x45", b"\x38", b"\x50", b"\x90"),
    ),
}
"""For each compression the ways it begins: for each place the bytes that may stand there."""


class Corrupt(TailraceError):
    """Compressed data ends or breaks here; everything that could be decompressed has been given out.

    If something else stands behind the data, `payload` is its first 64 KiB, `length` and `sha256` tell all of it.
    """

    def __init__(self, message: str, payload: bytes = b"", length: int = 0, sha256: str = "") -> None:
        super().__init__(message)
        self.payload = payload
        self.length = length
        self.sha256 = sha256 or hashlib.sha256(payload).hexdigest()


class Input:
    """The bytes of a stream in order, with a look ahead, and a way back to the beginning of a member."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        # `read1` gives what is there; `read` would wait until a slow pipe has filled it.
        self._read: Callable[[int], bytes | None] = getattr(stream, "read1", stream.read)
        self._begin = stream.tell() if stream.seekable() else None
        self._ahead = b""
        self._position = 0
        self._mark = 0
        self._kept: list[bytes] | None = None
        self._kept_bytes = 0

    def seek(self, offset: int) -> bool:
        """Go to an offset; False if the stream cannot."""
        if self._begin is None:
            return False
        self._stream.seek(self._begin + offset)
        self._ahead, self._position = b"", offset
        return True

    def some(self, limit: int = _PIECE) -> bytes:
        """The next bytes, as many as are at hand; none at the end."""
        data = self._ahead or self._fetch(limit)
        self._ahead = b""
        self._position += len(data)
        return data

    def peek(self, count: int) -> bytes:
        """The next bytes without taking them, fewer only at the end."""
        while len(self._ahead) < count and (data := self._fetch(_PIECE)):
            self._ahead += data
        return self._ahead[:count]

    def exactly(self, count: int) -> bytes:
        """The next bytes, fewer only at the end."""
        data = self.peek(count)
        self._ahead = self._ahead[len(data) :]
        self._position += len(data)
        return data

    def needed(self, count: int, compression: Compression) -> bytes:
        """The next bytes. Raises Corrupt if the data of that compression ends before."""
        data = self.exactly(count)
        if len(data) < count:
            raise cut(compression)
        return data

    def back(self, data: bytes) -> None:
        """Put back what was taken too much."""
        self._ahead = data + self._ahead
        self._position -= len(data)

    def mark(self) -> None:
        """Remember this place for `again`."""
        self._mark = self._position
        if self._begin is None:
            self._kept, self._kept_bytes = [self._ahead], len(self._ahead)

    def again(self, last: int) -> Iterator[bytes]:
        """Everything from the mark up to here, the last bytes one by one; nothing if there is no way back.

        There is always one in a stream that can seek, and in any other while at most 4 MiB were read since the mark.
        """
        end = self._position - last
        if self._begin is not None:
            self.seek(self._mark)
            while self._position < end and (data := self.some(min(_PIECE, end - self._position))):
                yield data
            rest = self.exactly(last)
        elif self._kept is not None:
            kept = b"".join(self._kept)
            yield kept[: end - self._mark]
            rest = kept[end - self._mark : self._position - self._mark]
        else:
            return
        yield from (rest[at : at + 1] for at in range(len(rest)))

    def _fetch(self, limit: int) -> bytes:
        data = self._read(limit)
        if data is None:  # so says a stream that does not block, and it is not the end
            message = "the stream has nothing to read now and does not wait"
            raise BlockingIOError(message)
        if self._kept is not None:
            self._kept.append(data)
            self._kept_bytes += len(data)
            if self._kept_bytes > _KEPT_TO_REPEAT:
                self._kept = None
        return data


def compression_of(source: Input) -> Compression:
    """How the next bytes are compressed; looks no further ahead than it must, so that no slow pipe is waited for."""
    for compression, beginnings in _BEGINNINGS.items():
        if any(_begins(source, beginning) for beginning in beginnings):
            return compression
    return ""


def _begins(source: Input, beginning: tuple[bytes, ...]) -> bool:
    for count, allowed in enumerate(beginning, start=1):
        head = source.peek(count)
        if len(head) < count or head[-1] not in allowed:
            return False
    return True


def another(source: Input, compression: Compression) -> bool:
    """Whether more of the same follows, past any padding of zeros. Raises Corrupt if it is something else."""
    while data := source.some():
        if rest := data.lstrip(b"\0"):
            source.back(rest)
            break
    else:
        return False
    if compression_of(source) == compression:
        return True
    payload, digest, length = source.peek(KEPT_OF_TAIL), hashlib.sha256(), 0
    while data := source.some():
        digest.update(data)
        length += len(data)
    told = "1 byte behind the {0} data is not {0}" if length == 1 else "{1} bytes behind the {0} data are not {0}"
    raise Corrupt(told.format(compression, length), payload, length, digest.hexdigest())


def cut(compression: Compression) -> Corrupt:
    """What to raise where the data ends too early."""
    return Corrupt(f"the {compression} data ends before its end")
