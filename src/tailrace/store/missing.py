"""Which objects of a bucket are not known to be delivered: by their receipts, whose balance is looked at each time.

An object counts as delivered if it has a receipt, and every one of its receipts is complete and balances. Objects that
load balancers write to try a bucket out, and empty ones, hold nothing to be delivered.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice

from tailrace import keys
from tailrace.letters import fits
from tailrace.model import Item
from tailrace.ports import State
from tailrace.receipts import Receipt, imbalances

_PAGE, _TOGETHER = 1000, 8
"""So many objects are looked up at a time, so many of them at once: a state may be far away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From a time up to another one, in seconds since 1970; the end is not in it."""

    since: float = -math.inf
    until: float = math.inf


@dataclass(frozen=True, slots=True)
class Missing:
    """An object, the time that it is of, and why it does not count as delivered."""

    item: Item
    time: float
    why: str


@dataclass(slots=True)
class Seen:
    """How many objects have been looked at."""

    objects: int = 0


def missing(items: Iterable[Item], state: State, period: Period, sink: str, seen: Seen) -> Iterator[Missing]:
    """The objects of a period that are not delivered, at the sinks that are meant; at any, if `sink` is empty."""
    wanted = (item for item in items if period.since <= time_of(item) < period.until and not _is_control(item))
    why = partial(_why, state, sink)
    with ThreadPoolExecutor(_TOGETHER) as pool:
        while page := list(islice(wanted, _PAGE)):
            seen.objects += len(page)
            for item, told in zip(page, pool.map(why, page), strict=True):
                if told:
                    yield Missing(item, time_of(item), told)


def time_of(item: Item) -> float:
    """The time that an object is of: the one in its key, else that of its last change."""
    time = keys.time_of(item.identity.key, item.modified)
    assert time is not None
    return time


def _is_control(item: Item) -> bool:
    return item.size == 0 or keys.is_control(item.identity.key)


def _why(state: State, sink: str, item: Item) -> str:
    receipts = state.receipts_of(item.identity)
    wanted = {name: each for name, each in receipts.items() if not sink or fits(name, sink)}
    if wanted:
        return "; ".join(_troubles(wanted))
    if receipts:
        return f"no receipt at {sink}"
    others = state.etags(item.identity.kind, item.identity.container, item.identity.key)
    return "no receipt; another version of it has one" if others else "no receipt"


def _troubles(receipts: Mapping[str, Receipt]) -> Iterator[str]:
    for name, receipt in receipts.items():
        if receipt.state != "complete":
            yield f"{receipt.state} at {name}"
        for problem in imbalances(receipt):
            yield f"out of balance at {name}: {problem}"
