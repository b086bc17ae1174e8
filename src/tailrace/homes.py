"""What a run knows of an item before it reads: who is at work on it, what the receipts tell, which sinks lack it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from threading import Event
from uuid import uuid4

from tailrace.clock import Clock
from tailrace.errors import Retryable
from tailrace.kernel.load import Parser
from tailrace.model import Batch, Identity, Item, Refusal, Rendering
from tailrace.ports import DeadLetters, Sink, State
from tailrace.receipts import Receipt, base_of
from tailrace.retry import Patience

LEASE_S = 300.0
"""An item is claimed for so long at a time; the claim is renewed while work goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is the same for all items of a run.

    `parser`: makes the parser of an item from an offset in its content on, for sinks of one form. `checkpoint`: what was delivered is
    confirmed after so many bytes of content. `again`: deliver also what has been delivered. `stop`: set to make the
    loop confirm what it has and return. `owner`: who holds the leases.
    """

    parser: Callable[[Item, int, Rendering | None], Parser]
    patience: Patience
    clock: Clock
    checkpoint: int
    again: bool = False
    stop: Event = field(default_factory=Event)
    owner: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True, slots=True)
class Home:
    """Some sinks, where their receipts are kept, and where rejects and refusals go. One thread uses it.

    `isolate`: takes what a sink has of an item out of files in which others' records are too.
    """

    state: State
    dead: DeadLetters
    sinks: Sequence[Sink]
    isolate: Callable[[Identity, str], None] = lambda _item, _sink: None


@dataclass(slots=True)
class Lane:
    """A sink, the account of what it has of the item, and the files that its next commit replaces."""

    sink: Sink
    visit: Visit
    state: State
    base: Receipt
    replaced: Sequence[str] = ()
    offered: int = 0
    """Records since the last commit."""
    error: Retryable | None = None


class Visit:
    """An item at a home: its lease, what the receipts there tell of it, and its rejects."""

    def __init__(self, item: Item, home: Home, job: Job) -> None:
        self._item, self._home, self._job = item, home, job
        self.held = self.renew()
        self._receipts = home.state.receipts_of(item.identity) if item.durable else {}
        # Up to here the rejects are kept already.
        self._confirmed = 0 if job.again else max((known.offset for known in self._receipts.values()), default=0)

    def renew(self) -> bool:
        """Claim the item for some time; False if somebody else holds it."""
        return not self._item.durable or self._home.state.claim(self._item.identity, self._job.owner, LEASE_S)

    def leave(self) -> None:
        """Give the lease back."""
        if self.held and self._item.durable:
            self._home.state.release(self._item.identity, self._job.owner)

    def lanes(self) -> Iterator[Lane]:
        """The sinks that do not have all of the item. Raises SourceError."""
        again, state = self._job.again, self._home.state
        for sink in self._home.sinks:
            last = self._receipts.get(sink.name)
            base = base_of(self._item, sink.name, None if again else last, self._job.clock.now())
            if base is None:
                continue
            replaced: Sequence[str] = last.tail.files if last and last.tail else ()
            if last and again:
                self._home.isolate(self._item.identity, sink.name)
                replaced = state.files_of(self._item.identity, sink.name)
            yield Lane(sink, self, state, replace(base, parts=last.parts if last else 0), replaced)

    def bury(self, batch: Batch, start: int) -> None:
        """Keep the rejects that are not yet kept, in the commit that begins at an offset."""
        rejects = [reject for reject in batch.rejects if reject.offset >= self._confirmed]
        if rejects or batch.end > self._confirmed:
            self._home.dead.write(self._item, rejects, max(start, self._confirmed))

    def confirmed(self, receipt: Receipt) -> None:
        """A sink has the item up to a place, so the rejects up to there are kept: who reads them later does not keep them again."""
        self._confirmed = max(self._confirmed, receipt.offset)

    def refuse(self, sink: Sink, refusals: Sequence[Refusal], start: int) -> None:
        """Keep what a sink refused in the commit that begins at an offset."""
        self._home.dead.refuse(self._item, sink.name, refusals, start)

    def flush(self) -> None:
        """Make rejects and refusals durable."""
        self._home.dead.flush()

    def keep_only(self, start: int) -> None:
        """Remove rejects of earlier deliveries."""
        self._home.dead.keep_only(self._item, start)

    def abandon(self) -> None:
        """Forget the rejects and refusals since the last flush."""
        self._home.dead.abandon()
