"""gzip and bzip2: compressed data of one or many members, each decompressed by a decoder of its own."""

from __future__ import annotations

from bz2 import BZ2Decompressor
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from isal import igzip_lib, isal_zlib

from tailrace.framing._input import Compression, Corrupt, Input, another, cut

_DEFLATE: Final = 8
_HAS_CHECKSUM, _HAS_EXTRA, _HAS_NAME, _HAS_COMMENT, _RESERVED = 0x02, 0x04, 0x08, 0x10, 0xE0


class _Decoder(Protocol):
    """Decompresses one member; isal's and the standard library's have this shape."""

    @property
    def eof(self) -> bool:
        """Whether the member is at its end."""

    @property
    def needs_input(self) -> bool:
        """Whether all is decompressed that was given."""

    @property
    def unused_data(self) -> bytes:
        """What was given and lies behind the member."""

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        """At most so many bytes of what was given so far."""


@dataclass(frozen=True, slots=True)
class _Codec:
    name: Compression
    new: Callable[[], _Decoder]
    error: Any  # an exception's class; isal's stubs call theirs an instance


class _Broken(Exception):
    """The decoder met data that it cannot read; not to be taken for an error of the stream."""


def _inflate() -> _Decoder:
    # Without gzip's own checksum: where that is wrong, isal would throw away what it has decompressed.
    return igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_DEFLATE)


_GZIP: Final = _Codec("gzip", _inflate, igzip_lib.error)
_BZIP2: Final = _Codec("bzip2", BZ2Decompressor, OSError)


def gzip(source: Input, size: int) -> Iterator[bytes]:
    """The content of gzip data (RFC 1952), in blocks of at most `size`."""
    while True:
        _pass_header(source)
        checksum = length = 0
        for block in _decoded(source, _GZIP, size):
            checksum = isal_zlib.crc32(block, checksum)
            length += len(block)
            yield block
        trailer = source.needed(8, "gzip")
        if trailer[:4] != checksum.to_bytes(4, "little"):
            raise Corrupt("the gzip checksum does not match")
        if trailer[4:] != (length & 0xFFFFFFFF).to_bytes(4, "little"):
            raise Corrupt("the gzip data is not as long as it says")
        if not another(source, "gzip"):
            return


def bzip2(source: Input, size: int) -> Iterator[bytes]:
    """The content of bzip2 data, in blocks of at most `size`."""
    while True:
        yield from _decoded(source, _BZIP2, size)
        if not another(source, "bzip2"):
            return


def _decoded(source: Input, codec: _Codec, size: int) -> Iterator[bytes]:
    """The content of one member; the source then stands behind it."""
    source.mark()
    decoder, produced = codec.new(), 0
    while not decoder.eof:
        data = source.some()
        if not data:
            raise cut(codec.name)
        try:
            for block in _drained(decoder, codec, data, size):
                produced += len(block)
                yield block
        except _Broken as error:
            yield from _salvaged(source.again(len(data)), codec, size, produced)
            message = f"the {codec.name} data is damaged"
            raise Corrupt(message) from error
    source.back(decoder.unused_data)


def _drained(decoder: _Decoder, codec: _Codec, data: bytes, size: int) -> Iterator[bytes]:
    while True:
        try:
            block = decoder.decompress(data, size)
        except codec.error as error:
            raise _Broken from error
        if block:
            yield block
        if decoder.eof or decoder.needs_input:
            return
        data = b""


def _salvaged(pieces: Iterator[bytes], codec: _Codec, size: int, produced: int) -> Iterator[bytes]:
    """What lies between the first `produced` bytes and the damage.

    A call that fails gives nothing, though it has decompressed something. So the member is decompressed again, at
    last in so small pieces that the failing one holds nothing.
    """
    decoder, seen, found = codec.new(), 0, bytearray()
    try:
        for piece in pieces:
            for block in _drained(decoder, codec, piece, size):
                found += block[max(0, produced - seen) :]
                seen += len(block)
                if len(found) >= size:
                    yield bytes(found)
                    found.clear()
    except _Broken:
        pass
    if found:
        yield bytes(found)


def _pass_header(source: Input) -> None:
    fixed = source.needed(10, "gzip")
    method, flags = fixed[2], fixed[3]
    if method != _DEFLATE or flags & _RESERVED:
        raise Corrupt("the gzip header is damaged")
    if flags & _HAS_EXTRA:
        source.needed(int.from_bytes(source.needed(2, "gzip"), "little"), "gzip")
    for text in (_HAS_NAME, _HAS_COMMENT):
        if flags & text:
            _pass_text(source)
    if flags & _HAS_CHECKSUM:
        source.needed(2, "gzip")


def _pass_text(source: Input) -> None:
    while data := source.some():
        end = data.find(b"\0")
        if end >= 0:
            source.back(data[end + 1 :])
            return
    raise cut("gzip")
