"""Events of S3 through a real SQS server: what is put into a bucket comes out of its queue, whatever happens to workers."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any, cast

import boto3
import pytest

from breaking import read
from tailrace.clock import SystemClock
from tailrace.errors import SourceError
from tailrace.kinds import Surroundings
from tailrace.model import Item
from tailrace.quantities import Duration
from tailrace.settings import Settings
from tailrace.sources.sqs import SOURCE, Sqs, SqsSettings

KEYS = ["AWSLogs/a.log", "with space+plus.log", "ümläut/日本 100%.log", "a%2Bb%20c.log", "q?a=b&c#d.log"]
OWN = {"wait": Duration(1), "visibility": Duration(20)}
_numbers = itertools.count()


class Place:
    """A bucket that announces what is put into it to a queue with a dead-letter queue, on a real server."""

    def __init__(self, server: tuple[str, int], suffix: str = "") -> None:
        self.endpoint = f"http://{server[0]}:{server[1]}"
        self.name = f"events-{next(_numbers)}"
        self.s3, self.sqs = self.client("s3"), self.client("sqs")
        self.dead = self._queue(f"dead-{self.name}{suffix}", {})
        arn = self.sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 50})
        self.url = self._queue(f"{self.name}{suffix}", {"RedrivePolicy": policy})
        self.s3.create_bucket(Bucket=self.name)
        self._sources: list[Sqs] = []

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="x",
            aws_secret_access_key="y",
        )

    def _queue(self, name: str, attributes: dict[str, str]) -> str:
        fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"} if name.endswith(".fifo") else {}
        return str(self.sqs.create_queue(QueueName=name, Attributes={**attributes, **fifo})["QueueUrl"])

    def announce(self) -> None:
        """Let the bucket announce; that sends a test event."""
        arn = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.s3.put_bucket_notification_configuration(
            Bucket=self.name,
            NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]},
        )

    def source(self, **own: Any) -> Sqs:
        unused: Any = None
        stop = Event()
        given = Surroundings(
            settings=Settings(workers=4), clock=SystemClock(), stdin=unused, stdout=1, client=self.client, vault=unused,
            stop=stop, notice=lambda text: "it is moved to" not in text or stop.set(),
        )  # fmt: skip
        found = cast("Sqs", SOURCE.open([f"sqs:{self.url}"], SqsSettings(**{**OWN, **own}), given))
        self._sources.append(found)
        return found

    def left(self, url: str = "") -> int:
        """How many messages are in a queue, hidden ones too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = self.sqs.get_queue_attributes(QueueUrl=url or self.url, AttributeNames=names)["Attributes"]
        return sum(map(int, told.values()))

    def close(self) -> None:
        for source in self._sources:
            source.close()


@pytest.fixture
def place(server: tuple[str, int]) -> Iterator[Place]:
    made = Place(server)
    yield made
    made.close()


def take(source: Sqs, count: int) -> list[Item]:
    return list(itertools.islice(source.items(), count))


def test_what_is_put_into_the_bucket_comes_out_of_the_queue(place: Place) -> None:
    place.announce()
    contents = {key: f"the content of {key}".encode() for key in KEYS}
    for key, content in contents.items():
        place.s3.put_object(Bucket=place.name, Key=key, Body=content)
    source = place.source()
    items = take(source, len(KEYS))
    assert {item.identity.key: read(item) for item in items} == contents
    for item in items:
        source.ack(item)
    source.close()
    assert (place.left(), place.left(place.dead)) == (0, 0), "the test event has gone too"


def test_what_is_given_back_comes_to_others_at_once(place: Place) -> None:
    place.announce()
    for key in KEYS:
        place.s3.put_object(Bucket=place.name, Key=key, Body=b"x")
    source = place.source(first_pause=Duration(0))
    items = take(source, 4)
    source.ack(items[0])
    source.nack(items[1], SourceError("not now"))
    source.close()
    again = place.source()
    found = take(again, len(KEYS) - 1)
    assert {item.identity.key for item in found} == set(KEYS) - {items[0].identity.key}
    for item in found:
        again.ack(item)
    again.close()
    assert place.left() == 0


def test_a_message_stays_hidden_as_long_as_it_is_in_hand(place: Place) -> None:
    place.sqs.send_message(QueueUrl=place.url, MessageBody=_event(place, "a"))
    source = place.source(visibility=Duration(1))
    (item,) = take(source, 1)
    seen = place.sqs.receive_message(QueueUrl=place.url, WaitTimeSeconds=3).get("Messages", [])
    assert seen == []
    source.ack(item)
    source.close()
    assert place.left() == 0


def _event(place: Place, *keys: str) -> str:
    records = [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": place.name}, "object": {"key": key}},
        }
        for key in keys
    ]
    return json.dumps({"Records": records})


_VICTIM = """
import sys, time
sys.path[:0] = {path!r}
from sources import test_sqs_served as served
place = object.__new__(served.Place)
place.endpoint, place.url, place._sources = {endpoint!r}, {url!r}, []
print(*[item.identity.key for item in served.take(place.source(visibility=served.Duration(2)), 3)], flush=True)
time.sleep(60)
"""


def test_what_a_killed_worker_had_in_hand_comes_again(place: Place) -> None:
    for key in "abcd":
        place.s3.put_object(Bucket=place.name, Key=key, Body=b"x")
        place.sqs.send_message(QueueUrl=place.url, MessageBody=_event(place, key))
    paths = [str(Path(__file__).parents[1]), *sys.path]
    script = _VICTIM.format(path=paths, endpoint=place.endpoint, url=place.url)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=dict(os.environ)) as victim:
        assert victim.stdout
        assert len(victim.stdout.readline().split()) == 3
        victim.kill()
    source = place.source()
    items = take(source, 4)
    assert sorted(item.identity.key for item in items) == ["a", "b", "c", "d"]
    for item in items:
        source.ack(item)
    source.close()
    assert place.left() == 0


@pytest.mark.parametrize("suffix", ["", ".fifo"])
def test_what_cannot_be_delivered_ends_in_the_dead_letter_queue(server: tuple[str, int], suffix: str) -> None:
    place = Place(server, suffix)
    groups: Sequence[dict[str, str]] = [{"MessageGroupId": str(number)} if suffix else {} for number in range(2)]
    good, bad = _event(place, "good"), _event(place, "bad")
    place.s3.put_object(Bucket=place.name, Key="good", Body=b"x")
    place.sqs.send_message(QueueUrl=place.url, MessageBody=bad, **groups[0])
    place.sqs.send_message(QueueUrl=place.url, MessageBody=good, **groups[1])
    source = place.source(max_receives=2, first_pause=Duration(0))
    for item in source.items():  # until the notice that it was moved
        if item.identity.key == "good":
            source.ack(item)
        else:
            source.nack(item, SourceError(f"{item.identity.name} is archived; restore it"))
    source.close()
    assert (place.left(), place.left(place.dead)) == (0, 1)
    (kept,) = place.sqs.receive_message(QueueUrl=place.dead, MessageAttributeNames=["All"])["Messages"]
    assert kept["Body"] == bad
    told = {name: value["StringValue"] for name, value in kept["MessageAttributes"].items()}
    assert told["TailraceReason"] == f"{place.name}/bad is archived; restore it"
    assert told["TailraceReceives"] == "3"
