"""What a service tells whoever asks over HTTP: that it lives, that it is ready, and its metrics.

    GET /live      200 while the workers work
    GET /ready     200 once sources and sinks are open, 503 before and while it ends
    GET /metrics   in the text format of Prometheus

It listens on loopback only, unless told otherwise; then whoever asks for metrics must send `Authorization: Bearer TOKEN`.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from tailrace.serving import TEXT, Handler, Server, place_of


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

        class Answering(Handler):
            def do_GET(self) -> None:  # noqa: N802 - as the library calls it
                self.answer(*_answer(self.path, self.headers.get("Authorization", ""), token, told))

        self._server = Server(place_of(address, token, "listen"), Answering, "listen")

    @property
    def address(self) -> str:
        """Where it listens."""
        return self._server.address

    def close(self) -> None:
        """Answer no more."""
        self._server.close()


def _answer(path: str, authorization: str, token: str, told: Told) -> tuple[HTTPStatus, bytes, str]:
    match urlsplit(path).path:
        case "/live":
            return _state(good=told.live())
        case "/ready":
            return _state(good=told.ready())
        case "/metrics":
            if token and not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
                return HTTPStatus.UNAUTHORIZED, b"a bearer token is needed\n", TEXT
            return (HTTPStatus.OK, *told.metrics())
    return HTTPStatus.NOT_FOUND, b"there are /live, /ready and /metrics\n", TEXT


def _state(*, good: bool) -> tuple[HTTPStatus, bytes, str]:
    return (HTTPStatus.OK, b"yes\n", TEXT) if good else (HTTPStatus.SERVICE_UNAVAILABLE, b"no\n", TEXT)
