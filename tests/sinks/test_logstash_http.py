"""Logstash over HTTP: every record arrives in a request that was answered with 2xx, or is told to be refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from making import alb, batch, item
from services.certificates import Authority
from services.logstash import Event, HttpInput, blocked, reset, silent, status
from sinks.opening import opened
from tailrace.errors import Fatal, Retryable, UsageError
from tailrace.model import Batch, Flushed
from tailrace.ports import Sink
from tailrace.settings import Settings
from tailrace.sinks._parcels import Limits, Outbox
from tailrace.sinks.logstash import SINK

DAY = "2026-09-23"
LINES = [alb(DAY, number) for number in range(40)]
SIZE = len(bytes(batch(LINES[-1]).records.ndjson()))
"""Of a record, as all but the first ten are."""


@pytest.fixture
def server() -> Iterator[HttpInput]:
    with HttpInput() as made:
        yield made
    assert made.complaints == []


Opened = Callable[..., Sink]


@pytest.fixture
def sink(server: HttpInput) -> Iterator[Opened]:
    made: list[Sink] = []

    def open_it(**own: Any) -> Sink:
        own.setdefault("timeout", "5s")
        made.append(opened(SINK, own.pop("address", server.url), **own))
        return made[-1]

    yield open_it
    for each in made:
        each.close()
        each.close()


def batches(count: int = 4) -> list[Batch]:
    """The lines, in so many batches with ten lines that are no records in front of each."""
    each = len(LINES) // count
    return [batch(b"junk\n" * 10 + b"".join(LINES[at : at + each])) for at in range(0, len(LINES), each)]


def expected(found: list[Batch], *, schema: str = "aws", ids: bool = False) -> list[Event]:
    return [json.loads(line) for one in found for line in bytes(one.records.ndjson(schema, ids=ids)).splitlines()]


def deliver(sink: Sink, found: list[Batch]) -> Flushed:
    """As the loop does, which makes a call again that raises Retryable."""
    for one in found:
        patiently(lambda one=one: sink.write(item(), one, 0))
    return patiently(sink.flush)


def patiently(call: Callable[[], Any]) -> Any:
    for _ in range(20):
        try:
            return call()
        except Retryable:
            pass
    return call()


def urls(events: list[Event]) -> list[int]:
    return [int(event["request_url"].partition("?")[0].rpartition("/")[2]) for event in events]


def test_records_arrive_in_order_in_one_request(server: HttpInput, sink: Opened) -> None:
    made, found = sink(), batches()
    assert deliver(made, [*found, batch(b"")]) == Flushed(refusals=[])
    assert server.events == expected(found)
    (seen,) = server.seen
    headers = ("content-type", "content-encoding", "expect")
    assert [seen.headers[name] for name in headers] == ["application/json", "gzip", "100-continue"]
    assert (seen.path, made.flush(), len(server.seen)) == ("/", Flushed(refusals=[]), 1)


@pytest.mark.parametrize("own", [{"gzip": "false"}, {"expect": "false"}, {"schema": "ecs"}, {"ids": "true"}])
def test_what_settings_change(server: HttpInput, sink: Opened, own: dict[str, str]) -> None:
    schema: Any = own.pop("schema", "aws")
    found = batches()
    deliver(sink(address=f"{server.url}/in", settings=Settings(schema=schema, workers=1), **own), found)
    assert server.events == expected(found, schema=schema, ids="ids" in own)
    (seen,) = server.seen
    assert ("content-encoding" in seen.headers, "expect" in seen.headers) == ("gzip" not in own, "expect" not in own)
    assert seen.path == "/in"


@pytest.mark.parametrize(
    ("own", "counts"),
    [
        ({"batch_size": 7}, [7, 3, 7, 3, 7, 3, 7, 3]),
        ({"batch_size": 10}, [10] * 4),
        ({"batch_size": 20}, [20, 20]),
        ({"batch_size": 1}, [1] * 40),
        ({"batch_bytes": SIZE * 10 + 1}, [10, 10, 10, 10]),
        ({"batch_bytes": SIZE * 10}, [10, 9, 1, 9, 1, 9, 1]),
        ({"batch_bytes": 1}, [1] * 40),
    ],
)
def test_requests_are_bounded(server: HttpInput, sink: Opened, own: dict[str, int], counts: list[int]) -> None:
    found = batches()
    deliver(sink(gzip=False, **own), found)
    assert server.events == expected(found)
    sent = [len(json.loads(seen.body)) for seen in server.seen]
    assert sent == counts
    assert max(len(seen.body) for seen in server.seen) <= max(own.get("batch_bytes", 1 << 30), SIZE + 1)


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_told_with_the_pause_that_the_server_wants(server: HttpInput, sink: Opened, code: int) -> None:
    server.faults += [status(code, {"Retry-After": "17"}), status(code)]
    made = sink()
    made.write(item(), batches(1)[0], 0)
    for after in (17.0, None):
        with pytest.raises(Retryable, match=f"^{server.url}/ does not take records now .HTTP {code}.$") as told:
            made.flush()
        assert told.value.after == after
    made.flush()
    assert (server.events, server.statuses) == (expected(batches(1)), [code, code, 200])


@pytest.mark.parametrize("code", [300, 301, 304, 307, 402, 404, 405, 406, 410, 415, 451])
def test_what_is_no_success_and_will_not_pass_is_fatal(server: HttpInput, sink: Opened, code: int) -> None:
    server.always = status(code, {"Location": "http://elsewhere.example/"})
    made = sink()
    made.write(item(), batches(1)[0], 0)
    with pytest.raises(Fatal, match=f"HTTP {code}"):
        made.flush()
    assert server.statuses == [code]


@pytest.mark.parametrize("code", [200, 201, 202, 204])
def test_every_2xx_is_success(server: HttpInput, sink: Opened, code: int) -> None:
    server.response_code = code
    assert deliver(sink(), batches()) == Flushed(refusals=[])
    assert (server.events, server.statuses) == (expected(batches()), [code])


def test_faults_of_every_kind_lose_nothing_and_double_only_what_was_taken(server: HttpInput, sink: Opened) -> None:
    kinds = [blocked, None, reset(read=False), reset(read=True), status(503), None, reset(read=True, taken=True)]
    server.faults += islice(cycle(kinds), 35)
    found = batches()
    assert deliver(sink(batch_size=2), found) == Flushed(refusals=[])
    assert list(dict.fromkeys(urls(server.events))) == list(range(40))
    assert len(server.events) == 40 + 2 * 5


def test_a_batch_that_was_not_taken_is_not_sent_twice(server: HttpInput, sink: Opened) -> None:
    first, second, third, fourth = batches()
    made = sink(batch_size=10)
    made.write(item(), first, 0)
    made.write(item(), second, 0)
    server.faults += [status(503), status(503)]
    for _ in range(2):
        with pytest.raises(Retryable):
            made.write(item(), third, 0)
    made.write(item(), third, 0)
    made.write(item(), fourth, 0)
    made.flush()
    assert server.events == expected(batches())


def test_a_timeout_is_retryable(server: HttpInput, sink: Opened) -> None:
    server.faults += [silent(5)]
    made = sink(timeout="100ms")
    made.write(item(), batches(1)[0], 0)
    with pytest.raises(Retryable, match="did not answer: it took too long"):
        made.flush()
    made.abandon()


@pytest.mark.parametrize("expect", [True, False])
@pytest.mark.parametrize("fitting", [1, 3, 39])
def test_what_is_too_large_is_sent_in_halves(server: HttpInput, sink: Opened, fitting: int, *, expect: bool) -> None:
    server.max_content = fitting * SIZE + 1
    found = batches(2)
    made = sink(gzip=False, expect=expect)
    assert deliver(made, found) == Flushed(refusals=[])
    assert server.events == expected(found)
    refused = server.statuses.count(413)
    assert refused >= 1
    deliver(made, found)
    assert server.statuses.count(413) == refused, "the size that fits is remembered"
    assert server.events == expected(found) * 2


def test_a_record_that_is_too_large_is_told(server: HttpInput, sink: Opened) -> None:
    large = alb(DAY, 7).replace(b"Dart/3.11", b"Dart/" + b"3" * 3000)
    server.max_content = 2000
    found = [batch(b"".join([b"junk\n", *LINES[:3], large, *LINES[3:5]]))]
    flushed = deliver(sink(gzip=False), found)
    (refusal,) = flushed.refusals
    assert (refusal.reason, refusal.detail) == ("too_large", "HTTP 413")
    assert (refusal.payload, refusal.offset) == (large.rstrip(b"\n"), 5 + sum(map(len, LINES[:3])))
    assert urls(server.events) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("code", [400, 422])
def test_the_records_that_a_server_rejects_are_found(server: HttpInput, sink: Opened, code: int) -> None:
    bad = {3, 17, 18, 39}
    server.poison_status, server.poison = code, lambda event: urls([event])[0] in bad
    found = batches()
    made = sink()
    flushed = deliver(made, found)
    assert urls(server.events) == [number for number in range(40) if number not in bad]
    assert [refusal.payload for refusal in flushed.refusals] == [LINES[number].rstrip(b"\n") for number in sorted(bad)]
    assert {(refusal.reason, refusal.detail) for refusal in flushed.refusals} == {("rejected", f"HTTP {code}")}
    in_batch = 50 + sum(map(len, LINES[10:17]))
    assert flushed.refusals[1].offset == in_batch
    assert made.flush().refusals == []


def test_looking_for_the_culprit_goes_on_after_a_pause(server: HttpInput, sink: Opened) -> None:
    server.poison = lambda event: urls([event])[0] == 21
    server.faults += islice(cycle([None, status(503), reset(read=True)]), 20)
    flushed = deliver(sink(), batches())
    assert [refusal.payload for refusal in flushed.refusals] == [LINES[21].rstrip(b"\n")]
    assert sorted(urls(server.events)) == [number for number in range(40) if number != 21]


def test_what_was_refused_is_forgotten_with_the_rest(server: HttpInput, sink: Opened) -> None:
    server.poison = lambda _event: True
    made = sink(batch_size=1)
    made.write(item(), batch(LINES[0] + LINES[1]), 0)
    server.faults += [None, status(503)]
    with pytest.raises(Retryable):
        made.flush()
    made.abandon()
    assert made.flush() == Flushed(refusals=[])


def test_basic_authentication(server: HttpInput, sink: Opened) -> None:
    server.user, server.password = "ü", "p:w"
    deliver(sink(username="ü", password="p:w"), batches())
    assert (server.events, server.statuses) == (expected(batches()), [200])


def test_a_password_that_was_replaced_is_read_again_and_once(server: HttpInput, sink: Opened, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("old\n")
    server.user, server.password = "us", "old"
    made = sink(username="us", password=f"file:{secret}", batch_size=10)
    made.write(item(), batches()[0], 0)
    made.flush()
    server.password = "new"
    secret.write_text("new\n")
    made.write(item(), batches()[1], 0)
    made.flush()
    assert (server.statuses, len(server.events)) == ([200, 401, 200], 20)
    secret.write_text("hidden\n")
    server.password = "newer"
    made.write(item(), batches()[2], 0)
    with pytest.raises(Fatal, match=f"^{server.url}/ does not let us in .HTTP 401.; check `username`") as told:
        made.flush()
    assert "hidden" not in str(told.value)
    assert server.statuses == [200, 401, 200, 401, 401]


@pytest.mark.parametrize("code", [401, 403])
def test_nobody_is_let_in_without_a_user(server: HttpInput, sink: Opened, code: int) -> None:
    server.always = status(code)
    made = sink()
    made.write(item(), batches(1)[0], 0)
    with pytest.raises(Fatal, match="check `username` and `password`"):
        made.flush()
    assert server.statuses == [code]


def test_tls_with_a_client_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    ours = authority.pair("us")
    with HttpInput(context=authority.server(authority.pair("server"), clients=True)) as server:
        trusted = opened(SINK, server.url, ca=str(authority.path), certificate=str(ours.certificate), key=str(ours.key))
        deliver(trusted, batches())
        trusted.close()
        stranger = opened(SINK, server.url, ca=str(authority.path))
        stranger.write(item(), batches(1)[0], 0)
        with pytest.raises(Fatal, match="set `certificate` and `key`"):
            stranger.flush()
    assert (server.events, server.complaints) == (expected(batches()), [])


def test_looking_sends_no_request(server: HttpInput, sink: Opened) -> None:
    made: Any = sink()
    assert made.check() == f"{server.url} takes connections"
    deliver(made, batches())
    assert (len(server.seen), server.connections) == (1, 1)
    server.close()
    made.close()
    with pytest.raises(Retryable, match="cannot be reached"):
        made.check()
    server.__post_init__()


def test_the_name_holds_what_changes_bytes_and_no_secret() -> None:
    def name(address: str = "http://a/x", **own: Any) -> str:
        return opened(SINK, address, **own).name

    assert name().startswith("logstash:http://a:80/x#")
    same = [{"username": "u", "password": "hidden"}, {"gzip": "false"}, {"batch_size": 3}, {"timeout": 9}, {"type": ""}]
    assert {name(**own) for own in same} == {name()}
    others = [
        {"shape": "elb"},
        {"shape": "message"},
        {"ids": True},
        {"settings": Settings(schema="otel")},
        {"type": "x"},
    ]
    assert len({name(), name("http://a/y"), name("http://b/x"), *(name(**own) for own in others)}) == 8
    assert "hidden" not in name(username="u", password="hidden")


@pytest.mark.parametrize(
    ("address", "own", "told"),
    [
        ("", {}, "expected http://HOST:PORT or https://HOST:PORT or tcp://HOST:PORT or tls://HOST:PORT"),
        ("udp://a:1", {}, "not 'udp://a:1'"),
        ("http://u:hidden@a", {}, "give them as settings"),
        ("tcp://a", {}, "name the port"),
        ("tcp://a:5/x", {}, "neither users nor paths"),
        ("tls://a:5", {"username": "x"}, "neither users nor paths"),
        ("tcp://a:5", {"verify": "false"}, "settings of TLS"),
        ("http://a", {"ca": "x.pem"}, "settings of TLS"),
        ("http://a", {"shape": "elb", "ids": "true"}, "ids = true goes with shape = record"),
        ("http://a", {"shape": "round"}, "expected one of record, elb, message"),
        ("http://a", {"batch_size": "0"}, "batch_size"),
    ],
)
def test_what_cannot_be(address: str, own: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told) as error:
        opened(SINK, address, **own)
    assert "hidden" not in str(error.value)


@given(
    sizes=st.lists(st.integers(1, 9), max_size=8),
    records=st.integers(1, 12),
    size=st.integers(1, 200),
    halve=st.lists(st.booleans(), max_size=40),
)
@settings(max_examples=200, deadline=None)
def test_whatever_is_halved_every_record_is_sent_once_and_in_order(
    sizes: list[int], records: int, size: int, halve: list[bool]
) -> None:
    outbox = Outbox(Limits(records=records, size=size))
    number = 0
    for count in sizes:
        lines = [b"%d%s\n" % (at, b"x" * (at * 7 % 23)) for at in range(number, number + count)]
        number += count
        of: Any = Counted(count)
        outbox.take(of, b"".join(lines))
    outbox.seal()
    sent = b""
    first_round = len(outbox.ready)
    while outbox.ready:
        request = outbox.ready[0]
        assert request.count == request.data.count(b"\n") == sum(parcel.count for parcel in request.parcels)
        assert request.count == 1 or (request.count <= records and len(request.data) <= size)
        if request.count > 1 and halve and halve.pop():
            before = request.data
            outbox.halve()
            first, second = outbox.ready[0], outbox.ready[1]
            assert first.data + second.data == before
            assert first.count
            assert second.count
            continue
        sent += request.data
        outbox.ready.popleft()
    assert [int(line.rstrip(b"x")) for line in sent.splitlines()] == list(range(number))
    assert first_round <= max(number, 1)


class Counted:
    """A batch, as far as it is looked at here."""

    def __init__(self, count: int) -> None:
        self.records = range(count)
