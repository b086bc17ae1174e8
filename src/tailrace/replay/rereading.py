"""Reading the bytes of a letter again from where they came from: the same version of the object, and only that."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from typing import BinaryIO

from tailrace.errors import SourceError, UsageError
from tailrace.events import Announced
from tailrace.framing import Corrupt, chunks
from tailrace.kernel.plan import JOINED_LINES, MAX_LINE
from tailrace.kinds import Surroundings
from tailrace.letters import Letter
from tailrace.model import Identity, Item
from tailrace.sources._objects import Objects
from tailrace.sources.files import Files


class Rereading:
    """Reads objects again; letters of one object are read fastest in the order of their offsets."""

    def __init__(self, given: Surroundings) -> None:
        self._given = given
        self._item: Identity | None = None
        self._cursor: _Cursor | None = None
        self._missing: tuple[Identity, SourceError] | None = None

    def content(self, letter: Letter) -> bytes:
        """All that the letter is of. Raises SourceError if that is gone, replaced, or not the same."""
        if letter.length > MAX_LINE:
            message = f"{letter.length:,} bytes are no line"
            raise SourceError(message)
        content = self._at(letter).read(letter.length)
        if sha256(content).hexdigest() != letter.sha256:
            message = f"what stands in {letter.item.name} at {letter.offset:,} is not what the letter was written of"
            raise SourceError(message)
        return content

    def lines(self, letter: Letter) -> Iterator[bytes]:
        """The lines from the letter's offset on, as many as a record may have. Raises SourceError likewise."""
        return islice(self._at(letter).lines(), JOINED_LINES)

    def close(self) -> None:
        """Let go of what is open."""
        if self._cursor:
            self._cursor.close()
        self._cursor = self._item = None

    def _at(self, letter: Letter) -> _Cursor:
        """The object, open at the letter's offset."""
        if self._missing and self._missing[0] == letter.item:
            raise self._missing[1]
        if self._cursor is None or self._item != letter.item or not self._cursor.forward(letter.offset):
            self.close()
            try:
                self._cursor = _Cursor(self._found(letter.item).open(), letter.offset)
            except SourceError as error:
                self._missing = (letter.item, error)
                raise
            self._item = letter.item
        return self._cursor

    def _found(self, wanted: Identity) -> Item:
        if wanted.kind == "s3":
            objects = Objects(self._given.client("s3"), self._given.clock)
            return objects.announced(Announced(bucket=wanted.container, key=wanted.key, etag=wanted.etag))
        if wanted.kind != "file":
            message = f"what came from {wanted.kind or 'there'} cannot be read again"
            raise SourceError(message)
        try:
            found = next(Files([wanted.key], lambda *_: [wanted.etag], self._given.clock).items())
        except (UsageError, StopIteration) as error:
            message = f"{wanted.name} does not exist any more"
            raise SourceError(message) from error
        if found.identity != wanted:
            found.open().close()  # it may tell more, such as a permission that is missing
            message = f"{wanted.name} was replaced by another file"
            raise SourceError(message)
        return found


class _Cursor:
    """Reads decompressed content forwards. Raises SourceError where it breaks off."""

    def __init__(self, stream: BinaryIO, offset: int) -> None:
        self._stream = stream
        self._pieces = chunks(stream, skip=offset)
        self._ahead = b""
        self._at = offset

    def close(self) -> None:
        self._stream.close()

    def forward(self, offset: int) -> bool:
        """Go on to an offset; False if it lies behind."""
        if offset < self._at:
            return False
        while self._at + len(self._ahead) < offset:
            self._at += len(self._ahead)
            self._ahead = self._piece()
            if not self._ahead:
                return True
        self._ahead = self._ahead[offset - self._at :]
        self._at = offset
        return True

    def read(self, length: int) -> bytes:
        """So many bytes, fewer only at the end; they can be read again."""
        while len(self._ahead) < length and (piece := self._piece()):
            self._ahead += piece
        return self._ahead[:length]

    def lines(self) -> Iterator[bytes]:
        """Line after line, each with its newline; they can be read again."""
        at = 0
        while (end := self._line_end(at)) > at:
            yield self._ahead[at:end]
            at = end

    def _line_end(self, at: int) -> int:
        while (
            (end := self._ahead.find(b"\n", at)) < 0 and len(self._ahead) - at <= MAX_LINE and (more := self._piece())
        ):
            self._ahead += more
        return end + 1 if end >= 0 else len(self._ahead)

    def _piece(self) -> bytes:
        try:
            return next(self._pieces, b"")
        except Corrupt as error:
            message = f"it cannot be decompressed any more: {error}"
            raise SourceError(message) from error
        except OSError as error:
            message = f"it cannot be read: {error.strerror or error}"
            raise SourceError(message) from error
