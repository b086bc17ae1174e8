"""Values as people and programs read them, whatever they are: log lines hold what attackers write."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import pyarrow as pa

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal obeys instead of showing it, what turns the direction of writing, and what stands for bytes in names."""
_ESCAPED_BYTE = 0xDC00
"""Added to a byte of a file's name that is no UTF-8 (PEP 383)."""
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_UNESCAPED = re.compile(rb"\x7f|\xc2[\x80-\x9f]")
_ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=str)


def utc(seconds: float) -> str:
    """A time as text, in UTC and to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def columns(batch: pa.RecordBatch) -> list[list[Any]]:
    """The values of each column; times as RFC 3339."""
    return [_column(column) for column in batch.columns]


def _column(column: pa.Array) -> list[Any]:
    import pyarrow as pa  # noqa: PLC0415 - an optional library

    if pa.types.is_timestamp(column.type):
        return [None if text is None else rfc3339(text) for text in column.cast(pa.string()).to_pylist()]
    if pa.types.is_interval(column.type):
        return [None if span is None else iso_duration(*span) for span in column.to_pylist()]
    return list(column.to_pylist(maps_as_pydicts="lossy"))


def rfc3339(text: str) -> str:
    """Arrow's `2026-10-01 02:03:04.500000Z` without the space and the zeros."""
    zone = "Z" if text.endswith("Z") else ""
    clock = text.removesuffix("Z").replace(" ", "T", 1)
    return (clock.rstrip("0").rstrip(".") if "." in clock else clock) + zone


def iso_duration(months: int, days: int, nanoseconds: int) -> str:
    """An interval as ISO 8601 writes durations; the parts may have different signs."""
    seconds, rest = divmod(abs(nanoseconds), 10**9)
    fraction = f".{rest:09}".rstrip("0") if rest else ""
    clock = f"T{'-' if nanoseconds < 0 else ''}{seconds}{fraction}S" if nanoseconds or not (months or days) else ""
    return f"P{f'{months}M' if months else ''}{f'{days}D' if days else ''}{clock}"


def is_number(kind: pa.DataType) -> bool:
    """Whether values of a type are written flush right."""
    import pyarrow as pa  # noqa: PLC0415 - an optional library

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def is_rigid(kind: pa.DataType) -> bool:
    """Whether values of a type are not to be broken into lines: numbers and times."""
    import pyarrow as pa  # noqa: PLC0415 - an optional library

    return is_number(kind) or bool(pa.types.is_temporal(kind))


def text_of(value: Any) -> str:
    """A value as text; lists and structs as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, list | dict | bytes):
        text = json_of(value).decode()
        return text.strip('"') if isinstance(value, bytes) else text
    return str(value)


def json_of(value: Any) -> bytes:
    """A value as JSON, without any byte that a terminal would obey."""
    return _UNESCAPED.sub(lambda match: rb"\u00%02x" % match[0][-1], _ENCODER.encode(value))


def visible(text: str) -> str:
    """A text with its control characters written out."""
    return _CONTROLS.sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    character = match[0]
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    code -= _ESCAPED_BYTE if _ESCAPED_BYTE < code <= _ESCAPED_BYTE + 0xFF else 0
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - what fits two digits
