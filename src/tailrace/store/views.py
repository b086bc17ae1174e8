"""The views that a store offers to SQL: one for each format, `haproxy` over all of HAProxy's, and `requests`.

Everything here is text: what is read from files comes in as arguments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tailrace.kernel.layout import Format
from tailrace.kernel.names import ID
from tailrace.store import requests
from tailrace.store.sqltext import literal, literals, quoted

HAPROXY, REQUESTS = "haproxy", "requests"
_TYPES = {
    "text": "VARCHAR", "int": "BIGINT", "float": "DOUBLE", "time": "TIMESTAMP WITH TIME ZONE",
    "texts": "VARCHAR[]", "ints": "BIGINT[]",
}  # fmt: skip
_ALWAYS = {"time_source": "VARCHAR", "truncated": "BOOLEAN", "invalid": "VARCHAR", "extra": "VARCHAR[]"}
_ALL = (
    "show",
    "describe",
    "summarize",
    "information_schema",
    "duckdb_",
    "pg_",
    "sqlite_master",
    "query_table",
    "query(",
)
"""Words behind which views may be meant that the text does not name."""

LEAST = {"format": "VARCHAR", ID: "VARCHAR"}
"""Columns that every view has, its last."""
Columns = Mapping[str, str]
"""SQL types by column."""


@dataclass(frozen=True, slots=True)
class Source:
    """A format of the store: its columns, in order, and the files that hold its rows."""

    name: str
    columns: Columns
    paths: Sequence[str]
    haproxy: bool = False
    found: Columns | None = None
    """The columns that its files have, for a format that is known by its files only."""


def columns_of(known: Format) -> dict[str, str]:
    """Every column of a format's rows: the layout's, what it did not know, the format's name, and the record's id."""
    own = {column.name: _TYPES[column.type] for column in known.columns}
    return own | _ALWAYS | LEAST


def files_of(paths: Sequence[str]) -> str:
    """The rows of some files, whatever columns each of them has."""
    return f"read_parquet({literals(map(no_pattern, paths))}, union_by_name = true, hive_partitioning = false)"


def no_pattern(path: str) -> str:
    """A path whose stars and brackets mean themselves."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in path)


def statements(sources: Sequence[Source]) -> Iterator[tuple[str, str]]:
    """Every view's name and the SELECT behind it, those that others need first."""
    for source in sources:
        yield source.name, _of_format(source)
    yield HAPROXY, _of_haproxy([source for source in sources if source.haproxy])
    yield REQUESTS, requests.view()


def wanted(sql: str, sources: Sequence[Source]) -> frozenset[str]:
    """The formats whose files a query may read. To look into a file costs time, so those that it cannot mean are left out."""
    text = sql.lower()
    if any(word in text for word in _ALL):
        return frozenset(source.name for source in sources)
    families = {family for family in requests.FAMILIES if family in text}
    if REQUESTS in text:
        families = set(requests.FAMILIES)
    return frozenset(
        source.name
        for source in sources
        if source.name.lower() in text or source.name in families or (source.haproxy and HAPROXY in families)
    )


def _of_format(source: Source) -> str:
    empty = _nothing(source.columns)
    if not source.paths:
        return empty
    rows = f"SELECT *, {literal(source.name)} AS format FROM {files_of(source.paths)}"  # noqa: S608 - quoted
    if source.found is not None and "format" in map(str.lower, source.found):
        rows = f"SELECT * REPLACE ({literal(source.name)} AS format) FROM {files_of(source.paths)}"  # noqa: S608
    return f"{empty} UNION ALL BY NAME {rows}"


def _of_haproxy(sources: Sequence[Source]) -> str:
    """The rows of all of HAProxy's formats; a custom format's column of another type gives what can be converted."""
    columns: dict[str, str] = {}
    for source in sources:
        if source.found is None:
            columns = {**columns, **source.columns}
    columns = {name: columns[name] for name in columns if name not in LEAST} | requests.NEEDED | LEAST
    parts = [_nothing(columns)]
    for source in sources:
        replaced = _replaced(source, columns)
        parts.append(f"SELECT *{f' REPLACE ({replaced})' if replaced else ''} FROM {quoted(source.name)}")  # noqa: S608
    return " UNION ALL BY NAME ".join(parts)


def _replaced(source: Source, columns: Columns) -> str:
    types = {name.lower(): kind for name, kind in columns.items()}
    return ", ".join(
        f"TRY_CAST({quoted(name)} AS {types[name.lower()]}) AS {quoted(name)}"
        for name, kind in source.columns.items()
        if types.get(name.lower(), kind) != kind
    )


def _nothing(columns: Columns) -> str:
    """No rows with these columns."""
    return "SELECT " + ", ".join(f"NULL::{kind} AS {quoted(name)}" for name, kind in columns.items()) + " WHERE false"
