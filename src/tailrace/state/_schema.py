# ruff: noqa: S608 - statements are put together from constants of this package only
"""The tables of `receipts.sqlite`, and how a receipt is a row of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import msgspec

from tailrace.errors import UsageError
from tailrace.model import Counts, Identity, Totals
from tailrace.receipts import Receipt, Tail
from tailrace.state._database import unusable

VERSION = 1
APPLICATION = 0x7461696C
"""Marks the file as ours, for `file` and for ourselves."""

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE sinks (id INTEGER PRIMARY KEY, name NOT NULL UNIQUE);
CREATE TABLE receipts (
  id INTEGER PRIMARY KEY,
  -- text; bytes where a name is no UTF-8
  kind NOT NULL, container NOT NULL, "key" NOT NULL, etag NOT NULL,
  sink INTEGER NOT NULL REFERENCES sinks (id),
  state TEXT NOT NULL, "offset" INTEGER NOT NULL, parts INTEGER NOT NULL, size INTEGER,
  filtered INTEGER NOT NULL, nowhere INTEGER NOT NULL, dead_rejects INTEGER NOT NULL,
  truncated NOT NULL, unconfirmed INTEGER NOT NULL, tail TEXT, started REAL NOT NULL, finished REAL NOT NULL,
  lines INTEGER NOT NULL, records INTEGER NOT NULL, record_lines INTEGER NOT NULL, rejects INTEGER NOT NULL,
  reject_lines INTEGER NOT NULL, control INTEGER NOT NULL, blank INTEGER NOT NULL, invalid INTEGER NOT NULL,
  unknown INTEGER NOT NULL, mismatched INTEGER NOT NULL, cut INTEGER NOT NULL,
  routed INTEGER NOT NULL, accepted INTEGER NOT NULL, already INTEGER NOT NULL, dead INTEGER NOT NULL,
  -- accepted records whose files `store prune` has removed
  pruned INTEGER NOT NULL DEFAULT 0,
  UNIQUE (kind, container, "key", etag, sink)
);
CREATE INDEX receipts_by_age ON receipts (finished, id);
CREATE INDEX receipts_with_tail ON receipts (id) WHERE tail IS NOT NULL;
-- retired: when the file stopped counting; it is deleted some time later, for the sake of queries under way
CREATE TABLE files (
  id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, format TEXT NOT NULL, day TEXT NOT NULL,
  "rows" INTEGER NOT NULL, size INTEGER NOT NULL, retired REAL
);
CREATE INDEX files_by_day ON files (day, format);
-- which rows of a file are of which receipt
CREATE TABLE shares (
  file INTEGER NOT NULL REFERENCES files (id), start INTEGER NOT NULL,
  receipt INTEGER NOT NULL REFERENCES receipts (id), "rows" INTEGER NOT NULL, PRIMARY KEY (file, start)
) WITHOUT ROWID;
CREATE INDEX shares_by_receipt ON shares (receipt);
CREATE TABLE leases (item BLOB PRIMARY KEY, owner TEXT NOT NULL, expires REAL NOT NULL) WITHOUT ROWID;
"""

_COUNTS = tuple(field.name for field in fields(Counts))
_TOTALS = tuple(field.name for field in fields(Totals))
_OWN = ("state", "offset", "parts", "size", "filtered", "nowhere", "dead_rejects", "unconfirmed", "started", "finished")
_KEY = ("kind", "container", "key", "etag", "sink")
_VALUES = (*_OWN, "truncated", "tail", *_COUNTS, *_TOTALS)


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


WHERE_ITEM = 'kind = ? AND container = ? AND "key" = ? AND etag = ?'
_EXCLUDED = ", ".join(f'"{column}" = excluded."{column}"' for column in _VALUES)
_MARKS = ", ".join("?" * len((*_KEY, *_VALUES)))
UPSERT = (
    f"INSERT INTO receipts ({_names((*_KEY, *_VALUES))}) VALUES ({_MARKS})"
    f" ON CONFLICT ({_names(_KEY)}) DO UPDATE SET {_EXCLUDED}"
)
STORED = (
    '(SELECT coalesce(sum(shares."rows"), 0) FROM shares JOIN files ON files.id = shares.file AND retired IS NULL'
    " WHERE receipt = receipts.id)"
)
SELECT = (
    'SELECT kind, container, receipts."key", etag, (SELECT name FROM sinks WHERE id = receipts.sink),'
    f" {_names(_VALUES)} FROM receipts"
)
"""Every receipt, for `receipt_of`."""
SELECT_ACCOUNTS = SELECT.replace(" FROM receipts", f", pruned, {STORED} FROM receipts")
"""Every receipt, and behind it what of it was pruned and what is in listed files."""


def prepare(path: Path, connection: sqlite3.Connection) -> None:
    """Make the tables in a new file. Raises UsageError for a file of a newer Tailrace or of something else."""
    try:
        if known(path, connection):
            return
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(
            f"BEGIN IMMEDIATE; {_TABLES} PRAGMA application_id={APPLICATION}; PRAGMA user_version={VERSION}; COMMIT"
        )
    except sqlite3.Error as error:
        raise unusable(path, error) from error


def known(path: Path, connection: sqlite3.Connection) -> bool:
    """Whether the tables are there, False for an empty file. Raises UsageError if they are not these."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION and tables:
        message = f"{path} was not made by Tailrace; choose another folder"
        raise UsageError(message)
    if version > VERSION:
        message = f"{path} was written by a newer Tailrace: its schema is {version}, this one knows {VERSION}; upgrade"
        raise UsageError(message)
    return bool(version == VERSION)


def bound(text: str) -> str | bytes:
    """Text as SQLite takes it: names on a disk need not be UTF-8, and come as surrogates then."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")
    return text


def unbound(value: str | bytes) -> str:
    """The text that `bound` was given."""
    return value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")


def item_key(item: Identity) -> tuple[str | bytes, ...]:
    """An item as the columns that name it."""
    return tuple(bound(part) for part in (item.kind, item.container, item.key, item.etag))


def row_of(receipt: Receipt, sink: int) -> tuple[Any, ...]:
    """A receipt as the values of UPSERT."""
    own = tuple(getattr(receipt, name) for name in _OWN)
    tail = msgspec.json.encode(receipt.tail).decode() if receipt.tail else None
    totals = (receipt.totals.routed, receipt.totals.accepted, receipt.totals.already, receipt.totals.dead)
    return (*item_key(receipt.item), sink, *own, bound(receipt.truncated), tail, *astuple(receipt.counts), *totals)


def receipt_of(row: Sequence[Any]) -> Receipt:
    """A row of SELECT as a receipt."""
    kind, container, key, etag, sink = (unbound(value) for value in row[:5])
    values = dict(zip(_VALUES, row[5:], strict=False))
    own: dict[str, Any] = {name: values[name] for name in _OWN}
    own["unconfirmed"] = bool(own["unconfirmed"])
    return Receipt(
        item=Identity(kind, container, key, etag),
        sink=sink,
        truncated=unbound(values["truncated"]),
        tail=msgspec.json.decode(values["tail"], type=Tail) if values["tail"] else None,
        counts=Counts(*(values[name] for name in _COUNTS)),
        totals=Totals(*(values[name] for name in _TOTALS)),
        **own,
    )
