"""What a service tells whoever asks over HTTP: that it lives, that it is ready, and its metrics.

    GET /live      200 while the workers work
    GET /ready     200 once sources and sinks are open, 503 before and while it ends
    GET /metrics   in the text format of Prometheus

It listens on loopback only, unless told otherwise; then whoever asks for metrics must send `Authorization: Bearer TOKEN`.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final
from urllib.parse import urlsplit

from tailrace.errors import UsageError

_PATIENCE_S: Final = 10
"""Whoever connects and says nothing is not listened to for longer."""
_TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Told:
    """What is told: whether the service lives and is ready, and its metrics with their content type."""

    live: Callable[[], bool]
    ready: Callable[[], bool]
    metrics: Callable[[], tuple[bytes, str]]


class Listener:
    """Answers until it is closed."""

    def __init__(self, address: str, token: str, told: Told) -> None:
        """Raises UsageError if the address cannot be listened on, or is not loopback and there is no token."""
        host, port = _place(address)
        if not _is_loopback(host) and not token:
            message = f"listen: {address} can be reached by others; set listen_token as well, or listen on 127.0.0.1"
            raise UsageError(message)
        try:
            self._server = _Server((host, port), _answering(token, told))
        except OSError as error:
            message = f"listen: {address} cannot be listened on: {error.strerror or error}; choose another, or none with listen="
            raise UsageError(message) from error
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it listens."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)


def _place(address: str) -> tuple[str, int]:
    parts = urlsplit(f"//{address}")
    try:
        port = parts.port
    except ValueError:
        port = None
    if not parts.hostname or port is None:
        message = f"listen: expected HOST:PORT such as 127.0.0.1:9464, not {address!r}"
        raise UsageError(message)
    return parts.hostname, port


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _answering(token: str, told: Told) -> type[BaseHTTPRequestHandler]:
    """What answers each request."""

    class Handler(BaseHTTPRequestHandler):
        timeout = _PATIENCE_S
        server_version = "tailrace"
        sys_version = ""

        def do_GET(self) -> None:
            status, body, kind = _answer(self.path, self.headers.get("Authorization", ""), token, told)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library calls it
            """Nothing: who asks is not worth a line."""

    return Handler


def _answer(path: str, authorization: str, token: str, told: Told) -> tuple[HTTPStatus, bytes, str]:
    match urlsplit(path).path:
        case "/live":
            return _state(told.live())
        case "/ready":
            return _state(told.ready())
        case "/metrics":
            if token and not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
                return HTTPStatus.UNAUTHORIZED, b"a bearer token is needed\n", _TEXT
            body, kind = told.metrics()
            return HTTPStatus.OK, body, kind
    return HTTPStatus.NOT_FOUND, b"there are /live, /ready and /metrics\n", _TEXT


def _state(good: bool) -> tuple[HTTPStatus, bytes, str]:  # noqa: FBT001 - told to nobody else
    return (HTTPStatus.OK, b"yes\n", _TEXT) if good else (HTTPStatus.SERVICE_UNAVAILABLE, b"no\n", _TEXT)
