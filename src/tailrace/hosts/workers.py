"""The workers of a run: they take items in and carry them until there are none, or until they are stopped.

The work is done in threads, so that the main thread can wait for signals. A signal lets every worker confirm what it
has and end; a second one, or a source that keeps a worker waiting, ends the process at once, which loses nothing either.
"""

from __future__ import annotations

import math
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock, Thread
from types import FrameType
from typing import Protocol

from tailrace.errors import Retryable, SourceError
from tailrace.homes import Home, Job
from tailrace.hosts.intake import Intake
from tailrace.model import Counts, Item, Totals
from tailrace.ports import Source
from tailrace.run import Outcome, deliver

_POLL_S = 0.1
_BLOCKED_S = 0.5
"""A worker whose source has not answered for so long after a signal is not waited for."""

_LATE_S = 1.0
"""Of a stop that takes longer people are told what it waits for."""

_STOPPING = "stopping: what is under way is finished first; a second signal or Ctrl-C ends at once and loses nothing"

_KEPT = 1000
"""So many errors are remembered: a service runs for years."""

Crew = Callable[[], Sequence[Home]]
"""Makes what one worker needs for itself."""


class Display(Protocol):
    """Shows how a run goes on; may be told from any thread."""

    def began(self, item: Item) -> None:
        """Work on an item begins."""

    def moved(self, item: Item, position: int, lines: int) -> None:
        """The item has been read up to a position, in its own bytes, and so many more lines came of it."""

    def ended(self, item: Item, outcome: Outcome | None, error: Exception | None) -> None:
        """Work on an item has ended, well or with an error."""


@dataclass(slots=True)
class Summary:
    """What a run has done."""

    items: Counter[str] = field(default_factory=Counter)
    """How many items were delivered, skipped, held, stopped, gone, failed."""
    counts: Counts = field(default_factory=Counts)
    reasons: Counter[str] = field(default_factory=Counter)
    totals: dict[str, Totals] = field(default_factory=dict)
    """What became of the records, by sink."""
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """What will never be taken, by sink and reason."""
    noted: Counter[tuple[str, str]] = field(default_factory=Counter)
    """What was not for a sink, may be there twice, or had no time; by sink."""
    content: int = 0
    seconds: float = 0.0
    broken: int = 0
    """Items that could not be read to their end."""
    truncated: dict[str, str] = field(default_factory=dict)
    """Why, of the first of them."""
    gone: dict[str, bool] = field(default_factory=dict)
    """Items that do not exist, the first of them, and whether there may be a receipt of each."""
    errors: list[str] = field(default_factory=list)
    """Why items were given back, of the first of them."""
    signal: int = 0
    """The signal that stopped it."""

    def add(self, item: Item, outcome: Outcome) -> None:
        """Take in what became of an item."""
        self.items[outcome.status] += 1
        self.counts.add(outcome.counts)
        self.reasons.update(outcome.reasons)
        self.refused.update(outcome.refused)
        self.noted.update(outcome.noted)
        for sink, totals in outcome.totals.items():
            self.totals[sink] = self.totals.get(sink, Totals()) + totals
        self.content += outcome.content
        if outcome.status == "gone" and len(self.gone) < _KEPT:
            self.gone[item.identity.name] = item.durable
        if outcome.truncated:
            self.broken += 1
            if len(self.truncated) < _KEPT:
                self.truncated[item.identity.name] = outcome.truncated

    def fail(self, error: Exception) -> None:
        """Take in why an item was given back."""
        self.items["failed"] += 1
        if len(self.errors) < _KEPT:
            self.errors.append(str(error))


def vanished(name: str, *, kept: bool) -> str:
    """What to say of an item that does not exist; `kept`: it has a receipt."""
    return f"{name} does not exist, or was replaced{'; its receipt says so' if kept else ''}"


