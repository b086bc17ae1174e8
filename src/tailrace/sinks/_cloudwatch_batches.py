"""Events put together to requests that CloudWatch Logs takes, whatever comes.

A request holds at most 10,000 events and 1,048,576 bytes, counted as UTF-8 and 26 for each event; its events are in
the order of their times and lie within 24 hours. That last rule holds because every request has events of one day (UTC)
only: however records of many days are mixed, there are few requests.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from tailrace.model import RawLines
from tailrace.sinks._cloudwatch_places import DAY_MS, Place

MAX_BYTES: Final = 1_048_576
MAX_EVENTS: Final = 10_000
OVERHEAD: Final = 26
MAX_MESSAGE: Final = MAX_BYTES - OVERHEAD
"""A longer message fits into no request."""
MEMORY: Final = 4 << 20
"""So many bytes of events wait at most for their requests to become full."""

Origin = tuple[RawLines, int]
"""The record that an event was made of: lines, and which of them."""


class Event(msgspec.Struct, gc=False):
    """An event as it is sent."""

    timestamp: int
    message: str


class _Body(msgspec.Struct, rename="camel"):
    log_group_name: str
    log_stream_name: str
    log_events: list[Event]


@dataclass(slots=True)
class Lot:
    """Events side by side, made of some `rows` of `lines`: when, what, how long in UTF-8. `retimed`: with the time of delivery."""

    lines: RawLines
    rows: list[int] | range = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    retimed: bool = False

    def add(self, row: int, time: int, message: str, size: int) -> None:
        """One more, of a row chosen by itself."""
        assert isinstance(self.rows, list)
        self.rows.append(row)
        self.times.append(time)
        self.messages.append(message)
        self.sizes.append(size)

    def part(self, chosen: Sequence[int]) -> Lot:
        """Some of them."""
        return Lot(
            self.lines,
            rows=[self.rows[number] for number in chosen],
            times=[self.times[number] for number in chosen],
            messages=[self.messages[number] for number in chosen],
            sizes=[self.sizes[number] for number in chosen],
            retimed=self.retimed,
        )


@dataclass(frozen=True, slots=True)
class Put:
    """A request. `doubtful`: how often it was sent without anyone telling what became of it.

    `sources`: of which rows of which lines its events were made, in the order in which they came; `order`: where each event
    stands in that order.
    """

    place: Place
    body: bytes
    count: int
    sources: Sequence[tuple[RawLines, Sequence[int]]]
    order: Sequence[int]
    retimed: bool = False
    doubtful: int = 0

    @property
    def origins(self) -> list[Origin]:
        """Of each event, the record of which it was made."""
        came = [(lines, row) for lines, rows in self.sources for row in rows]
        return [came[number] for number in self.order]

    @property
    def events(self) -> list[Event]:
        """Its events, in their order."""
        return msgspec.json.decode(self.body, type=_Body).log_events

    def halves(self) -> tuple[Put, Put]:
        """The same events in two requests, to find the one that is refused."""
        events, middle = self.events, self.count // 2
        return self._part(events, range(middle)), self._part(events, range(middle, self.count))

    def _part(self, events: Sequence[Event], chosen: range) -> Put:
        return replace(
            self,
            body=_encoded(self.place, [events[index] for index in chosen]),
            count=len(chosen),
            order=[self.order[index] for index in chosen],
        )


def _encoded(place: Place, events: list[Event]) -> bytes:
    return msgspec.json.encode(_Body(*place, events))


class _Open:
    """A request that is not full yet."""

    def __init__(self) -> None:
        self.size = 0
        self._events: list[Event] = []
        self._times: list[int] = []
        self._sources: list[tuple[RawLines, Sequence[int]]] = []

    def fitting(self, sizes: Sequence[int], begin: int) -> int:
        """Up to which of the events from `begin` on they fit in."""
        count = min(len(sizes) - begin, MAX_EVENTS - len(self._events))
        room = MAX_BYTES - self.size
        if sum(sizes[begin : begin + count]) + OVERHEAD * count <= room:
            return begin + count
        end = begin
        while (room := room - sizes[end] - OVERHEAD) >= 0:
            end += 1
        return end

    def take(self, lot: Lot, begin: int, end: int) -> int:
        """Take some events in; how many bytes they count."""
        times = lot.times[begin:end]
        self._events.extend(map(Event, times, lot.messages[begin:end]))
        self._times += times
        self._sources.append((lot.lines, lot.rows[begin:end]))
        size = sum(lot.sizes[begin:end]) + OVERHEAD * (end - begin)
        self.size += size
        return size

    def closed(self, place: Place, *, retimed: bool) -> Put:
        """The request, its events in the order of their times, those of the same time as they came."""
        times, events = self._times, self._events
        order: Sequence[int] = range(len(times))
        if times != sorted(times):
            order = sorted(order, key=times.__getitem__)
            events = [events[number] for number in order]
        return Put(place, _encoded(place, events), len(events), self._sources, order, retimed)


class Gathering:
    """Requests that are not full yet."""

    def __init__(self, memory: int = MEMORY) -> None:
        self._memory = memory
        self._size = 0
        self._open: dict[tuple[Place, int, bool], _Open] = {}

    def add(self, place: Place, lot: Lot) -> Iterator[Put]:
        """Take events in, each of which fits into a request; the requests that are full now. Exhaust it."""
        first, last = min(lot.times) // DAY_MS, max(lot.times) // DAY_MS
        if first == last:
            yield from self._fill((place, first, lot.retimed), lot)
        else:
            for day in sorted({time // DAY_MS for time in lot.times}):
                rows = [row for row, time in enumerate(lot.times) if time // DAY_MS == day]
                yield from self._fill((place, day, lot.retimed), lot.part(rows))
        while self._size > self._memory:
            yield self._close(max(self._open, key=lambda key: self._open[key].size))

    def _fill(self, key: tuple[Place, int, bool], lot: Lot) -> Iterator[Put]:
        begin = 0
        while begin < len(lot.times):
            filling = self._open.setdefault(key, _Open())
            end = filling.fitting(lot.sizes, begin)
            self._size += filling.take(lot, begin, end)
            if end < len(lot.times):
                yield self._close(key)
            begin = end

    def _close(self, key: tuple[Place, int, bool]) -> Put:
        full = self._open.pop(key)
        self._size -= full.size
        return full.closed(key[0], retimed=key[2])

    def take(self) -> list[Put]:
        """All that are left, however full."""
        return [self._close(key) for key in list(self._open)]

    def clear(self) -> None:
        """Forget all."""
        self._open.clear()
        self._size = 0
