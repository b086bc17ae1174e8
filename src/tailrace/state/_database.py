"""One SQLite file: a single thread writes it, any number of threads read it.

Whoever asks for a change waits until it is on the disk. Changes that wait together are committed together, so that
many workers share one fsync; each stands in a savepoint of its own, so that one which fails takes no other along.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

from tailrace.errors import Fatal

T = TypeVar("T")
Change = Callable[[sqlite3.Connection], T]

_TOGETHER = 64
"""So many changes at most share one transaction."""
_BUSY_S = 30.0
"""How long to wait for another program that holds the file, a backup for example."""
_REMEDIES = {
    "SQLITE_FULL": "the disk is full; make room and run again",
    "SQLITE_BUSY": "another program holds it; close that program and run again",
    "SQLITE_READONLY": "it is not writable; check the owner and the permissions of the folder",
    "SQLITE_CANTOPEN": "it cannot be opened; check the owner and the permissions of the folder",
    "SQLITE_CORRUPT": "it is damaged; restore it from a backup",
    "SQLITE_NOTADB": "it is no database; restore it from a backup or choose another folder",
}


def unusable(path: Path, error: sqlite3.Error) -> Fatal:
    """What SQLite says, as one sentence: where, what, and what to do."""
    name = getattr(error, "sqlite_errorname", None) or ""
    family = "_".join(name.split("_")[:2])
    return Fatal(f"{path}: {_REMEDIES.get(family, error)}")


def connect(path: Path, *, read_only: bool, immutable: bool = False) -> sqlite3.Connection:
    """Open the file; statements are transactions of their own unless one is begun."""
    mode = "ro" if read_only else "rwc"
    uri = f"{path.absolute().as_uri()}?mode={mode}{'&immutable=1' if immutable else ''}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=_BUSY_S)


@dataclass(slots=True)
class _Job:
    """A change somebody waits for. One that is not `durable` may be lost with the machine, never with the process."""

    change: Change[Any]
    durable: bool
    result: Future[Any] = field(default_factory=Future)
    value: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        """Wake who waits."""
        if self.error is None:
            self.result.set_result(self.value)
        else:
            self.result.set_exception(self.error)


class Writer:
    """Applies changes in the order in which they are asked for, in one thread with one connection."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = Lock()
        self._closed = False
        self._thread = Thread(target=self._run, name="tailrace-receipts", daemon=True)
        self._thread.start()

    def apply(self, change: Change[T], *, durable: bool = True) -> T:
        """Make a change and wait for its commit. Raises what the change raises, and Fatal if the file refuses."""
        job = _Job(change, durable)
        with self._lock:
            if self._closed:
                raise ValueError("the state is closed")
            self._jobs.put(job)
        result: T = job.result.result()
        return result

    def close(self) -> None:
        """Let the changes already asked for finish, then let go of the file."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            jobs, last = self._waiting(job)
            self._commit(jobs)
            for waiting in jobs:
                waiting.settle()
            if last:
                return

    def _waiting(self, first: _Job) -> tuple[list[_Job], bool]:
        """The first job and those that wait behind it, and whether the end was among them."""
        jobs = [first]
        while len(jobs) < _TOGETHER:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                break
            if job is None:
                return jobs, True
            jobs.append(job)
        return jobs, False

    def _commit(self, jobs: list[_Job]) -> None:
        connection = self._connection
        try:
            level = "FULL" if any(job.durable for job in jobs) else "NORMAL"
            connection.execute(f"PRAGMA synchronous={level}")
            connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                self._try(job)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):  # what could not be committed is not there after a crash either
                connection.execute("ROLLBACK")
            for job in jobs:
                job.error = unusable(self._path, error)

    def _try(self, job: _Job) -> None:
        connection = self._connection
        connection.execute("SAVEPOINT change")
        try:
            job.value = job.change(connection)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the one who asked
            job.error = unusable(self._path, error) if isinstance(error, sqlite3.Error) else error
            connection.execute("ROLLBACK TO change")  # fails, and the others with it, if a full disk undid all
        connection.execute("RELEASE change")


class Readers:
    """Connections for reading, as many as are used at a time."""

    def __init__(self, path: Path, *, immutable: bool = False) -> None:
        self._path = path
        self._immutable = immutable
        self._lock = Lock()
        self._idle: list[sqlite3.Connection] = []
        self._all: list[sqlite3.Connection] = []
        self._closed = False

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection that nobody else uses meanwhile. Raises Fatal if the file refuses."""
        connection = self._take()
        try:
            yield connection
        except sqlite3.Error as error:
            raise unusable(self._path, error) from error
        finally:
            with self._lock:
                self._idle.append(connection)

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if self._closed:
                raise ValueError("the state is closed")
            if self._idle:
                return self._idle.pop()
            try:
                connection = connect(self._path, read_only=True, immutable=self._immutable)
            except sqlite3.Error as error:
                raise unusable(self._path, error) from error
            self._all.append(connection)
            return connection

    def close(self) -> None:
        """Let go of every connection. May be called twice."""
        with self._lock:
            self._closed = True
            for connection in self._all:
                connection.close()
            self._all.clear()
            self._idle.clear()
