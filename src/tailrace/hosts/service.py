"""The worker that stays: carries items as they come until it is told to stop, and tells how it is.

SIGTERM and SIGINT stop it: workers confirm what they have, what they do not get to is given back to its queue at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from tailrace.clock import Clock
from tailrace.errors import MissingExtra
from tailrace.homes import Job
from tailrace.hosts._prometheus import exposition
from tailrace.hosts.intake import AsTheyCome
from tailrace.hosts.listening import Listener, Told
from tailrace.hosts.workers import Crew, Summary, Workers, vanished
from tailrace.metrics import IN_FLIGHT, LINES, OBJECTS, Tally
from tailrace.model import Item
from tailrace.ports import Counting, Source
from tailrace.run import Outcome


@dataclass(slots=True)
class Health:
    """Whether the service lives and is ready."""

    live: bool = True
    ready: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a service is made of.

    `say`: tells people of what went wrong, a sentence at a time. `kept`: whether receipts are. `listen`: where it answers, empty
    for nowhere.
    """

    sources: Sequence[Source]
    crew: Crew
    job: Job
    say: Callable[[str], None]
    kept: bool
    listen: str = ""
    token: str = ""
    health: Health = field(default_factory=Health)

    def run(self, workers: int) -> Summary:
        """Carry until the stop; the account of it all. Raises what ended the service before."""
        tally = Tally()
        tally.queues = {
            f"{type(source).__name__.lower()} {number}": source.counts
            for number, source in enumerate(self.sources, 1)
            if isinstance(source, Counting)
        }
        patience = replace(self.job.patience, retried=tally.retried)
        job = replace(self.job, patience=patience)
        with ExitStack() as stack:
            if self.listen:
                listener = Listener(self.listen, self.token, self._told(tally))
                stack.callback(listener.close)
                self.say(f"listening on {listener.address}: /live, /ready, /metrics")
            intake = AsTheyCome(self.sources, job.stop)
            self.health.ready = True
            display = Watching(tally, job.clock, self.say, kept=self.kept)
            try:
                return Workers(intake, self.crew, job, display, say=self.say).run(workers)
            finally:
                self.health.live = self.health.ready = False

    def _told(self, tally: Tally) -> Told:
        stop = self.job.stop
        return Told(
            live=lambda: self.health.live,
            ready=lambda: self.health.ready and not stop.is_set(),
            metrics=self._metrics(tally),
        )

    def _metrics(self, tally: Tally) -> Callable[[], tuple[bytes, str]]:
        try:
            return exposition(tally)
        except MissingExtra as error:
            self.say(f"warning: {error}")
            return lambda: (b"", "text/plain; charset=utf-8")


class Watching:
    """Counts what the workers tell, and says what went wrong. `kept`: whether receipts are."""

    def __init__(self, tally: Tally, clock: Clock, say: Callable[[str], None], *, kept: bool) -> None:
        self._tally, self._clock, self._say, self._kept = tally, clock, say, kept

    def began(self, item: Item) -> None:  # noqa: ARG002 - as every display
        """Work on an item begins."""
        self._tally.add(IN_FLIGHT, 1)

    def moved(self, item: Item, position: int, lines: int) -> None:  # noqa: ARG002 - as every display
        """So many more lines came of an item."""
        self._tally.add(LINES, lines)

    def ended(self, item: Item, outcome: Outcome | None, error: Exception | None) -> None:
        """Work on an item has ended."""
        self._tally.add(IN_FLIGHT, -1)
        if outcome is None:
            self._tally.add(OBJECTS, 1, "failed")
            self._say(f"error: {item.identity.name} is given back: {error}")
            return
        self._tally.delivered(outcome, self._clock.now() - item.modified)
        if outcome.truncated:
            self._say(f"warning: {item.identity.name} is truncated: {outcome.truncated}")
        if outcome.status == "gone":
            self._say(f"warning: {vanished(item.identity.name, kept=self._kept and item.durable)}")
