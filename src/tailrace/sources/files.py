"""Local files: single ones, folders with all that is in them, and patterns such as `logs/**/*.gz`.

A file's identity is its absolute path with all links resolved, so that it is one item however it is spelled; hard
links are items of their own. In the etag's place stand device, inode, and length and hash of its first bytes, at most
1 KiB. A known etag whose device, inode and first bytes still fit is taken again: so a file that grew stays the
same item and is continued, and one that was replaced or begun anew is another. A file that was empty has no first bytes
to be known by, and nothing of it was delivered, so it becomes another item when it grows.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from functools import partial
from glob import has_magic
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Final, NoReturn
from uuid import uuid4

from tailrace.clock import Clock, SystemClock
from tailrace.errors import Gone, SourceError, UsageError
from tailrace.kinds import Known, NoSettings, SourceKind, Surroundings, nothing_known
from tailrace.model import Identity, Item
from tailrace.sources._once import Once
from tailrace.sources._walk import Found, Walk

_HEAD: Final = 1024
_CLOCK: Final = SystemClock()


class Files:
    """The files at the given paths: each regular file is an item, once, in the order of the paths and of the names.

    In folders, names that start with a dot are left out, and so are stores; links to files are followed, and links to
    folders as long as they lead to folders not yet seen. A pipe or device is read if its path is given; no receipt is kept for it. What the
    run itself writes, `outputs`, is passed over.
    """

    def __init__(
        self,
        paths: Sequence[str],
        known: Known = nothing_known,
        clock: Clock = _CLOCK,
        outputs: Collection[tuple[int, int]] = (),
    ) -> None:
        self._paths = paths
        self._known = known
        self._clock = clock
        self._outputs = outputs

    def items(self) -> Iterator[Item]:
        """The files. Raises UsageError, before the first, if there is nothing at one of the paths.

        What cannot be read, file or folder, is an item as well: its `open` raises SourceError that tells why.
        """
        for path in self._paths:
            if next(Walk().files(path), None) is None:
                raise UsageError(_nothing_at(path))
        walk, seen = Walk(), set[str]()
        for path in self._paths:
            for found in walk.files(path):
                if _is_one_of(found.path, self._outputs):
                    continue
                item = self._item(found)
                if item.identity.key not in seen:
                    seen.add(item.identity.key)
                    yield item

    def sizes(self) -> Iterator[int | None]:
        """The size of each file."""
        return (item.size for item in self.items())

    def ack(self, item: Item) -> None:
        """Nothing to do: the receipt tells that the file is delivered."""

    def nack(self, item: Item, error: Exception) -> None:
        """Nothing to do: the next run finds the file again."""

    def check(self) -> str:
        """How many files there are. Raises UsageError where there is nothing, and SourceError for the first that cannot be read."""
        number = 0
        for item in self.items():
            if item.durable:  # a pipe would be read by it
                item.open().close()
            number += 1
        return f"{number:,} files can be read" if number != 1 else "one file can be read"

    def close(self) -> None:
        """Nothing is held."""

    def _item(self, found: Found) -> Item:
        path = found.path
        if found.error:
            return _unreadable(path, found.error)
        try:
            if not path.is_file():
                return self._stream(path)
            with path.open("rb", buffering=0) as file:
                status, head = os.fstat(file.fileno()), file.read(_HEAD)
        except OSError as error:
            return _unreadable(path, error)
        key = os.path.realpath(path)
        fitting = (etag for etag in self._known("file", "", key) if _fits(etag, status, head))
        etag = next(fitting, None) or _etag(status, head)
        opened = partial(_opened, path.absolute(), etag)
        return Item(Identity("file", "", key, etag), opened, status.st_size, status.st_mtime, may_grow=True)

    def _stream(self, path: Path) -> Item:
        # What comes through it this time is not what came last time: so it is another item each time.
        identity = Identity("file", "", str(path.absolute()), uuid4().hex)
        opened = Once(str(path), partial(_open, path.absolute()))
        return Item(identity, opened, None, self._clock.now(), durable=False)


def _etag(status: os.stat_result, head: bytes) -> str:
    digest = blake2b(head, digest_size=8).hexdigest()
    return f"{status.st_dev:x}-{status.st_ino:x}-{len(head)}-{digest}"


def _fits(etag: str, status: os.stat_result, head: bytes) -> bool:
    """Whether the etag may have been given to this file, when it was shorter perhaps."""
    length = etag.split("-")[2:3]
    if not length or not length[0].isdecimal() or (length[0] == "0" and head):
        return False
    return etag == _etag(status, head[: int(length[0])])


def _opened(path: Path, etag: str) -> BinaryIO:
    """The file, if it still is the one that was listed."""
    file = _open(path)
    try:
        if _fits(etag, os.fstat(file.fileno()), file.read(_HEAD)):
            file.seek(0)
            return file
    except OSError as error:
        file.close()
        raise _told(path, error) from error
    file.close()
    message = f"{path} was replaced by another file while it waited; run again to read that"
    raise SourceError(message)


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise _told(path, error) from error


def _unreadable(path: Path, error: OSError) -> Item:
    opened = partial(_refuse, _told(path, error))
    return Item(Identity("file", "", os.path.realpath(path), "unreadable"), opened, None, 0.0, durable=False)


def _refuse(error: SourceError) -> NoReturn:
    raise error


def _told(path: Path, error: OSError) -> SourceError:
    if isinstance(error, FileNotFoundError):
        return Gone(f"{path} does not exist any more")
    folder = "the folder " if _is_folder(path) else ""
    return SourceError(f"cannot read {folder}{path}: {error.strerror}")


def _nothing_at(path: str) -> str:
    if _is_folder(Path(path)) and path:
        return f"there are no files in {path}; stores, and names that start with a dot, are passed over"
    if os.path.lexists(path):
        return f"the link {path} leads nowhere"
    return f"no file matches {path}" if has_magic(path) else f"there is no file {path or '(an empty path)'}"


def _is_one_of(path: Path, outputs: Collection[tuple[int, int]]) -> bool:
    with suppress(OSError):
        status = path.stat()
        return (status.st_dev, status.st_ino) in outputs
    return False


def _is_folder(path: Path) -> bool:
    with suppress(OSError):
        return path.is_dir()
    return False


def _source(words: Sequence[str], _own: NoSettings, given: Surroundings) -> Files:
    for word in words:
        scheme, separator, _ = word.partition("://")
        if separator and not os.path.lexists(word):
            message = (
                f"{word}: no source is written {scheme}://…; sources are files, folders, patterns, -, s3://… and sqs:…"
            )
            raise UsageError(message)
        if _is_one_of(Path(word), given.outputs):
            message = f"{word} is written by this run, so it cannot be read; write to another file"
            raise UsageError(message)
    return Files(words, given.known, given.clock, given.outputs)


SOURCE = SourceKind(
    form="PATH",
    about="files, folders with all that is in them, and patterns such as 'logs/**/*.gz'",
    claims=lambda _word: True,
    open=_source,
    fallback=True,
)
