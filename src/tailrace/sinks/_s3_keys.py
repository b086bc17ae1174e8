"""The names of objects: from a template, what is in them, and where in their item they begin.

An object is named after its item and the offset of its first record. Delivery goes on where the receipt ends, so what
is delivered again gets the same names and overwrites: also where it is cut elsewhere this time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from string import Formatter
from typing import Final

from tailrace.errors import UsageError
from tailrace.keys import parse_key
from tailrace.model import Identity
from tailrace.sinks._split import Kind

UNKNOWN: Final = "__none__"
"""Stands for what is not known: the day of records without a time, the load balancer of a key that does not tell."""

_OF_RECORDS: Final = ("format", "day", "year", "month", "day_of_month")
_OF_ITEM: Final = ("load_balancer", "account", "region")
_ALWAYS: Final = ("item", "offset")
NAMES: Final = (*_OF_RECORDS, *_OF_ITEM, *_ALWAYS, "extension")
_OFFSET_DIGITS: Final = 15
_FORMS: Final = {
    "": "",
    "format": r"\w+",
    "day": r"\d{4}-\d\d-\d\d",
    "year": r"\d{4}",
    "month": r"\d\d",
    "day_of_month": r"\d\d",
    "load_balancer": "[^_./]+",
    "account": r"\d{12}",
    "region": "[a-z0-9-]+",
    "item": "[0-9a-f]{32}",
    "offset": rf"\d{{{_OFFSET_DIGITS}}}(?:-[0-9a-f]+)*",
}
"""What values look like: as narrow as they are, so that no key takes long to tell."""


@dataclass(frozen=True, slots=True)
class Template:
    """How keys are made: texts and names in turn, below a prefix."""

    pieces: tuple[tuple[str, str], ...]

    @property
    def head(self) -> str:
        """What every key begins with."""
        return self.pieces[0][0]

    @property
    def names(self) -> set[str]:
        """The names that occur."""
        return {name for _text, name in self.pieces if name}

    def filled(self, values: Mapping[str, str]) -> str:
        """The key for these values."""
        return "".join(text + values.get(name, "") for text, name in self.pieces)

    def makes(self, key: str) -> bool:
        """Whether a key is one that this template may have made."""
        if not key.startswith(self.head):
            return False
        pattern = "".join(f"{re.escape(text)}(?:{_FORMS[name]}|{UNKNOWN})" for text, name in self.pieces)
        return re.fullmatch(pattern, key) is not None


def template(text: str, prefix: str, extension: str) -> Template:
    """The template of a setting, below a prefix. Raises UsageError."""
    try:
        pieces = list(_pieces(text))
    except ValueError as error:
        message = f"key: {text!r} cannot be read ({error}); write names in braces: {{{'}, {'.join(NAMES)}}}"
        raise UsageError(message) from error
    found = Template(tuple(_joined(pieces, f"{prefix}/" if prefix else "", extension)))
    if missing := [name for name in _ALWAYS if name not in found.names]:
        message = f"key: {text!r} lacks {{{missing[0]}}}, without which objects would overwrite one another"
        raise UsageError(message)
    return found


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    for literal, name, form, conversion in Formatter().parse(text):
        if name is not None and (name not in NAMES or form or conversion):
            message = f"there is no {{{name}{':' if form else ''}{form}}}"
            raise ValueError(message)
        yield literal, name or ""


def _joined(pieces: list[tuple[str, str]], head: str, extension: str) -> Iterator[tuple[str, str]]:
    """Pieces whose first text begins with the prefix, and in which the extension is text."""
    text = head
    for literal, name in pieces:
        text += literal
        if name == "extension":
            text += extension
        else:
            yield text, name
            text = ""
    if text:
        yield text, ""


class Keys:
    """The keys of the objects of one item, whose records' ids follow from its token."""

    def __init__(self, made_by: Template, identity: Identity) -> None:
        known = parse_key(identity.key)
        self.token = identity.token
        self._template = made_by
        self._of_item = {name: str(getattr(known, name, "") or UNKNOWN) for name in _OF_ITEM}
        self._of_item["item"] = blake2b(identity.token, digest_size=16).hexdigest()

    def key(self, kind: Kind, offset: int, *further: str | int) -> str:
        """The key of an object whose first record begins at an offset; what follows tells apart those that have the same."""
        year, month, day_of_month = kind.day.split("-") if kind.day else (UNKNOWN,) * 3
        of_records = (kind.format, kind.day or UNKNOWN, year, month, day_of_month)
        at = (f"{offset:0{_OFFSET_DIGITS}}", *(str(each) for each in further if each))
        return self._template.filled(
            {**self._of_item, **dict(zip(_OF_RECORDS, of_records, strict=True)), "offset": "-".join(at)}
        )
