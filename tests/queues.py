"""A queue as strict as SQS describes itself, with a clock that stands still, and servers' real ones beside it.

What it does not allow: handles of an earlier receive, messages that are not in flight, batches of more than ten or with equal
ids, times that are no whole seconds or too long.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Lock
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from making import StillClock
from tailrace.kinds import Surroundings
from tailrace.model import Item
from tailrace.settings import Settings
from tailrace.sources._queue import Queue
from tailrace.sources.sqs import Sqs, SqsSettings

ENDPOINT = "https://sqs.example.net"
TWELVE_HOURS = 43_200


def refused(code: str, status: int = 400) -> ClientError:
    """As boto3 raises it; the text must never be shown."""
    answer: Any = {"Error": {"Code": code, "Message": "SECRET"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Operation")


def unreachable() -> EndpointConnectionError:
    return EndpointConnectionError(endpoint_url=ENDPOINT)


def event(*keys: str, bucket: str = "logs", **more: Any) -> str:
    """An event of S3 for objects of which it tells everything."""
    records = [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "eventTime": "2026-11-20T10:05:03.123Z",
            "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": 9, "eTag": f"etag-{key}"}},
            **more,
        }
        for key in keys
    ]
    return json.dumps({"Records": records})


@dataclass
class Stored:
    """A message in the queue."""

    id: str
    body: str
    attributes: dict[str, Any]
    group: str = ""
    visible: float = 0.0
    received: int = 0
    handle: str = ""
    first: float = 0.0


@dataclass
class Strict:
    """Speaks as a boto3 client of SQS; holds any number of queues by name."""

    clock: StillClock
    queues: dict[str, dict[str, Stored]] = field(default_factory=lambda: {"events": {}, "dead": {}})
    redrive: dict[str, str] = field(default_factory=dict)
    faults: dict[str, list[Exception | None]] = field(default_factory=dict)
    """By call, what the next calls of it raise."""
    failing: dict[str, list[tuple[str, bool]]] = field(default_factory=dict)
    """By call, code and sender's fault of the next entries of its batches."""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    on_receive: Callable[[int], object] = lambda _count: None
    closed: int = 0

    def __post_init__(self) -> None:
        self.meta = SimpleNamespace(endpoint_url=ENDPOINT)
        self._numbers = itertools.count(1)
        self._lock = Lock()

    def put(self, body: str, queue: str = "events", **more: Any) -> str:
        """Send a message; its id."""
        number = f"m{next(self._numbers)}"
        self.queues[queue][number] = Stored(number, body, more.pop("attributes", {}), **more)
        return number

    def bodies(self, queue: str = "events") -> list[str]:
        return [stored.body for stored in self.queues[queue].values()]

    def hidden(self, queue: str = "events") -> list[float]:
        """For how long each message is still hidden."""
        return [max(0.0, stored.visible - self.clock.time) for stored in self.queues[queue].values()]

    def close(self) -> None:
        self.closed += 1

    def get_queue_url(self, QueueName: str, QueueOwnerAWSAccountId: str = "1") -> Any:  # noqa: N803 - as SQS has it
        self._begin("get_queue_url", QueueName)
        if QueueName not in self.queues:
            raise refused("AWS.SimpleQueueService.NonExistentQueue")
        return {"QueueUrl": f"{ENDPOINT}/{QueueOwnerAWSAccountId}/{QueueName}"}

    def get_queue_attributes(self, QueueUrl: str, AttributeNames: list[str]) -> Any:  # noqa: N803
        self._begin("get_queue_attributes", AttributeNames)
        name = self._name(QueueUrl)
        told = {"ApproximateNumberOfMessages": str(len(self.queues[name])), "QueueArn": f"arn:aws:sqs:x:1:{name}"}
        if name in self.redrive:
            told["RedrivePolicy"] = json.dumps(
                {"deadLetterTargetArn": f"arn:aws:sqs:x:2:{self.redrive[name]}", "maxReceiveCount": 9}
            )
        return {"Attributes": {key: told[key] for key in AttributeNames if key in told}}

    def receive_message(self, **words: Any) -> Any:
        self._begin("receive", words)
        assert 1 <= words["MaxNumberOfMessages"] <= 10
        assert type(words["WaitTimeSeconds"]) is int
        assert 0 <= words["WaitTimeSeconds"] <= 20
        hidden = _seconds(words["VisibilityTimeout"])
        name = self._name(words["QueueUrl"])
        found = [self._received(stored, hidden) for stored in self._visible(name, words["MaxNumberOfMessages"])]
        self.on_receive(len(found))
        return {"Messages": found} if found else {}

    def _visible(self, name: str, most: int) -> list[Stored]:
        busy = {each.group for each in self.queues[name].values() if each.group and each.visible > self.clock.time}
        visible = [each for each in self.queues[name].values() if each.visible <= self.clock.time]
        return [each for each in visible if each.group not in busy][:most]

    def _received(self, stored: Stored, hidden: int) -> Any:
        stored.received += 1
        stored.handle = f"{stored.id}/{stored.received}"
        stored.first, stored.visible = self.clock.time, self.clock.time + hidden
        told = {"ApproximateReceiveCount": str(stored.received), "SentTimestamp": "1"}
        if stored.group:
            told |= {"MessageGroupId": stored.group}
        return {
            "MessageId": stored.id,
            "ReceiptHandle": stored.handle,
            "Body": stored.body,
            "Attributes": told,
            **({"MessageAttributes": stored.attributes} if stored.attributes else {}),
        }

    def delete_message_batch(self, QueueUrl: str, Entries: Any) -> Any:  # noqa: N803
        def delete(stored: Stored, _entry: Any) -> None:
            del self.queues[self._name(QueueUrl)][stored.id]

        return self._batch("delete", QueueUrl, Entries, delete)

    def change_message_visibility_batch(self, QueueUrl: str, Entries: Any) -> Any:  # noqa: N803
        def change(stored: Stored, entry: Any) -> None:
            stored.visible = self.clock.time + _seconds(entry["VisibilityTimeout"])
            assert stored.visible - stored.first <= TWELVE_HOURS

        return self._batch("hide", QueueUrl, Entries, change)

    def _batch(self, call: str, url: str, entries: Any, done: Callable[[Stored, Any], None]) -> Any:
        self._begin(call, entries)
        assert 1 <= len(entries) <= 10
        assert len({entry["Id"] for entry in entries}) == len(entries)
        answer: dict[str, list[Any]] = {"Successful": [], "Failed": []}
        with self._lock:
            for entry in entries:
                code, fault = self.failing[call].pop(0) if self.failing.get(call) else ("", False)
                by_handle = {stored.handle: stored for stored in self.queues[self._name(url)].values()}
                stored = by_handle.get(entry["ReceiptHandle"])
                if not code and (stored is None or stored.visible <= self.clock.time):
                    code, fault = "ReceiptHandleIsInvalid", True
                if code:
                    told = {"Id": entry["Id"], "Code": code, "SenderFault": fault, "Message": "SECRET"}
                    answer["Failed"].append(told)
                    continue
                assert stored
                done(stored, entry)
                answer["Successful"].append({"Id": entry["Id"]})
        return {key: value for key, value in answer.items() if value}

    def send_message(self, QueueUrl: str, MessageBody: str, MessageAttributes: Any, **order: str) -> Any:  # noqa: N803
        self._begin("send", MessageAttributes)
        name = self._name(QueueUrl)
        assert name.endswith(".fifo") == ({"MessageGroupId", "MessageDeduplicationId"} <= set(order))
        assert len(MessageAttributes) <= 10
        assert all(each.get("StringValue") or each.get("BinaryValue") for each in MessageAttributes.values())
        self.put(MessageBody, name, attributes=MessageAttributes, group=order.get("MessageGroupId", ""))
        return {"MessageId": "x"}

    def _begin(self, call: str, words: Any) -> None:
        self.calls.append((call, words))
        fault = self.faults[call].pop(0) if self.faults.get(call) else None
        if fault:
            raise fault

    def _name(self, url: str) -> str:
        name = url.rpartition("/")[2]
        assert url.startswith(f"{ENDPOINT}/")
        if name not in self.queues:
            raise refused("QueueDoesNotExist")
        return name


