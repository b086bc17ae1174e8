"""Files below a root, reached without following a symbolic link: an image's links lead nowhere but into this machine."""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from tailrace.disk import writing
from tailrace.errors import Fatal

LARGEST: Final = 1 << 20
"""No file that is read is larger."""
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Tree:
    """A root folder. Paths are absolute within it; none of them leaves it."""

    root: Path

    def matching(self, pattern: str) -> list[PurePosixPath]:
        """All that is there by a pattern, whose parts may hold `*`; symbolic links on the way are not followed."""
        found = [PurePosixPath("/")]
        for part in PurePosixPath(pattern).parts[1:]:
            found = [
                folder / name for folder in found for name in self._names(folder) if fnmatch.fnmatchcase(name, part)
            ]
        return found

    def below(self, folder: PurePosixPath) -> Iterator[PurePosixPath]:
        """All that is below a folder, what is inside before what holds it."""
        for name in self._names(folder):
            path = folder / name
            if self.kind(path) == "folder":
                yield from self.below(path)
            yield path

    def kind(self, path: PurePosixPath) -> str:
        """What it is: a file, a folder, a link, or nothing that may be touched."""
        with suppress(OSError), self._opened(path.parent) as folder:
            mode = os.stat(path.name, dir_fd=folder, follow_symlinks=False).st_mode
            kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
            return kinds.get(stat.S_IFMT(mode), "")
        return ""

    def size(self, path: PurePosixPath) -> int:
        """So many bytes a file has."""
        with suppress(OSError), self._opened(path.parent) as folder:
            return os.stat(path.name, dir_fd=folder, follow_symlinks=False).st_size
        return 0

    def read(self, path: PurePosixPath) -> bytes:
        """What a file holds. Raises Fatal."""
        try:
            with self._opened(path.parent) as folder:
                descriptor = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
                with os.fdopen(descriptor, "rb") as file:
                    return file.read(LARGEST)
        except OSError as error:
            message = f"cannot read {path}: {error.strerror}"
            raise Fatal(message) from error

    def write(self, path: PurePosixPath, data: bytes) -> None:
        """Give a file that is there another content; owner and mode stay. Raises Fatal."""
        with writing(self.root / str(path)[1:]), self._opened(path.parent) as folder:
            descriptor = os.open(path.name, os.O_WRONLY | os.O_NOFOLLOW | os.O_TRUNC, dir_fd=folder)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)

    def remove(self, path: PurePosixPath) -> None:
        """Remove a file, a link, or a folder with all that is in it. Raises Fatal."""
        with writing(self.root / str(path)[1:]):
            if self.kind(path) == "folder":
                for each in [*self.below(path), path]:
                    self._unlink(each)
            else:
                self._unlink(path)

    def _unlink(self, path: PurePosixPath) -> None:
        with self._opened(path.parent) as folder, suppress(FileNotFoundError):
            if self.kind(path) == "folder":
                os.rmdir(path.name, dir_fd=folder)
            else:
                os.unlink(path.name, dir_fd=folder)

    def _names(self, folder: PurePosixPath) -> list[str]:
        with suppress(OSError), self._opened(folder) as descriptor:
            return sorted(os.listdir(descriptor))  # noqa: PTH208 - of a descriptor
        return []

    @contextmanager
    def _opened(self, folder: PurePosixPath) -> Iterator[int]:
        """A folder, part by part from the root on."""
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in folder.parts[1:]:
                if part == "..":
                    raise NotADirectoryError(part)
                deeper = os.open(part, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = deeper
            yield descriptor
        finally:
            os.close(descriptor)
