"""Objects that are announced by HTTP: the sender is told 200 when they are delivered, and never before."""

from __future__ import annotations

import http.client
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from queue import Queue
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import pytest
from test_amqp import TIMEOUT_S, announce, event, surroundings

from making import StillClock
from services.real import Ceph, ceph
from tailrace.errors import SourceError, UsageError
from tailrace.model import Item
from tailrace.quantities import Duration, Secret, Size
from tailrace.sources.webhook import Webhook, WebhookSettings


@dataclass
class Door:
    """A webhook at work, and how each object is settled."""

    source: Webhook
    stop: Event
    notices: list[str]
    found: Queue[Item] = field(default_factory=Queue)
    verdicts: Queue[Exception | None] = field(default_factory=Queue)

    def __post_init__(self) -> None:
        Thread(target=self._read, daemon=True).start()
        while not self.source.address:
            self.stop.wait(0.01)

    def _read(self) -> None:
        for each in self.source.items():
            self.found.put(each)
            if verdict := self.verdicts.get():
                self.source.nack(each, verdict)
            else:
                self.source.ack(each)

    def post(self, body: bytes | str, **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self.source.address, timeout=TIMEOUT_S)
        connection.request("POST", "/any", body, headers)
        answer = connection.getresponse()
        told = answer.status, answer.read().decode()
        connection.close()
        return told


@pytest.fixture
def opened(clock: StillClock) -> Iterator[Any]:
    doors: list[Door] = []

    def make(client: Any = None, **own: Any) -> Door:
        stop, notices = Event(), list[str]()
        source = Webhook("127.0.0.1:0", WebhookSettings(**own), surroundings(clock, client, stop, notices))
        doors.append(Door(source, stop, notices))
        return doors[-1]

    yield make
    for each in doors:
        each.stop.set()
        each.verdicts.put(None)
        each.source.close()


def test_the_answer_comes_with_the_delivery(opened: Any) -> None:
    door = opened()
    door.verdicts.put(None)
    door.verdicts.put(None)
    assert door.post(event("a b+é.log", "c")) == (200, "delivered\n")
    assert [door.found.get().identity.key for _ in range(2)] == ["a b+é.log", "c"]


def test_one_object_that_fails_lets_the_sender_come_again(opened: Any) -> None:
    door = opened()
    door.verdicts.put(SourceError("busy"))
    door.verdicts.put(None)
    assert door.post(event("a", "b")) == (503, "not delivered yet; come again\n")


def test_who_waits_too_long_shall_come_again(opened: Any) -> None:
    door = opened(wait=Duration(0.1))
    assert door.post(event("a"))[0] == 503


def test_what_is_no_event_is_refused_and_its_content_not_told(opened: Any) -> None:
    door = opened()
    assert door.post("secret words") == (400, "this is no event of an object store\n")
    assert door.post(event("a").replace("ObjectCreated:Put", "ObjectRemoved:Delete")) == (200, "nothing to do\n")
    assert len(door.notices) == 1
    assert door.notices[0].endswith(": a message that is no JSON; it is answered 400")


def test_requests_are_bounded(opened: Any) -> None:
    door = opened(max_size=Size(100), in_hand=1, wait=Duration(1))
    assert door.post(b"x" * 101)[0] == 413
    short = json.dumps({"Event": "s3:TestEvent"})
    assert door.post(short) == (200, "nothing to do\n")
    connection = http.client.HTTPConnection(door.source.address, timeout=TIMEOUT_S)
    connection.putrequest("POST", "/")
    connection.endheaders()
    assert connection.getresponse().status == 411
    connection.close()


def test_only_so_many_are_taken_at_a_time(opened: Any) -> None:
    door = opened(in_hand=1)
    answers: list[int] = []
    first = Thread(target=lambda: answers.append(door.post(event("a"))[0]))
    first.start()
    door.found.get(timeout=TIMEOUT_S)
    assert door.post(event("b"))[0] == 503
    door.verdicts.put(None)
    first.join(TIMEOUT_S)
    assert answers == [200]


def test_a_token_is_asked_for(opened: Any) -> None:
    door = opened(token=Secret("geheim"))
    test = json.dumps({"Event": "s3:TestEvent"})
    assert door.post(test)[0] == 401
    assert door.post(test, Authorization="Bearer wrong")[0] == 401
    assert door.post(test, Authorization="Basic %%%")[0] == 401
    assert door.post(test, Authorization="Bearer geheim")[0] == 200
    assert door.post(test, Authorization=f"Basic {b64encode(b'ceph:geheim').decode()}")[0] == 200


def test_strangers_need_a_token(clock: StillClock) -> None:
    with pytest.raises(UsageError, match=r"webhook: 0\.0\.0\.0:0 can be reached by others; set a token"):
        Webhook("0.0.0.0:0", WebhookSettings(), surroundings(clock, None, Event(), []))


def test_the_end_lets_waiting_senders_come_again(opened: Any) -> None:
    door = opened()
    answers: list[int] = []
    waiting = Thread(target=lambda: answers.append(door.post(event("a"))[0]))
    waiting.start()
    door.found.get(timeout=TIMEOUT_S)
    door.stop.set()
    door.source.close()
    waiting.join(TIMEOUT_S)
    assert answers == [503]


@pytest.fixture(scope="module")
def gateway() -> Iterator[Ceph]:
    with ceph() as made:
        yield made


def test_ceph_keeps_what_was_not_delivered(gateway: Ceph, opened: Any) -> None:
    store = gateway.client("s3")
    door = opened(store)
    bucket = f"b{uuid4().hex[:8]}"
    announce(gateway, bucket, {"push-endpoint": f"http://{door.source.address}", "persistent": "true"})
    door.verdicts.put(SourceError("busy"))
    door.verdicts.put(None)
    store.put_object(Bucket=bucket, Key="AWSLogs/a b+é.log", Body=b"line\n")
    first, second = (door.found.get(timeout=TIMEOUT_S) for _ in range(2))
    assert first.identity == second.identity
    assert second.identity.key == "AWSLogs/a b+é.log"
    assert second.open().read() == b"line\n"
