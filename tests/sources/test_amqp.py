"""Objects that Ceph announces through RabbitMQ: each message is done with when its objects are, and none is lost."""

from __future__ import annotations

import io
import json
import socket
import ssl
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import pika
import pytest

from making import StillClock
from services.certificates import Authority, Pair
from services.real import Ceph, Rabbit, ceph, free_port, rabbit
from tailrace.clouds import Vault
from tailrace.errors import Fatal, SourceError, UsageError
from tailrace.kinds import Surroundings
from tailrace.model import Item
from tailrace.quantities import Duration, Secret
from tailrace.settings import Settings
from tailrace.sources.amqp import Amqp, AmqpSettings, place_of

TIMEOUT_S = 30
EVENT = (Path(__file__).parents[1] / "events" / "captured_radosgw_amqp.json").read_text()


@pytest.fixture(scope="module")
def broker() -> Iterator[Rabbit]:
    with rabbit() as made:
        yield made


@pytest.fixture(scope="module")
def gateway() -> Iterator[Ceph]:
    with ceph() as made:
        yield made


@dataclass
class Reader:
    """A source at work: what it gives is put into a queue by a thread of its own."""

    source: Amqp
    stop: Event
    notices: list[str]
    found: Queue[Item] = field(default_factory=Queue)

    def __post_init__(self) -> None:
        self.thread = Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        for each in self.source.items():
            self.found.put(each)

    def next(self) -> Item:
        return self.found.get(timeout=TIMEOUT_S)

    def nothing(self, seconds: float = 1.0) -> bool:
        try:
            self.found.get(timeout=seconds)
        except Empty:
            return True
        return False

    def close(self) -> None:
        self.stop.set()
        self.thread.join(TIMEOUT_S)
        self.source.close()


@dataclass
class Desk:
    """A queue of its own, and readers of it."""

    broker: Rabbit
    clock: StillClock
    client: Any
    name: str = field(default_factory=lambda: f"q{uuid4().hex[:8]}")
    readers: list[Reader] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.broker.port))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()  # or counting may overtake what was sent: the queue answers it first
        self.channel.queue_declare(self.name, durable=True)

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self.channel.basic_publish("", self.name, body.encode())

    def reader(self, **own: Any) -> Reader:
        stop, notices = Event(), list[str]()
        given = surroundings(self.clock, self.client, stop, notices)
        settings = replace_struct(AmqpSettings(pause=Duration(0.2)), own)
        url = f"amqp://{self.broker.place}/{self.name}"
        made = Reader(Amqp(place_of(url, settings, "guest"), settings, given), stop, notices)
        self.readers.append(made)
        return made

    def left(self, queue: str = "") -> int:
        """How many messages wait, when nobody reads any more."""
        told = self.channel.queue_declare(queue or self.name, passive=True)
        return int(told.method.message_count)

    def body(self, queue: str) -> bytes:
        return bytes(self.channel.basic_get(queue, auto_ack=True)[2])

    def close(self) -> None:
        for each in self.readers:
            each.close()
        self.connection.close()


def replace_struct(settings: AmqpSettings, own: dict[str, Any]) -> AmqpSettings:
    values = {name: getattr(settings, name) for name in AmqpSettings.__struct_fields__}
    return AmqpSettings(**(values | own))


class Unused:
    """A client of which nothing is asked."""

    def close(self) -> None:
        pass


def surroundings(clock: StillClock, client: Any, stop: Event, notices: list[str]) -> Surroundings:
    made = Surroundings(
        settings=Settings(), clock=clock, stdin=io.BytesIO(), stdout=1, client=lambda _service: client or Unused(),
        vault=Vault(lambda _service: client, {}),
    )  # fmt: skip
    return replace(made, stop=stop, notice=notices.append)


@pytest.fixture
def desk(broker: Rabbit, clock: StillClock) -> Iterator[Desk]:
    made = Desk(broker, clock, None)
    yield made
    made.close()


def event(*keys: str) -> str:
    """An event as Ceph sends it, of objects with these keys."""
    (record,) = json.loads(EVENT)["Records"]
    records: list[dict[str, Any]] = []
    for key in keys:
        each = json.loads(json.dumps(record))
        each["s3"]["object"]["key"] = key
        records.append(each)
    return json.dumps({"Records": records})


def test_a_message_is_done_with_when_all_its_objects_are(desk: Desk) -> None:
    desk.send(event("a", "b"), event("c"))
    reader = desk.reader()
    first, second, third = (reader.next() for _ in range(3))
    assert [each.identity.key for each in (first, second, third)] == ["a", "b", "c"]
    reader.source.ack(first)
    reader.source.ack(third)
    reader.close()
    assert desk.left() == 1
    again = desk.reader()
    for each in (again.next(), again.next()):
        again.source.ack(each)
    again.close()
    assert desk.left() == 0


def test_a_check_takes_no_message_and_a_reader_may_follow(desk: Desk) -> None:
    desk.send(event("a"), event("b"))
    reader = desk.reader()
    first = reader.next()
    assert reader.source.check() == "the queue is there; 0 messages wait", "both are in the reader's hand"
    reader.source.ack(first)
    reader.close()
    source = Amqp(reader.source._place, AmqpSettings(), surroundings(desk.clock, None, Event(), []))
    assert source.check() == source.check() == "the queue is there; one message waits"
    assert desk.left() == 1
    source.close()


