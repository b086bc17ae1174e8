"""A server that stands before another, and does what it is told to some of the calls."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from cloud import address_of


class Answer(NamedTuple):
    """What is answered instead; nothing at all, and the connection is closed, if there is no status."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Call(NamedTuple):
    """A call as it came. `name`: service and operation as far as the request tells: `cloudformation:CreateStack`, `s3:PUT /bucket`."""

    name: str
    service: str
    number: int


Fault = Callable[[Call], Answer | None]
"""What is answered instead of asking the server; None to ask it."""


@dataclass
class Faulty:
    """`before`, `after`: are told of each call, before the server is asked, and when it has answered but nobody has heard of it."""

    url: str = ""
    fault: Fault = lambda _call: None
    after: Callable[[Call], None] = lambda _call: None
    calls: list[str] = field(default_factory=list)

    def asked(self, name: str, service: str) -> Call:
        self.calls.append(name)
        return Call(name, service, len(self.calls))

    def reset(self) -> None:
        self.fault, self.after, self.calls = (lambda _call: None), (lambda _call: None), []


@contextmanager
def faulty(endpoint: str) -> Iterator[Faulty]:
    """Before the server of that URL."""
    made = Faulty()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def handle_any(self) -> None:
            body = _body(self)
            call = made.asked(*_named(self.command, self.path, dict(self.headers.items()), body))
            answer = made.fault(call)
            if answer is None:
                answer = _passed_on(endpoint, self.command, self.path, dict(self.headers.items()), body)
                made.after(call)
            if not answer.status:
                self.close_connection = True
                return
            self._tell(answer)

        def _tell(self, answer: Answer) -> None:
            self.send_response_only(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            if not any(name.lower() == "content-length" for name, _ in answer.headers):
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

    for method in ("GET", "PUT", "POST", "DELETE", "HEAD"):
        setattr(Handler, f"do_{method}", Handler.handle_any)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that are killed close connections
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _body(request: BaseHTTPRequestHandler) -> bytes:
    if "chunked" not in request.headers.get("Transfer-Encoding", ""):
        return request.rfile.read(int(request.headers.get("Content-Length", 0)))
    parts = []
    while size := int(request.rfile.readline().split(b";")[0], 16):
        parts.append(request.rfile.read(size))
        request.rfile.readline()
    request.rfile.readline()
    return b"".join(parts)


def _passed_on(endpoint: str, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
    connection = http.client.HTTPConnection(*address_of(endpoint), timeout=60)
    headers = {
        name: value
        for name, value in headers.items()
        if name.lower() not in ("transfer-encoding", "expect", "connection")
    }
    headers["Content-Length"] = str(len(body))
    connection.request(method, path, body, headers)
    told = connection.getresponse()
    content = told.read()
    kept = [
        (name, value)
        for name, value in told.getheaders()
        if name.lower() not in ("connection", "transfer-encoding", "date", "server")
    ]
    connection.close()
    return Answer(told.status, content, tuple(kept))


def _named(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[str, str]:
    """The name of a call, and its service, by what is signed."""
    scope = headers.get("Authorization", "").partition("Credential=")[2].split(",")[0].split("/")
    service = scope[3] if len(scope) > 3 else "s3"
    if target := headers.get("X-Amz-Target"):
        return f"{service}:{target.rpartition('.')[2]}", service
    if headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        return f"{service}:{parse_qs(body.decode())['Action'][0]}", service
    place = urlsplit(path)
    return f"{service}:{method} {place.path}{'?' + place.query.split('=')[0] if place.query else ''}", service


def refused(service: str, code: str, status: int, text: str = "as the test wants it") -> Answer:
    """An error as a service tells it."""
    if service in ("dynamodb", "logs", "events", "ssm", "secretsmanager", "lambda", "sqs", "monitoring"):
        kind = (("x-amzn-errortype", code), ("Content-Type", "application/x-amz-json-1.0"))
        return Answer(status, json.dumps({"__type": code, "message": text, "Message": text}).encode(), kind)
    error = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>"
    if service != "s3":
        error = f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"
    return Answer(status, error.encode(), (("Content-Type", "text/xml"),))


class Rough:
    """The first call of each name fails, and by turns: throttled, then by an error of the server, then the connection is closed."""

    def __init__(self) -> None:
        self.times: Counter[str] = Counter()

    def __call__(self, call: Call) -> Answer | None:
        self.times[call.name] += 1
        if self.times[call.name] > 1:
            return None
        match len(self.times) % 3:
            case 0:
                code, status = ("SlowDown", 503) if call.service == "s3" else ("ThrottlingException", 400)
                return refused(call.service, code, status)
            case 1:
                return refused(call.service, "InternalError", 500)
        return Answer(0)
