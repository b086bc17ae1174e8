"""Messages that come too often are stored elsewhere before they are deleted, and are never deleted otherwise."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from making import StillClock
from queues import Strict, Worker, event, keys, refused, unreachable
from tailrace.errors import SourceError
from tailrace.notices import PAUSE_S, Notices
from tailrace.quantities import Duration
from tailrace.sources.sqs import SqsSettings

OWN = SqsSettings(max_receives=3, first_pause=Duration(10), longest_pause=Duration(10))
SET = SqsSettings(max_receives=3, first_pause=Duration(10), longest_pause=Duration(10), dead_letter_queue="dead")


@pytest.fixture
def sqs(clock: StillClock) -> Strict:
    return Strict(clock)


def fail(worker: Worker, times: int) -> None:
    """So often the message comes and is not delivered."""
    for _ in range(times):
        worker.source.nack(worker.next(), SourceError("logs/a is archived;\nrestore it"))
        worker.turn()
        worker.sqs.clock.time += 11


@pytest.mark.parametrize("by", ["settings", "redrive"])
def test_a_message_that_came_too_often_is_moved_with_the_reason(sqs: Strict, by: str) -> None:
    worker = Worker(sqs, own=SET if by == "settings" else OWN)
    if by == "redrive":
        sqs.redrive["events"] = "dead"
    number = sqs.put(event("a"), attributes={"theirs": {"DataType": "Binary", "BinaryValue": b"\0"}})
    fail(worker, 3)
    assert worker.rest() == []
    worker.turn()
    assert (sqs.bodies(), sqs.bodies("dead")) == ([], [event("a")])
    (stored,) = sqs.queues["dead"].values()
    texts = {name: told.get("StringValue") for name, told in stored.attributes.items()}
    assert texts == {
        "theirs": None, "TailraceReason": "logs/a is archived;?restore it", "TailraceQueue": "events",
        "TailraceMessageId": number, "TailraceReceives": "4",
    }  # fmt: skip
    assert stored.attributes["theirs"]["BinaryValue"] == b"\0"
    assert worker.source.counts["dead_lettered"] == 1
    assert worker.notices == [
        f"message {number} in the queue events has been received 4 times; it is moved to the queue dead"
    ]


def test_one_that_is_not_understood_is_moved_too(sqs: Strict) -> None:
    worker = Worker(sqs, own=SET)
    sqs.put("what is this?")
    for _ in range(4):
        assert worker.rest() == []
        worker.turn()
        sqs.clock.time += 11
    assert (sqs.bodies(), sqs.bodies("dead")) == ([], ["what is this?"])


def test_what_killed_its_worker_is_not_tried_for_ever(sqs: Strict) -> None:
    sqs.put(event("a"))
    for _ in range(3):
        Worker(sqs, own=SET).next()
        sqs.clock.time += 121
    assert Worker(sqs, own=SET).rest() == []
    (stored,) = sqs.queues["dead"].values()
    assert stored.attributes["TailraceReason"]["StringValue"] == "it was received too often"


@pytest.mark.parametrize(
    "fault", [refused("AccessDenied", 403), refused("KmsAccessDenied", 403), unreachable(), refused("X", 500)]
)
def test_what_cannot_be_stored_is_not_deleted(sqs: Strict, fault: Exception) -> None:
    worker = Worker(sqs, own=SET)
    sqs.put(event("a"))
    fail(worker, 3)
    sqs.faults["send"] = [fault]
    fail(worker, 1)
    assert (len(sqs.bodies()), sqs.bodies("dead")) == (1, [])
    assert "cannot be moved to the dead-letter queue: " in worker.notices[0]
    assert "SECRET" not in worker.notices[0]
    assert worker.rest() == []
    worker.turn()
    assert (len(sqs.bodies()), len(sqs.bodies("dead"))) == (0, 1)


def test_without_a_dead_letter_queue_it_stays_and_is_tried_again(sqs: Strict) -> None:
    worker = Worker(sqs, own=OWN)
    number = sqs.put(event("a"))
    fail(worker, 8)
    assert len(sqs.bodies()) == 1
    (told,) = worker.notices
    assert told.startswith(
        f"message {number} in the queue events has been received 4 times; there is no dead-letter queue"
    )
    assert told.endswith("give the queue a redrive policy, or set dead_letter_queue")
    worker.ack(worker.next())
    worker.turn()
    assert sqs.bodies() == []


def test_a_dead_letter_queue_that_is_not_there_loses_nothing(sqs: Strict) -> None:
    worker = Worker(sqs, own=SET)
    del sqs.queues["dead"]
    sqs.put(event("a"))
    fail(worker, 4)
    assert len(sqs.bodies()) == 1
    assert "there is no queue dead at" in worker.notices[0]


def test_a_copy_whose_original_cannot_be_deleted_is_stored_again(sqs: Strict) -> None:
    worker = Worker(sqs, own=SET)
    sqs.put(event("a"))
    fail(worker, 3)
    sqs.faults["delete"] = [refused("X", 500)]
    assert worker.rest() == []
    worker.turn()
    worker.turn(121)
    assert (len(sqs.bodies()), len(sqs.bodies("dead"))) == (1, 1)
    assert worker.rest() == []
    worker.turn()
    assert (len(sqs.bodies()), len(sqs.bodies("dead"))) == (0, 2)


def test_attributes_of_its_own_come_first(sqs: Strict) -> None:
    worker = Worker(sqs, own=SET)
    own = {f"a{number}": {"DataType": "String", "StringValue": "x"} for number in range(9)}
    sqs.put(event("a"), attributes=own)
    fail(worker, 3)
    worker.rest()
    (stored,) = sqs.queues["dead"].values()
    assert stored.attributes.keys() == {*own, "TailraceReason"}


def test_fifo_queues_keep_their_groups(sqs: Strict) -> None:
    sqs.queues |= {"events.fifo": {}, "dead.fifo": {}}
    sqs.redrive["events.fifo"] = "dead.fifo"
    worker = Worker(sqs, own=OWN, queue="events.fifo")
    for key, group in (("a", "x"), ("b", "x"), ("c", "y")):
        sqs.put(event(key), "events.fifo", group=group)
    first = worker.take(3)
    assert keys(first) == ["a", "b", "c"]
    worker.ack(*first[1:])
    worker.source.nack(first[0], SourceError(""))
    worker.turn()
    worker.sqs.clock.time += 11
    fail(worker, 2)
    worker.rest()
    worker.turn()
    assert sqs.bodies("events.fifo") == []
    (stored,) = sqs.queues["dead.fifo"].values()
    assert (stored.body, stored.group) == (event("a"), "x")


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["take", "ack", "nack", "turn", "pass", "fault", "kill", "close"]), st.integers(0, 200)),
    max_size=60,
)
FAULTS = ["hide", "delete", "receive", "send"]


class History:
    """A worker to which anything may happen, and what was delivered."""

    def __init__(self) -> None:
        self.sqs = Strict(StillClock())
        self.bodies = {
            self.sqs.put(event(*(f"{number}-{part}" for part in range(1 + number % 3)))) for number in range(9)
        }
        self.delivered: set[str] = set()
        self.start()

    def start(self) -> None:
        self.worker = Worker(self.sqs, own=msgspec.structs.replace(SET, in_hand=100))
        self.worker.stop.wait = lambda _seconds: False  # type: ignore[method-assign,assignment]
        self.items: list[Any] = []

    def step(self, what: str, number: int) -> None:
        if what == "take":
            self.items += self.worker.rest()
        elif what == "ack" and self.items:
            item = self.items.pop(number % len(self.items))
            self.delivered.add(item.identity.key)
            self.worker.ack(item)
        elif what == "nack" and self.items:
            self.worker.source.nack(self.items.pop(number % len(self.items)), SourceError("no"))
        elif what in ("turn", "pass"):
            self.worker.turn(number) if what == "turn" else setattr(
                self.sqs.clock, "time", self.sqs.clock.time + number
            )
        elif what == "fault":
            self.sqs.faults.setdefault(FAULTS[number % 4], []).append(refused("X", 500))
            self.sqs.failing.setdefault(FAULTS[number % 2], []).append(("X", number % 3 == 0))
        elif what in ("kill", "close"):
            if what == "close":
                self.worker.source.close()
            self.start()

    def lost(self) -> set[str]:
        """Messages that are in no queue though not everything of them was delivered."""
        kept = set(self.sqs.bodies()) | set(self.sqs.bodies("dead"))
        return {
            body
            for number in range(9)
            if (body := event(*(parts := [f"{number}-{part}" for part in range(1 + number % 3)]))) not in kept
            and not self.delivered.issuperset(parts)
        }


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_whatever_happens_no_message_is_lost(steps: list[Step]) -> None:
    history = History()
    for what, number in steps:
        history.step(what, number)
        assert not history.lost()
    history.sqs.faults.clear()
    history.sqs.failing.clear()
    for _ in range(40):
        history.sqs.clock.time += 121
        history.start()
        history.step("take", 0)
        while history.items:
            history.step("ack", 0)
        history.worker.turn()
    assert history.sqs.bodies() == [], "in the end every message is done with"
    assert not history.lost()


def test_a_kind_of_trouble_is_told_once_a_minute(clock: StillClock) -> None:
    told: list[str] = []
    notices = Notices(told.append, clock)
    for number in range(5):
        notices.tell("one", f"first {number}")
        notices.tell("two", f"second {number}")
        clock.time += PAUSE_S / 3
    assert told == ["first 0", "second 0", "first 3 (and 2 more like it)", "second 3 (and 2 more like it)"]