def test_what_fails_comes_again_until_that_is_too_often(desk: Desk) -> None:
    desk.send(event("a"))
    reader = desk.reader(max_receives=3)
    for _ in range(3):
        reader.source.nack(reader.next(), SourceError("the sink is busy"))
    assert reader.nothing()
    reader.close()
    assert (desk.left(), desk.left(f"{desk.name}.dead")) == (0, 1)
    assert desk.body(f"{desk.name}.dead") == event("a").encode()
    assert any("has failed 3 times (the sink is busy); it is moved to" in notice for notice in reader.notices)


def test_what_is_no_event_is_moved_and_never_dropped(desk: Desk) -> None:
    desk.send("no json", '{"Records": [{"eventSource": "nobody"}]}', event("a"))
    reader = desk.reader(dead_letter_queue=f"{desk.name}-strange")
    reader.source.ack(reader.next())
    reader.close()
    assert (desk.left(), desk.left(f"{desk.name}-strange")) == (0, 2)
    assert desk.body(f"{desk.name}-strange") == b"no json"
    assert not any("no json" in notice for notice in reader.notices)
    assert reader.notices[0].endswith(f": a message that is no JSON; it is moved to {desk.name}-strange")


def test_events_of_other_kinds_are_done_with(desk: Desk) -> None:
    desk.send(event("a").replace("ObjectCreated:Put", "ObjectRemoved:Delete"), event("b"))
    reader = desk.reader()
    reader.source.ack(reader.next())
    reader.close()
    assert desk.left() == 0


def test_no_more_is_in_hand_than_was_asked_for(desk: Desk) -> None:
    desk.send(*(event(str(number)) for number in range(5)))
    reader = desk.reader(in_hand=2)
    first, second = reader.next(), reader.next()
    assert reader.nothing()
    reader.source.ack(first)
    assert reader.next().identity.key == "2"
    reader.source.ack(second)


def test_a_broken_connection_loses_nothing(desk: Desk) -> None:
    desk.send(event("a"), event("b"))
    reader = desk.reader()
    first, second = reader.next(), reader.next()
    desk.connection.close()
    desk.broker.ctl("close_all_connections", "test")
    seen = {reader.next().identity.key: 1, reader.next().identity.key: 1}
    assert sorted(seen) == ["a", "b"]
    for stale in (first, second):
        reader.source.ack(stale)  # of the connection that is gone: the broker has given the message out again
    assert any("broke; connecting again" in notice for notice in reader.notices)
    reader.close()
    desk.__post_init__()
    assert desk.left() == 2


@pytest.mark.parametrize(
    ("url", "own", "sentence"),
    [
        ("amqp://{place}/nowhere", {}, "there is no queue nowhere at amqp://"),
        ("amqp://{place}/other/q", {}, "guest may not read from amqp://"),
        ("amqp://{place}/q", {"username": "nobody"}, "does not accept the user nobody; check username and password"),
        ("amqp://127.0.0.1:1/q", {}, "cannot be reached"),
    ],
)
def test_a_queue_that_cannot_be_read_is_told(
    broker: Rabbit, clock: StillClock, url: str, own: dict[str, Any], sentence: str
) -> None:
    settings = AmqpSettings(password=Secret("geheim"), **own)
    password = "guest" if not own else "geheim"
    place = place_of(url.format(place=broker.place), settings, password)
    source = Amqp(place, settings, surroundings(clock, None, Event(), []))
    with pytest.raises(Fatal) as caught:
        next(source.items())
    source.close()
    assert sentence in str(caught.value)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("url", ["amqp://", "amqp://host", "amqp://host:x/q", "amqp://host/", "amqp://host/q?x=1"])
def test_a_place_that_is_none_is_told(url: str) -> None:
    with pytest.raises(UsageError, match="write amqp://HOST:PORT/QUEUE"):
        place_of(url, AmqpSettings(), "")


def test_a_password_in_the_url_is_refused() -> None:
    with pytest.raises(UsageError, match="can be seen by others") as caught:
        place_of("amqp://me:geheim@host/q", AmqpSettings(), "")
    assert "geheim" not in str(caught.value)


@dataclass(frozen=True)
class Secure:
    """Where the broker listens over TLS, and who may come."""

    broker: Rabbit
    port: int
    authority: Authority
    known: Pair

    def source(self, clock: StillClock, queue: str, **own: Any) -> Amqp:
        return self.at(self.port, clock, queue, **own)

    def at(self, port: int, clock: StillClock, queue: str, **own: Any) -> Amqp:
        """Trusts the broker, and is known to it, if not told otherwise."""
        trust = {"ca": self.authority.path, "certificate": self.known.certificate, "key": self.known.key}
        settings = AmqpSettings(**({name: str(path) for name, path in trust.items()} | own))
        place = place_of(f"amqps://127.0.0.1:{port}/{queue}", settings, "guest")
        return Amqp(place, settings, surroundings(clock, None, Event(), []))


