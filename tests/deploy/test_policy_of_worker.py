"""A worker's role: what its sources call is allowed, what is allowed is called, and without any of it something fails.

Its sinks, receipts and secrets are those of the function; see there.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import pytest

from cloud import REGION, client_of, cloud
from permitting import ACCOUNT, Gate, actions, names, through, without
from tailrace.clock import SystemClock
from tailrace.clouds import client
from tailrace.deploy.policies import Place, filled, run_document
from tailrace.errors import SourceError, TailraceError
from tailrace.hosts.asking import asked_for
from tailrace.kinds import Surroundings
from tailrace.ports import Source
from tailrace.settings import Document, Resolved, resolve

PLACE = Place("aws", REGION, ACCOUNT)


class World:
    """A bucket, two queues, a log group; and a worker's sources that read them."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self.endpoint, self.name = endpoint, f"w-{uuid4().hex[:8]}"
        self.s3, self.sqs, self.logs = (client_of(name, endpoint) for name in ("s3", "sqs", "logs"))
        self.s3.create_bucket(Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})
        self.s3.put_object(Bucket=self.name, Key="logs/a.log", Body=b"a\n")
        self.logs.create_log_group(logGroupName=f"/{self.name}")
        self.queues = {
            name: self.sqs.create_queue(QueueName=f"{self.name}-{name}")["QueueUrl"] for name in ("events", "dead")
        }
        self.list = folder / "list"
        self.list.write_text("logs/a.log\nlogs/gone.log\n")

    def told(self, text: str) -> Resolved:
        return resolve({}, (), {}, Document("tailrace.toml", text.format(name=self.name, list=self.list)))

    def given(self, resolved: Resolved, stop: Event) -> Surroundings:
        unused: Any = None
        made = cache(lambda service: client(service, region=REGION, endpoint_url=self.endpoint))
        return Surroundings(
            settings=resolved.settings, clock=SystemClock(), stdin=io.BytesIO(), stdout=1, client=made, vault=unused, stop=stop
        )  # fmt: skip

    def announce(self) -> None:
        """Objects in every way in which events tell of them, and one that is not delivered."""
        for key, told in (
            ("a", {}),
            ("v", {"versionId": ""}),
            ("s", {"size": 0}),
            ("vs", {"size": 0, "versionId": ""}),
            ("bad", {}),
        ):
            answer = self.s3.put_object(Bucket=self.name, Key=f"logs/{key}.log", Body=b"x\n")
            version = {"versionId": answer["VersionId"]} if "versionId" in told else {}
            about = {"key": f"logs/{key}.log", "eTag": answer["ETag"].strip('"'), "size": 2, **told, **version}
            record = {
                "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
                "eventTime": "2026-11-20T12:00:00.005Z", "s3": {"bucket": {"name": self.name}, "object": about},
            }  # fmt: skip
            self.sqs.send_message(QueueUrl=self.queues["events"], MessageBody=json.dumps({"Records": [record]}))

    def left(self, name: str) -> int:
        asked = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = self.sqs.get_queue_attributes(QueueUrl=self.queues[name], AttributeNames=asked)["Attributes"]
        return sum(map(int, told.values()))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with cloud() as url:
        yield url


@pytest.fixture
def world(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    return World(endpoint, tmp_path)


@contextmanager
def opened(world: World, resolved: Resolved, stop: Event) -> Iterator[Source]:
    """The one source that is asked for, after it was checked."""
    (origin,) = asked_for(resolved, resolved.settings.from_).sources
    source = origin.opened(world.given(resolved, stop))
    try:
        source.check()
        yield source
    finally:
        source.close()


def read(world: World, resolved: Resolved, _gate: Gate) -> bool:
    """Everything that there is; whether all of it could be read, or is gone."""
    try:
        with opened(world, resolved, Event()) as source:
            for item in source.items():
                try:
                    item.open().read()
                except SourceError as error:
                    if "does not exist any more" not in str(error):
                        return False
    except TailraceError:
        return False
    return True


def wait(world: World, resolved: Resolved, gate: Gate) -> bool:
    """Everything that is announced, until what is not delivered is among the dead letters."""
    stop, failures = Event(), list[Exception]()
    world.announce()
    before = world.left("dead")

    def work() -> None:
        try:
            with opened(world, resolved, stop) as source:
                for item in source.items():
                    try:
                        item.open().read()
                    except SourceError as error:
                        source.nack(item, error)
                        continue
                    if "bad" in item.identity.key:
                        source.nack(item, SourceError("the sink refuses"))
                    else:
                        source.ack(item)
        except TailraceError as error:
            failures.append(error)

    thread = Thread(target=work)
    thread.start()
    until = time.monotonic() + 20
    while not (failures or gate.denied or (world.left("dead") > before and not world.left("events"))):
        assert time.monotonic() < until
        time.sleep(0.05)
    stop.set()
    thread.join()
    for url in world.queues.values():
        while told := world.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for each in told:
                world.sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
    return not failures and not gate.denied


Scenario = Callable[[World, Resolved, Gate], bool]
EVENTS = """
from = ["events"]
[sources.events]
url = "sqs:{name}-events"
dead_letter_queue = "{name}-dead"
wait = 0
visibility = 20
first_pause = 0
max_receives = 1
"""
SOURCES: dict[str, tuple[str, Scenario]] = {
    "listed": ('from = ["s3://{name}/logs/"]', read),
    "named": ('from = ["some"]\n[sources.some]\nurl = "s3://{name}"\nlist = "{list}"', read),
    "group": ('from = ["cloudwatch:/{name}:a"]', read),
    "events": (
        EVENTS,
        wait,
    ),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_calls_what_its_policy_allows_and_nothing_else_is_in_it(world: World, name: str) -> None:
    resolved, document, scenario = prepared(world, name)
    gate = Gate(document)
    with through(gate):
        assert scenario(world, resolved, gate)
    (origin,) = asked_for(resolved, resolved.settings.from_).sources
    assert gate.names == names(origin.needs())


@pytest.mark.parametrize("name", ["listed", "named", "group", pytest.param("events", marks=pytest.mark.long)])
def test_without_any_one_permission_a_source_cannot_do_its_work(world: World, name: str) -> None:
    resolved, document, scenario = prepared(world, name)
    # That a message announces an object which is missing is among what the function is tested with.
    for action in actions(document) - ({"s3:ListBucket"} if name == "events" else set()):
        gate = Gate(without(document, action))
        with through(gate):
            assert not scenario(world, resolved, gate), action
        assert gate.denied == {action}


def prepared(world: World, name: str) -> tuple[Resolved, Any, Scenario]:
    text, scenario = SOURCES[name]
    resolved = world.told(f'to = ["stdout"]\n{text}')
    return resolved, filled(run_document(resolved, [(world.name, "logs/")]), PLACE), scenario
