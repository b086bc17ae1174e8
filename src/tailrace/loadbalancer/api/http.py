"""As much of HTTP/1.1 as the API needs, with an end to everything: so many bytes, so many seconds.

https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from tailrace.clock import Clock
from tailrace.loadbalancer.api.refusals import Refusal

HEAD_BYTES: Final = 64 << 10
BODY_BYTES: Final = 64 << 10
_HEADERS: Final = 100
_AT_A_TIME: Final = 16 << 10
_REQUEST_LINE: Final = re.compile(r"([A-Z]{1,16}) (/[\x21-\x7e]*) HTTP/1\.([01])")
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_ONCE: Final = frozenset(
    {"host", "content-length", "content-type", "authorization", "x-amz-date", "date", "x-amz-security-token"}
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came. `path` and `query` as they were sent; `headers` by their names in small letters."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""
    address: str = ""
    lasting: bool = True
    """Whether more requests may come on the same connection."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = "text/xml"


class Late(Exception):
    """The other side took too long."""


class Wire:
    """A connection on which nothing is waited for beyond a deadline."""

    def __init__(self, connection: socket.socket, clock: Clock, address: str) -> None:
        self._connection, self._clock = connection, clock
        self.address = address
        self._deadline = clock.monotonic()
        self._come = bytearray()

    def allow(self, seconds: float) -> None:
        """From now on, so long."""
        self._deadline = self._clock.monotonic() + seconds

    def waits(self) -> bool:
        """Wait for the first byte of what comes next; False if nothing comes in time, or never."""
        try:
            return bool(self._come) or self._more()
        except Late:
            return False

    def request(self) -> Request | None:
        """The next request; None if the other side went away. Raises Refusal if it is none, Late if it does not come in time."""
        head = self._head()
        if head is None:
            return None
        method, target, lasting, headers = _parsed(head)
        length = _length(headers)
        if headers.get("expect", "").lower() == "100-continue" and len(self._come) < length:
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(self._come) < length:
            if not self._more():
                return None
        body = bytes(self._come[:length])
        del self._come[:length]
        parts = target.partition("?")
        return Request(method, parts[0], parts[2], headers, body, self.address, lasting)

    def send(self, data: bytes) -> None:
        """Send all of it. Raises Late, OSError."""
        view = memoryview(data)
        while view:
            self._patience()
            try:
                view = view[self._connection.send(view) :]
            except TimeoutError as error:
                raise Late from error

    def _head(self) -> bytes | None:
        while True:
            end = self._come.find(b"\r\n\r\n")
            if end > HEAD_BYTES or (end < 0 and len(self._come) > HEAD_BYTES):
                msg = "RequestHeaderTooLarge"
                raise Refusal(msg, "The request line and headers are longer than 64 KiB", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)  # fmt: skip
            if end >= 0:
                head = bytes(self._come[:end])
                del self._come[: end + 4]
                return head
            if not self._more():
                return None

    def _more(self) -> bool:
        self._patience()
        try:
            data = self._connection.recv(_AT_A_TIME)
        except TimeoutError as error:
            raise Late from error
        self._come += data
        return bool(data)

    def _patience(self) -> None:
        left = self._deadline - self._clock.monotonic()
        if left <= 0:
            raise Late
        self._connection.settimeout(left)


def written(answer: Answer, *, lasting: bool, bare: bool = False) -> bytes:
    """An answer as it is sent. `bare`: without its body, as for HEAD."""
    reason = HTTPStatus(answer.status).phrase if answer.status in set(HTTPStatus) else "Answer"
    headers = {
        "Date": formatdate(usegmt=True),
        "Content-Type": answer.kind,
        "Content-Length": str(len(answer.body)),
        "Connection": "keep-alive" if lasting else "close",
        **answer.headers,
    }
    lines = [f"HTTP/1.1 {answer.status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + (b"" if bare else answer.body)


def _parsed(head: bytes) -> tuple[str, str, bool, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    match = _REQUEST_LINE.fullmatch(first)
    if match is None:
        msg = "The request does not begin with a line of HTTP/1.1"
        raise _bad(msg)
    headers = _headers(lines)
    if "host" not in headers and match[3] == "1":
        msg = "The header Host is missing"
        raise _bad(msg)
    told = {each.strip().lower() for each in headers.get("connection", "").split(",")}
    return match[1], match[2], "close" not in told and match[3] == "1", headers


def _headers(lines: Sequence[str]) -> dict[str, str]:
    if len(lines) > _HEADERS:
        message = f"The request has more than {_HEADERS} headers"
        raise _bad(message)
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            msg = "A header of the request cannot be read"
            raise _bad(msg)
        key, text = name.lower(), value.strip(" \t")
        if key in headers and key in _ONCE:
            message = f"The header {name} is given more than once"
            raise _bad(message)
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    return headers


def _length(headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        msg = "MissingContentLength"
        raise Refusal(msg, "Send the length of the body in Content-Length", HTTPStatus.LENGTH_REQUIRED)
    text = headers.get("content-length", "0")
    if not re.fullmatch(r"[0-9]{1,18}", text):
        msg = "The header Content-Length is no length"
        raise _bad(msg)
    if int(text) > BODY_BYTES:
        msg = "RequestEntityTooLarge"
        raise Refusal(msg, "The body is longer than 64 KiB", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return int(text)


def _bad(message: str) -> Refusal:
    return Refusal("InvalidHttpRequest", message)


def host_of(url: str) -> str:
    """Host and port of a URL."""
    return urlsplit(url).netloc
