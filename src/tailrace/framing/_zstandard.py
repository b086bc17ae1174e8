"""zstandard: frames, decompressed block by block, so that no call returns more than a block holds, 128 KiB.

The library's decoder for streams has no limit of its own, and the one with a limit does not tell where a frame ends.
A frame may ask for a window of up to 128 MiB, as `zstd --long` writes them; that much memory it then takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tailrace.errors import MissingExtra
from tailrace.framing._input import ZSTANDARD_FRAME, Corrupt, Input, another, cut

_REPEATED: Final = 1
"""The type of a block that holds one byte, to be repeated."""


def zstandard(source: Input, size: int) -> Iterator[bytes]:  # noqa: ARG001 - the caller cuts blocks to size
    """The content of zstandard data (RFC 8878), in blocks of at most 128 KiB."""
    try:
        import zstandard as library  # noqa: PLC0415 - an optional library
    except ImportError as error:
        raise MissingExtra("reading zstandard", "zstd") from error
    while True:
        magic = source.needed(4, "zstandard")
        if magic == b"".join(ZSTANDARD_FRAME):
            try:
                yield from _frame(source, library.ZstdDecompressor().decompressobj(), magic)
            except library.ZstdError as error:
                message = f"the zstandard data is damaged ({str(error).removeprefix('zstd decompressor error: ')})"
                raise Corrupt(message) from error
        else:
            _pass_skippable(source)
        if not another(source, "zstandard"):
            return


def _frame(source: Input, decoder: Any, magic: bytes) -> Iterator[bytes]:
    descriptor = source.needed(1, "zstandard")
    flags = descriptor[0]
    single, has_checksum = flags >> 5 & 1, flags >> 2 & 1
    window, dictionary, content_size = 1 - single, (0, 1, 2, 4)[flags & 3], (single, 2, 4, 8)[flags >> 6]
    header = source.needed(window + dictionary + content_size, "zstandard")
    yield decoder.decompress(magic + descriptor + header)
    last = 0
    while not last:
        head = source.needed(3, "zstandard")
        bits = int.from_bytes(head, "little")
        last, kind, length = bits & 1, bits >> 1 & 3, bits >> 3
        wanted = 1 if kind == _REPEATED else length
        content = source.exactly(wanted)
        yield decoder.decompress(head + content)
        if len(content) < wanted:
            raise cut("zstandard")
    if has_checksum:
        yield decoder.decompress(source.needed(4, "zstandard"))


def _pass_skippable(source: Input) -> None:
    left = int.from_bytes(source.needed(4, "zstandard"), "little")
    while left:
        data = source.some()
        if not data:
            raise cut("zstandard")
        source.back(data[left:])
        left -= min(left, len(data))