@pytest.fixture(scope="module")
def secure(broker: Rabbit, tmp_path_factory: pytest.TempPathFactory) -> Secure:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    port, server = free_port(), authority.pair("server")
    broker.listen(port, authority.path, server.certificate, server.key)
    return Secure(broker, port, authority, authority.pair("us"))


def test_messages_come_over_tls_with_certificates_on_both_sides(desk: Desk, secure: Secure) -> None:
    desk.send(event("a"))
    assert desk.left() == 1
    assert secure.source(desk.clock, desk.name).check() == "the queue is there; one message waits"
    source = secure.source(desk.clock, desk.name)
    item = next(source.items())
    assert item.identity.key == "a"
    source.ack(item)
    source.close()
    assert desk.left() == 0
    anybody = secure.source(desk.clock, desk.name, ca="", verify=False)
    assert anybody.check().startswith("the queue is there")


REFUSED = "(does not take our side of TLS|broke off as soon as TLS was agreed).* set `certificate` and `key`"
"""The first only if the reason has come before the connection ended: with TLS 1.3 that is the broker's luck, and ours."""


def test_tls_that_is_not_trusted_is_told(desk: Desk, secure: Secure, tmp_path: Path) -> None:
    foreign = Authority(tmp_path).pair("foreigner")
    strangers = {"certificate": str(foreign.certificate), "key": str(foreign.key)}
    for own, sentence in (
        ({"ca": ""}, "is not trusted .* in the setting `ca`"),
        ({"ca": str(Authority(tmp_path, "other").path)}, "is not trusted .* in the setting `ca`"),
        ({"certificate": "", "key": ""}, REFUSED),
        (strangers, REFUSED),
    ):
        with pytest.raises(Fatal, match=rf"amqps://127.0.0.1:{secure.port} {sentence}"):
            secure.source(desk.clock, desk.name, **own).check()
    with pytest.raises(Fatal, match="does not speak TLS"):
        secure.at(desk.broker.port, desk.clock, desk.name).check()


def test_a_broker_that_ends_the_connection_without_a_word_after_tls_is_told(
    secure: Secure, clock: StillClock, tmp_path: Path
) -> None:
    """As it looks where the reason why our certificate was not taken is lost with the connection."""
    context = secure.authority.server(Authority(tmp_path).pair("anybody"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=_reset_once, args=(listening, context))
        thread.start()
        with pytest.raises(Fatal, match=rf"amqps://127.0.0.1:\d+ {REFUSED}"):
            secure.at(listening.getsockname()[1], clock, "q", ca="", verify=False).check()
        thread.join(TIMEOUT_S)


def _reset_once(listening: socket.socket, context: ssl.SSLContext) -> None:
    connection = context.wrap_socket(listening.accept()[0], server_side=True)
    connection.recv(8)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_settings_of_tls_go_with_amqps_only() -> None:
    with pytest.raises(UsageError, match="without it; write its URL with amqps://"):
        place_of("amqp://host/q", AmqpSettings(verify=False), "")
    with pytest.raises(UsageError, match=r"/nonexistent/ca.pem: No such file"):
        place_of("amqps://host/q", AmqpSettings(ca="/nonexistent/ca.pem"), "")
    place = place_of("amqps://host/q", AmqpSettings(), "")
    assert (place.endpoint.port, place.context and place.context.check_hostname) == (5671, True)


def test_ceph_announces_and_the_object_is_read(broker: Rabbit, gateway: Ceph, clock: StillClock) -> None:
    desk = Desk(broker, clock, gateway.client("s3"))
    exchange = f"x{desk.name}"
    desk.channel.exchange_declare(exchange, "topic", durable=True)
    desk.channel.queue_bind(desk.name, exchange, "#")
    announce(gateway, desk.name, {
        "push-endpoint": f"amqp://{broker.place}", "amqp-exchange": exchange, "amqp-ack-level": "broker", "persistent": "true",
    })  # fmt: skip
    keys = ["AWSLogs/a b+é.log", "b.log"]
    for number, key in enumerate(keys):
        desk.client.put_object(Bucket=desk.name, Key=key, Body=b"line %d\n" % number)
    reader = desk.reader()
    found = sorted((reader.next() for _ in keys), key=lambda each: each.identity.key)
    assert [each.identity.key for each in found] == keys
    assert [each.open().read() for each in found] == [b"line 0\n", b"line 1\n"]
    for each in found:
        reader.source.ack(each)
    reader.close()
    assert desk.left() == 0
    desk.close()


def announce(
    gateway: Ceph, name: str, attributes: dict[str, str], events: Sequence[str] = ("s3:ObjectCreated:*",)
) -> None:
    """Make a bucket that announces its objects."""
    store, topics = gateway.client("s3"), gateway.client("sns")
    store.create_bucket(Bucket=name)
    arn = topics.create_topic(Name=name, Attributes=attributes)["TopicArn"]
    wanted = {"TopicConfigurations": [{"Id": name, "TopicArn": arn, "Events": list(events)}]}
    store.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=wanted)
