"""What the reference parser's records are written as: NDJSON, lines as logged, Arrow columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tailrace.kernel.layout import Column
from tailrace.kernel.names import EXTRA, FORMAT, ID, INVALID, TIME_SOURCE, TRUNCATED, name_of
from tailrace.kernel.reference.reading import Row
from tailrace.kernel.reference.times import Moment
from tailrace.kernel.reference.values import Number, Value
from tailrace.kernel.reference.views import Shown, select
from tailrace.model import NO_TIME, ArrowStream, RawLines, View, record_id

if TYPE_CHECKING:
    import pyarrow as pa


class Records:
    """The records of one batch, in the order of the item."""

    def __init__(self, rows: Sequence[Row], identity: bytes, shown: Shown | None = None) -> None:
        self._rows = rows
        self._identity = identity
        self._shown = shown or Shown(View(), bytes([1]) * len(rows), 0)

    def __len__(self) -> int:
        """How many records."""
        return len(self._rows)

    def select(self, view: View) -> Records:
        """What a view shows of the records as a parser gave them."""
        if view == View():
            return self
        rows, shown = select(self._rows, view)
        return Records(rows, self._identity, shown)

    @property
    def mask(self) -> bytes:
        """A byte for each record that was selected from: 1 if it is among these, else 0."""
        return self._shown.mask

    @property
    def filtered(self) -> int:
        """How many records the view's conditions keep out, or would."""
        return self._shown.filtered

    def ndjson(self, schema: str = "aws", *, ids: bool = False) -> bytes:
        """One JSON object a line, without nulls."""
        return "".join(self._object(row, schema, ids=ids) for row in self._rows).encode()

    def _object(self, row: Row, schema: str, *, ids: bool) -> str:
        new = dict(self._shown.view.rename)
        pairs = [(ID, _text(record_id(self._identity, row.offset)))] if ids else []
        pairs.append((new.get("format", FORMAT[schema]), _text(row.format.name)))
        if row.moment:
            pairs.append((new.get("time", name_of(row.format.columns[0], schema)), _text(row.moment.text)))
        if row.time_source:
            pairs.append((new.get("time_source", TIME_SOURCE[schema]), _text(row.time_source)))
        for column in row.format.columns[1:]:
            value = row.values.get(column.name)
            if value is not None:
                pairs.append((new.get(column.name, name_of(column, schema)), _json(value, column, schema)))
        if row.truncated:
            pairs.append((new.get("truncated", TRUNCATED[schema]), "true"))
        if row.invalid:
            pairs.append((new.get("invalid", INVALID[schema]), _invalid(row)))
        if row.extra:
            pairs.append((new.get("extra", EXTRA[schema]), _json(list(row.extra), column, schema)))
        return "{" + ",".join(f"{_text(name)}:{value}" for name, value in (*pairs, *self._shown.view.constants)) + "}\n"

    def raw(self) -> RawLines:
        """The records as they were logged, with their times and offsets."""
        ends: list[int] = []
        at = 0
        for row in self._rows:
            at += len(row.text)
            ends.append(at)
        times = [row.moment.us // 1000 if row.moment else NO_TIME for row in self._rows]
        return RawLines(b"".join(row.text for row in self._rows), ends, times, [row.offset for row in self._rows])

    def partitions(self) -> list[tuple[str, str | None, int]]:
        """Format, day and number of records for each pair that occurs, in the order of their first record."""
        counts: dict[tuple[str, str | None], int] = {}
        for row in self._rows:
            key = (row.format.name, _day(row))
            counts[key] = counts.get(key, 0) + 1
        return [(name, day, count) for (name, day), count in counts.items()]

    def columns(self, format_name: str, day: str | None) -> ArrowStream:
        """The records of one format and day as Arrow columns. Raises ImportError without pyarrow."""
        import pyarrow as pa  # noqa: PLC0415 - only the store needs it

        rows = [row for row in self._rows if row.format.name == format_name and _day(row) == day]
        known = rows[0].format
        data: dict[str, Any] = {ID: pa.array([record_id(self._identity, row.offset) for row in rows], pa.string())}
        for column in known.columns:
            values = [row.moment if column.name == "time" else row.values.get(column.name) for row in rows]
            data[column.name] = pa.array([_plain(value, column) for value in values], _arrow_type(column))
        data["time_source"] = pa.array([row.time_source or None for row in rows], pa.string())
        data["truncated"] = pa.array([row.truncated or None for row in rows], pa.bool_())
        data["invalid"] = pa.array([_invalid(row) if row.invalid else None for row in rows], pa.string())
        data["extra"] = pa.array([list(row.extra) or None for row in rows], pa.list_(pa.string()))
        return pa.StructArray.from_arrays(list(data.values()), names=list(data))  # type: ignore[no-any-return]


def _day(row: Row) -> str | None:
    return row.moment.text[:10] if row.moment else None


def _json(value: Value, column: Column, schema: str) -> str:
    if isinstance(value, str):
        return _text(value if schema == "aws" else value.removeprefix(column.drop_prefix))
    if isinstance(value, Number):
        return value.text
    if isinstance(value, Moment):
        return _text(value.text)
    items = (_text(item) if isinstance(item, str) else item.text if item else "null" for item in value or ())
    return "[" + ",".join(items) + "]"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _invalid(row: Row) -> str:
    """The texts that did not fit, in the order of the format's columns."""
    names = [column.name for column in row.format.columns if column.name in row.invalid]
    return "{" + ",".join(f"{_text(name)}:{_text(row.invalid[name])}" for name in names) + "}"


def _plain(value: Value, column: Column) -> object:
    """A value as pyarrow takes it."""
    if isinstance(value, Number):
        return float(value.text) if column.type == "float" else int(value.text)
    if isinstance(value, Moment):
        return value.us
    if isinstance(value, list):
        return [_plain(item, column) if isinstance(item, Number) else item for item in value]
    return value


def _arrow_type(column: Column) -> pa.DataType:
    import pyarrow as pa  # noqa: PLC0415 - only the store needs it

    types = {
        "text": pa.string(), "int": pa.int64(), "float": pa.float64(), "time": pa.timestamp("us", "UTC"),
        "texts": pa.list_(pa.string()), "ints": pa.list_(pa.int64()),
    }  # fmt: skip
    return types[column.type]
