"""The messages in hand: one thread keeps others from seeing them until they are deleted or given back.

A message that was received is hidden from other workers for the time of its visibility. It is hidden anew after a third of
that time, so that two renewals may fail. Where all fail and the time runs out, the message is nobody's: it is not deleted
then, for another worker may have it, and when it comes again the receipts tell that its objects are delivered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Condition, Event, Thread
from typing import Final, Literal

from tailrace.clock import Clock
from tailrace.errors import Fatal, Retryable
from tailrace.notices import Notices
from tailrace.sources._queue import BATCH, Message, Queue

_TICK_S: Final = 0.5
_LONGEST_CALL_S: Final = 15
_LAST_TRIES: Final = 3
State = Literal["working", "deleting", "leaving"]


@dataclass(slots=True, eq=False)
class Held:
    """A message in hand: until when others do not see it, and when to renew that.

    `hide_for`: for so many seconds it is to be hidden when it is given back.
    """

    message: Message
    until: float
    renew: float
    state: State = "working"
    hide_for: int = 0


class Hidden:
    """The messages that were received and are neither deleted nor given back. Any thread may call."""

    def __init__(self, queue: Queue, visibility: int, clock: Clock, notices: Notices) -> None:
        self._queue, self._visibility, self._clock, self._notices = queue, visibility, clock, notices
        self._held: dict[Held, None] = {}
        self._changed = Condition()
        self._closed = Event()
        self._thread: Thread | None = None
        self.failure: Exception | None = None
        """Why nothing can be kept in hand any more."""
        self.counts = Counter[str]()
        """How many messages were received, deleted and given back, and how many had become visible before that."""

    def start(self) -> None:
        """Begin to renew."""
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def take(self, messages: Sequence[Message]) -> list[Held]:
        """Take in messages that have just come. Once closed it gives them back, and has none."""
        now = self._clock.monotonic()
        held = [Held(each, now + self._visibility, now + self._visibility / 3) for each in messages]
        with self._changed:
            self.counts["received"] += len(held)
            self._held |= dict.fromkeys(held)
        if not self._closed.is_set():
            return held
        self._give_all_back()
        return []

    def working(self) -> int:
        """How many messages are under way or wait for that."""
        with self._changed:
            return sum(held.state == "working" for held in self._held)

    def has(self, held: Held) -> bool:
        """Whether a message is still in hand."""
        with self._changed:
            return held in self._held

    def count(self, what: str) -> None:
        """One more message of which something can be told."""
        with self._changed:
            self.counts[what] += 1

    def wait(self, seconds: float) -> None:
        """Until a message is done with, or so long."""
        with self._changed:
            self._changed.wait(seconds)

    def delete(self, held: Held) -> None:
        """The message is done with."""
        self._set(held, "deleting")

    def give_back(self, held: Held, seconds: int) -> None:
        """The message is to come again, in so many seconds."""
        held.hide_for = seconds
        self._set(held, "leaving")

    def turn(self) -> None:
        """Do what is to be done now: delete, give back, renew. Raises Fatal."""
        for step in (self._drop_lapsed, self._delete, self._let_go, self._renew):
            self._guarded(step)

    def close(self) -> None:
        """Delete what is to be deleted, and give everything else back at once. May be called twice."""
        self._closed.set()
        if self._thread:
            self._thread.join(_LONGEST_CALL_S)
        for _ in range(_LAST_TRIES):
            self._ended(self._delete)
        self._give_all_back()

    def _set(self, held: Held, state: State) -> None:
        with self._changed:
            held.state = state
            self._changed.notify_all()

    def _run(self) -> None:
        tick = min(_TICK_S, self._visibility / 10)
        while not self._closed.wait(tick):
            try:
                self.turn()
            except Exception as error:  # noqa: BLE001 - the source raises it
                self.failure = error
                return

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Retryable as error:
            self._notices.tell("queue", str(error))

    def _ended(self, step: Callable[[], None]) -> None:
        """Do a last thing; what fails now comes again by itself."""
        try:
            self._guarded(step)
        except Fatal as error:
            self._notices.tell("queue", str(error))

    def _in(self, *states: State) -> Iterator[list[Held]]:
        """The messages in these states, by batches."""
        with self._changed:
            found = [held for held in self._held if held.state in states]
        yield from (found[at : at + BATCH] for at in range(0, len(found), BATCH))

    def _delete(self) -> None:
        for batch in self._in("deleting"):
            settled = self._queue.delete([held.message for held in batch])
            self._drop(batch, settled.done, "deleted")
            self._lapsed(batch, settled.lapsed)

    def _let_go(self) -> None:
        for batch in self._in("leaving"):
            settled = self._queue.hide([(held.message, held.hide_for) for held in batch])
            self._drop(batch, settled.done, "given_back")
            self._lapsed(batch, settled.lapsed)

    def _renew(self) -> None:
        now = self._clock.monotonic()
        for batch in self._in("working", "deleting"):
            due = [held for held in batch if held.renew <= now]
            if not due:
                continue
            asked = self._clock.monotonic()
            settled = self._queue.hide([(held.message, self._visibility) for held in due])
            done = set(map(id, settled.done))
            for held in due:
                if id(held.message) in done:
                    held.until, held.renew = asked + self._visibility, asked + self._visibility / 3
            self._lapsed(due, settled.lapsed)
            if settled.again:
                self._notices.tell(
                    "renew", f"the queue does not renew the visibility of {len(settled.again)} messages now"
                )

    def _drop_lapsed(self) -> None:
        """Those whose time has run out are not touched any more."""
        now = self._clock.monotonic()
        for batch in self._in("working", "deleting", "leaving"):
            self._lapsed(batch, [held.message for held in batch if held.until <= now])

    def _lapsed(self, batch: Sequence[Held], messages: Sequence[Message]) -> None:
        if messages:
            self._drop(batch, messages, "lapsed")
            self._notices.tell(
                "lapsed",
                f"message {messages[0].id} became visible to others before it was done with, so it comes again;"
                f" what is delivered of it is not delivered again",
            )

    def _drop(self, batch: Sequence[Held], messages: Sequence[Message], outcome: str) -> None:
        gone = set(map(id, messages))
        with self._changed:
            for held in batch:
                if id(held.message) in gone and self._held.pop(held, held) is None:
                    self.counts[outcome] += 1
            self._changed.notify_all()

    def _give_all_back(self) -> None:
        for batch in self._in("working", "leaving"):
            for held in batch:
                held.hide_for = held.hide_for if held.state == "leaving" else 0
                held.state = "leaving"
        self._ended(self._let_go)
        with self._changed:
            self._held.clear()
