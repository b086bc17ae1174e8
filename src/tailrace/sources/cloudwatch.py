"""A log group of CloudWatch Logs: what happened within a window of time is an item.

CloudWatch gives events in the order of their times, but some can be read only a while after they happened. So every
reading begins `overlap` before where the last one ended, and of what it finds there only events count whose ids are new:
they are an item of their own. Which events were delivered is known from receipts too, for each is kept under the
number and a hash of its events' ids: after a start they are recognised by the order in which CloudWatch took them in.

Nothing is lost that can be read within `overlap` of its time. Something may come twice only where a process was killed, and
CloudWatch then shows events between those that it had shown before. `tailrace run` goes on where it was: each few minutes
it keeps a receipt, of no lines, that tells up to when all is delivered.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from threading import Lock
from typing import Any, Final, Literal, NamedTuple

import msgspec

from tailrace.clock import Clock
from tailrace.clouds.recursion import refuse_own_group
from tailrace.errors import UsageError
from tailrace.kinds import Known, SourceKind, Surroundings
from tailrace.model import Identity, Item
from tailrace.permissions import Need, log_group
from tailrace.quantities import Duration, period
from tailrace.sources._cloudwatch_windows import Pages, Stopping, Window, windows
from tailrace.subscriptions import KIND, Group, LogEvent, digest, etag_of

NAME: Final = "cloudwatch:"
_MOST: Final = 8 << 20
"""An item has about so many bytes; its window is cut where there are more."""
_SETTLED_MS: Final = 10_000
"""A window is first read so long after its end: most events can be read by then."""
_CHECKPOINT_MS: Final = 300_000
_OLDEST: Final = 15
"""CloudWatch takes no events that are older than 14 days, so no checkpoint that is older is looked for, in days."""
_EVER: Final = 1 << 62


class CloudwatchSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set of a log group that is read."""

    since: str = ""
    """From this time on: RFC 3339 (UTC without a zone), or so long ago: 12h, 14d. If not given: all that there is; for
    `tailrace run` from now on, or from where it was."""
    until: str = ""
    """Before this time, written in the same ways; if not given up to now, for `tailrace run` without end."""
    window: Duration = Duration(60)
    """The events of so long a time are one item."""
    overlap: Duration = Duration(120)
    """How long after its time an event may become readable: so much is read again each time, for those that have come late."""
    content: Literal["auto", "events", "lines"] = "auto"
    """What is read: `events`, whatever they say, as records with message, group, stream and ids; or their messages as `lines` of
    logs in other formats. auto: lines where format or log_format is set, else events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What is read, in ms: from when, up to when, in which windows, with which overlap; None: from where it was, or now."""

    since: int | None
    until: int
    width: int
    overlap: int


class _Part(NamedTuple):
    """Events of a window that were given out together: where the window begins, from when on they are, and their ids."""

    begin: int
    start: int
    ids: tuple[str, ...]


@dataclass(slots=True)
class _Given:
    """What was given out: ids by window, and those items of which nobody has heard since."""

    ids: dict[int, set[str]] = field(default_factory=dict)
    read: set[int] = field(default_factory=set)
    """Windows that an earlier reading has seen."""
    under_way: dict[bytes, _Part] = field(default_factory=dict)
    back: dict[int, list[_Part]] = field(default_factory=dict)
    """What was given back, by window: it comes again as it was, for some of it may have been delivered."""
    again: set[int] = field(default_factory=set)
    """Windows to be read again for that."""

    @property
    def oldest(self) -> int:
        """From here on something is not delivered."""
        return min((*self.again, *(part.begin for part in self.under_way.values())), default=_EVER)

    def forget(self, before: int) -> None:
        """Windows that will not be read again."""
        before = min(before, self.oldest)
        self.ids = {begin: ids for begin, ids in self.ids.items() if begin >= before}
        self.read = {begin for begin in self.read if begin >= before}


