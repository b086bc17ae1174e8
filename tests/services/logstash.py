"""Receivers that take what Logstash's http and tcp inputs take, and complain about what those would mangle.

They follow the plugins' own code: an array in `application/json` is one event for each element; JSON that cannot be read is
answered with 200 all the same; while the pipeline is blocked, a request that announces itself by `Expect` is refused with
429 on a connection that stays, and any other one loses its connection; what is longer than the limit is 413.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import zlib
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

Event = dict[str, Any]
_AT_ONCE = struct.pack("ii", 1, 0)
"""For SO_LINGER: a connection is reset when it is closed."""


class Seen(NamedTuple):
    """A request, as it came and as it was answered."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int
    connection: int


Fault = Callable[["_Handler"], int]
"""Does something else than to answer; the status that the client sees, 0 for none."""


def status(code: int, headers: Mapping[str, str] | None = None, *, read: bool = True) -> Fault:
    """Another answer; with `read` the body is read before."""

    def fault(handler: _Handler) -> int:
        if read:
            handler.body()
        handler.answer(code, headers or {})
        return code

    return fault


def blocked(handler: _Handler) -> int:
    """What Logstash does while its pipeline is blocked: the body is not read, and without `Expect` the connection is lost."""
    handler.answer(429, {})
    if not handler.expecting:
        handler.reset()
    return 429


def reset(*, read: bool, taken: bool = False) -> Fault:
    """The connection is reset, before or after the body is read; with `taken` what it holds became events before."""

    def fault(handler: _Handler) -> int:
        if read:
            handler.body()
        if taken:
            handler.take()
        handler.reset()
        return 0

    return fault


def hang_up(handler: _Handler) -> int:
    """The connection is closed in order, and nothing was read but the head."""
    handler.tell(0)
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)
    return 0


def raw(data: bytes, *, stay: float = 0) -> Fault:
    """These bytes instead of an answer, then the end, after so many seconds at the latest."""

    def fault(handler: _Handler) -> int:
        handler.body()
        handler.take()
        handler.tell(0)
        handler.connection.sendall(data)
        handler.close_connection = True
        handler.server.patience.wait(stay)
        return 0

    return fault


def silent(seconds: float) -> Fault:
    """The events are taken, and for so long nothing is answered, unless the receiver is closed."""

    def fault(handler: _Handler) -> int:
        handler.body()
        handler.take()
        handler.tell(200)
        handler.server.patience.wait(seconds)
        handler.answer(200, {})
        return 200

    return fault


