"""A kind of things in a cloud: which columns they have, and how they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Cell = str | int | None
Row = Mapping[str, Cell]
Client = Callable[[str], Any]
"""Makes the client of a service, by the name that boto3 gives it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`columns`: of every row, in this order; the first one names it. `rows`: asks a cloud; raises what its clients raise.

    `service`: which it asks.
    """

    service: str
    columns: Sequence[str]
    rows: Callable[[Client], Iterator[Row]]


def pages(client: Any, operation: str, key: str, **arguments: Any) -> Iterator[Any]:
    """What all pages of an answer hold under a key."""
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page.get(key) or ()


def tag(thing: Mapping[str, Any], name: str = "Name") -> str:
    """The value of a tag; empty if there is none."""
    return next((str(each.get("Value", "")) for each in thing.get("Tags") or () if each.get("Key") == name), "")


def moment(value: Any) -> str:
    """A time as RFC 3339 in UTC, to the second; what is no time as it is."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value or "")
