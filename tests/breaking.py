"""A proxy that breaks connections to a real S3 server, and clients that notice it."""

from __future__ import annotations

import http.client
import itertools
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

import boto3
from botocore.config import Config

from making import StillClock
from tailrace.model import Item
from tailrace.sources.s3 import S3, S3Settings

NOISE = random.Random(1).randbytes(300_000)
SECRET = "a-secret-access-key-that-nobody-may-see"


class Asked(NamedTuple):
    """A request that came to the proxy."""

    line: str
    headers: dict[str, str]


Answer = tuple[bytes, bytes]
"""The head and the body of an answer."""

Fault = Callable[[socket.socket, Answer], None]
"""Sends something else than the answer."""


def unheard(fault: Fault) -> Fault:
    """The same, and the server never hears of the request."""

    def silent_fault(client: socket.socket, answer: Answer) -> None:
        fault(client, answer)

    _UNHEARD.add(silent_fault)
    return silent_fault


_UNHEARD: set[Fault] = set()


def cut(count: int) -> Fault:
    """The connection is closed in the middle of the body."""
    return lambda client, answer: client.sendall(answer[0] + answer[1][:count])


def reset(count: int) -> Fault:
    """The connection is reset in the middle of the body."""

    def fault(client: socket.socket, answer: Answer) -> None:
        client.sendall(answer[0] + answer[1][:count])
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return fault


def short(count: int) -> Fault:
    """A whole answer with too short a body."""

    def fault(client: socket.socket, answer: Answer) -> None:
        lines = [line for line in answer[0].split(b"\r\n") if not line.lower().startswith(b"content-length")]
        lines.insert(1, b"Content-Length: %d" % count)
        client.sendall(b"\r\n".join(lines) + answer[1][:count])

    return fault


def late_reset(client: socket.socket, answer: Answer) -> None:
    """The connection is reset after a while, in which the other side has taken what was sent."""
    client.sendall(answer[0] + answer[1][:20_000])
    time.sleep(0.05)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silent(client: socket.socket, answer: Answer) -> None:
    """The body stops coming, and the connection stays."""
    client.sendall(answer[0] + answer[1][:100])
    client.settimeout(10)
    client.recv(1)  # until the other side has had enough


def without_etag(client: socket.socket, answer: Answer) -> None:
    lines = [line for line in answer[0].split(b"\r\n") if not line.lower().startswith(b"etag")]
    client.sendall(b"\r\n".join(lines) + answer[1])


def instead(status: int, code: str = "", body: str = "") -> Fault:
    """Another answer."""
    text = body or f"<Error><Code>{code}</Code><Message>the key {SECRET} is bad</Message></Error>" if code else body
    head = f"HTTP/1.1 {status} Told\r\nConnection: close\r\nContent-Length: {len(text)}\r\n\r\n"
    return lambda client, _: client.sendall((head + text).encode())


@dataclass
class Proxy:
    """Passes requests on to a server; for reads and writes of objects, does the next of its faults to the answer."""

    server: tuple[str, int]
    faults: list[Fault | None] = field(default_factory=list)
    always: Fault | None = None
    everything: bool = False
    """Faults are for listings too."""
    ranges: bool = True
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def reset(self) -> None:
        """Forget all faults and requests."""
        self.faults, self.always, self.everything, self.ranges, self.asked = [], None, False, True, []

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client:
                self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            data = client.recv(65536)
            if not data:
                return
            received += data
        head, _, body = received.partition(b"\r\n\r\n")
        line, *lines = head.decode().split("\r\n")
        headers = dict(each.split(": ", 1) for each in lines)
        body = _body(client, headers, body)
        self.asked.append(Asked(line, headers))
        fault = None
        if self.everything or "list-type" not in line:
            fault = (self.faults.pop(0) if self.faults else None) or self.always
        answer = (b"", b"") if fault in _UNHEARD else self._ask(line, headers, body)
        try:
            if fault:
                fault(client, answer)
            else:
                client.sendall(b"".join(answer))
        except OSError:
            pass  # the other side has gone

    def _ask(self, line: str, headers: dict[str, str], sent: bytes) -> Answer:
        method, path, _ = line.split(" ")
        connection = http.client.HTTPConnection(*self.server)
        if not self.ranges:
            headers.pop("Range", None)
        connection.request(method, path, body=sent or None, headers=headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        lines = [f"HTTP/1.1 {response.status} {response.reason}"]
        lines += [f"{name}: {value}" for name, value in response.getheaders() if name.lower() != "connection"]
        return "\r\n".join([*lines, "Connection: close", "", ""]).encode(), body


def _body(client: socket.socket, headers: dict[str, str], begun: bytes) -> bytes:
    """The body of a request, which a client may keep back until it is told to go on."""
    if headers.pop("Expect", "").lower() == "100-continue" and not begun:
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    parts = [begun]
    missing = int(headers.get("Content-Length", 0)) - len(begun)
    while missing > 0 and (data := client.recv(min(missing, 1 << 20))):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


def client_of(endpoint: str, patience: float = 60, **credentials: str) -> Any:
    """A client that does not try again by itself, so that the source is seen to; `patience` in seconds."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=credentials.get("key", "AKIDEXAMPLE"),
        aws_secret_access_key=credentials.get("secret", SECRET),
        config=Config(
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=10,
            read_timeout=patience,
        ),
    )


@contextmanager
def behind_a_proxy(server: tuple[str, int], patience: float) -> Iterator[tuple[Proxy, Any, Any]]:
    """A proxy, a client that goes through it, and one that goes straight to the server: making them takes long."""
    with (
        closing(Proxy(server)) as proxy,
        closing(client_of(proxy.url, patience=patience)) as through,
        closing(client_of(f"http://{server[0]}:{server[1]}")) as direct,
    ):
        yield proxy, through, direct


class Bucket:
    """A bucket on the real server, and the source that reads it through the proxy."""

    numbers = itertools.count()

    def __init__(self, client: Any, direct: Any, clock: StillClock) -> None:
        self.name = f"logs-{next(self.numbers)}"
        self.client, self.direct, self.clock = client, direct, clock
        self.direct.create_bucket(Bucket=self.name)

    def put(self, key: str, content: bytes = b"") -> str:
        """Write an object; its etag."""
        return str(self.direct.put_object(Bucket=self.name, Key=key, Body=content)["ETag"]).strip('"')

    def items(self, prefix: str = "") -> list[Item]:
        return list(self.source(prefix).items())

    def source(self, prefix: str = "", stdin: BinaryIO | None = None, **own: Any) -> S3:
        return S3(f"s3://{self.name}/{prefix}", self.client, self.clock, S3Settings(**own), stdin)

    def item(self, content: bytes, key: str = "a.log") -> Item:
        self.put(key, content)
        (item,) = self.items(key)
        return item


def read(item: Item) -> bytes:
    with item.open() as stream:
        return read_on(stream)


def read_on(stream: BinaryIO) -> bytes:
    return b"".join(iter(lambda: stream.read(64 << 10), b""))
