"""Logstash over TCP: lines of JSON on one connection; what a broken one may have swallowed is sent again."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from making import alb, batch, item
from services.certificates import Authority
from services.logstash import Line, TcpInput
from sinks.opening import opened
from tailrace.errors import Fatal, Retryable
from tailrace.model import Batch, Counts, Flushed, Rendering
from tailrace.ports import Sink
from tailrace.sinks.logstash import SINK

UNCONFIRMED = Flushed(unconfirmed=True)
Opened = Callable[..., Sink]


@pytest.fixture
def server() -> Iterator[TcpInput]:
    with TcpInput() as made:
        yield made
    assert made.complaints == []


@pytest.fixture
def sink(server: TcpInput) -> Iterator[Opened]:
    made: list[Sink] = []

    def open_it(**own: Any) -> Sink:
        made.append(opened(SINK, server.address, **{"timeout": "5s", **own}))
        return made[-1]

    yield open_it
    for each in made:
        each.close()
        each.close()


class Numbered:
    """Records that are no more than their numbers."""

    def __init__(self, numbers: range, width: int) -> None:
        self._numbers, self._width = numbers, width

    def __len__(self) -> int:
        return len(self._numbers)

    def ndjson(self, _schema: str = "aws", *, ids: bool = False) -> memoryview:
        assert not ids
        return memoryview(b"".join(b'{"n":%d,"x":"%s"}\n' % (n, b"x" * self._width) for n in self._numbers))


def numbered(first: int, count: int = 10, width: int = 100) -> Batch:
    records: Any = Numbered(range(first, first + count), width)
    return Batch(records, [], Counts(records=count), 0)


def numbers(server: TcpInput) -> list[int]:
    return [event["n"] for event in server.events]


OURS = int(Path("/proc/sys/net/ipv4/tcp_wmem").read_text().split()[2])
"""So much waits in our kernel at most."""
BATCH = len(numbered(10).records.ndjson())


def patiently(call: Callable[[], Any]) -> Any:
    """What the call returns that is made again when it raises Retryable, as the loop does."""
    for _ in range(200):
        try:
            return call()
        except Retryable:
            pass
    return call()


def until_blocked(sink: Sink) -> int:
    """Write until the server does not take more; how many records were taken."""
    taken = 0
    with suppress(Retryable):
        while True:
            sink.write(item(), numbered(taken, 2000, 1000), 0)
            taken += 2000
    return taken


def test_records_arrive_in_order_on_one_connection(server: TcpInput, sink: Opened) -> None:
    made = sink()
    assert made.rendering == Rendering("aws")
    found = [batch(b"".join(alb("2026-09-23", 3 * each + one) for one in range(3))) for each in range(4)]
    for one in found:
        made.write(item(), one, 0)
        made.write(item(), batch(b""), 0)
        assert made.flush() == UNCONFIRMED
    made.close()
    server.wait_until(lambda: server.ended == 1)
    assert server.events == [json.loads(line) for one in found for line in bytes(one.records.ndjson()).splitlines()]
    assert (len(server.events), server.connections, server.cut) == (12, 1, [])


def test_close_hands_over_what_was_flushed_also_to_a_slow_reader(server: TcpInput, sink: Opened) -> None:
    made = sink()
    server.reading.clear()
    made.write(item(), numbered(0, 400), 0)
    made.flush()
    server.reading.set()
    made.close()
    server.wait_until(lambda: server.ended == 1)
    assert numbers(server) == list(range(400))


def test_nothing_is_opened_for_nothing(server: TcpInput, sink: Opened) -> None:
    made = sink()
    made.write(item(), batch(b"junk\n"), 0)
    assert made.flush() == UNCONFIRMED
    made.abandon()
    made.close()
    assert server.connections == 0


@pytest.mark.parametrize("resets", [False, True])
def test_a_connection_that_was_closed_after_a_flush_is_replaced_in_silence(
    server: TcpInput, sink: Opened, *, resets: bool
) -> None:
    made = sink()
    made.write(item(), numbered(0), 0)
    made.flush()
    server.wait_until(lambda: len(server.events) == 10)
    server.hang_up(reset=resets)
    made.write(item(), numbered(10), 0)
    made.flush()
    server.wait_until(lambda: len(server.events) == 20)
    assert (numbers(server), server.connections) == (list(range(20)), 2)


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("limit", [1, 1000, BATCH - 1, BATCH, BATCH + 1, BATCH * 2])
def test_after_a_broken_connection_everything_since_the_last_flush_is_sent_again(
    server: TcpInput, sink: Opened, limit: int, *, resets: bool
) -> None:
    server.plan.append(Line(limit=BATCH + limit, reset=resets))
    made = sink()
    made.write(item(), numbered(10), 0)
    made.flush()
    broken = 0
    for first in range(20, 60, 10):
        try:
            made.write(item(), numbered(first), 0)  # sends the one before
        except Retryable:
            broken += 1
            made.write(item(), numbered(first), 0)
    server.wait_until(lambda: server.connections == 2 or (server.connections == 1 and not server._open))
    if not broken:
        with pytest.raises(Retryable, match=f"^{server.address} broke the connection: "):
            made.flush()
    assert made.flush() == UNCONFIRMED
    server.wait_until(lambda: 59 in numbers(server))
    again, line = list(range(20, 60)), BATCH // 10
    assert numbers(server) == [*range(10, 20), *again[: limit // line], *again]
    begun = [b'{"n":%d,' % again[limit // line]] if limit % line else []
    assert (server.connections, [part[:8] for part in server.cut]) == (2, [part[: limit % line] for part in begun])


def test_a_server_that_resets_again_and_again_gets_everything_that_is_confirmed(server: TcpInput, sink: Opened) -> None:
    server.plan += [Line(limit=200_000 + 70_001 * n, reset=n % 2 == 0) for n in range(10)]
    made = sink(confirm="true")
    for part in range(4):
        for first in range(part * 1000, part * 1000 + 1000, 100):
            patiently(lambda first=first: made.write(item(), numbered(first, 100, 1000), 0))
        assert patiently(made.flush) == UNCONFIRMED
        assert set(numbers(server)) >= set(range(part * 1000 + 1000)), "nothing was read after the flush"
    assert len(server.events) > 4000


@pytest.mark.parametrize("resets", [False, True])
def test_confirmed_is_what_the_program_has_read(server: TcpInput, sink: Opened, *, resets: bool) -> None:
    server.plan.append(Line(limit=BATCH - 1, reset=resets))
    server.reading.clear()
    made = sink(confirm="true", timeout="50ms")
    made.write(item(), numbered(10), 0)
    with pytest.raises(Retryable, match="does not take more"):
        made.flush()
    server.reading.set()
    assert patiently(made.flush) == UNCONFIRMED
    assert numbers(server) == [*range(10, 19), *range(10, 20)]
    server.wait_until(lambda: not server._open)
    assert (server.connections, server.ended) == (2, 1)


def test_a_confirmed_connection_that_is_abandoned_is_not_used_again(server: TcpInput, sink: Opened) -> None:
    server.reading.clear()
    made = sink(confirm="true", timeout="50ms")
    made.write(item(), numbered(10), 0)
    with pytest.raises(Retryable, match="does not take more"):
        made.flush()
    made.abandon()
    server.reading.set()
    made.write(item(), numbered(20), 0)
    patiently(made.flush)
    assert set(numbers(server)) >= set(range(20, 30))
    assert server.connections == 2


def test_what_is_kept_is_bounded_and_enough_for_what_kernels_hold() -> None:
    with TcpInput(buffer=64 << 10) as small:
        small.plan += [Line(limit=3_000_000 + 1_234_567 * n, reset=True) for n in range(3)]
        made: Any = opened(SINK, small.address, resend="3MiB", timeout="5s")
        for first in range(0, 12_000, 200):
            patiently(lambda first=first: made.write(item(), numbered(first, 200, 1000), 0))
            assert sum(map(len, made._sent)) == made._kept < (3 << 20) + 250_000 + OURS
        patiently(made.flush)
        small.wait_until(lambda: 11_999 in numbers(small))
        assert set(numbers(small)) == set(range(12_000))
        assert len(small.events) < 12_000 + 3 * 3300 + 3 * OURS // 1000
        made.close()


def test_a_server_that_does_not_read_is_waited_for_only_so_long_and_nothing_comes_twice(
    server: TcpInput, sink: Opened
) -> None:
    made = sink(timeout="50ms")
    server.reading.clear()
    taken = until_blocked(made)
    with pytest.raises(Retryable, match="does not take more"):
        made.flush()
    server.reading.set()
    assert patiently(made.flush) == UNCONFIRMED
    server.wait_until(lambda: taken - 1 in numbers(server))
    assert (numbers(server), server.connections) == (list(range(taken)), 1)


def test_flush_waits_until_the_other_kernel_has_everything() -> None:
    with TcpInput(buffer=4 << 10) as small:
        small.reading.clear()
        made = opened(SINK, small.address, timeout="50ms")
        made.write(item(), numbered(0, 500, 1000), 0)
        with pytest.raises(Retryable, match="does not take more"):
            made.flush()
        small.reading.set()
        patiently(made.flush)
        made.close()
        small.wait_until(lambda: small.ended == 1)
        assert numbers(small) == list(range(500))


def test_what_was_abandoned_ends_with_its_connection(server: TcpInput, sink: Opened) -> None:
    made = sink(timeout="50ms")
    server.reading.clear()
    until_blocked(made)
    made.abandon()
    server.reading.set()
    made.write(item(), numbered(10**9), 0)
    patiently(made.flush)
    server.wait_until(lambda: 10**9 + 9 in numbers(server) and len(server._open) == 1)
    assert [n for n in numbers(server) if n >= 10**9] == [10**9 + n for n in range(10)]
    assert server.connections == 2


def test_abandoned_whole_lines_leave_the_connection_alone(server: TcpInput, sink: Opened) -> None:
    made = sink()
    made.write(item(), numbered(0), 0)
    made.write(item(), numbered(10), 0)
    server.wait_until(lambda: len(server.events) == 10)
    made.abandon()
    made.write(item(), numbered(20), 0)
    made.flush()
    server.wait_until(lambda: len(server.events) == 20)
    assert (numbers(server), server.connections) == ([*range(10), *range(20, 30)], 1)


def test_what_the_server_says_means_nothing(server: TcpInput, sink: Opened) -> None:
    made = sink()
    for first in range(0, 40, 10):
        made.write(item(), numbered(first), 0)
        made.flush()
        server.wait_until(lambda first=first: len(server.events) == first + 10)
        (connection,) = server._open
        connection.sendall(b"welcome\r\n")
    assert (numbers(server), server.connections) == (list(range(40)), 1)


def test_nobody_there(server: TcpInput, sink: Opened) -> None:
    server.close()
    made: Any = sink()
    made.write(item(), numbered(0), 0)
    for call in (made.flush, made.check, made.flush):
        with pytest.raises(Retryable, match=f"^{server.address} cannot be reached: Connection refused$"):
            call()
    server.__post_init__()
    made.abandon()


def test_looking_sends_nothing(server: TcpInput, sink: Opened) -> None:
    made: Any = sink()
    assert made.check() == f"{server.address} takes connections, and confirms nothing"
    server.wait_until(lambda: server.ended == 1)
    assert (server.events, server.cut) == ([], [])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_with_certificates_on_both_sides(authority: Authority, version: ssl.TLSVersion) -> None:
    context = authority.server(authority.pair("server"), clients=True)
    context.maximum_version = version
    ours = authority.pair("us")
    with TcpInput(context=context) as server:
        server.plan += [Line(limit=700_000, reset=True), Line(limit=100)]
        own = {"ca": str(authority.path), "certificate": str(ours.certificate), "key": str(ours.key)}
        made = opened(SINK, server.address, timeout="5s", confirm="true", **own)
        for first in range(0, 2000, 200):
            patiently(lambda first=first: made.write(item(), numbered(first, 200, 1000), 0))
        patiently(made.flush)
        made.close()
        server.wait_until(lambda: 1999 in numbers(server) and not server._open)
        assert set(numbers(server)) == set(range(2000))
        assert numbers(server)[-2000:] == list(range(2000))
        assert (server.connections, server.complaints, server.ended) == (3, [], 1)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_trust_that_is_missing_on_either_side_is_fatal(
    authority: Authority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    context = authority.server(authority.pair("server"), clients=True)
    context.maximum_version = version
    foreign = Authority(tmp_path, "foreign")
    stranger = foreign.pair("stranger")
    cases: list[tuple[dict[str, str], str]] = [
        ({"ca": str(authority.path)}, "does not take our side of TLS"),
        (
            {"ca": str(authority.path), "certificate": str(stranger.certificate), "key": str(stranger.key)},
            "does not take our side of TLS",
        ),
        ({"ca": str(foreign.path)}, "is not trusted"),
        ({}, "is not trusted"),
    ]
    with TcpInput(context=context) as server:
        for own, told in cases:
            made = opened(SINK, server.address, timeout="5s", **own)
            for first in range(0, 2000, 200):
                with pytest.raises(Fatal, match=told):
                    patiently(lambda first=first, made=made: (made.write(item(), numbered(first), 0), made.flush()))
            made.abandon()
            made.close()
    assert server.events == []
