"""The language of conditions: FIELD OPERATOR VALUE, FIELD alone, `not FIELD`, and several with `and` between them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import get_args

from tailrace.errors import UsageError
from tailrace.model import Condition, Operator
from tailrace.transforms.patterns import common

_FIELD = re.compile(r"\s*(not\s+)?([^\s=!<>~\"']+)\s*")
_OPERATOR = re.compile(r"(!=|<=|>=|!~|=|<|>|~)\s*")
_VALUE = re.compile(r"\"([^\"]*)\"|'([^']*)'|([^\s\"']\S*)")
_AND = re.compile(r"\s+and\s+")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NUMBERS = ("int", "float", "ints")
ONLY_PRESENT = "presence"
_SYMBOLS = "= != < <= > >= ~ !~"

Types = Mapping[str, frozenset[str]]
"""What each field holds, in all formats in which it is."""


def conditions(text: str, types: Types) -> tuple[Condition, ...]:
    """The conditions of one entry. Raises UsageError that tells what is wrong with it."""
    return tuple(_read(text, types))


def _read(text: str, types: Types) -> Iterator[Condition]:
    at = 0
    while True:
        field = _FIELD.match(text, at)
        if field is None:
            raise UsageError(_wrong(text, at, "a field is expected"))
        at = field.end()
        name = field[2]
        known(name, types, f"the condition {text!r}")
        operator = _OPERATOR.match(text, at)
        if operator and not field[1]:
            value = _VALUE.match(text, operator.end())
            if value is None:
                raise UsageError(
                    _wrong(text, operator.end(), "a value is expected, in quotes if there are spaces in it")
                )
            at = value.end()
            yield _compared(text, name, operator[1], next(part for part in value.groups() if part is not None), types)
        else:
            yield Condition(name, "absent" if field[1] else "present")
        rest = text[at:].strip()
        if not rest:
            return
        behind = _AND.match(text, at - (text[at - 1] == " "))
        if behind is None:
            raise UsageError(_wrong(text, at, f"expected one of {_SYMBOLS}, or `and`; for `or` write two entries"))
        at = behind.end()


def known(name: str, types: Types, where: str) -> None:
    """Raise UsageError if no format has such a field."""
    if name not in types:
        close = get_close_matches(name, list(types), n=1)
        hint = f"did you mean {close[0]}?" if close else "see `tailrace formats` for what there is"
        message = f"{where}: no format has a field {name}; {hint}"
        raise UsageError(message)


def _compared(text: str, name: str, operator: str, value: str, types: Types) -> Condition:
    told: Operator = next(each for each in get_args(Operator) if each == operator)
    kinds = types[name]
    if ONLY_PRESENT in kinds:
        message = (
            f"the condition {text!r}: of {name} can only be told whether it is there; write `{name}` or `not {name}`"
        )
        raise UsageError(message)
    if operator in ("~", "!~"):
        if "time" in kinds:
            message = f"the condition {text!r}: {name} is a time, which = != < <= > >= compare"
            raise UsageError(message)
        return Condition(name, told, common(value))
    if "time" in kinds:
        return Condition(name, told, _time(text, value))
    if kinds <= set(NUMBERS) and not _NUMBER.fullmatch(value):
        message = f"the condition {text!r}: {name} is a number, and {value!r} is none of up to 18 digits"
        raise UsageError(message)
    return Condition(name, told, value)


def _time(text: str, value: str) -> str:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        message = f"the condition {text!r}: {value!r} is no time such as 2026-11-20T19:54:26Z"
        raise UsageError(message) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return str((moment - _EPOCH) // timedelta(microseconds=1))


def _wrong(text: str, at: int, why: str) -> str:
    return f"the condition {text!r} cannot be read from character {at + 1} on: {why}"