@dataclass
class HttpInput:
    """Logstash's http input. `events`: what came out of it; `complaints`: what a strict reader finds wrong."""

    user: str = ""
    password: str = ""
    max_content: int = 100 << 20
    poison: Callable[[Event], bool] = lambda _event: False
    """A whole request is refused with `poison_status` for such an event in it."""
    poison_status: int = 400
    context: ssl.SSLContext | None = None
    response_code: int = 200
    heeds_expect: bool = True
    host: str = "127.0.0.1"
    faults: deque[Fault | None] = field(default_factory=deque)
    """What is done to the next requests."""
    always: Fault | None = None
    events: list[Event] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._server = _Server((self.host, 0), self)
        self.port: int = self._server.server_port
        scheme = "https" if self.context else "http"
        self.url = f"{scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        """Stop, also what is still waited for."""
        self._server.patience.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def statuses(self) -> list[int]:
        """The answers so far; 0 for none."""
        return [seen.status for seen in self.seen]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], owner: HttpInput) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.owner = owner
        self.patience = threading.Event()
        self.lock = threading.Lock()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self.lock:
            self.owner.connections += 1
        if self.owner.context:
            # The handshake is done by the first read, so that a client that fails it keeps nobody waiting.
            connection = self.owner.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is no error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.number = self.server.owner.connections

    def log_message(self, *_: object) -> None:
        """Silent."""

    def handle_expect_100(self) -> bool:
        """Not yet: it depends on what is done to the request."""
        return True

    def handle_one_request(self) -> None:
        self._read: bytes | None = None
        self._noted = False
        super().handle_one_request()

    def do_POST(self) -> None:
        owner = self.server.owner
        self.expecting = self.headers.get("Expect", "").lower() == "100-continue"
        self._complain_of_head()
        with self.server.lock:
            fault = (owner.faults.popleft() if owner.faults else None) or owner.always
        self.tell(fault(self) if fault else self._ordinary())

    do_GET = do_POST  # noqa: N815 - as the standard library has it

    def tell(self, code: int) -> None:
        """Note the request once, before the client can know of its end."""
        with self.server.lock:
            if not self._noted:
                head = {name.lower(): value for name, value in self.headers.items()}
                self._noted = True
                seen = Seen(self.command, self.path, head, self._read or b"", code, self.number)
                self.server.owner.seen.append(seen)

    def _ordinary(self) -> int:
        owner = self.server.owner
        if int(self.headers.get("Content-Length", 0)) > owner.max_content:
            if not self.expecting:
                self.body()
            return self.answer(413, {})
        self.body()
        if owner.user and not self._authorized():
            return self.answer(401, {"WWW-Authenticate": 'Basic realm="Logstash HTTP Input"'})
        events = self._decoded()
        if any(owner.poison(event) for event in events):
            return self.answer(owner.poison_status, {})
        self.take()
        return self.answer(owner.response_code, {"Content-Type": "text/plain"}, b"ok")

    def body(self) -> bytes:
        """Read it, after the client was asked for it if it waits for that."""
        if self._read is None:
            if self.expecting and self.server.owner.heeds_expect:
                self.send_response_only(100)
                self.end_headers()
            self._read = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return self._read

    def take(self) -> None:
        """Make events of the body."""
        events = self._decoded()
        with self.server.lock:
            self.server.owner.events += events

    def answer(self, code: int, headers: Mapping[str, str], body: bytes = b"") -> int:
        self.tell(code)
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        if code != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if code != 204:
            self.wfile.write(body)
        if self._read is None and not self.expecting:
            self.close_connection = True
        return code

    def reset(self) -> None:
        """Break the connection so that the client notices."""
        self.tell(0)
        self.close_connection = True
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        socket.socket.close(self.connection)

    def _authorized(self) -> bool:
        owner = self.server.owner
        token = b64encode(f"{owner.user}:{owner.password}".encode()).decode()
        return self.headers.get("Authorization") == f"Basic {token}"

    def _complain_of_head(self) -> None:
        complain = self.server.owner.complaints.append
        if self.headers.get_all("Host") != [f"{self.server.owner.url.partition('//')[2]}"]:
            complain(f"Host: {self.headers.get_all('Host')}")
        if self.command == "POST" and len(self.headers.get_all("Content-Length") or ()) != 1:
            complain("not one Content-Length")
        if self.headers.get("Transfer-Encoding"):
            complain("Transfer-Encoding")

    def _decoded(self) -> list[Event]:
        complain = self.server.owner.complaints.append
        body = self.body()
        if self.headers.get("Content-Encoding") == "gzip":
            engine = zlib.decompressobj(31)
            body = engine.decompress(body)
            if not engine.eof or engine.unused_data:
                complain("not one whole gzip member")
        if self.headers.get("Content-Type") != "application/json":
            complain(f"Content-Type: {self.headers.get('Content-Type')}")
        try:
            events = json.loads(body)
        except ValueError as error:
            complain(f"_jsonparsefailure: {error}")
            return []
        if not isinstance(events, list) or not events or not all(isinstance(event, dict) for event in events):
            complain(f"no array of objects: {body[:100]!r}")
            return []
        return events


@dataclass
class Line:
    """What one connection of the tcp input does: reads `limit` bytes, then ends so."""

    limit: int | None = None
    reset: bool = False
    """Ends with a reset, and what the kernel holds is lost."""


@dataclass
class TcpInput:
    """Logstash's tcp input with the codec json_lines."""

    context: ssl.SSLContext | None = None
    plan: deque[Line] = field(default_factory=deque)
    """What the next connections do; all others read to the end."""
    buffer: int = 0
    """Size of the kernel's receive buffer, if it is to be small."""
    events: list[Event] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    cut: list[bytes] = field(default_factory=list)
    """What was left without a newline when a connection ended."""
    connections: int = 0
    ended: int = 0
    """Connections that the client has ended in order."""

    def __post_init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        if self.buffer:
            self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.buffer)
        self.port: int = self._listening.getsockname()[1]
        self.address = f"{'tls' if self.context else 'tcp'}://127.0.0.1:{self.port}"
        self.reading = threading.Event()
        """Cleared, nothing is read."""
        self.reading.set()
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def close(self) -> None:
        """Stop, also the connections."""
        self.reading.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in list(self._open):
            _shut(connection)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def hang_up(self, *, reset: bool = False) -> None:
        """End all connections, and wait until they have."""
        for connection in list(self._open):
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        self.wait_until(lambda: not self._open)

    def wait_until(self, reached: Callable[[], bool], seconds: float = 10) -> None:
        """Wait for events or connections; fails if they do not come."""
        with self._changed:
            assert self._changed.wait_for(reached, seconds), f"{len(self.events)} events, {self.ended} ended"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with self._changed:
                self.connections += 1
                line = self.plan.popleft() if self.plan else Line()
                self._open.add(connection)
            self._threads.append(threading.Thread(target=self._read, args=(connection, line)))
            self._threads[-1].start()

    def _read(self, plain: socket.socket, line: Line) -> None:
        rest, ended, stream = b"", False, plain
        try:
            if self.context:
                stream = self.context.wrap_socket(plain, server_side=True)
            left = line.limit
            while left is None or left > 0:
                self.reading.wait()
                data = stream.recv(16384 if left is None else min(left, 16384))
                if not data:
                    ended = True
                    break
                left = None if left is None else left - len(data)
                rest = self._take(rest + data)
        except OSError:
            pass
        finally:
            if line.reset:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            stream.close()
            with self._changed:
                self._open.discard(plain)
                self.ended += ended
                self.cut += [rest] if rest else []
                self._changed.notify_all()

    def _take(self, data: bytes) -> bytes:
        *lines, rest = data.split(b"\n")
        with self._changed:
            for each in lines:
                try:
                    event = json.loads(each)
                except ValueError as error:
                    self.complaints.append(f"_jsonparsefailure: {error}: {each[:100]!r}")
                    continue
                self.events.append(event)
                if not isinstance(event, dict):
                    self.complaints.append(f"no object: {each[:100]!r}")
            self._changed.notify_all()
        return rest


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
