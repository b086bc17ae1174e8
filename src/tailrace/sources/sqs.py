"""A queue of SQS with events that announce objects, in any envelope (see `tailrace.events`).

A message is deleted when every object that it announces is delivered, that is when all its items were acknowledged; until
then it is kept from other workers. If one was not delivered, the message comes again after a pause that doubles each time.
A message that announces nothing (a test event, a removed object) is deleted. One that is not understood is never deleted:
it stays for the queue's dead-letter queue. One that has come too often is moved there: it is stored, then deleted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final

import msgspec

from tailrace.errors import Retryable, UsageError
from tailrace.events import Announced, NotUnderstood, announced
from tailrace.kinds import SourceKind, Surroundings
from tailrace.model import Item
from tailrace.notices import Notices
from tailrace.permissions import ANNOUNCED, Need, needs_on, queue
from tailrace.quantities import Duration
from tailrace.sources._dead import DeadQueue
from tailrace.sources._hand import Hand, waiting
from tailrace.sources._objects import Objects, is_folder, reading_announced
from tailrace.sources._queue import Message, Queue
from tailrace.sources._visibility import Held, Hidden

SCHEME: Final = "sqs:"
_LONGEST_WAIT_S: Final = 20
_LONGEST_HIDDEN_S: Final = 12 * 3600
"""As SQS has it."""
_POLL_S: Final = 0.1
_PAUSES_S: Final = (1, 2, 5, 10, 30)
"""Before the queue is asked again, while it does not answer."""


class SqsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of a queue."""

    visibility: Duration = Duration(120)
    """For so long a message stays hidden from other workers, renewed while it is in hand: when a worker dies, what it had comes
    again after this."""
    wait: Duration = Duration(5)
    """For so long the queue is asked to wait for messages, 20s at most; a stop may take as long (`docker stop` waits for 10 s)."""
    in_hand: Annotated[int, msgspec.Meta(ge=0)] = 0
    """So many messages are in hand at most, under way or waiting; twice as many as there are workers if 0."""
    max_receives: Annotated[int, msgspec.Meta(ge=0)] = 20
    """A message that has been received more often is moved to the dead-letter queue; 0 leaves that to the queue itself."""
    dead_letter_queue: str = ""
    """Name or URL of the queue for such messages; the one of the queue's own redrive policy if not given."""
    first_pause: Duration = Duration(30)
    """After so long a message comes again that could not be delivered; doubled each time."""
    longest_pause: Duration = Duration(900)
    """The pause does not become longer than this."""
    requester_pays: bool = False
    """Read also from buckets whose readers pay, and pay for it."""


