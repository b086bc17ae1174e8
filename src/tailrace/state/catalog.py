# ruff: noqa: S608 - statements are put together from constants of this package only
"""Which files of a store count, and how many of their rows are of which receipt.

A file counts while it is listed. When `compact` or a later commit puts another in its place it is *retired*: queries
that have just read the list may still read it, and it is deleted some time later. `shares` holds the rows of each
receipt in each file, so that the balance can be checked file by file and receipt by receipt, before and after
compaction and pruning.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from tailrace.clock import Clock
from tailrace.errors import Fatal
from tailrace.model import Identity, StoredFile
from tailrace.receipts import Receipt, Tail
from tailrace.state._database import Change, Readers, T, Writer
from tailrace.state._schema import SELECT_ACCOUNTS, STORED, WHERE_ITEM, bound, item_key, receipt_of

_FILE = 'path, format, day, files."rows", size'


@dataclass(frozen=True, slots=True)
class Account:
    """A receipt, the rows that it has in listed files, and those whose files were pruned."""

    receipt: Receipt
    stored: int
    pruned: int


@dataclass(frozen=True, slots=True)
class Range:
    """Rows of a file that follow one another and are of one receipt; `own` if it is the one that was asked for."""

    start: int
    rows: int
    own: bool


class Catalog:
    """The list of a store's files."""

    def __init__(self, readers: Readers, writer: Writer | None, clock: Clock) -> None:
        self._readers = readers
        self._writer = writer
        self._clock = clock

    def files(self) -> Iterator[StoredFile]:
        """Every file that counts, by day and format, the oldest of each first."""
        with self._readers.connection() as connection:
            query = f"SELECT {_FILE} FROM files WHERE retired IS NULL ORDER BY day, format, id"
            for row in connection.execute(query):
                yield StoredFile(*row)

    def files_of(self, item: Identity, sink: str) -> Sequence[StoredFile]:
        """The files that hold records of an item; `rows` are the item's own."""
        query = (
            'SELECT path, format, day, sum(shares."rows"), size FROM shares JOIN files ON files.id = shares.file'
            f" WHERE receipt = (SELECT id FROM receipts WHERE {WHERE_ITEM}"
            " AND sink = (SELECT id FROM sinks WHERE name = ?)) GROUP BY files.id ORDER BY files.id"
        )
        with self._readers.connection() as connection:
            return [StoredFile(*row) for row in connection.execute(query, (*item_key(item), bound(sink)))]

    def ranges_of(self, file: StoredFile, item: Identity, sink: str) -> Sequence[Range]:
        """The rows of a file in their order, and which of them are an item's."""
        query = (
            'SELECT start, shares."rows", receipt IS (SELECT id FROM receipts'
            f" WHERE {WHERE_ITEM} AND sink = (SELECT id FROM sinks WHERE name = ?))"
            " FROM shares WHERE file = (SELECT id FROM files WHERE path = ?) ORDER BY start"
        )
        with self._readers.connection() as connection:
            rows = connection.execute(query, (*item_key(item), bound(sink), file.path))
            return [Range(start, count, bool(own)) for start, count, own in rows]

    def is_listed(self, path: str) -> bool:
        """Whether a file counts."""
        with self._readers.connection() as connection:
            query = "SELECT 1 FROM files WHERE path = ? AND retired IS NULL"
            return connection.execute(query, (path,)).fetchone() is not None

    def known(self, format_name: str, day: str) -> frozenset[str]:
        """The paths of a format and day that count or have lately counted."""
        with self._readers.connection() as connection:
            query = "SELECT path FROM files WHERE format = ? AND day = ?"
            return frozenset(path for (path,) in connection.execute(query, (format_name, day)))

    def tails(self) -> frozenset[str]:
        """The files that hold a last line without a newline: they may be replaced, so they cannot be merged."""
        with self._readers.connection() as connection:
            rows = connection.execute("SELECT tail FROM receipts WHERE tail IS NOT NULL").fetchall()
        return frozenset(path for (tail,) in rows for path in msgspec.json.decode(tail, type=Tail).files)

    def accounts(self) -> Iterator[Account]:
        """Every receipt with the rows that are kept of it, oldest first."""
        with self._readers.connection() as connection:
            for row in connection.execute(f"{SELECT_ACCOUNTS} ORDER BY finished, id"):
                yield Account(receipt_of(row), stored=row[-1], pruned=row[-2])

    def shared_rows(self) -> Iterator[tuple[StoredFile, int]]:
        """Every file that counts, and how many rows the receipts have in it together."""
        query = (
            f'SELECT {_FILE}, (SELECT coalesce(sum("rows"), 0) FROM shares WHERE file = files.id)'
            " FROM files WHERE retired IS NULL ORDER BY day, format, id"
        )
        with self._readers.connection() as connection:
            for row in connection.execute(query):
                yield StoredFile(*row[:5]), row[5]

    def merge(self, merged: StoredFile, sources: Sequence[str]) -> None:
        """Let one file count in the place of others. Raises Fatal if the rows are not the same number."""
        now = self._clock.now()
        self._change(lambda connection: _merge(connection, merged, sources, now))

    def split(self, path: str, own: StoredFile, others: StoredFile, ranges: Sequence[Range]) -> None:
        """Let two files count in the place of one: the rows of its own ranges, and all others."""
        now = self._clock.now()
        self._change(lambda connection: _split(connection, path, (own, others), ranges, now))

    def prune_days(self, before: str) -> Sequence[StoredFile]:
        """Let the files of every day before one (ISO 8601) count no more, account for their rows, and name them.

        A file that counted no more already has no rows here.
        """
        return self._change(lambda connection: _prune_days(connection, before))

    def forget_retired(self, before: float) -> Sequence[str]:
        """Forget the files that were retired until some time, and name them: they can be deleted."""
        return self._change(lambda connection: _forget_retired(connection, before))

    def _change(self, change: Change[T]) -> T:
        if self._writer is None:
            raise ValueError("the state is open for reading only")
        return self._writer.apply(change)