def _seconds(value: Any) -> int:
    assert type(value) is int
    assert 0 <= value <= TWELVE_HOURS
    return value


@dataclass
class Worker:
    """A source over a queue, whose heart beats only when it is told to."""

    sqs: Strict
    notices: list[str] = field(default_factory=list)
    stop: Event = field(default_factory=Event)
    own: SqsSettings = field(default_factory=SqsSettings)
    queue: str = "events"

    def __post_init__(self) -> None:
        self.source = Sqs(Queue(self.sqs, self.queue), self.own, self.given)
        self.hand = self.source._hidden
        self.hand.start = lambda: None  # type: ignore[method-assign]
        self._items = self.source.items()

    @property
    def given(self) -> Surroundings:
        unused: Any = None
        return Surroundings(
            settings=Settings(workers=2), clock=self.sqs.clock, stdin=unused, stdout=1, client=lambda _: self.sqs,
            vault=unused, stop=self.stop, notice=self.notices.append,
        )  # fmt: skip

    def next(self) -> Item:
        return next(self._items)

    def take(self, count: int) -> list[Item]:
        return [self.next() for _ in range(count)]

    def rest(self) -> list[Item]:
        """All items there are now, as long as there is room for them."""
        self.sqs.on_receive = lambda count: count or self.stop.set()
        found = list(self._items)
        self.stop.clear()
        self.sqs.on_receive = lambda _count: None
        self._items = self.source.items()
        return found

    def ack(self, *items: Item) -> None:
        for item in items:
            self.source.ack(item)

    def turn(self, seconds: float = 0) -> None:
        """So much time passes, then the heart beats."""
        self.sqs.clock.time += seconds
        self.hand.turn()


def keys(items: list[Item]) -> list[str]:
    return [item.identity.key for item in items]
