"""Looks whether everything is in place for a run, without moving anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tailrace.errors import TailraceError
from tailrace.ports import Checkable


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of a station: what works, or the sentence that tells what does not."""

    station: str
    good: bool
    text: str


def findings(stations: Iterable[tuple[str, object]]) -> Iterator[Finding]:
    """One of each station, by its name; those that cannot be looked at are as good as they could be opened."""
    for name, station in stations:
        if not isinstance(station, Checkable):
            yield Finding(name, good=True, text="its settings can be used")
            continue
        try:
            yield Finding(name, good=True, text=station.check())
        except TailraceError as error:
            yield Finding(name, good=False, text=str(error))
