"""A queue's messages become items, and are deleted when all of them are delivered, never before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from making import StillClock
from queues import ENDPOINT, Strict, Worker, event, keys, refused, unreachable
from tailrace.errors import Fatal, SourceError, TailraceError, UsageError
from tailrace.ports import Measured
from tailrace.quantities import Duration
from tailrace.registry import source_of
from tailrace.sources.sqs import SOURCE, SqsSettings

EVENTS = Path(__file__).parents[1] / "events"
TROUBLE = SourceError("the sink refuses")


@pytest.fixture
def sqs(clock: StillClock) -> Strict:
    return Strict(clock)


@pytest.fixture
def worker(sqs: Strict) -> Worker:
    return Worker(sqs)


def test_a_message_is_deleted_when_its_object_is_delivered(sqs: Strict, worker: Worker) -> None:
    sqs.put(event("a.log"))
    item = worker.next()
    assert (item.identity.container, item.identity.key, item.identity.etag) == ("logs", "a.log", "etag-a.log")
    worker.turn(30)
    assert len(sqs.bodies()) == 1
    worker.ack(item)
    worker.turn()
    assert sqs.bodies() == []
    worker.ack(item)
    worker.source.close()
    worker.source.close()
    assert worker.source.counts == {"received": 1, "deleted": 1}
    assert worker.notices == []


def test_a_message_with_several_objects_waits_for_all_of_them(sqs: Strict, worker: Worker) -> None:
    sqs.put(event("a", "b", "a", "c"))
    items = worker.take(3)
    assert keys(items) == ["a", "b", "c"], "each once"
    worker.ack(items[2], items[0])
    worker.turn(60)
    assert len(sqs.bodies()) == 1
    worker.ack(items[1])
    worker.turn()
    assert sqs.bodies() == []


def test_if_one_object_is_not_delivered_the_message_comes_again(sqs: Strict, worker: Worker) -> None:
    sqs.put(event("a", "b"))
    first, second = worker.take(2)
    worker.source.nack(first, TROUBLE)
    worker.turn()
    assert sqs.hidden() == [120], "not while the other one is under way"
    worker.ack(second)
    worker.turn()
    assert sqs.hidden() == [30]
    sqs.clock.time += 31
    assert keys(worker.take(2)) == ["a", "b"]


def test_the_pause_doubles_up_to_its_limit(sqs: Strict) -> None:
    worker = Worker(sqs, own=SqsSettings(first_pause=Duration(10), longest_pause=Duration(60), max_receives=0))
    sqs.put(event("a"))
    pauses = []
    for _ in range(40):
        worker.source.nack(worker.next(), TROUBLE)
        worker.turn()
        pauses += sqs.hidden()
        sqs.clock.time += 61
    assert pauses == [10, 20, 40] + [60] * 37


@pytest.mark.parametrize("name", ["documented_s3_test_event", "captured_moto_sqs_test_event"])
def test_a_test_event_is_deleted(sqs: Strict, worker: Worker, name: str) -> None:
    sqs.put((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    assert worker.rest() == []
    worker.turn()
    assert sqs.bodies() == []
    assert worker.source.counts["passed"] == 1


@pytest.mark.parametrize(
    "body",
    [event("a").replace("ObjectCreated:Put", "ObjectRemoved:Delete"), event("logs/").replace('"size": 9', '"size": 0')],
)
def test_what_announces_nothing_is_deleted_and_counted(sqs: Strict, worker: Worker, body: str) -> None:
    sqs.put(body)
    assert worker.rest() == []
    worker.turn()
    assert (sqs.bodies(), worker.source.counts["passed"]) == ([], 1)


@pytest.mark.parametrize(
    "body",
    ["SECRET, not JSON", '{"SECRET": 1}', "[" * 100_000, '{"Records": [{"s3": "SECRET"}]}', "null", '"' + "x" * 1000 + '"',
     event("a").replace("2.1", "3.0"), event("a").replace("ObjectCreated:Put", "SECRET:Put").replace("SECRET", "Odd")],
)  # fmt: skip
def test_what_is_not_understood_is_never_deleted(sqs: Strict, worker: Worker, body: str) -> None:
    number = sqs.put(body)
    for _ in range(3):
        assert worker.rest() == []
        worker.turn()
        assert sqs.bodies() == [body]
        sqs.clock.time += 15
    (told,) = worker.notices
    assert told.startswith(f"message {number} in the queue events is ")
    assert told.endswith("; it is left where it is")
    assert "SECRET" not in told.replace("with SECRET", "")
    assert worker.source.counts["not_understood"] == 2, "received twice, told once"
    assert "deleted" not in worker.source.counts


def test_real_servers_events_become_items(sqs: Strict, worker: Worker) -> None:
    bodies = [path.read_text(encoding="utf-8") for path in sorted(EVENTS.glob("captured_*sqs_put.json"))]
    for body in bodies:
        sqs.put(body)
    assert keys(worker.take(len(bodies))) == ["AWSLogs/a b+é.log.gz"] * len(bodies)


def test_no_more_messages_are_in_hand_than_there_is_work_for(sqs: Strict) -> None:
    worker = Worker(sqs, own=SqsSettings(in_hand=12))
    for number in range(30):
        sqs.put(event(str(number)))
    items = worker.take(12)
    asked = [words["MaxNumberOfMessages"] for call, words in sqs.calls if call == "receive"]
    assert asked == [10, 2]
    assert sum(seconds > 0 for seconds in sqs.hidden()) == 12
    worker.ack(items[3], items[7])
    assert keys(worker.take(2)) == ["12", "13"]
    worker.turn()
    assert len(sqs.bodies()) == 28


def test_nobody_else_sees_what_is_in_hand_however_long_it_takes(sqs: Strict, worker: Worker) -> None:
    sqs.put(event("a"))
    sqs.put(event("b"))
    items = worker.take(2)
    for _ in range(100):
        worker.turn(20)
        assert min(sqs.hidden()) > 60, "renewed before half of its time has passed"
    worker.ack(*items)
    worker.turn()
    assert sqs.bodies() == []
    renewals = [words for call, words in sqs.calls if call == "hide"]
    assert len(renewals) == 50, "both in one call, every 40 seconds"


def test_a_message_counts_from_when_it_comes_not_from_when_it_was_waited_for(sqs: Strict) -> None:
    worker = Worker(sqs, own=SqsSettings(visibility=Duration(10)))
    sqs.on_receive = lambda _count: (setattr(sqs.clock, "time", sqs.clock.time + 20), sqs.put(event("a")))
    sqs.put(event("first"))
    assert keys(worker.take(1)) == ["first"]
    sqs.on_receive = lambda _count: None
    worker.turn()
    assert "lapsed" not in worker.source.counts


def test_a_renewal_that_fails_is_told_and_tried_again(sqs: Strict, worker: Worker) -> None:
    sqs.put(event("a"))
    item = worker.next()
    sqs.faults["hide"] = [refused("ServiceUnavailable", 503), unreachable()]
    sqs.failing["hide"] = [("InternalError", False), ("RequestThrottled", True)]
    for _ in range(7):
        worker.turn(15)
    assert sqs.hidden()[0] > 100
    told = " ".join(worker.notices)
    assert "ServiceUnavailable" in told
    assert "does not renew the visibility of 1 messages now" in told
    assert "SECRET" not in told
    worker.ack(item)
    worker.turn()
    assert sqs.bodies() == []


def test_what_has_become_visible_is_not_deleted(sqs: Strict, worker: Worker) -> None:
    number = sqs.put(event("a"))
    item = worker.next()
    worker.turn(121)
    other = Worker(sqs)
    theirs = other.next()
    worker.ack(item)
    worker.turn()
    assert len(sqs.bodies()) == 1
    (told,) = worker.notices
    assert told.startswith(f"message {number} became visible to others before it was done with, so it comes again;")
    assert worker.source.counts["lapsed"] == 1
    other.ack(theirs)
    other.turn()
    assert sqs.bodies() == []


def test_what_is_delivered_just_before_its_time_runs_out_is_not_deleted_after_it(sqs: Strict, worker: Worker) -> None:
    sqs.put(event("a"))
    worker.ack(worker.next())
    worker.turn(121)
    assert len(sqs.bodies()) == 1
    assert not [call for call, _ in sqs.calls if call == "delete"]


def test_a_message_that_somebody_else_has_received_is_let_go(sqs: Strict, worker: Worker) -> None:
    sqs.put(event("a", "b"))
    worker.next()
    sqs.queues["events"]["m1"].handle = "another one's"
    worker.turn(50)
    assert worker.source.counts["lapsed"] == 1
    assert worker.rest() == [], "its other object is not begun any more"


def test_deletions_that_fail_are_made_again(sqs: Strict) -> None:
    worker = Worker(sqs, own=SqsSettings(in_hand=50))
    for number in range(25):
        sqs.put(event(str(number)))
    worker.ack(*worker.take(25))
    sqs.faults["delete"] = [None, refused("RequestThrottled", 403)]
    sqs.failing["delete"] = [("", False), ("InternalError", False), ("ThrottlingException", True)]
    worker.turn()
    assert len(sqs.bodies()) == 17
    worker.turn(60)
    assert sqs.bodies() == []
    assert [len(words) for call, words in sqs.calls if call == "delete"] == [10, 10, 10, 7]
    assert "(RequestThrottled)" in worker.notices[0]


def test_a_queue_that_does_not_answer_is_asked_again(sqs: Strict, worker: Worker) -> None:
    sqs.put(event("a"))
    sqs.put(event("b"))
    worker.stop.wait = lambda _seconds: False  # type: ignore[method-assign,assignment]
    worker.next()
    sqs.put(event("c"))
    sqs.faults["receive"] = [refused("OverLimit"), unreachable(), refused("InternalError", 500)]
    assert keys(worker.take(2)) == ["b", "c"]
    assert worker.notices == [f"the queue events at {ENDPOINT} does not do what it is asked for now (OverLimit)"]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (refused("AccessDenied", 403), "access to the queue events at {at} is denied"),
        (refused("InvalidClientTokenId", 403), "the credentials are not accepted by {at} (InvalidClientTokenId)"),
        (refused("QueueDoesNotExist"), "there is no queue events at {at}; check its name, the region and the endpoint"),
        (unreachable(), "{at} cannot be reached for the queue events"),
    ],
)
def test_what_will_not_change_ends_the_source(sqs: Strict, worker: Worker, fault: Exception, told: str) -> None:
    sqs.faults["receive"] = [fault]
    with pytest.raises(Fatal) as caught:
        worker.next()
    assert str(caught.value).startswith(told.format(at=ENDPOINT))


def test_permission_to_delete_that_lacks_ends_the_source(sqs: Strict, worker: Worker) -> None:
    sqs.put(event("a"))
    worker.ack(worker.next())
    sqs.faults["delete"] = [refused("AccessDenied", 403)] * 9
    worker.hand._closed.wait = lambda _seconds: False  # type: ignore[method-assign,assignment]
    worker.hand._run()
    with pytest.raises(Fatal, match="access to the queue events"):
        worker.next()
    worker.source.close()
    assert len(sqs.bodies()) == 1


def test_a_queue_that_is_not_there_is_told(sqs: Strict) -> None:
    with pytest.raises(Fatal, match=f"^there is no queue none at {ENDPOINT}; check its name"):
        Worker(sqs, queue="none").next()


@pytest.mark.parametrize("place", ["events", f"{ENDPOINT}/1/events", "arn:aws:sqs:eu-west-1:1:events"])
def test_a_queue_has_a_name_a_url_and_an_arn(sqs: Strict, place: str) -> None:
    sqs.put(event("a"))
    worker = Worker(sqs, queue=place)
    assert keys(worker.take(1)) == ["a"]
    assert worker.source._queue.name == "events"


def test_at_the_end_everything_is_given_back_at_once(sqs: Strict, worker: Worker) -> None:
    for keys_ in (["a"], ["b", "c"], ["d"], ["e"]):
        sqs.put(event(*keys_))
    items = worker.take(4)
    assert keys(items) == ["a", "b", "c", "d"]
    worker.ack(items[0], items[1])
    worker.stop.set()
    worker.source.nack(items[3], SourceError("d: stopped"))
    assert worker.rest() == []
    worker.source.close()
    assert [json.loads(body)["Records"][0]["s3"]["object"]["key"] for body in sqs.bodies()] == ["b", "d", "e"]
    assert sqs.hidden() == [0, 0, 0]
    assert worker.source.counts == {"received": 4, "deleted": 1, "given_back": 3}
    worker.ack(items[2])
    worker.source.close()
    assert len(sqs.bodies()) == 3


def test_what_comes_after_the_end_is_given_back_too(sqs: Strict, worker: Worker) -> None:
    sqs.put(event("a"))
    sqs.on_receive = lambda _count: (worker.source.close(), worker.stop.set())
    assert list(worker._items) == []
    assert sqs.hidden() == [0]


def test_an_end_without_a_queue_is_an_end(sqs: Strict, worker: Worker) -> None:
    sqs.put(event("a"))
    sqs.put(event("b"))
    worker.ack(worker.next())
    sqs.faults["delete"] = [unreachable(), unreachable(), refused("AccessDenied", 403)]
    sqs.faults["hide"] = [unreachable()]
    worker.source.close()
    assert len(sqs.bodies()) == 2
    assert all(seconds > 0 for seconds in sqs.hidden()), "they come by themselves"


def test_the_look_takes_nothing(sqs: Strict, worker: Worker) -> None:
    sqs.put(event("a"))
    assert not isinstance(worker.source, Measured), "the progress bar must not list it"
    assert worker.source.check() == (
        "one message waits; there is no dead-letter queue: give the queue a redrive policy, or set dead_letter_queue"
    )
    sqs.redrive["events"] = "dead"
    assert worker.source.check() == "one message waits; the dead-letter queue is dead"
    assert sqs.hidden() == [0]
    del sqs.queues["dead"]
    with pytest.raises(TailraceError, match="there is no queue arn:aws:sqs:x:2:dead"):
        worker.source.check()


@pytest.mark.parametrize(
    ("word", "own", "told"),
    [
        ("sqs:", {}, "sqs: is no queue; write sqs:QUEUE_NAME, or sqs: and the queue's URL"),
        ("sqs://events", {}, "sqs://events is no queue"),
        ("sqs:events", {"visibility": Duration(0.5)}, "visibility: expected 1s to 12h, not 0.5s"),
        ("sqs:events", {"wait": Duration(21)}, "wait: expected 0s to 20s, not 21s"),
        ("sqs:events", {"dead_letter_queue": f"{ENDPOINT}/1/events"}, "dead_letter_queue is the queue itself"),
    ],
)
def test_what_cannot_be_is_told(worker: Worker, word: str, own: dict[str, Any], told: str) -> None:
    assert source_of(word) is SOURCE
    with pytest.raises(UsageError) as caught:
        SOURCE.open([word], SqsSettings(**own), worker.given)
    assert told in str(caught.value)


def test_a_queue_is_opened_without_being_asked(sqs: Strict, worker: Worker) -> None:
    source = SOURCE.open(["sqs:events"], SqsSettings(), worker.given)
    assert sqs.calls == []
    source.close()
    assert sqs.closed == 2