class Cloudwatch:
    """The events of a group's streams whose names begin with a prefix."""

    def __init__(self, group: Group, pages: Pages, span: Span, known: Known, clock: Clock) -> None:
        self._group, self._pages, self._span, self._known, self._clock = group, pages, span, known, clock
        self._streams = pages.prefix or "*"
        self._given = _Given()
        self._lock = Lock()
        self._checked = 0

    def items(self) -> Iterator[Item]:
        """Windows with events, one after the other. Raises Fatal if the group cannot be read."""
        try:
            yield from self._readings()
        except Stopping:
            return

    def _readings(self) -> Iterator[Item]:
        span, at = self._span, self._begin()
        begin = at
        while True:
            yield from self._given_back()
            horizon = self._horizon()
            if horizon > at or not self._pages.stays:
                yield from self._reading(max(begin, self._floor(at - span.overlap)), horizon)
                at = max(at, horizon)
            if not self._pages.stays:
                return
            yield from self._checkpoint(at)
            if at >= span.until and self._oldest() == _EVER:
                return
            now = int(self._clock.now() * 1000)
            pause = max(1000, at + span.width + _SETTLED_MS - now) if at < span.until else 1000
            if self._pages.wait(min(pause, span.width) / 1000):
                return

    def _floor(self, at: int) -> int:
        return max(0, at // self._span.width * self._span.width)

    def _begin(self) -> int:
        """Where the first reading begins."""
        told = self._span.since
        if not self._pages.stays:
            return told or 0
        now = int(self._clock.now() * 1000)
        checkpoint = self._last_checkpoint(now)
        if checkpoint is not None:
            return self._floor(checkpoint - self._span.overlap)
        return self._floor(now - self._span.overlap) if told is None else told

    def _horizon(self) -> int:
        """Up to where can be read: all of it, or where the last window has ended."""
        now = int(self._clock.now() * 1000)
        return min(self._span.until, self._floor(now - _SETTLED_MS) if self._pages.stays else now + 1)

    def _reading(self, start: int, end: int) -> Iterator[Item]:
        seen: set[int] = set()
        for window in windows(self._pages.events(start, end), self._span.width, _MOST):
            with self._lock:
                self._given.forget(min(start, window.begin) if self._pages.stays else window.begin)
            yield from self._items(window)
            if self._pages.stays:
                seen.add(window.begin)
        with self._lock:
            self._given.read |= seen

    def _given_back(self) -> Iterator[Item]:
        with self._lock:
            again, self._given.again = sorted(self._given.again), set()
        for number, begin in enumerate(again):
            try:
                yield from self._reading(begin, begin + self._span.width)
            except BaseException:
                with self._lock:
                    self._given.again |= set(again[number:])
                raise

    def _items(self, window: Window) -> Iterator[Item]:
        for start, part in self._returned(window):
            yield self._give(window.begin, start, part)
        with self._lock:
            given = self._given.ids.setdefault(window.begin, set())
            fresh = [event for event in window.events.values() if event.id not in given]
            was_read = window.begin in self._given.read
        fresh.sort(key=lambda event: (event.ingested, event.id))
        for part in [fresh] if was_read else self._parts(window.start, fresh):
            if part:
                yield self._give(window.begin, window.start, part)

    def _returned(self, window: Window) -> Iterator[tuple[int, Sequence[LogEvent]]]:
        """What was given back and is in the window."""
        with self._lock:
            returned = self._given.back.pop(window.begin, [])
        for part in returned:
            found = [window.events[each] for each in part.ids if each in window.events]
            missing = tuple(each for each in part.ids if each not in window.events)
            if missing:  # a large window is cut elsewhere this time
                with self._lock:
                    self._given.back.setdefault(window.begin, []).append(part._replace(ids=missing))
            if found:
                yield window.start if missing else part.start, found

    def _parts(self, start: int, events: Sequence[LogEvent]) -> Iterator[Sequence[LogEvent]]:
        """Events as they were delivered before, as far as receipts tell; then the rest."""
        told = self._known(KIND, self._group.name, self._group.key(self._streams, start))
        totals = [0, *accumulate(digest(event.id) for event in events)] if told else []
        left = list(range(len(events)))
        for each in told:
            number = int(each.partition("-")[0])
            firsts = range(len(events) - number + 1)
            at = next((at for at in firsts if etag_of(number, totals[at + number] - totals[at]) == each), None)
            if at is not None:
                yield events[at : at + number]
                left = [row for row in left if not at <= row < at + number]
        yield [events[row] for row in left]

    def _give(self, begin: int, start: int, events: Sequence[LogEvent]) -> Item:
        item = self._group.item(self._streams, start, begin + self._span.width, events)
        part = _Part(begin, start, tuple(event.id for event in events))
        with self._lock:
            self._given.ids.setdefault(begin, set()).update(part.ids)
            self._given.under_way[item.identity.token] = part
        return item

    def ack(self, item: Item) -> None:
        """The events need not come again."""
        with self._lock:
            self._given.under_way.pop(item.identity.token, None)

    def nack(self, item: Item, error: Exception) -> None:  # noqa: ARG002 - as every source
        """The events come again, with the next reading."""
        with self._lock:
            part = self._given.under_way.pop(item.identity.token, None)
            if part:
                self._given.back.setdefault(part.begin, []).append(part)
                self._given.again.add(part.begin)

    def close(self) -> None:
        """Close the connections."""
        self._pages.client.close()

    def check(self) -> str:
        """Whether the group can be read. Raises TailraceError."""
        now = int(self._clock.now() * 1000)
        for _event in self._pages.events(now - self._span.width, now):
            break
        return "its events can be read"

    def _oldest(self) -> int:
        with self._lock:
            return self._given.oldest

    def _checkpoint(self, at: int) -> Iterator[Item]:
        """An item of nothing, whose receipt tells up to when all is delivered."""
        done = min(at, self._oldest())
        if done - self._checked >= _CHECKPOINT_MS:
            self._checked = done
            identity = Identity(KIND, self._group.name, self._checkpoint_key(done), str(done))
            yield Item(identity, io.BytesIO, 0, done / 1000)

    def _checkpoint_key(self, at: int) -> str:
        day = datetime.fromtimestamp(at / 1000, UTC).date()
        return f"{self._streams}@checkpoint-{day}.{self._group.form}"

    def _last_checkpoint(self, now: int) -> int | None:
        for days in range(_OLDEST):
            day = now - int(timedelta(days=days).total_seconds() * 1000)
            if told := self._known(KIND, self._group.name, self._checkpoint_key(day)):
                return max(map(int, told))
        return None


def _opened(words: Sequence[str], own: CloudwatchSettings, given: Surroundings) -> Cloudwatch:
    (word,) = words
    name, _, prefix = word.removeprefix(NAME).partition(":")
    if not name:
        message = f"{word}: write cloudwatch:GROUP, or cloudwatch:GROUP:STREAM with what names of streams begin with"
        raise UsageError(message)
    refuse_own_group(name, given.environ)
    _refuse_loop(name, given)
    if own.window < 1 or own.overlap < 0:
        raise UsageError("window: at least 1s; overlap: 0s or more")
    settings = given.settings
    is_lines = own.content == "lines" or (own.content == "auto" and (settings.format != "auto" or settings.log_format))
    times = {name: int(time * 1000) for name, time in period(own.since, own.until, given.clock.now()).items()}
    span = Span(
        since=times.get("since"),
        until=times.get("until", _EVER),
        width=int(own.window * 1000),
        overlap=int(own.overlap * 1000),
    )
    pages = Pages(
        client=given.client("logs"),
        group=name,
        prefix=prefix,
        wait=given.stop.wait,
        notice=given.notice,
        stays=given.stays,
    )
    return Cloudwatch(Group(name, form="lines" if is_lines else "events"), pages, span, given.known, given.clock)


def _refuse_loop(group: str, given: Surroundings) -> None:
    """Raises UsageError if a sink writes to the group that is read."""
    settings = given.settings
    tables: Mapping[str, Mapping[str, Any]] = settings.sinks
    for word in (*settings.to, settings.dead_letters):
        if str(tables.get(word, {}).get("url", word)) == f"{NAME}{group}":
            message = f"{NAME}{group} is read and written: its events would go round for ever; write to another group"
            raise UsageError(message)


SOURCE = SourceKind(
    form="cloudwatch:GROUP[:STREAM]",
    about="events of a log group of Amazon CloudWatch Logs, of streams whose names begin so",
    claims=lambda word: word.startswith(NAME),
    settings=CloudwatchSettings,
    open=_opened,
    needs=lambda word, _own: [Need("logs:FilterLogEvents", log_group(word.removeprefix(NAME).partition(":")[0]))],
)
