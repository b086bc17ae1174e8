"""Stands before a real server and breaks connections, answers and requests to it, as its dice fall.

What happened to each request is counted, and of each request with marked lines that the server took is remembered which lines,
when, and whether its answer arrived: that explains what comes twice.
"""

from __future__ import annotations

import gzip
import http.client
import os
import socket
import struct
import threading
import time
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, Literal, NamedTuple

from crash.corpus import MARK

Happening = Literal["throttled", "unavailable", "failed", "dropped", "lost", "halved", "slow"]
KINDS: Mapping[Happening, int] = {
    "throttled": 2, "unavailable": 1, "failed": 1, "dropped": 2, "lost": 3, "halved": 2, "slow": 3,
}  # fmt: skip
"""What may happen to a request, by how often: refused by 400/429, 503 or 500; its connection reset before or after it was done;
half an answer; a late one."""
_STATUS = {"throttled": 429, "unavailable": 503, "failed": 500}
_AT_ONCE = struct.pack("ii", 1, 0)
"""For SO_LINGER: a connection is reset when it is closed."""


class Taken(NamedTuple):
    """A request with marked lines that the server took. `answered`: the client can know that."""

    at: float
    lines: array[int]
    answered: bool


@dataclass
class Front:
    """`server`: host and port of what is behind. `chance`: how likely a request is broken."""

    name: str
    server: tuple[str, int]
    seed: int
    chance: float = 0.0
    rewrite: bool = False
    """The server is told its own name as host."""
    slowness: float = 0.5
    """A late answer is late by so many seconds at most."""
    counts: Counter[str] = field(default_factory=Counter)
    taken: list[Taken] = field(default_factory=list)
    requests: int = 0

    def __post_init__(self) -> None:
        self._dice, self._lock = Random(f"{self.name} {self.seed}"), threading.Lock()
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def rolled(self) -> tuple[Happening | None, float]:
        """What happens to the next request, and a number below one."""
        with self._lock:
            self.requests += 1
            share = self._dice.random()
            if self._dice.random() >= self.chance:
                return None, share
            (kind,) = self._dice.choices(list(KINDS), list(KINDS.values()))
            self.counts[kind] += 1
            return kind, share

    def remember(self, at: float, body: bytes, encoding: str, *, answered: bool) -> None:
        text = (gzip.decompress(body) if encoding == "gzip" else body).decode("latin-1")
        lines = array("l", sorted({int(found) for found in MARK.findall(text)}))
        if lines:
            with self._lock:
                self.taken.append(Taken(at, lines, answered))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, front: Front) -> None:
        self.front = front
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no error."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def log_message(self, *_: object) -> None:
        pass

    def setup(self) -> None:
        super().setup()
        self.front = self.server.front
        self.behind = http.client.HTTPConnection(*self.front.server)

    def finish(self) -> None:
        self.behind.close()
        super().finish()

    def handle_expect_100(self) -> bool:
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def do_POST(self) -> None:
        body, at = self._body(), time.monotonic()
        kind, share = self.front.rolled()
        if kind in _STATUS:
            self._refuse(kind)
            return
        if kind == "dropped":
            self._reset()
            return
        if kind == "slow":
            time.sleep(share * self.front.slowness)
        status, headers, answer = self._ask(body)
        if status < 300:
            encoding = self.headers.get("Content-Encoding", "")
            self.front.remember(at, body, encoding, answered=kind not in ("lost", "halved"))
        if kind == "lost":
            self._reset()
        else:
            self._answer(status, headers, answer, half=kind == "halved", share=share)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST  # noqa: N815 - as the standard library names them

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            found = b""
            while size := int(self.rfile.readline(), 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found
        length = int(self.headers.get("Content-Length", 0))
        found = self.rfile.read(length)
        if len(found) < length:
            raise ConnectionError("the client has gone")
        return found

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        skipped = {"transfer-encoding", "content-length", "connection", "expect"}
        headers = {name: value for name, value in self.headers.items() if name.lower() not in skipped}
        if self.front.rewrite:
            headers["Host"] = f"{self.front.server[0]}:{self.front.server[1]}"
        headers["Content-Length"] = str(len(body))
        self.behind.request(self.command, self.path, body, headers)
        response = self.behind.getresponse()
        found = [
            (name, value) for name, value in response.getheaders()
            if name.lower() not in ("connection", "transfer-encoding", "date", "server")
        ]  # fmt: skip
        return response.status, found, response.read()

    def _answer(self, status: int, headers: list[tuple[str, str]], answer: bytes, *, half: bool, share: float) -> None:
        if not any(name.lower() == "content-length" for name, _ in headers):
            headers = [*headers, ("Content-Length", str(len(answer)))]
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if half:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer[: int(len(answer) * share)] if half else answer)
        if half and (self.command == "HEAD" or not answer):
            self._reset()  # there is no half of it
        elif half:
            self.close_connection = True

    def _refuse(self, kind: Happening | None) -> None:
        status, body = _refusal(kind or "failed", self.headers.get("X-Amz-Target", ""), aws=self.front.name == "aws")
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _reset(self) -> None:
        self.close_connection = True
        self.wfile = _Nothing()  # type: ignore[assignment]
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        os.close(self.connection.detach())


class _Nothing:
    """Takes what is still buffered for a connection that is reset."""

    closed = True

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def write(self, data: bytes) -> int:
        return len(data)


def _refusal(kind: Happening, target: str, *, aws: bool) -> tuple[int, bytes]:
    """An error as the service behind would tell it: AWS's JSON services by their own names, S3 in XML, others by the status."""
    status = _STATUS[kind]
    if target:
        code = {"throttled": "ThrottlingException", "unavailable": "ServiceUnavailable"}.get(kind, "InternalFailure")
        return 400 if kind == "throttled" else status, f'{{"__type":"{code}","message":"of the test"}}'.encode()
    if not aws:
        return status, b"{}"
    code = {"throttled": "SlowDown", "unavailable": "ServiceUnavailable"}.get(kind, "InternalError")
    return 503 if kind == "throttled" else status, f"<Error><Code>{code}</Code></Error>".encode()
