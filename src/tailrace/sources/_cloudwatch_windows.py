"""Events of a log group page by page, and gathered by the windows of time in which they happened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from tailrace.clouds import failures
from tailrace.errors import Fatal, TailraceError
from tailrace.subscriptions import LogEvent

TRIES: Final = 6
"""So often a page is asked for, where there is an end to it."""
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_OVERHEAD: Final = 200
"""About what an event takes beside its message."""


class Stopping(Exception):
    """The process is to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Reads the events of a group's streams.

    `wait` pauses for so many seconds and tells whether to stop. `stays`: go on asking for as long as it takes.
    """

    client: Any
    group: str
    prefix: str
    wait: Callable[[float], bool]
    notice: Callable[[str], None]
    stays: bool = False

    def events(self, start: int, end: int) -> Iterator[LogEvent]:
        """Events from `start` up to and without `end` (ms). Raises TailraceError, and Stopping at a stop."""
        # Where the order of AWS is not known, this asks for it; AWS itself takes no notice of it any more.
        wanted: dict[str, Any] = {"logGroupName": self.group, "endTime": end - 1, "interleaved": True}
        if start > 0:
            wanted["startTime"] = start
        if self.prefix:
            wanted["logStreamNamePrefix"] = self.prefix
        token = ""
        while True:
            page = self._page({**wanted, "nextToken": token} if token else wanted)
            for event in page.get("events", ()):
                if event["logStreamName"].startswith(self.prefix):  # emulators give all streams
                    yield _event(event)
            following = page.get("nextToken") or ""
            if not following:
                return
            if following == token:
                raise Fatal(f"{self.group} cannot be read on: CloudWatch Logs gives the same page again; run again")  # noqa: EM102
            token = following

    def _page(self, wanted: dict[str, Any]) -> dict[str, Any]:
        pause = _FIRST_PAUSE
        for tried in count(1):
            try:
                page: dict[str, Any] = self.client.filter_log_events(**wanted)
            except failures.raised() as error:
                if told := self._final(error):
                    raise told from error
                message = f"the log group {self.group} cannot be read now ({failures.code_of(error)})"
                if tried >= TRIES and not self.stays:
                    raise Fatal(f"{message}; run again when the service has recovered") from error  # noqa: EM102
                if tried == TRIES:
                    self.notice(f"{message}; it is asked for again and again")
            else:
                return page
            if self.wait(pause):
                raise Stopping
            pause = min(pause * 2, _LONGEST_PAUSE)
        raise AssertionError("unreachable")

    def _final(self, error: Exception) -> TailraceError | None:
        """What to raise if an error will come again; None if it may pass."""
        code, status = failures.code_of(error), failures.status_of(error)
        where = failures.endpoint_of(self.client)
        if code == "ResourceNotFoundException":
            return Fatal(f"there is no log group {self.group} at {where}; check its name, the region and the endpoint")
        passing = (failures.unreachable(error) and self.stays) or failures.passing(error)
        if passing or "Throttl" in code or code == "LimitExceededException":
            return None
        refused = 400 <= status < 500 or code == "ParamValidationError"  # noqa: PLR2004 - HTTP
        told = failures.fatal(error, f"the log group {self.group}", self.client)
        return told or (Fatal(f"the log group {self.group} cannot be read ({code})") if refused else None)


def _event(told: dict[str, Any]) -> LogEvent:
    return LogEvent(
        id=str(told["eventId"]),
        at=int(told["timestamp"]),
        stream=str(told["logStreamName"]),
        message=str(told.get("message", "")),
        ingested=int(told.get("ingestionTime") or 0),
    )


@dataclass(slots=True)
class Window:
    """Events of one window of time: those from `start` on, which is where the window begins unless it is a large one."""

    begin: int
    start: int
    events: dict[str, LogEvent] = field(default_factory=dict)
    """By id."""
    size: int = 0

    def add(self, event: LogEvent) -> None:
        """Take an event in."""
        self.events[event.id] = event
        self.size += len(event.message) + _OVERHEAD


def windows(events: Iterable[LogEvent], width: int, most: int) -> Iterator[Window]:
    """Events as they come, in windows of so many ms; one of more than `most` bytes in several, each from another ms on."""
    current: Window | None = None
    last = 0
    for event in events:
        begin = event.at // width * width
        if current and begin != current.begin:
            yield current
            current = None
        elif current and current.size >= most and event.at > last:
            yield current
            current = Window(begin, event.at)
        current = current or Window(begin, begin)
        current.add(event)
        last = event.at
    if current:
        yield current
