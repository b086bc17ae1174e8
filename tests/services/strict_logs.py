"""CloudWatch Logs as strict as AWS's: a server of its own, or before one whose answers are not strict (moto).

It checks signature, form and every rule of PutLogEvents, keeps what it has accepted and what broke a rule, and does to
requests what a `Fault` tells. Nothing here needs pytest:

    with StrictLogs() as logs:
        logs.faults.append(throttled())
        … AWS_ENDPOINT_URL=logs.url, AWS_REGION=logs.region, AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY=SECRET …
        assert logs.broken == []
        print(logs.accepted)
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

from services.strict_logs_rules import (
    RETENTION,
    Broken,
    Request,
    check_events,
    check_form,
    check_names,
    check_signature,
    rejected,
)

KEY, SECRET, REGION = "AKIDEXAMPLE", "not-a-secret", "eu-west-1"
Answer = tuple[int, dict[str, Any]]


class Accepted(NamedTuple):
    """An event that was taken."""

    group: str
    stream: str
    timestamp: int
    message: str


@dataclass(frozen=True)
class Fault:
    """What is done to a request: `before` it is looked at, `instead` of answering, `after` its answer is made."""

    before: Callable[[StrictLogs, dict[str, Any]], None] = lambda _logs, _document: None
    instead: tuple[int, str, dict[str, str]] | None = None
    after: Callable[[socket.socket, bytes], bool] = lambda _socket, _answer: False
    """Whether it has answered by itself."""
    unless: Callable[[dict[str, Any]], bool] = lambda _document: False
    """For which requests it answers all the same."""
    info: dict[str, int] | None = None
    """`rejectedLogEventsInfo` that is told, whatever the events are."""


def refusing(status: int, code: str = "", **headers: str) -> Fault:
    """Answered with an error; nothing is taken."""
    return Fault(instead=(status, code, headers))


def throttled() -> Fault:
    return refusing(400, "ThrottlingException")


def unavailable() -> Fault:
    return refusing(503, "ServiceUnavailableException")


def _reset(client: socket.socket, _answer: bytes) -> bool:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return True


def _half(client: socket.socket, answer: bytes) -> bool:
    client.sendall(answer[:-1])
    return True


def lost() -> Fault:
    """Taken, and the connection is reset before the answer."""
    return Fault(after=_reset)


def dropped() -> Fault:
    """Not taken, and the connection is reset."""
    return Fault(instead=(0, "", {}), after=_reset)


def halved() -> Fault:
    """Taken, and the last byte of the answer is missing."""
    return Fault(after=_half)


def cut_short(status: int, code: str = "") -> Fault:
    """Answered with an error whose last byte is missing; nothing is taken."""
    return Fault(instead=(status, code, {}), after=_half)


def slow(seconds: float) -> Fault:
    """Taken late."""
    return Fault(before=lambda _logs, _document: time.sleep(seconds))


def without_stream() -> Fault:
    """The stream is deleted just before."""
    return Fault(before=lambda logs, told: logs.delete(told["logGroupName"], told["logStreamName"]))


def without_group() -> Fault:
    """The whole group is deleted just before."""
    return Fault(before=lambda logs, told: logs.delete(told["logGroupName"]))


@dataclass
class StrictLogs:
    """The server. `upstream`: host and port of a server that also gets what is accepted, and answers all other calls.

    `faults`: done to the next calls of PutLogEvents, one each. `chance`: asked for a fault at each when there are none.
    """

    upstream: tuple[str, int] | None = None
    tls: ssl.SSLContext | None = None
    region: str = REGION
    secrets: dict[str, str] = field(default_factory=lambda: {KEY: SECRET})
    now: Callable[[], float] = time.time
    """For the times of events; signatures are of this very moment."""
    faults: deque[Fault] = field(default_factory=deque)
    chance: Callable[[], Fault | None] = lambda: None
    accepted: list[Accepted] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """Each request that broke a rule."""
    called: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Each call with what it told."""
    sizes: list[tuple[int, int]] = field(default_factory=list)
    """Of each accepted request: its events, and its bytes as they are counted."""
    groups: dict[str, set[str]] = field(default_factory=dict)
    retention: dict[str, int] = field(default_factory=dict)
    connections: int = 0
    most: int = 0
    """The most requests that were under way at a time."""

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._under_way = 0
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        if self.tls:
            self._server.socket = self.tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port: int = self._server.server_address[1]
        self.url = f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reset(self) -> None:
        """Forget everything, as if it were new, once every request that is under way is answered."""
        deadline = time.monotonic() + 10
        while self._under_way and time.monotonic() < deadline:
            time.sleep(0.01)
        with self._lock:
            for kept in (self.faults, self.accepted, self.broken, self.called, self.sizes, self.groups, self.retention):
                kept.clear()
            self.chance, self.now, self.connections, self.most = (lambda: None), time.time, 0, 0
            self.secrets = {KEY: SECRET}

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def create(self, group: str, *streams: str, days: int = 0) -> None:
        """Make a group with streams."""
        self._told("CreateLogGroup", {"logGroupName": group})
        for stream in streams:
            self._told("CreateLogStream", {"logGroupName": group, "logStreamName": stream})
        if days:
            self._told("PutRetentionPolicy", {"logGroupName": group, "retentionInDays": days})

    def delete(self, group: str, stream: str = "") -> None:
        """Delete a stream or a group."""
        operation = "DeleteLogStream" if stream else "DeleteLogGroup"
        self._told(operation, {"logGroupName": group, **({"logStreamName": stream} if stream else {})})

    def _told(self, operation: str, document: dict[str, Any]) -> None:
        status, _ = self._done(operation, document)
        assert status == 200, (operation, document)

    def answer(self, request: Request, fault: Fault) -> Answer:
        """What AWS answers."""
        try:
            check_form(request)
            check_signature(request, self.secrets, self.region, time.time())
            operation = request.headers["x-amz-target"].partition(".")[2]
            document = _document(request)
            with self._lock:
                self.called.append((operation, document))
            if operation != "PutLogEvents":
                return self._done(operation, document)
            check_names(document)
            events = check_events(document, int(self.now() * 1000))
            fault.before(self, document)
            if fault.instead and not fault.unless(document):
                return fault.instead[0], {"__type": fault.instead[1]}
            return self._taken(document, events, fault)
        except Broken as error:
            with self._lock:
                self.broken.append(f"{error.code}: {error}")
            return error.status, {"__type": f"com.amazonaws.logs.v20140328#{error.code}", "message": str(error)}

    def _taken(self, document: dict[str, Any], events: list[dict[str, Any]], fault: Fault) -> Answer:
        group, stream = document["logGroupName"], document["logStreamName"]
        with self._lock:
            info = fault.info or rejected(events, int(self.now() * 1000), self.retention.get(group))
            begin = max(info.get("tooOldLogEventEndIndex", 0), info.get("expiredLogEventEndIndex", 0))
            good = events[begin : info.get("tooNewLogEventStartIndex", len(events))]
            if not self.upstream and stream not in self.groups.get(group, ()):
                return 400, {"__type": "ResourceNotFoundException"}
            if self.upstream and good:
                status, answer = self._forward("PutLogEvents", {**document, "logEvents": good})
                if status != 200:
                    return status, answer
            self.sizes.append((len(events), sum(len(event["message"].encode()) + 26 for event in events)))
            self.accepted += [Accepted(group, stream, event["timestamp"], event["message"]) for event in good]
        return 200, {"nextSequenceToken": "1", **({"rejectedLogEventsInfo": info} if info else {})}

    def _done(self, operation: str, document: dict[str, Any]) -> Answer:
        if operation != "DescribeLogGroups":
            check_names(document)
        with self._lock:
            if operation == "PutRetentionPolicy":
                if document["retentionInDays"] not in RETENTION:
                    raise Broken("InvalidParameterException", "retentionInDays")
                self.retention[document["logGroupName"]] = document["retentionInDays"]
            return self._forward(operation, document) if self.upstream else self._here(operation, document)

    def _here(self, operation: str, document: dict[str, Any]) -> Answer:
        group, stream = document.get("logGroupName", ""), document.get("logStreamName", "")
        if operation == "DescribeLogGroups":
            wanted = document.get("logGroupNamePrefix", "")
            return 200, {"logGroups": [{"logGroupName": name} for name in self.groups if name.startswith(wanted)]}
        if operation == "CreateLogGroup":
            if group in self.groups:
                return 400, {"__type": "ResourceAlreadyExistsException"}
            self.groups[group] = set()
            return 200, {}
        if group not in self.groups or (operation == "DeleteLogStream" and stream not in self.groups[group]):
            return 400, {"__type": "ResourceNotFoundException"}
        if operation == "CreateLogStream" and stream in self.groups[group]:
            return 400, {"__type": "ResourceAlreadyExistsException"}
        match operation:
            case "CreateLogStream":
                self.groups[group].add(stream)
            case "DeleteLogStream":
                self.groups[group].discard(stream)
            case "DeleteLogGroup":
                del self.groups[group]
                self.retention.pop(group, None)
            case "PutRetentionPolicy":
                pass
            case _:
                raise Broken("UnknownOperationException", operation, 404)
        return 200, {}

    def _forward(self, operation: str, document: dict[str, Any]) -> Answer:
        assert self.upstream
        connection = http.client.HTTPConnection(*self.upstream)
        scope = f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/{self.region}/logs/aws4_request, SignedHeaders=host, Signature=0"
        headers = {
            "X-Amz-Target": f"Logs_20140328.{operation}",
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": scope,
        }
        connection.request("POST", "/", json.dumps(document), headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, json.loads(content or b"{}")

    def under_way(self, change: int) -> None:
        with self._lock:
            self._under_way += change
            self.most = max(self.most, self._under_way)

    def next_fault(self, request: Request) -> Fault:
        """What is to be done to a request."""
        if not request.headers.get("x-amz-target", "").endswith(".PutLogEvents"):
            return Fault()
        with self._lock:
            return (self.faults.popleft() if self.faults else self.chance()) or Fault()


def _document(request: Request) -> dict[str, Any]:
    body = request.body
    if (encoding := request.headers.get("content-encoding")) is not None:
        if encoding != "gzip":
            raise Broken("SerializationException", encoding)
        body = zlib.decompress(body, 31)
    try:
        document = json.loads(body.decode())
    except ValueError as error:
        raise Broken("SerializationException", "no JSON in UTF-8") from error
    if not isinstance(document, dict):
        raise Broken("SerializationException", "no object")
    return document


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The other side has gone; that is its right."""


def _handler(logs: StrictLogs) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            logs.connections += 1

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            assert length < 16 << 20
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, self.rfile.read(length))
            logs.under_way(1)
            try:
                fault = logs.next_fault(request)
                status, document = logs.answer(request, fault)
            finally:
                logs.under_way(-1)
            self._send(status, document, fault)

        def _send(self, status: int, document: dict[str, Any], fault: Fault) -> None:
            content = json.dumps(document).encode()
            lines = [
                f"HTTP/1.1 {status} -",
                "Content-Type: application/x-amz-json-1.1",
                f"Content-Length: {len(content)}",
            ]
            lines += [f"{name}: {value}" for name, value in (fault.instead[2] if fault.instead else {}).items()]
            answer = "\r\n".join([*lines, "", ""]).encode() + content
            if fault.after(self.connection, answer):
                self.close_connection = True
            else:
                self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing: tests look at what was kept."""

    return Handler
