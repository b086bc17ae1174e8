"""Text on its way into a compressed object, piece by piece and in bounded memory.

The same text makes the same bytes, whatever it came in: it is compressed in pieces of one size. gzip members bear no time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Literal, Protocol

from isal import isal_zlib

from tailrace.errors import MissingExtra

Compression = Literal["gzip", "zstd", "none"]

EXTENSIONS: Final[dict[Compression, str]] = {"gzip": ".gz", "zstd": ".zst", "none": ""}
PIECE: Final = 64 << 10
_OPEN: Final = 8
"""So many texts are compressed at a time; a compressor of zstandard takes 3 MB."""
_GZIP: Final = 31
"""What zlib calls a window of 32 KiB in a gzip member."""
_LEVEL: Final = 2
"""On NDJSON of ALB lines isal's second level is twenty times as fast as zlib's sixth, and 1 % larger."""


class _Compressor(Protocol):
    def compress(self, data: memoryview, /) -> bytes: ...
    def flush(self) -> bytes: ...


def compressor(kind: Compression) -> Callable[[], _Compressor] | None:
    """Makes what compresses one text; None if nothing is to be compressed. Raises MissingExtra."""
    if kind == "none":
        return None
    if kind == "gzip":
        return lambda: isal_zlib.compressobj(_LEVEL, wbits=_GZIP)
    try:
        import zstandard  # noqa: PLC0415 - an optional library
    except ImportError as error:
        raise MissingExtra("writing zstandard", "zstd") from error
    return lambda: zstandard.ZstdCompressor().compressobj()


class Text:
    """A text: what is not compressed yet, and what is `ready`. It may be of several gzip members or zstandard frames."""

    def __init__(self, open_ones: Compressors) -> None:
        self.ready = bytearray()
        self._plain = bytearray()
        self._open_ones = open_ones

    @property
    def memory(self) -> int:
        """How many bytes wait."""
        return len(self.ready) + len(self._plain)

    def add(self, data: bytes | memoryview) -> None:
        """Take text, and compress what makes whole pieces."""
        self._plain += data
        whole = len(self._plain) // PIECE * PIECE
        if whole:
            self._compress(whole)

    def _compress(self, size: int) -> None:
        made = self._open_ones.of(self)
        with memoryview(self._plain) as view:
            for start in range(0, size, PIECE):
                piece = view[start : min(start + PIECE, size)]
                self.ready += made.compress(piece) if made else piece
                piece.release()
        del self._plain[:size]

    def end(self) -> None:
        """Compress everything, so that all is ready. Text may follow; it begins another member."""
        if self._plain:
            self._compress(len(self._plain))
        self._open_ones.end(self)


class Compressors:
    """The compressors of several texts, of which few are open at a time."""

    def __init__(self, kind: Compression) -> None:
        self._make = compressor(kind)
        self._open: OrderedDict[Text, _Compressor] = OrderedDict()

    def of(self, text: Text) -> _Compressor | None:
        """The compressor of a text; the one that was longest without text makes room for it."""
        if self._make is None:
            return None
        if text not in self._open:
            while len(self._open) >= _OPEN:
                self.end(next(iter(self._open)))
            self._open[text] = self._make()
        self._open.move_to_end(text)
        return self._open[text]

    def end(self, text: Text) -> None:
        """End what is open of a text."""
        if made := self._open.pop(text, None):
            text.ready += made.flush()

    def forget(self) -> None:
        """Let go of all."""
        self._open.clear()
