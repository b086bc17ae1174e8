"""Opening a store for writing: one process at a time, and what a crash has left is cleared away.

Readers need none of this: they take the list of files from the state, opened read-only.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from tailrace.clock import Clock
from tailrace.deadletters import DeadFolder
from tailrace.disk import make_directory, writing
from tailrace.errors import Fatal, UsageError
from tailrace.receipts import FILE
from tailrace.sinks.store import DATA, MEMORY, TEMPORARY, StoreSink, store_name
from tailrace.state.sqlite import SqliteState
from tailrace.store.journal import finish

LOCK = "lock"
SPILL = "spill-"
"""A query's own folder, named after its process, where it puts what the memory does not hold."""
GRACE_S = 3600.0
"""A file that counts no more is deleted after so long: a query that has read the list before may still read it."""
_ALLOWED = {LOCK, "lost+found", f"{FILE}-journal", f"{FILE}-wal", f"{FILE}-shm"}
"""What may be in a folder that is to become a store: of a start that was killed, or of the file system."""


class Store:
    """A store that only this process writes, until it is closed."""

    def __init__(self, directory: Path, state: SqliteState, lock: int) -> None:
        self.directory = directory
        self.state = state
        self.changing = Lock()
        """Held by a thread that rewrites files of others."""
        self._lock: int | None = lock

    def sink(self, *, memory: int = MEMORY) -> StoreSink:
        """A sink for one thread. Raises MissingExtra."""
        return StoreSink(self.directory, memory=memory)

    def dead_letters(self) -> DeadFolder:
        """Dead letters for one thread."""
        return DeadFolder(self.directory)

    def close(self) -> None:
        """Let others write. May be called twice."""
        self.state.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_store(directory: Path, clock: Clock) -> Store:
    """Open a store for writing, new or old, and clear away what a crash has left.

    Raises UsageError for a folder that holds something else, or that another process writes.
    """
    directory = directory.absolute()
    with writing(directory):
        _accept(directory)
        lock = _locked(directory)
    try:
        with writing(directory):
            _empty(directory)  # first: on a full disk the database may need the room
        state = SqliteState.open(directory, read_only=False, clock=clock)
    except BaseException:
        os.close(lock)
        raise
    store = Store(directory, state, lock)
    try:
        finish(directory, state)
        state.settle(store_name(directory))
        state.clear_leases()  # nobody else can hold one
        with writing(directory):
            _clear(directory, state, clock.now())
    except BaseException:
        store.close()
        raise
    return store


def _accept(directory: Path) -> None:
    """Make the folder, or make sure that it is a store: files will be deleted in it."""
    if directory.exists() and not directory.is_dir():
        message = f"{directory} is a file; choose a folder for the store"
        raise UsageError(message)
    make_directory(directory)
    others = {entry.name for entry in directory.iterdir()} - _ALLOWED
    if others and FILE not in others:
        message = f"{directory} is no store and not empty; choose a new or empty folder"
        raise UsageError(message)
    if DATA in others and not (directory / FILE).stat().st_size:  # what no receipt lists would be removed
        message = f"{directory} holds records, but {FILE} is empty; restore it from a backup or choose another folder"
        raise UsageError(message)


def _locked(directory: Path) -> int:
    """The lock, held as long as the descriptor is open; the kernel gives it back when the process dies."""
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        message = f"another tailrace process is writing to {directory}; wait until it ends, or use another --store"
        raise UsageError(message) from None
    except OSError as error:
        os.close(lock)
        message = f"cannot lock {directory}: {error.strerror}; choose a folder on a local disk"
        raise Fatal(message) from error
    return lock


def _empty(directory: Path) -> None:
    """Remove unfinished files, and what queries that were killed had put on the disk for want of memory."""
    temporary = directory / TEMPORARY
    for entry in temporary.iterdir() if temporary.is_dir() else ():
        if entry.is_file():
            entry.unlink()
    for spill in directory.glob(f"{SPILL}*"):
        if not Path("/proc", spill.name.removeprefix(SPILL)).exists():
            shutil.rmtree(spill, ignore_errors=True)


def _clear(directory: Path, state: SqliteState, now: float) -> None:
    """Remove files that no receipt lists, and those that have counted no more for long enough."""
    for path in state.catalog.forget_retired(now - GRACE_S):
        remove(directory, path)
    for folder in sorted((directory / DATA).glob("format=*/day=*")):
        known = state.catalog.known(folder.parent.name.removeprefix("format="), folder.name.removeprefix("day="))
        for file in folder.glob("*.parquet"):
            if str(file.relative_to(directory)) not in known:
                remove(directory, str(file.relative_to(directory)))


def remove(directory: Path, path: str) -> None:
    """Remove a file of the store, and its folder if it was the last one."""
    file = directory / path
    file.unlink(missing_ok=True)
    with suppress(OSError):  # there are others
        file.parent.rmdir()