def record(
    connection: sqlite3.Connection,
    receipt_id: int,
    receipt: Receipt,
    files: Sequence[StoredFile],
) -> None:
    """List the files of a receipt. Raises Fatal if a file holds rows of another one."""
    for file in files:
        connection.execute(
            'INSERT INTO files (path, format, day, "rows", size) VALUES (?, ?, ?, ?, ?) ON CONFLICT (path)'
            ' DO UPDATE SET "rows" = excluded."rows", size = excluded.size, retired = NULL',
            (file.path, file.format, file.day, file.rows, file.size),
        )
        file_id = _file_id(connection, file.path)
        others = "SELECT 1 FROM shares WHERE file = ? AND receipt != ?"
        if connection.execute(others, (file_id, receipt_id)).fetchone():
            message = f"{file.path} already holds records of another object than {receipt.item.name}"
            raise Fatal(message)
        connection.execute("DELETE FROM shares WHERE file = ?", (file_id,))
        connection.execute("INSERT INTO shares VALUES (?, 0, ?, ?)", (file_id, receipt_id, file.rows))
    # What was pruned counts no more where a tail is read again, or the whole item.
    tail = receipt.tail.totals.accepted if receipt.tail else 0
    connection.execute(
        f"UPDATE receipts SET pruned = max(0, min(pruned, ? - {STORED})) WHERE id = ? AND pruned > 0",
        (receipt.totals.accepted + tail, receipt_id),
    )


