"""One request on a connection of its own, with a body that is read while it is sent: for those who may not load boto3.

No wait is without limit, no answer is taken that did not come to its end.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from itertools import chain
from ssl import SSLCertVerificationError, SSLContext
from typing import Any, Final

from tailrace.errors import Fatal, Retryable, TailraceError, UsageError
from tailrace.transport import Answer, Channel, Endpoint, told

PORTS: Final = {"http": 80, "https": 443}
_LONGEST: Final = 1 << 20
"""An answer is not longer."""
_ALLOWED: Final = {ord("\t"), *range(32, 127), *range(128, 256)}


@dataclass(frozen=True, slots=True)
class Server:
    """Where requests go. `patience`: for connecting, for each wait while sending, and for the whole answer; in seconds."""

    endpoint: Endpoint
    context: SSLContext | None = None
    patience: float = 60.0

    @property
    def host(self) -> str:
        """What Host tells."""
        port = "" if self.endpoint.port == PORTS[self.endpoint.scheme] else f":{self.endpoint.port}"
        return self.endpoint.host_in_url + port


def ask(server: Server, line: str, headers: Mapping[str, str], body: Iterable[bytes] = ()) -> Answer:
    """The answer, whatever its status. `line`: method and target; `headers`: with Host, and with Content-Length if there is a body.

    Raises Retryable if no whole answer came, or one of success before the whole body was sent; Fatal if a side does not trust the other.
    """
    head = _head(line, headers)
    try:
        channel = Channel(server.endpoint, server.context, server.patience)
    except OSError as error:
        raise _told(error, server.endpoint, "cannot be reached") from error
    with closing(channel):
        try:
            whole = _send(channel, chain([head], body))
            answer = _heard(channel, line.partition(" ")[0], server.patience)
        except OSError as error:
            raise _told(error, server.endpoint, "did not take or answer a request") from error
    if answer is None:
        message = f"{server.endpoint} broke off its answer, or answered what is no HTTP/1.1"
        raise Retryable(message)
    if answer.ok and not whole:
        message = f"{server.endpoint} answered before it had the whole request"
        raise Retryable(message)
    return answer


def _told(error: OSError, endpoint: Endpoint, doing: str) -> TailraceError:
    if isinstance(error, SSLCertVerificationError):
        message = f"the certificate of {endpoint} is not trusted ({error.verify_message}); name its authorities in ca_certificates of its cloud"
        return Fatal(message)
    return told(error, endpoint, doing)


def check(lines: Iterable[str]) -> None:
    """Make sure that lines of a head are but one line each. Raises UsageError, in which nothing of them is told: they may be secrets."""
    for each in lines:
        if any(ord(letter) not in _ALLOWED for letter in each):
            raise UsageError("a header or the path of a request holds what HTTP does not allow")


def _head(line: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{line} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "Connection: close"]
    check(lines)
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _send(channel: Channel, pieces: Iterable[bytes]) -> bool:
    """Whether all was sent; not, if the other side spoke or hung up before that."""
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            if channel.hears():
                return False
            try:
                rest = rest[channel.send(rest) :]
            except (BrokenPipeError, ConnectionResetError):
                return False
    return True


def _heard(channel: Channel, method: str, patience: float) -> Answer | None:
    """The answer, if it is a whole one."""
    until = time.monotonic() + patience
    received = b""
    while len(received) <= _LONGEST:
        piece = channel.receive(until - time.monotonic())
        received += piece
        if (answer := _parsed(received, method, ended=not piece)) or not piece:
            return answer
    return None


class _Said(io.BytesIO):
    """Stands for the connection that the standard library would read from."""

    def makefile(self, *_: Any) -> _Said:
        return self


def _parsed(received: bytes, method: str, *, ended: bool) -> Answer | None:
    """The answer in what was received; None if it is not whole. `ended`: there is no more."""
    if b"\r\n\r\n" not in received and b"\n\n" not in received:
        return None
    said: Any = _Said(received)
    response = HTTPResponse(said, method=method)
    try:
        response.begin()
        if response.length is None and not response.chunked and not ended:
            return None
        body = response.read()
    except (HTTPException, ValueError):  # not whole, or no HTTP at all
        return None
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return Answer(response.status, headers, body)
