# ruff: noqa: S608 - statements are put together from constants of this package only
"""The state of one machine: receipts, leases and the list of files, in `DIR/receipts.sqlite`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from tailrace.clock import Clock
from tailrace.errors import Fatal, UsageError
from tailrace.model import Identity, StoredFile
from tailrace.receipts import FILE, Receipt
from tailrace.state._database import Readers, Writer, connect, unusable
from tailrace.state._schema import (
    SELECT,
    UPSERT,
    WHERE_ITEM,
    bound,
    item_key,
    known,
    prepare,
    receipt_of,
    row_of,
    unbound,
)
from tailrace.state.catalog import Catalog, record, retire


class SqliteState:
    """Receipts in SQLite; every method may be called from any thread, and what it has committed survives a crash."""

    def __init__(self, readers: Readers, writer: Writer | None, clock: Clock) -> None:
        self._readers = readers
        self._writer = writer
        self._clock = clock
        self.catalog = Catalog(readers, writer, clock)
        """The files that the receipts list."""

    @classmethod
    def open(cls, directory: Path, *, read_only: bool, clock: Clock) -> Self:
        """Open the state in a folder. Raises UsageError where there is none to read, or one of a newer Tailrace."""
        path = directory / FILE
        if read_only:
            return cls(_readers(path, directory), None, clock)
        connection = None
        try:
            directory.mkdir(parents=True, exist_ok=True)
            connection = connect(path, read_only=False)
            prepare(path, connection)
        except OSError as error:
            message = f"{directory}: {error.strerror}; choose another folder or change its permissions"
            raise Fatal(message) from error
        except sqlite3.Error as error:
            raise unusable(path, error) from error
        except BaseException:
            if connection:
                connection.close()
            raise
        return cls(Readers(path), Writer(path, connection), clock)

    def receipts_of(self, item: Identity) -> Mapping[str, Receipt]:
        """The receipts of an item, by sink."""
        with self._readers.connection() as connection:
            rows = connection.execute(f"{SELECT} WHERE {WHERE_ITEM}", item_key(item)).fetchall()
        return {receipt.sink: receipt for receipt in map(receipt_of, rows)}

    def files_of(self, item: Identity, sink: str) -> Sequence[str]:
        """The paths of the files that count for an item at a sink."""
        return [file.path for file in self.catalog.files_of(item, sink)]

    def etags(self, kind: str, container: str, key: str) -> Sequence[str]:
        """The versions of an object that have receipts, the latest first."""
        query = (
            'SELECT etag FROM receipts WHERE kind = ? AND container = ? AND "key" = ?'
            " GROUP BY etag ORDER BY max(finished) DESC, max(id) DESC"
        )
        with self._readers.connection() as connection:
            rows = connection.execute(query, (bound(kind), bound(container), bound(key))).fetchall()
        return [unbound(etag) for (etag,) in rows]

    def receipts(self) -> Iterator[Receipt]:
        """All receipts as of now, oldest first."""
        with self._readers.connection() as connection:
            for row in connection.execute(f"{SELECT} ORDER BY finished, id"):
                yield receipt_of(row)

    def commit(self, receipt: Receipt, files: Sequence[StoredFile], replaced: Sequence[str] = ()) -> None:
        """Write a receipt, and in the same transaction the files that it makes count and those that no longer do.

        Raises Fatal if a file holds records of another item too.
        """
        now = self._clock.now()

        def change(connection: sqlite3.Connection) -> None:
            receipt_id = _upsert(connection, receipt)
            retire(connection, receipt_id, replaced, now)
            record(connection, receipt_id, receipt, files)

        self._writing.apply(change)

    def claim(self, item: Identity, owner: str, seconds: float) -> bool:
        """Take the lease of an item for so long; False if another owner holds it."""
        now = self._clock.now()
        query = (
            "INSERT INTO leases VALUES (:item, :owner, :expires) ON CONFLICT (item) DO UPDATE"
            " SET owner = :owner, expires = :expires WHERE leases.owner = :owner OR leases.expires <= :now"
        )
        values = {"item": item.token, "owner": owner, "expires": now + seconds, "now": now}
        # A lease that is lost with the machine is lost with its owner.
        return self._writing.apply(lambda connection: connection.execute(query, values).rowcount == 1, durable=False)

    def release(self, item: Identity, owner: str) -> None:
        """Give a lease back."""
        query, values = "DELETE FROM leases WHERE item = ? AND owner = ?", (item.token, owner)
        self._writing.apply(lambda connection: connection.execute(query, values), durable=False)

    def clear_leases(self) -> None:
        """Forget every lease: for a process that knows that it is the only one."""
        self._writing.apply(lambda connection: connection.execute("DELETE FROM leases"), durable=False)

    def prune_receipts(self, before: float) -> int:
        """Delete what was finished before a time and has no records left in the store; tell how many.

        A receipt whose records are still stored is kept: without it a second delivery would double them.
        """
        query = (
            "DELETE FROM receipts WHERE finished < ? AND state != 'partial'"
            " AND NOT EXISTS (SELECT 1 FROM shares WHERE receipt = receipts.id)"
        )
        return self._writing.apply(lambda connection: connection.execute(query, (before,)).rowcount)

    def settle(self, sink: str) -> None:
        """Tell by what name the store goes now; when its folder was moved, the receipts follow."""
        self._writing.apply(lambda connection: _settle(connection, sink))

    def close(self) -> None:
        """Let go of everything. May be called twice."""
        self._readers.close()
        if self._writer:
            self._writer.close()

    @property
    def _writing(self) -> Writer:
        if self._writer is None:
            raise ValueError("the state is open for reading only")
        return self._writer


def _readers(path: Path, directory: Path) -> Readers:
    """Connections to a file that must be there already."""
    for immutable in (False, True):
        readers = Readers(path, immutable=immutable)
        try:
            _expect_tables(path, directory, readers)
        except Fatal:
            # A disk that cannot be written: SQLite has to be told that nobody else writes either.
            readers.close()
            if immutable or path.with_name(f"{FILE}-wal").exists():
                raise
        except BaseException:
            readers.close()
            raise
        else:
            break
    return readers


def _expect_tables(path: Path, directory: Path, readers: Readers) -> None:
    if path.is_file():
        with readers.connection() as connection:
            if known(path, connection):
                return
    message = f"no store at {directory}: run `tailrace ship ... --store {directory}` first"
    raise UsageError(message)


def _upsert(connection: sqlite3.Connection, receipt: Receipt) -> int:
    """Write a receipt; its number."""
    sink = bound(receipt.sink)
    connection.execute("INSERT OR IGNORE INTO sinks (name) VALUES (?)", (sink,))
    sink_id = connection.execute("SELECT id FROM sinks WHERE name = ?", (sink,)).fetchone()[0]
    connection.execute(UPSERT, row_of(receipt, sink_id))
    query = f"SELECT id FROM receipts WHERE {WHERE_ITEM} AND sink = ?"
    found: int = connection.execute(query, (*item_key(receipt.item), sink_id)).fetchone()[0]
    return found


def _settle(connection: sqlite3.Connection, sink: str) -> None:
    row = connection.execute("SELECT value FROM meta WHERE name = 'store'").fetchone()
    if row and unbound(row[0]) != sink:
        old = unbound(row[0])
        for (name,) in connection.execute("SELECT name FROM sinks").fetchall():
            # What follows a plus tells what the store was to see of records.
            rest = unbound(name).removeprefix(old)
            if rest != unbound(name) and rest[:1] in ("", "+"):
                connection.execute("UPDATE OR IGNORE sinks SET name = ? WHERE name = ?", (bound(sink + rest), name))
    connection.execute("REPLACE INTO meta VALUES ('store', ?)", (bound(sink),))
