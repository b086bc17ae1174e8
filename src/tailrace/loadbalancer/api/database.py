"""What was wanted of each load balancer, durably, and who wanted it when: one SQLite file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final, Self

import msgspec

from tailrace.errors import Fatal, UsageError
from tailrace.loadbalancer.api.accounts import Kind, Registered, User
from tailrace.loadbalancer.model import Attributes

_VERSION: Final = 1
_APPLICATION: Final = 0x7A11ACE5 - 0x40000000
_BUSY_S: Final = 5.0
_KEPT: Final = 1000
"""So many changes of each load balancer are remembered."""
_SCHEMA: Final = """
CREATE TABLE attributes (account TEXT, kind TEXT, name TEXT, enabled INTEGER NOT NULL, bucket TEXT NOT NULL, prefix TEXT NOT NULL,
    interval REAL NOT NULL, PRIMARY KEY (account, kind, name)) STRICT, WITHOUT ROWID;
CREATE TABLE balancers (account TEXT, kind TEXT, name TEXT, id TEXT NOT NULL, region TEXT NOT NULL, dns_name TEXT NOT NULL,
    created TEXT NOT NULL, PRIMARY KEY (account, kind, name)) STRICT, WITHOUT ROWID;
CREATE TABLE history (id INTEGER PRIMARY KEY, at REAL NOT NULL, user TEXT NOT NULL, address TEXT NOT NULL, request TEXT NOT NULL,
    account TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL) STRICT;
CREATE INDEX history_of ON history (account, kind, name, id);
CREATE TABLE signatures (digest BLOB PRIMARY KEY, at REAL NOT NULL) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes something: the user, from which address, when, by which request."""

    user: User
    address: str
    at: float
    request: str


class Database:
    """Threads may share it. What it has taken is on the disk."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = Lock()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file, or make it. Raises UsageError for one of a newer Tailrace or of something else, Fatal if it cannot be used."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_S)
        except OSError as error:
            message = f"lb.serve.database: {path} cannot be used: {error.strerror}; choose another file"
            raise Fatal(message) from error
        try:
            _prepare(path, connection)
        except sqlite3.Error as error:
            connection.close()
            message = f"lb.serve.database: {path} cannot be used: {error}; choose another file, or restore it"
            raise Fatal(message) from error
        except BaseException:
            connection.close()
            raise
        return cls(connection)

    def attributes(self, of: Registered) -> Attributes | None:
        """What is wanted of a load balancer; None if nobody has ever wanted anything."""
        query = "SELECT enabled, bucket, prefix, interval FROM attributes WHERE account = ? AND kind = ? AND name = ?"
        with self._lock:
            row = self._connection.execute(query, _key(of)).fetchone()
        return Attributes(enabled=bool(row[0]), bucket=row[1], prefix=row[2], interval=row[3]) if row else None

    def change(self, of: Registered, before: Attributes | None, after: Attributes, by: Author) -> None:
        """Write what is wanted from now on, and that it was changed."""
        values = (after.enabled, after.bucket, after.prefix, after.interval)
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO attributes VALUES (?, ?, ?, ?, ?, ?, ?)", (*_key(of), *values))
            self._remember(of, before, after, by)

    def forget(self, of: Registered, by: Author) -> None:
        """The load balancer is gone, and what was wanted of it."""
        before = self.attributes(of)
        with self._transaction() as connection:
            for table in ("attributes", "balancers"):
                query = f"DELETE FROM {table} WHERE account = ? AND kind = ? AND name = ?"  # noqa: S608 - names of our own
                connection.execute(query, _key(of))
            if before:
                self._remember(of, before, None, by)

    def register(self, found: Registered) -> None:
        """Know a load balancer that the cloud has told of."""
        values = (found.id, found.region, found.dns_name, found.created)
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO balancers VALUES (?, ?, ?, ?, ?, ?, ?)", (*_key(found), *values))

    def registered(self, kind: Kind, name: str) -> Sequence[Registered]:
        """The load balancers of a name that the cloud has told of, of all accounts."""
        query = "SELECT account, name, id, region, dns_name, created FROM balancers WHERE kind = ? AND name = ?"
        with self._lock:
            rows = self._connection.execute(query, (kind, name)).fetchall()
        return [
            Registered(account=account, name=told, kind=kind, id=number, region=region, dns_name=dns, created=created)
            for account, told, number, region, dns, created in rows
        ]

    def use(self, digest: bytes, at: float, since: float) -> float | None:
        """Use up a signature; when it was used first, if it was. Those of before `since` are forgotten."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM signatures WHERE at < ?", (since,))
            row = connection.execute("SELECT at FROM signatures WHERE digest = ?", (digest,)).fetchone()
            if row is None:
                connection.execute("INSERT INTO signatures VALUES (?, ?)", (digest, at))
        return float(row[0]) if row else None

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        with self._lock:
            self._connection.close()

    def _remember(self, of: Registered, before: Attributes | None, after: Attributes | None, by: Author) -> None:
        told = [msgspec.json.encode(each).decode() for each in (before, after)]
        values = (by.at, by.user.name, by.address, by.request, *_key(of), *told)
        self._connection.execute(
            'INSERT INTO history (at, "user", address, request, account, kind, name, before, after)'
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        balancer = "account = ? AND kind = ? AND name = ?"
        last = f"SELECT id FROM history WHERE {balancer} ORDER BY id DESC LIMIT 1 OFFSET {_KEPT}"  # noqa: S608 - names of our own
        self._connection.execute(
            f"DELETE FROM history WHERE {balancer} AND id <= ({last})",  # noqa: S608 - the same
            (*_key(of), *_key(of)),
        )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if version == 0 and tables == 0:
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
    elif owner != _APPLICATION:
        message = f"lb.serve.database: {path} belongs to another program; choose another file"
        raise UsageError(message)
    elif version > _VERSION:
        message = f"lb.serve.database: {path} was written by a newer Tailrace; use that one, or choose another file"
        raise UsageError(message)
    connection.execute("COMMIT")


def _key(of: Registered) -> tuple[str, str, str]:
    return (of.account, of.kind, of.name)