def retire(connection: sqlite3.Connection, receipt_id: int, paths: Sequence[str], now: float) -> None:
    """Let files of a receipt count no more. Raises Fatal for one that was merged with those of others."""
    for path in paths:
        file_id = _file_id(connection, path)
        if file_id is None:
            continue  # pruned meanwhile
        if connection.execute("SELECT 1 FROM shares WHERE file = ? AND receipt != ?", (file_id, receipt_id)).fetchone():
            message = f"{path} holds records of other objects too, so it cannot be replaced"
            raise Fatal(message)
        _retire(connection, file_id, now)


def _file_id(connection: sqlite3.Connection, path: str) -> int | None:
    row = connection.execute("SELECT id FROM files WHERE path = ?", (path,)).fetchone()
    return row[0] if row else None


def _merge(connection: sqlite3.Connection, merged: StoredFile, sources: Sequence[str], now: float) -> None:
    new, behind = _listed(connection, merged), 0
    for path in sources:
        old, rows = connection.execute('SELECT id, "rows" FROM files WHERE path = ?', (path,)).fetchone()
        shares = 'INSERT INTO shares SELECT ?, ? + start, receipt, "rows" FROM shares WHERE file = ?'
        connection.execute(shares, (new, behind, old))
        behind += rows
        _retire(connection, old, now)
    _expect_all(connection, merged, new)


def _split(
    connection: sqlite3.Connection, path: str, parts: tuple[StoredFile, StoredFile], ranges: Sequence[Range], now: float
) -> None:
    old = _file_id(connection, path)
    for part, is_own in zip(parts, (True, False), strict=True):
        new, behind = _listed(connection, part), 0
        for wanted in ranges:
            if wanted.own is is_own:
                share = 'INSERT INTO shares SELECT ?, ?, receipt, "rows" FROM shares WHERE file = ? AND start = ?'
                connection.execute(share, (new, behind, old, wanted.start))
                behind += wanted.rows
        _expect_all(connection, part, new)
    _retire(connection, old, now)


def _listed(connection: sqlite3.Connection, file: StoredFile) -> int | None:
    connection.execute(
        'INSERT INTO files (path, format, day, "rows", size) VALUES (?, ?, ?, ?, ?)',
        (file.path, file.format, file.day, file.rows, file.size),
    )
    return _file_id(connection, file.path)


def _retire(connection: sqlite3.Connection, file_id: int | None, now: float) -> None:
    connection.execute("DELETE FROM shares WHERE file = ?", (file_id,))
    connection.execute("UPDATE files SET retired = ? WHERE id = ?", (now, file_id))


def _expect_all(connection: sqlite3.Connection, file: StoredFile, file_id: int | None) -> None:
    found = connection.execute('SELECT sum("rows") FROM shares WHERE file = ?', (file_id,)).fetchone()[0]
    if found != file.rows:
        message = f"{file.path} holds {file.rows} rows, but the receipts of what it was made of {found}"
        raise Fatal(message)


def _prune_days(connection: sqlite3.Connection, before: str) -> Sequence[StoredFile]:
    """`__none__` stands behind every date in the order of text, so it is never before one."""
    old = "SELECT id FROM files WHERE day < ?"
    query = 'SELECT path, format, day, CASE WHEN retired IS NULL THEN "rows" ELSE 0 END, size FROM files WHERE day < ?'
    found = [StoredFile(*row) for row in connection.execute(query, (before,))]
    connection.execute(
        'UPDATE receipts SET pruned = pruned + (SELECT sum("rows") FROM shares WHERE receipt = receipts.id'
        f" AND file IN ({old})) WHERE id IN (SELECT receipt FROM shares WHERE file IN ({old}))",
        (before, before),
    )
    connection.execute(f"DELETE FROM shares WHERE file IN ({old})", (before,))
    connection.execute("DELETE FROM files WHERE day < ?", (before,))
    return found


def _forget_retired(connection: sqlite3.Connection, before: float) -> Sequence[str]:
    found = [path for (path,) in connection.execute("SELECT path FROM files WHERE retired <= ?", (before,))]
    connection.execute("DELETE FROM files WHERE retired <= ?", (before,))
    return found
