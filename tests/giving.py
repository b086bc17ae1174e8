"""Every kind of source with what it reads, under one face: putting something there, and what is there."""

from __future__ import annotations

import http.client
import io
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import quote_plus

from cloud import client_of as aws_client
from cloud import cloud
from entries import CLOSED, HIDDEN, Servers
from services.real import Rabbit, free_port, rabbit
from tailrace.clock import SystemClock
from tailrace.clouds import Vault
from tailrace.kinds import Surroundings
from tailrace.model import Item
from tailrace.ports import Source
from tailrace.registry import sources
from tailrace.settings import Settings, struct_of

NAMES = ("plain.log", "with space+plus.log", "ümläut/日本 100%.log", "a%2Bb%20c.log", "q?a=b&c#d.log", "[x]*~'\".log")
_numbers = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A kind of source, at work.

    `opened`: the source, which ends when `stop` is set. `put`: makes something of a name and content be there; `content_of`:
    the content of an item that came of it, `name_of` its name. `waiting`: how much is there that nobody has. `endless`: it waits for more.
    `hands_out`: what is acknowledged is gone, what is not comes again. `names`: what things there may be called. `remove`:
    takes away what was announced. `rereads`: an item can be opened again. `secret`: settings that are secret. `broken`: what
    cannot work, by what is wrong.
    """

    kind: str
    opened: Callable[..., Source]
    put: Callable[[str, bytes], object]
    name_of: Callable[[Item], str] = lambda item: item.identity.key
    waiting: Callable[[], object] = lambda: None
    names: tuple[str, ...] = NAMES
    endless: bool = False
    hands_out: bool = False
    rereads: bool = True
    remove: Callable[[str], object] | None = None
    secret: tuple[Mapping[str, Any], ...] = ()
    broken: Mapping[str, Callable[[], Source]] = field(default_factory=dict)


@dataclass
class Place:
    """What sources of one entry are opened from."""

    kind: str
    client: Callable[[str], Any] = lambda _service: None
    stdin: Any = None
    own: Mapping[str, Any] = field(default_factory=dict)
    stays: bool = False

    def source(self, word: str, stop: Event | None = None, **own: Any) -> Source:
        """The source that a word means."""
        given = Surroundings(
            settings=Settings(workers=4), clock=SystemClock(), stdin=self.stdin or io.BytesIO(), stdout=1,
            client=self.client, vault=Vault(self.client, {}), stop=stop or Event(), stays=self.stays, environ={},
        )  # fmt: skip
        kind = sources()[self.kind]
        assert kind.claims(word)
        return kind.open([word], struct_of(kind.settings, {**self.own, **own}, "the test"), given)


@contextmanager
def files(_servers: Servers, folder: Path) -> Iterator[Entry]:
    root = folder / "logs"
    root.mkdir()

    def put(name: str, content: bytes) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)

    place = Place("files")
    yield Entry(
        kind="files",
        opened=lambda stop=None, **own: place.source(str(root), stop, **own),
        put=put,
        name_of=lambda item: os.path.relpath(item.identity.key, root),
        waiting=lambda: sorted(root.rglob("*")),
        remove=lambda name: (root / name).unlink(),
        broken={"nothing": lambda: place.source(str(folder / "absent"))},
    )


@contextmanager
def stdin(_servers: Servers, _folder: Path) -> Iterator[Entry]:
    stream = io.BytesIO()

    def put(_name: str, content: bytes) -> None:
        stream.write(content)
        stream.seek(0)

    place = Place("stdin", stdin=stream)
    yield Entry(
        kind="stdin",
        opened=lambda stop=None, **own: place.source("-", stop, **own),
        put=put,
        waiting=stream.tell,
        names=("-",),
        rereads=False,
    )


class Aws:
    """moto, and a bucket of its own for each entry."""

    def __init__(self, servers: Servers) -> None:
        self.endpoint = servers.one(cloud)
        self.s3 = servers.one(_client("s3", self.endpoint))
        self.bucket = f"giving-{next(_numbers)}"
        self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})

    def client(self, service: str) -> Any:
        """A client for one source, which closes it."""
        return aws_client(service, self.endpoint)

    def put(self, name: str, content: bytes) -> str:
        """Write an object; its etag."""
        return str(self.s3.put_object(Bucket=self.bucket, Key=name, Body=content)["ETag"]).strip('"')

    def remove(self, name: str) -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=name)

    def event(self, name: str, content: bytes) -> str:
        """The event of an object, which is written."""
        told = {"key": quote_plus(name), "size": len(content), "eTag": self.put(name, content)}
        record = {
            "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "eventTime": "2026-11-20T10:05:03.123Z", "s3": {"bucket": {"name": self.bucket}, "object": told},
        }  # fmt: skip
        return json.dumps({"Records": [record]})


_clients: dict[tuple[str, str], Callable[[], AbstractContextManager[Any]]] = {}


def _client(service: str, endpoint: str) -> Callable[[], AbstractContextManager[Any]]:
    @contextmanager
    def made() -> Iterator[Any]:
        client = aws_client(service, endpoint)
        yield client
        client.close()

    return _clients.setdefault((service, endpoint), made)


def _nowhere(service: str) -> Any:
    return aws_client(service, f"http://{CLOSED}")


@contextmanager
def s3(servers: Servers, _folder: Path) -> Iterator[Entry]:
    aws = Aws(servers)
    place = Place("s3", aws.client)
    url = f"s3://{aws.bucket}/"
    yield Entry(
        kind="s3",
        opened=lambda stop=None, **own: place.source(url, stop, **own),
        put=aws.put,
        waiting=lambda: aws.s3.list_objects_v2(Bucket=aws.bucket)["KeyCount"],
        remove=aws.remove,
        broken={
            "nobody there": lambda: Place("s3", _nowhere).source(url),
            "no bucket": lambda: place.source("s3://no-such-bucket"),
        },
    )


@contextmanager
def sqs(servers: Servers, _folder: Path) -> Iterator[Entry]:
    aws = Aws(servers)
    client = servers.one(_client("sqs", aws.endpoint))
    url = client.create_queue(QueueName=aws.bucket)["QueueUrl"]
    counted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    place = Place("sqs", aws.client, own={"wait": "1s", "first_pause": "0s", "visibility": "20s"})
    yield Entry(
        kind="sqs",
        opened=lambda stop=None, **own: place.source(f"sqs:{url}", stop, **own),
        put=lambda name, content: client.send_message(QueueUrl=url, MessageBody=aws.event(name, content)),
        waiting=lambda: client.get_queue_attributes(QueueUrl=url, AttributeNames=counted)["Attributes"],
        endless=True,
        hands_out=True,
        remove=aws.remove,
        broken={
            "nobody there": lambda: Place("sqs", _nowhere).source("sqs:queue"),
            "no queue": lambda: place.source("sqs:no-such-queue"),
        },
    )


def _cloudwatch(*, stays: bool) -> Callable[[Servers, Path], AbstractContextManager[Entry]]:
    """`stays`: as `tailrace run` reads it."""

    @contextmanager
    def made(servers: Servers, _folder: Path) -> Iterator[Entry]:
        aws, group = Aws(servers), f"/giving/{next(_numbers)}"
        client = servers.one(_client("logs", aws.endpoint))
        client.create_log_group(logGroupName=group)
        client.create_log_stream(logGroupName=group, logStreamName="a/1")
        begin, minutes = int(time.time()) // 60 * 60_000 - 1_800_000, itertools.count()

        def put(_name: str, content: bytes) -> None:
            event = {"timestamp": begin + next(minutes) * 60_000, "message": content.decode()}
            client.put_log_events(logGroupName=group, logStreamName="a/1", logEvents=[event])

        quick = {"since": "1h", "window": "1s", "overlap": "1s"} if stays else {}
        place = Place("cloudwatch", aws.client, own={"content": "lines", **quick}, stays=stays)
        yield Entry(
            kind="cloudwatch",
            opened=lambda stop=None, **own: place.source(f"cloudwatch:{group}", stop, **own),
            put=put,
            name_of=lambda _item: "",
            names=("", "", ""),
            endless=stays,
            broken={
                "nobody there": lambda: Place("cloudwatch", _nowhere).source(f"cloudwatch:{group}"),
                "no group": lambda: place.source("cloudwatch:/no/such"),
            },
        )

    return made


@contextmanager
def amqp(servers: Servers, _folder: Path) -> Iterator[Entry]:
    import pika  # noqa: PLC0415 - an optional library

    broker: Rabbit = servers.one(rabbit)
    aws, queue = Aws(servers), f"giving-{next(_numbers)}-{os.getpid()}"
    place = Place("amqp", aws.client, own={"pause": "100ms"})
    url = f"amqp://{broker.place}/{queue}"
    with ExitStack() as ending:
        connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", broker.port))
        ending.callback(connection.close)
        channel = connection.channel()
        channel.queue_declare(queue, durable=True)
        ending.callback(channel.queue_delete, queue)
        yield Entry(
            kind="amqp",
            opened=lambda stop=None, **own: place.source(url, stop, **own),
            put=lambda name, content: channel.basic_publish("", queue, aws.event(name, content).encode()),
            waiting=lambda: channel.queue_declare(queue, passive=True).method.message_count,
            endless=True,
            hands_out=True,
            remove=aws.remove,
            secret=({"password": HIDDEN},),
            broken={
                "credentials": lambda: place.source(url, password=HIDDEN),
                "no queue": lambda: place.source(f"amqp://{broker.place}/none"),
                "nobody there": lambda: place.source(f"amqp://{CLOSED}/q", password=HIDDEN),
            },
        )


class Senders:
    """What stores do: each keeps an event until it is answered with 200."""

    def __init__(self, address: str) -> None:
        self._address, self._over, self._threads = address, Event(), list[Thread]()
        self.left = 0

    def send(self, body: str) -> None:
        self.left += 1
        self._threads.append(Thread(target=self._persist, args=(body,)))
        self._threads[-1].start()

    def _persist(self, body: str) -> None:
        while not self._over.wait(0.02):
            with suppress(OSError, http.client.HTTPException), self._connected() as connection:
                connection.request("POST", "/", body)
                if connection.getresponse().status == 200:
                    self.left -= 1
                    return

    def _connected(self) -> AbstractContextManager[http.client.HTTPConnection]:
        return closing(http.client.HTTPConnection(self._address, timeout=10))

    def close(self) -> None:
        self._over.set()
        for each in self._threads:
            each.join()


@contextmanager
def webhook(servers: Servers, _folder: Path) -> Iterator[Entry]:
    aws, address = Aws(servers), f"127.0.0.1:{free_port()}"
    senders = Senders(address)
    place = Place("webhook", aws.client)
    try:
        yield Entry(
            kind="webhook",
            opened=lambda stop=None, **own: place.source(f"webhook:{address}", stop, **own),
            put=lambda name, content: senders.send(aws.event(name, content)),
            waiting=lambda: senders.left,
            endless=True,
            hands_out=True,
            remove=aws.remove,
            secret=({"token": HIDDEN},),
            broken={"a strange place": lambda: place.source("webhook:192.0.2.1:80", token=HIDDEN)},
        )
    finally:
        senders.close()


ENTRIES: Mapping[str, Callable[[Servers, Path], AbstractContextManager[Entry]]] = {
    "files": files,
    "stdin": stdin,
    "s3": s3,
    "sqs": sqs,
    "cloudwatch": _cloudwatch(stays=False),
    "cloudwatch served": _cloudwatch(stays=True),
    "amqp": amqp,
    "webhook": webhook,
}
"""By kind, or by kind and what else there is of it."""

_ANNOUNCED = ["sqs", "amqp", "webhook"]
ABLE: Mapping[str, Sequence[str]] = {
    "rereads": [name for name in ENTRIES if name != "stdin"],
    "endless": [*_ANNOUNCED, "cloudwatch served"],
    "hands_out": _ANNOUNCED,
    "remove": [*_ANNOUNCED, "files", "s3"],
}
"""The entries that have what only some have."""
