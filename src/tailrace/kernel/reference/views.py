"""Views: which records pass, and what is left of them. Conditions are asked of records as they were logged."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tailrace.kernel.layout import Format
from tailrace.kernel.reference.reading import Row
from tailrace.kernel.reference.redaction import redacted
from tailrace.kernel.reference.times import Moment
from tailrace.kernel.reference.values import Number, Value
from tailrace.model import Condition, Conditions, View

Item = str | Number | Moment
_COMPARED: dict[str, Callable[[int], bool]] = {
    "=": lambda order: order == 0, "<": lambda order: order < 0, "<=": lambda order: order <= 0,
    ">": lambda order: order > 0, ">=": lambda order: order >= 0,
}  # fmt: skip
_INTEGER = re.compile(r"-?[0-9]+")


@dataclass(frozen=True, slots=True)
class Shown:
    """How records are seen, which of those that were selected from are there, and how many its conditions keep out."""

    view: View
    mask: bytes
    filtered: int


def select(rows: Sequence[Row], view: View) -> tuple[list[Row], Shown]:
    """The records that a view shows."""
    mask = bytearray()
    passing: list[Row] = []
    filtered = 0
    for row in rows:
        kept_out = False
        if routed := not view.formats or row.format.name in view.formats:
            kept_out = bool(view.include and not holds(row, view.include)) or holds(row, view.exclude)
            filtered += kept_out
        passes = routed and (view.counted or not kept_out)
        mask.append(passes)
        if passes:
            passing.append(redacted(row, view) if view.redact else row)
    return passing, Shown(view, bytes(mask), filtered)


def holds(row: Row, groups: Conditions) -> bool:
    """Whether all conditions of one group hold."""
    return any(all(_holds(row, condition) for condition in group) for group in groups)


def _holds(row: Row, condition: Condition) -> bool:
    items = _items(row, condition.field)
    match condition.operator:
        case "present":
            return items is not None
        case "absent":
            return items is None
        case "!=":
            return not any(_fits(item, "=", condition, row.format) for item in items or ())
        case "!~":
            return not any(_matches(item, condition.value) for item in items or ())
        case "~":
            return any(_matches(item, condition.value) for item in items or ())
    return any(_fits(item, condition.operator, condition, row.format) for item in items or ())


def _items(row: Row, field: str) -> list[Item] | None:
    """The values of a field; None if it has none."""
    own: dict[str, Value] = {
        "format": row.format.name, "time": row.moment, "time_source": row.time_source or None,
        "truncated": [] if row.truncated else None, "invalid": [] if row.invalid else None,
        "extra": [] if row.extra else None,
    }  # fmt: skip
    value = own[field] if field in own else row.values.get(field)
    if value is None:
        return None
    return [item for item in value if item is not None] if isinstance(value, list) else [value]


def _fits(item: Item, operator: str, condition: Condition, known: Format) -> bool:
    wanted = condition.value
    if isinstance(item, str):
        one, other = item.encode(), wanted.encode()
        return _COMPARED[operator]((one > other) - (one < other))
    if isinstance(item, Moment):
        return bool(_INTEGER.fullmatch(wanted)) and _COMPARED[operator](
            (item.us > int(wanted)) - (item.us < int(wanted))
        )
    try:
        whole = _type_of(known, condition.field) in ("int", "ints") and _INTEGER.fullmatch(wanted)
        number: tuple[float, float] = (int(item.text), int(wanted)) if whole else (float(item.text), float(wanted))
    except ValueError:
        return False
    return _COMPARED[operator]((number[0] > number[1]) - (number[0] < number[1]))


def _type_of(known: Format, field: str) -> str:
    return next((column.type for column in known.columns if column.name == field), "text")


@lru_cache(maxsize=64)
def _pattern(text: str) -> re.Pattern[bytes]:
    # The end of the text is written otherwise before Python 3.14; a backslash itself is written as a number.
    return re.compile(text.replace(r"\z", r"\Z").encode("ascii"))


def _matches(item: Item, pattern: str) -> bool:
    text = item if isinstance(item, str) else item.text
    return _pattern(pattern).search(text.encode()) is not None
