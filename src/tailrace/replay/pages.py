"""Files and objects that hold letters, one a line: how they are read, and how what is left takes their place."""

from __future__ import annotations

import bz2
import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import msgspec

from tailrace.clouds import failures
from tailrace.disk import writing
from tailrace.errors import MissingExtra, SourceError
from tailrace.framing import Corrupt, chunks
from tailrace.letters import Letter
from tailrace.model import Item
from tailrace.sources._objects import fatal
from tailrace.store.journal import KEPT, Journal, Remote

_LONGEST: Final = 16 << 20
"""A longer line is no letter: a record has 1 MiB at most, of which JSON makes six times as many at most."""
_WAITING: Final = 1 << 20
"""So much of a page waits in memory."""
_ZSTANDARD: Final = b"\x28\xb5\x2f\xfd"
_ABSENT: Final = {"NoSuchKey", "404"}
_HEADERS: Final = ("ContentType", "ContentEncoding", "Metadata")


def lines(page: Item) -> Iterator[bytes]:
    """The lines, each with its newline. Raises SourceError if they cannot be read to their end."""
    rest = b""
    try:
        with closing(page.open()) as stream:
            for chunk in chunks(stream):
                *whole, rest = (rest + chunk).split(b"\n")
                yield from (line + b"\n" for line in whole)
                if len(rest) > _LONGEST:
                    message = f"{page.identity.name} holds lines that are no dead letters"
                    raise SourceError(message)
    except Corrupt as error:
        message = f"{page.identity.name} cannot be read to its end: {error}"
        raise SourceError(message) from error
    except OSError as error:
        message = f"cannot read {page.identity.name}: {error.strerror or error}"
        raise SourceError(message) from error
    if rest:
        yield rest + b"\n"


def revised(line: bytes, letter: Letter) -> bytes:
    """A letter's line with the reason for which it stays now, and all else as it was."""
    told = msgspec.json.decode(line)
    told["reason"] = letter.reason
    if letter.detail:
        told["detail"] = letter.detail
    else:
        told.pop("detail", None)
    return msgspec.json.encode(told) + b"\n"


class Kept:
    """What is left of a page while it is replayed: a file that is compressed as the page is.

    Nothing is written before it is known that something has changed, or that it is much.
    """

    def __init__(self, page: Item, folder: Path, remote: Callable[[Item], Remote]) -> None:
        self._page = page
        self._folder = folder
        self._remote = remote if page.identity.kind == "s3" else None
        path = Path(page.identity.key)
        self._path = folder / KEPT if self._remote else path.with_name(f".{path.name}.replay")
        self._waiting: list[bytes] = []
        self._size = 0
        self._file: BinaryIO | None = None
        self._out: BinaryIO | None = None
        self.is_changed = False

    def write(self, line: bytes) -> None:
        """Keep a line. Raises Fatal if the disk refuses."""
        self._waiting.append(line)
        self._size += len(line)
        if self._size >= _WAITING:
            self._spill()

    def _spill(self) -> None:
        with writing(self._path):
            out = self._out or self._opened()
            out.write(b"".join(self._waiting))
        self._waiting, self._size = [], 0

    def _opened(self) -> BinaryIO:
        with closing(self._page.open()) as stream:
            head = stream.read(len(_ZSTANDARD))
        self._file = self._path.open("wb")
        if not self._remote:
            shutil.copymode(self._page.identity.key, self._path)
        self._out = _compressing(self._file, head)
        return self._out

    def finish(self) -> Journal:
        """Make it durable; what is to be done then, the accounts left out. Raises SourceError or Fatal."""
        remote = self._remote(self._page) if self._remote else None
        if self._waiting:
            self._spill()
        if self._file and self._out:
            with writing(self._path):
                if self._out is not self._file:
                    self._out.close()
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
        kept = self._told(self._path) if self._file else ""
        return Journal(page="" if remote else self._told(Path(self._page.identity.key)), kept=kept, remote=remote)

    def _told(self, path: Path) -> str:
        """A path as the journal has it."""
        return str(path.relative_to(self._folder) if path.is_relative_to(self._folder) else path)

    def discard(self) -> None:
        """Let the page stay as it is."""
        if self._file:
            self._file.close()
            self._path.unlink(missing_ok=True)


def _compressing(file: BinaryIO, head: bytes) -> BinaryIO:
    if head.startswith(b"\x1f\x8b"):
        return cast("BinaryIO", gzip.GzipFile(fileobj=file, mode="wb", mtime=0))
    if head.startswith(b"BZh"):
        return cast("BinaryIO", bz2.BZ2File(file, "wb"))
    if head == _ZSTANDARD:
        try:
            import zstandard  # noqa: PLC0415 - an optional library
        except ImportError as error:
            raise MissingExtra("zstandard", "zstd") from error
        return cast("BinaryIO", zstandard.ZstdCompressor().stream_writer(file, closefd=False))
    return file


class Objects:
    """Replaces objects of a bucket that hold letters."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def remote(self, page: Item) -> Remote:
        """How the object is described. Raises SourceError or Fatal if it cannot be asked."""
        bucket, key = page.identity.container, page.identity.key
        try:
            found = self._client.head_object(Bucket=bucket, Key=key)
        except failures.raised() as error:
            raise self._told(error, bucket, key, "read") from error
        headers = {name: found[name] for name in _HEADERS if found.get(name)}
        return Remote(bucket=bucket, key=key, etag=page.identity.etag, headers=headers)

    def put(self, remote: Remote, kept: Path | None) -> bool:
        """Put what is left in the place of an object, or delete it; False if it is another one by now.

        Raises SourceError or Fatal if that is refused.
        """
        place = {"Bucket": remote.bucket, "Key": remote.key}
        try:
            if self._client.head_object(**place)["ETag"].strip('"') != remote.etag:
                return False
            if kept is None:
                self._client.delete_object(**place)
            else:
                with kept.open("rb") as body:
                    self._client.put_object(**place, Body=body, **remote.headers)
        except failures.raised() as error:
            if failures.code_of(error) in _ABSENT:
                return False
            raise self._told(error, remote.bucket, remote.key, "replaced") from error
        return True

    def _told(self, error: Exception, bucket: str, key: str, done: str) -> Exception:
        name = f"s3://{bucket}/{key}"
        lasting = fatal(error, name, bucket, self._client)
        return lasting or SourceError(f"{name} cannot be {done} ({failures.code_of(error)}); run again")
