"""Looks whether everything is in place for a run, without moving anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from tailrace.errors import TailraceError
from tailrace.hosts.asking import Origin, Target
from tailrace.hosts.states import SQLITE, shared_state
from tailrace.kinds import Surroundings
from tailrace.ports import Checkable, Sink


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


def of_sources(asked: Iterable[Origin], given: Surroundings) -> Iterator[Finding]:
    """What is found of each source."""
    for origin in asked:
        yield from _opened(origin.asked, partial(origin.opened, given))


def of_sinks(asked: Iterable[Target], given: Surroundings) -> Iterator[Finding]:
    """What is found of each sink."""
    for target in asked:
        yield from _opened(target.asked, partial(_sink, target, given))


def of_state(given: Surroundings) -> Iterator[Finding]:
    """What is found of where receipts are kept, if that is not beside the store."""
    if given.settings.state not in ("", SQLITE):
        yield from _opened(given.settings.state, partial(shared_state, given.settings, given))


def _sink(target: Target, given: Surroundings) -> Sink:
    return target.opened(given)()


def _opened(name: str, opening: Callable[[], Any]) -> Iterator[Finding]:
    try:
        station = opening()
    except TailraceError as error:
        yield Finding(name, good=False, text=str(error))
        return
    with closing(station):
        yield from findings([(name, station)])
