from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from services.instance_metadata import instance_metadata
from tailrace.clouds.direct.metadata import Metadata
from tailrace.errors import Retryable, UsageError

ID = "latest/meta-data/instance-id"


@contextmanager
def talking(talk: Callable[[socket.socket, bytes], None]) -> Iterator[str]:
    """A server that says what a test wants to each that connects; its URL."""
    server = socket.create_server(("127.0.0.1", 0))

    def one(client: socket.socket) -> None:
        with client, suppress(OSError):
            talk(client, client.recv(4096))

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=one, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def test_a_token_is_had_once_and_sent_with_every_question() -> None:
    with instance_metadata(told={ID: "i-1234", "latest/user-data": "a=b"}) as service:
        metadata = Metadata(service.url)
        assert (metadata.get(ID), metadata.get("latest/user-data")) == ("i-1234", "a=b")
        assert [method for method, _ in service.asked] == ["PUT", "GET", "GET"]


def test_a_token_that_has_expired_is_renewed() -> None:
    with instance_metadata(told={ID: "i-1234"}) as service:
        metadata = Metadata(service.url)
        metadata.get(ID)
        service.valid.clear()
        assert metadata.get(ID) == "i-1234"
        assert [method for method, _ in service.asked] == ["PUT", "GET", "GET", "PUT", "GET"]


@pytest.mark.parametrize("status", [403, 404, 405])
def test_a_service_without_tokens_is_asked_without_and_not_for_them_again(status: int) -> None:
    with instance_metadata(told={ID: "i-1234"}, tokens=status) as service:
        metadata = Metadata(service.url)
        assert (metadata.get(ID), metadata.get(ID)) == ("i-1234", "i-1234")
        assert [method for method, _ in service.asked] == ["PUT", "GET", "GET"]


def test_a_service_that_wants_tokens_later_gets_them() -> None:
    with instance_metadata(told={ID: "i-1234"}, tokens=404) as service:
        metadata = Metadata(service.url)
        metadata.get(ID)
        service.tokens = "required"
        assert metadata.get(ID) == "i-1234"


def test_what_is_not_there_is_none() -> None:
    with instance_metadata() as service:
        assert Metadata(service.url).get("latest/meta-data/public-ipv4") is None


def test_a_path_before_it_and_bytes_that_are_no_text() -> None:
    with instance_metadata(told={f"base/{ID}": b"i-\xff"}, tokens=404) as service:
        assert Metadata(f"{service.url}/base/").get(ID) == "i-\ufffd"


def test_a_refusal_is_told_with_its_status() -> None:
    with instance_metadata(tokens=500) as service, pytest.raises(Retryable, match="answers 500 when asked for a token"):
        Metadata(service.url).get(ID)
    with instance_metadata(tokens=404) as service:
        service.answer = lambda method, *_: (404 if method == "PUT" else 403, b"")  # type: ignore[method-assign]
        with pytest.raises(Retryable, match="answers 403 for latest/meta-data/instance-id"):
            Metadata(service.url).get(ID)


def test_a_service_that_never_accepts_its_own_token_is_left() -> None:
    with instance_metadata(told={ID: "i-1"}) as service:
        service.valid = NeverAnything()
        with pytest.raises(Retryable, match="answers 401"):
            Metadata(service.url).get(ID)


class NeverAnything(set[str]):
    def __contains__(self, _: object) -> bool:
        return False


def test_a_token_that_could_be_a_header_of_its_own_is_refused() -> None:
    def talk(client: socket.socket, _: bytes) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na\r\nX-Y: z")

    with talking(talk) as url, pytest.raises(Retryable, match="token that is none"):
        Metadata(url).get(ID)


def trickling(client: socket.socket, _: bytes) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        client.sendall(b"x")
        time.sleep(0.01)


def endless(client: socket.socket, _: bytes) -> None:
    client.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n")
    while True:
        client.sendall(b"x" * 65536)


def hanging(client: socket.socket, _: bytes) -> None:
    client.recv(1)


@pytest.mark.parametrize(
    ("talk", "told"),
    [
        (hanging, "does not answer within 0.3 seconds"),
        (trickling, "does not answer within 0.3 seconds"),
        (endless, "answers with more than 64 KiB"),
        (lambda client, _: client.sendall(b"\x00\x01garbage\r\n\r\n"), "does not answer in HTTP"),
        (lambda client, _: client.sendall(b""), "cannot be reached|does not answer in HTTP"),
        (lambda client, _: client.sendall(b"HTTP/1.1 404 x\r\nContent-Length: 100\r\n\r\nabc"), "breaks off"),
    ],
)
def test_a_service_that_is_none_costs_a_bounded_time(talk: Callable[[socket.socket, bytes], None], told: str) -> None:
    with talking(talk) as url, pytest.raises(Retryable, match=told):
        Metadata(url, patience=0.3).get(ID)


def test_a_token_that_never_comes_is_done_without() -> None:
    """As where a container is one hop too far for the answer with the token."""

    asked: list[bytes] = []

    def talk(client: socket.socket, request: bytes) -> None:
        asked.append(request.split()[0])
        if request.startswith(b"PUT"):
            client.recv(1)
        else:
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ni-9")

    with talking(talk) as url:
        assert Metadata(url, patience=1).get(ID) == "i-9"
    assert asked == [b"PUT", b"GET"]


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(Retryable, match=r"cannot be reached \(Connection refused\)"):
        Metadata(url).get(ID)


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with instance_metadata(told={ID: "i-1234"}) as service:
        assert Metadata(service.url).get(ID) == "i-1234"


@pytest.mark.parametrize(
    "url", ["", "169.254.169.254", "https://169.254.169.254", "http://", "http://u@h", "http://[", "http://h:x", "http://h/?a"]
)  # fmt: skip
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(UsageError, match=r"lb\.metadata: expected a URL"):
        Metadata(url)