class Sqs:
    """The objects that the messages of a queue announce, without end."""

    def __init__(self, queue: Queue, own: SqsSettings, given: Surroundings) -> None:
        self._queue, self._own, self._stop = queue, own, given.stop
        self._client = given.client("s3")
        self._objects = Objects(self._client, given.clock, requester_pays=own.requester_pays)
        self._notices = Notices(given.notice, given.clock)
        self._hidden = Hidden(queue, int(own.visibility), given.clock, self._notices)
        self._dead = DeadQueue(queue, own.dead_letter_queue, self._notices)
        self._most = own.in_hand or 2 * given.settings.workers
        self._silences = 0
        self._hand = Hand[Held]()

    @property
    def counts(self) -> Mapping[str, int]:
        """How many messages were received, deleted, given_back, lapsed; and how many passed, not_understood, dead_lettered."""
        return self._hidden.counts

    def items(self) -> Iterator[Item]:
        """The objects, as long as the run is not stopped. Raises Fatal if the queue cannot be used."""
        self._hidden.start()
        while not self._stop.is_set():
            for held in self._received():
                yield from self._opened(held)

    def ack(self, item: Item) -> None:
        """The item is delivered; with the last one its message is deleted."""
        self._settle(item, None)

    def nack(self, item: Item, error: Exception) -> None:
        """The item is not delivered: its message comes again."""
        self._settle(item, error)

    def check(self) -> str:
        """How many messages wait, and where those go that cannot be delivered. Nothing is received."""
        messages = self._queue.attributes("ApproximateNumberOfMessages").get("ApproximateNumberOfMessages", "?")
        return f"{waiting(messages)}; {self._dead.check()}"

    def close(self) -> None:
        """Give back all that is in hand, and close the connections."""
        self._hidden.close()
        self._queue.close()
        self._client.close()

    def _received(self) -> Sequence[Held]:
        """Messages, as many as there is work for; none if that takes a while."""
        if self._hidden.failure:
            raise self._hidden.failure
        room = self._most - self._hidden.working()
        if room <= 0:
            self._hidden.wait(_POLL_S)
            return ()
        try:
            messages = self._queue.receive(room, int(self._own.wait), int(self._own.visibility))
        except Retryable as error:
            self._notices.tell("receive", str(error))
            self._stop.wait(_PAUSES_S[min(self._silences, len(_PAUSES_S) - 1)])
            self._silences += 1
            return ()
        self._silences = 0
        return self._hidden.take(messages)

    def _opened(self, held: Held) -> Iterator[Item]:
        """The items of a message, which is in hand until they are all settled."""
        message, most = held.message, self._own.max_receives
        if most and message.receives > most and self._dead.took(message):
            self._hidden.count("dead_lettered")
            self._hidden.delete(held)
            return
        try:
            found = _wanted(message)
        except NotUnderstood as error:
            self._hidden.count("not_understood")
            self._notices.tell("not understood", f"message {message.id} in the queue {self._queue.name} is {error}")
            self._hidden.give_back(held, self._pause(message))
            return
        if not found:
            self._hidden.count("passed")
            self._hidden.delete(held)
            return
        items = [self._objects.announced(each) for each in found]
        self._hand.take(held, items)
        for item in items:
            if not self._stop.is_set() and self._hidden.has(held):
                yield item
            else:
                self._hand.settle(item, NotUnderstood("not begun"))

    def _settle(self, item: Item, error: Exception | None) -> None:
        settled = self._hand.settle(item, error)
        if settled is None:
            return
        held = settled.handle
        if settled.error:
            self._dead.remember(held.message, settled.error)
            self._hidden.give_back(held, self._pause(held.message))
        else:
            self._hidden.delete(held)

    def _pause(self, message: Message) -> int:
        """After so many seconds a message shall come again: at once if the run is stopped, for others may have time for it."""
        if self._stop.is_set():
            return 0
        doubled = self._own.first_pause * 2.0 ** min(message.receives - 1, 32)
        return int(min(doubled, self._own.longest_pause, _LONGEST_HIDDEN_S))


def _wanted(message: Message) -> Sequence[Announced]:
    """The objects that a message announces, each once. Raises NotUnderstood."""
    found = {
        (each.bucket, each.key, each.etag): each
        for each in announced(message.body)
        if each.size is None or not is_folder(each.key, each.size)
    }
    return list(found.values())


def _source(words: Sequence[str], own: SqsSettings, given: Surroundings) -> Sqs:
    (word,) = words
    place = word.removeprefix(SCHEME)
    if not place or place.startswith("//"):
        message = f"{word} is no queue; write sqs:QUEUE_NAME, or sqs: and the queue's URL"
        raise UsageError(message)
    _check("visibility", own.visibility, 1, _LONGEST_HIDDEN_S)
    _check("wait", own.wait, 0, _LONGEST_WAIT_S)
    events = Queue(given.client("sqs"), place)
    if own.dead_letter_queue and Queue(None, own.dead_letter_queue).name == events.name:
        message = f"{word}: dead_letter_queue is the queue itself; name another one"
        raise UsageError(message)
    return Sqs(events, own, given)


def _check(key: str, value: Duration, least: int, most: int) -> None:
    if not least <= value <= most:
        message = f"{key}: expected {Duration(least)} to {Duration(most)}, not {value}"
        raise UsageError(message)


def _needs(word: str, own: SqsSettings) -> Sequence[Need]:
    calls = ("ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch", "GetQueueAttributes")
    places = {word.removeprefix(SCHEME): [f"sqs:{call}" for call in calls]}
    if own.dead_letter_queue:  # which one it is otherwise, only the queue itself tells
        places[own.dead_letter_queue] = ["sqs:SendMessage", "sqs:GetQueueAttributes"]
    found = reading_announced(ANNOUNCED)
    for place, wanted in places.items():
        found += needs_on(queue(place), *wanted, *([] if "://" in place else ["sqs:GetQueueUrl"]))
    return found


SOURCE = SourceKind(
    form="sqs:QUEUE",
    about="objects that the messages of an SQS queue announce: S3's events, in any envelope; QUEUE is its name or its URL",
    claims=lambda word: word.startswith(SCHEME),
    settings=SqsSettings,
    open=_source,
    takes_away=True,
    needs=_needs,
)
