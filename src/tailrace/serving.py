"""Answering over HTTP on this machine: where to listen, and for whom.

It listens on loopback only, unless told otherwise, and then with a token: see those who use it.
"""

from __future__ import annotations

import ipaddress
import socket
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final
from urllib.parse import urlsplit

from tailrace.errors import UsageError

TEXT: Final = "text/plain; charset=utf-8"
PATIENCE_S: Final = 30
"""Whoever connects and says nothing is not listened to for longer."""
Place = tuple[str, int]


class Handler(BaseHTTPRequestHandler):
    """What every answering has in common; it keeps no log, for who asks is not worth a line."""

    timeout = PATIENCE_S
    server_version, sys_version = "tailrace", ""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library calls it
        """Nothing."""

    def answer(self, status: HTTPStatus, body: bytes, kind: str = TEXT) -> None:
        """Answer a request."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server:
    """Answers in threads of its own until it is closed."""

    def __init__(self, place: Place, handler: type[Handler], setting: str) -> None:
        """Raises UsageError, which names the setting, if nobody can listen there."""
        try:
            self._server = _Threads(place, handler)
        except OSError as error:
            message = f"{setting}: {_written(place)} cannot be listened on: {error.strerror or error}; choose another"
            raise UsageError(message) from error
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it listens."""
        host, port = self._server.server_address[:2]
        return _written((str(host), port))

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()


class _Threads(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, place: Place, handler: type[Handler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        super().__init__(place, handler)


def place_of(address: str, token: str, setting: str) -> Place:
    """Host and port of HOST:PORT. Raises UsageError, which names the setting, also where others can ask without a token."""
    parts = urlsplit(f"//{address}")
    try:
        port = parts.port
    except ValueError:
        port = None
    if not parts.hostname or port is None or parts.path:
        message = f"{setting}: expected HOST:PORT such as 127.0.0.1:9464, not {address!r}"
        raise UsageError(message)
    if not token and not _is_loopback(parts.hostname):
        message = f"{setting}: {address} can be reached by others; set a token as well, or listen on 127.0.0.1"
        raise UsageError(message)
    return parts.hostname, port


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _written(place: Place) -> str:
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