class Workers:
    """Those of one run: `run()` once. `say`: tells people of a stop that takes a while."""

    def __init__(
        self, intake: Intake, crew: Crew, job: Job, display: Display, *, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self._intake, self._crew, self._job, self._display, self._say = intake, crew, job, display, say
        self._late = math.inf
        self._summary = Summary()
        self._lock = Lock()
        self._failure: BaseException | None = None

    def run(self, workers: int) -> Summary:
        """Carry everything. Raises what ended the run before its time: a wrong path, a disk that is full."""
        started = self._job.clock.monotonic()
        team = [_Worker(self._work) for _ in range(workers)]
        with self._signals():
            for worker in team:
                worker.start()
            self._wait(team)
            self._job.stop.set()
            self._intake.close()
        if self._failure:
            raise self._failure
        self._summary.seconds = self._job.clock.monotonic() - started
        return self._summary

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Let SIGINT and SIGTERM stop the workers. A second signal raises KeyboardInterrupt."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self._stopped) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    def _stopped(self, number: int, _frame: FrameType | None) -> None:
        if self._summary.signal:
            raise KeyboardInterrupt
        self._summary.signal = number
        self._late = self._job.clock.monotonic() + _LATE_S
        self._job.stop.set()

    def _wait(self, team: Sequence[_Worker]) -> None:
        """Until every worker has ended; after a stop, those that hang in their source are left behind."""
        clock = self._job.clock
        while alive := [worker for worker in team if worker.is_alive()]:
            if self._job.stop.is_set() and all(worker.blocked(clock.monotonic()) for worker in alive):
                return
            if clock.monotonic() > self._late:
                self._late = math.inf
                self._say(_STOPPING)
            alive[0].join(_POLL_S)

    def _work(self, worker: _Worker) -> None:
        homes: Sequence[Home] = ()
        try:
            homes = self._crew()
            while not self._job.stop.is_set() and (found := self._next(worker)):
                self._carry(*found, homes, worker)
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            self._fail(error)
        finally:
            self._close(homes)

    def _next(self, worker: _Worker) -> tuple[Source, Item] | None:
        worker.reading(now=True)
        try:
            return self._intake.next()
        finally:
            worker.reading(now=False)

    def _carry(self, source: Source, item: Item, homes: Sequence[Home], worker: _Worker) -> None:
        try:
            self._deliver(source, item, homes, worker)
        finally:
            self._intake.done(item)

    def _deliver(self, source: Source, item: Item, homes: Sequence[Home], worker: _Worker) -> None:
        self._display.began(item)
        try:
            outcome = deliver(item, homes, self._job, _Both(worker, self._display))
        except (SourceError, Retryable) as error:
            source.nack(item, error)
            with self._lock:
                self._summary.fail(error)
            self._display.ended(item, None, error)
            return
        if outcome.status in ("held", "stopped"):
            source.nack(item, SourceError(f"{item.identity.name}: {outcome.status}"))
        else:
            source.ack(item)
        with self._lock:
            self._summary.add(item, outcome)
        self._display.ended(item, outcome, None)

    def _close(self, homes: Sequence[Home]) -> None:
        try:
            for home in homes:
                for sink in home.sinks:
                    sink.close()
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """End the run with an error: the first one."""
        with self._lock:
            self._failure = self._failure or error
        self._job.stop.set()


class _Worker(Thread):
    """A thread of the run, and whether its source keeps it waiting."""

    def __init__(self, work: Callable[[_Worker], None]) -> None:
        super().__init__(daemon=True)  # one that hangs in its source must not keep the process
        self._work = work
        self._reading = False
        self._since: float | None = None

    def run(self) -> None:
        """Work."""
        self._work(self)

    def reading(self, *, now: bool) -> None:
        """Whether the source is being waited for now."""
        self._reading = now
        self._since = None

    def blocked(self, now: float) -> bool:
        """Whether it has been waiting for its source since it was first asked, long enough ago."""
        if not self._reading:
            return False
        if self._since is None:
            self._since = now
        return now - self._since > _BLOCKED_S


@dataclass(frozen=True, slots=True)
class _Both:
    """Tells the worker and the display."""

    worker: _Worker
    display: Display

    def reading(self, *, now: bool) -> None:
        """Whether the source is being waited for now."""
        self.worker.reading(now=now)

    def moved(self, item: Item, position: int, lines: int) -> None:
        """The item has been read up to a position."""
        self.display.moved(item, position, lines)
