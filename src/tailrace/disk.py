"""Files that appear whole or not at all, and what to tell when the disk refuses them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from tailrace.errors import Fatal

_REMEDIES = {
    errno.ENOSPC: "the disk is full; make room and run again",
    errno.EDQUOT: "the disk quota is used up; make room and run again",
    errno.EFBIG: "the file would be larger than the limit allows; raise the limit (ulimit -f) and run again",
    errno.EBADF: "it is closed",
    errno.EIO: "the device failed; check it and run again",
    errno.EROFS: "the disk is mounted read-only; choose a folder on another one",
    errno.EACCES: "permission denied; choose another folder or change its permissions",
    errno.EPERM: "not permitted; choose another folder or change its permissions",
    errno.ENOTDIR: "a part of this path is a file; choose another folder",
    errno.EEXIST: "a part of this path is a file; choose another folder",
    errno.EMFILE: "too many open files; raise the limit (ulimit -n) or use fewer workers",
}


def writing(path: Path | str) -> AbstractContextManager[None]:
    """Turn the disk's refusal of what is done here into Fatal: where, what, and what to do.

    A closed pipe stays BrokenPipeError: the reader has had enough, which is no failure.
    """
    return _Writing(path)


class _Writing:
    """What `writing` gives: a class, because it is entered for every batch, and a generator takes three times as long."""

    __slots__ = ("_path",)

    def __init__(self, path: Path | str) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            message = f"cannot write to {self._path}: {_REMEDIES.get(error.errno or 0, error.strerror or error)}"
            raise Fatal(message) from error


def publish(files: Iterable[tuple[Path, Path]]) -> None:
    """Rename finished files to where they belong; after the return a power cut does not undo it."""
    changed: set[Path] = set()
    for temporary, final in files:
        changed |= _made(final.parent)
        temporary.replace(final)
        changed.add(final.parent)
    for directory in sorted(changed):
        sync_directory(directory)


def make_directory(directory: Path) -> None:
    """Make a folder and those above it, durably, unless it is there."""
    for changed in sorted(_made(directory)):
        sync_directory(changed)


def sync_directory(directory: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _made(directory: Path) -> set[Path]:
    """Make a folder and those above it; tell the folders that have a new name in them."""
    if directory.is_dir():
        return set()
    changed = _made(directory.parent)
    directory.mkdir(exist_ok=True)
    return {*changed, directory.parent}
