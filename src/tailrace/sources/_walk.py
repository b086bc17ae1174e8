"""Finding files: below a folder, or by a pattern. What cannot be looked into is found too, with the error.

The standard library's glob passes over folders that it may not read, and follows loops of links; here neither happens.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from glob import has_magic
from pathlib import Path
from typing import Final, NamedTuple

from tailrace.receipts import FILE

_NOTHING_THERE: Final = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
"""So fails a link that leads nowhere, or a file that was just removed: nothing can be lost there."""


class Found(NamedTuple):
    """A file, or a place that cannot be looked at."""

    path: Path
    error: OSError | None = None


class Walk:
    """One search, which enters every folder at most once: so it ends, whatever links there are."""

    def __init__(self) -> None:
        self._entered: set[tuple[int, int]] = set()

    def files(self, path: str) -> Iterator[Found]:
        """The file of that path; or all files below that folder; or those that match it as a pattern. Sorted.

        Names that start with a dot are only found if they are written out, and so are pipes and devices.
        Stores are passed over.
        """
        if has_magic(path) and not os.path.lexists(path):
            yield from self._matching(Path(path).parts)
        elif path:
            yield from self._below(Path(path), named=True)

    def _below(self, path: Path, *, named: bool) -> Iterator[Found]:
        stack = [path]
        while stack:
            at = stack.pop()
            try:
                status = at.stat()
                if stat.S_ISDIR(status.st_mode):
                    stack += reversed(self._inside(at, status))
                    continue
            except OSError as error:
                if error.errno not in _NOTHING_THERE:
                    yield Found(at, error)
                continue
            if stat.S_ISREG(status.st_mode) or (named and at == path):
                yield Found(at)

    def _inside(self, folder: Path, status: os.stat_result) -> list[Path]:
        place = (status.st_dev, status.st_ino)
        if place in self._entered:
            return []
        self._entered.add(place)
        return _visible(folder)

    def _matching(self, parts: tuple[str, ...]) -> Iterator[Found]:
        stack = [(Path(), parts)]
        descended: set[tuple[int, int, int]] = set()
        while stack:
            base, parts = stack.pop()
            try:
                if not parts:
                    yield from self._below(base, named=False)
                elif parts[0] == "**":
                    stack += reversed(_descents(base, parts, descended))
                elif has_magic(parts[0]):
                    stack += reversed(_matches(base, parts))
                else:
                    stack.append((base / parts[0], parts[1:]))
            except OSError as error:
                if error.errno not in _NOTHING_THERE:
                    yield Found(base, error)


def _visible(folder: Path) -> list[Path]:
    """What is in a folder, but for what is hidden; nothing in one where receipts are kept, a store."""
    if (folder / FILE).is_file():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _matches(base: Path, parts: tuple[str, ...]) -> list[tuple[Path, tuple[str, ...]]]:
    """What in the folder matches the first part, with what remains to be matched below it."""
    wanted, rest = parts[0], parts[1:]
    paths = sorted(base.iterdir()) if wanted.startswith(".") else _visible(base)
    return [(path, rest) for path in paths if fnmatchcase(path.name, wanted)]


def _descents(
    base: Path, parts: tuple[str, ...], descended: set[tuple[int, int, int]]
) -> list[tuple[Path, tuple[str, ...]]]:
    """The folder itself for the rest of the pattern, then each folder in it for `**` again."""
    status = base.stat()
    place = (status.st_dev, status.st_ino, len(parts))
    if place in descended or not stat.S_ISDIR(status.st_mode):
        return []
    descended.add(place)
    return [(base, parts[1:]), *((path, parts) for path in _visible(base))]
