"""The accounts file as it is now: read again when it changes, and kept as it was while what it says cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock

from tailrace.errors import TailraceError
from tailrace.loadbalancer.api.accounts import Accounts

_Mark = tuple[int, int, int] | None


class Current:
    """Calling it gives the accounts of now. Threads may share it."""

    def __init__(self, path: Path, read: Callable[[], Accounts], say: Callable[[str], None]) -> None:
        """`read`: reads the file. Raises UsageError if it cannot be used from the start."""
        self._path, self._read, self._say = path, read, say
        self._lock = Lock()
        self._mark = _mark(path)
        self._accounts = read()

    def __call__(self) -> Accounts:
        """The accounts of now."""
        mark = _mark(self._path)
        if mark != self._mark:
            self._again(mark)
        return self._accounts

    def again(self) -> None:
        """Read it again, and the secrets that it refers to, whether it has changed or not."""
        self._again(_mark(self._path))

    def _again(self, mark: _Mark) -> None:
        with self._lock:
            self._mark = mark
            try:
                self._accounts = self._read()
            except TailraceError as error:
                self._say(f"warning: {error}; what was read before still counts")
            else:
                self._say(f"{self._path} is read anew")


def _mark(path: Path) -> _Mark:
    """What changes when a file does."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
