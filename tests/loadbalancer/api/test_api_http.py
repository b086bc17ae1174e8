"""What comes over the line that is no request, too much of one, or none for too long."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import SSLError

from loadbalancer.api.keepingshop import Shop, Told, asked, client_at, sent, shop, told_of
from services.certificates import Authority
from tailrace.errors import UsageError
from tailrace.loadbalancer.api.listening import Limits

LIMITS = Limits(connections=3, idle_s=0.7, request_s=0.5, answer_s=2.0, requests=3)
DESCRIBE = {"Action": "DescribeLoadBalancerAttributes", "LoadBalancerName": "web"}


@pytest.fixture
def tight(tmp_path: Path, store: str) -> Iterator[Shop]:
    with shop(tmp_path, store, limits=LIMITS) as made:
        yield made


def connected(api: Shop) -> socket.socket:
    parts = urlsplit(api.url)
    return socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=10)


def answers(connection: socket.socket) -> Iterator[Told]:
    """What comes until the other side closes."""
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                assert not data
                return
            data += more
        head, _, data = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        version, status, _reason = lines[0].split(" ", 2)
        assert version == "HTTP/1.1"
        length = int(next(line[15:] for line in lines if line.startswith("Content-Length:")))
        while len(data) < length:
            data += connection.recv(65536)
        yield told_of(int(status), data[:length])
        data = data[length:]


def said(api: Shop, data: bytes, *, end: bool = False) -> list[tuple[int, str]]:
    with connected(api) as connection:
        connection.sendall(data)
        if end:
            connection.shutdown(socket.SHUT_WR)
        return [(each.status, each.code) for each in answers(connection)]


GET = b"GET / HTTP/1.1\r\nHost: here\r\n"


def test_a_machine_that_has_no_more_threads_serves_again_later(tight: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr("tailrace.loadbalancer.api.listening.Thread.start", fails)
        for _ in range(LIMITS.connections + 1):  # no slot is lost either
            with connected(tight) as connection:
                assert connection.recv(1) == b""
    assert sent(asked(tight.url, **DESCRIBE)).status == 200


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"hello\r\n\r\n", 400, "InvalidHttpRequest"),
        (b"GET / HTTP/0.9\r\n\r\n", 400, "InvalidHttpRequest"),
        (b"GET /\r\n\r\n", 400, "InvalidHttpRequest"),
        (b"GET http://x/ HTTP/1.1\r\nHost: here\r\n\r\n", 400, "InvalidHttpRequest"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "InvalidHttpRequest"),
        (GET + b"Host: there\r\n\r\n", 400, "InvalidHttpRequest"),
        (GET + b"A header\r\n\r\n", 400, "InvalidHttpRequest"),
        (GET + b" folded: x\r\n\r\n", 400, "InvalidHttpRequest"),
        (GET + b"X: a\x00b\r\n\r\n", 400, "InvalidHttpRequest"),
        (GET + b"X: a\nY: b\r\n\r\n", 400, "InvalidHttpRequest"),
        (GET + b"".join(b"X-%d: y\r\n" % number for number in range(101)) + b"\r\n", 400, "InvalidHttpRequest"),
        (GET + b"X: " + b"y" * (70 << 10), 431, "RequestHeaderTooLarge"),
        (b"GET /" + b"y" * (70 << 10), 431, "RequestHeaderTooLarge"),
        (GET + b"Content-Length: -1\r\n\r\n", 400, "InvalidHttpRequest"),
        (GET + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "InvalidHttpRequest"),
        (GET + b"Content-Length: 65537\r\n\r\n" + b"x" * 65537, 413, "RequestEntityTooLarge"),
        (GET + b"Content-Length: 99999999999999999999\r\n\r\n", 400, "InvalidHttpRequest"),
        (GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411, "MissingContentLength"),
        (b"DELETE / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n", 405, "InvalidHttpRequest"),
        (GET + b"Connection: close\r\nContent-Length: 3\r\n\r\nabc", 404, ""),
        (
            b"POST / HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
            415,
            "InvalidHttpRequest",
        ),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_closed(
    api: Shop, data: bytes, status: int, code: str
) -> None:
    ((told, name),) = said(api, data)
    if code:
        assert (told, name) == (status, code)
    else:
        assert name == "MalformedQueryString"


def test_half_a_request_is_no_request(tight: Shop) -> None:
    for data in (b"", b"GET", GET, GET + b"Content-Length: 5\r\n\r\nab"):
        assert said(tight, data, end=True) == []
    assert tight.lines == []


def test_requests_follow_one_another_on_a_connection_but_not_for_ever(tight: Shop) -> None:
    told = said(tight, (GET + b"\r\n") * 5)
    assert told == [(403, "MissingAuthenticationToken")] * 3


def test_a_slow_client_is_cut_off(tight: Shop) -> None:
    with connected(tight) as connection:
        began = time.monotonic()
        for byte in GET * 10:
            try:
                connection.send(bytes([byte]))
            except OSError:
                break
            connection.settimeout(0.05)
            try:
                if connection.recv(1, socket.MSG_PEEK):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        connection.settimeout(10)
        assert [(each.status, each.code) for each in answers(connection)] == [(408, "RequestTimeout")]
        assert time.monotonic() - began < 8
    assert sent(asked(tight.url, **DESCRIBE)).status == 200


def test_who_says_nothing_is_let_go(tight: Shop) -> None:
    with connected(tight) as connection:
        assert list(answers(connection)) == []


def test_only_so_many_connections_are_served_at_a_time_and_the_rest_waits(tight: Shop) -> None:
    silent = [connected(tight) for _ in range(LIMITS.connections)]
    try:
        assert sent(asked(tight.url, **DESCRIBE)).status == 200  # as soon as one of them is let go
    finally:
        for each in silent:
            each.close()


def test_who_does_not_take_the_answer_is_let_go(tight: Shop) -> None:
    with connected(tight) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall((GET + b"\r\n") * 3)
    assert sent(asked(tight.url, **DESCRIBE)).status == 200


def test_what_is_under_way_is_answered_at_the_end(tmp_path: Path, store: str) -> None:
    found: list[tuple[int, str]] = []
    with shop(tmp_path, store) as made:
        idle, half = connected(made), connected(made)
        half.sendall(GET)

        def rest() -> None:
            time.sleep(0.3)
            half.sendall(b"\r\n")
            found.extend((each.status, each.code) for each in answers(half))

        thread = Thread(target=rest)
        thread.start()
        time.sleep(0.1)
    thread.join()
    idle.close()
    half.close()
    assert found == [(403, "MissingAuthenticationToken")]


def test_over_ipv6(tmp_path: Path, store: str) -> None:
    with shop(tmp_path, store, settings={"listen": "[::1]:0"}) as made:
        assert made.url.startswith("http://[::1]:")
        assert sent(asked(made.url, **DESCRIBE)).status == 200


def test_over_tls(tmp_path: Path, store: str) -> None:
    authority = Authority(tmp_path)
    pair = authority.pair("server")
    told = {"certificate": str(pair.certificate), "key": str(pair.key)}
    with shop(tmp_path, store, settings=told) as made:
        assert made.url.startswith("https://127.0.0.1:")
        with pytest.raises(SSLError):
            client_at(made.url).describe_load_balancers()
        context = ssl.create_default_context(cafile=str(authority.path))
        with connected(made) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
            secured.sendall(GET + b"Connection: close\r\n\r\n")
            assert [each.code for each in answers(secured)] == ["MissingAuthenticationToken"]
        other = Authority(tmp_path, "other")
        fresh = other.pair("fresh")
        pair.certificate.write_bytes(fresh.certificate.read_bytes())
        pair.key.write_bytes(fresh.key.read_bytes())
        made.again()
        context = ssl.create_default_context(cafile=str(other.path))
        with connected(made) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
            secured.sendall(GET + b"Connection: close\r\n\r\n")
            assert [each.code for each in answers(secured)] == ["MissingAuthenticationToken"]
        with connected(made) as plain, suppress(ConnectionError):
            plain.sendall(GET + b"\r\n")
            assert b"HTTP" not in plain.recv(1000)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"listen": "0.0.0.0:24499"}, "can be reached by others; set lb.serve.certificate and lb.serve.key"),
        ({"listen": "nowhere"}, "lb.serve.listen: expected HOST:PORT"),
        ({"certificate": "a.pem"}, "belong together"),
        ({"certificate": "a.pem", "key": "b.pem"}, "a.pem and lb.serve.key b.pem cannot be used: No such file"),
        ({"accounts": ""}, "name the file of users and load balancers"),
        ({"forward_to": "cloud.example"}, "expected a URL such as"),
    ],
)
def test_settings_that_cannot_be_are_told(tmp_path: Path, store: str, settings: dict[str, str], error: str) -> None:
    with pytest.raises(UsageError, match=error), shop(tmp_path, store, settings=settings):
        pass
