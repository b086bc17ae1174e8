"""What a machine's cloud tells it of itself: EC2's instance metadata, by session tokens (version 2) or without (version 1).

Only the standard library is used, for the agent beside a load balancer has little memory.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
"""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Mapping
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from tailrace.clock import Clock, SystemClock
from tailrace.errors import Retryable, UsageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_TOKEN: Final = "latest/api/token"  # noqa: S105 - a path
_LIFETIME: Final = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
_TOKENLESS: Final = (403, 404, 405)
"""So servers answer that do not know of tokens."""
_LONGEST: Final = 64 << 10
"""Nothing that is asked for is longer; user data has up to 16 KiB on EC2, and 64 KiB on OpenStack."""
_LONGEST_TOKEN: Final = 1024
_OK: Final = 200
_NOT_FOUND: Final = 404
_UNAUTHORIZED: Final = 401


class _Answer(NamedTuple):
    status: int
    body: bytes


class Metadata:
    """Instance metadata. One thread at a time may ask; nothing takes longer than `patience` seconds for a question."""

    def __init__(self, url: str, clock: Clock | None = None, patience: float = 5.0) -> None:
        """`url`: of the service, as http://169.254.169.254. Raises UsageError if it is none."""
        self._url = url.rstrip("/")
        try:
            parts = urlsplit(self._url)
            self._host, self._port = parts.hostname or "", parts.port or 80
        except ValueError:
            parts, self._host = urlsplit(""), ""
        if parts.scheme != "http" or not self._host or parts.query or parts.fragment or "@" in parts.netloc:
            message = (
                f"lb.metadata: expected a URL such as http://169.254.169.254, or nothing at all, not {self._url!r}"
            )
            raise UsageError(message)
        self._netloc, self._path = parts.netloc, parts.path
        self._monotonic, self._patience = (clock or SystemClock()).monotonic, patience
        self._token: str | None = None
        self._tokenless = False

    def get(self, path: str) -> str | None:
        """What is at a path, such as `latest/meta-data/instance-id`; None if there is nothing (404).

        What is no UTF-8 has U+FFFD in its place. Raises Retryable, in a bounded time, if the service cannot be reached,
        hangs, refuses, or answers what no metadata service does.
        """
        until = self._monotonic() + self._patience
        answer = self._asked(path, until)
        if answer.status == _UNAUTHORIZED:
            # The token has expired, or the service wants one although it gave none before.
            self._token, self._tokenless = None, False
            answer = self._asked(path, until)
        if answer.status == _NOT_FOUND:
            return None
        if answer.status != _OK:
            raise Retryable(self._told(f"answers {answer.status} for {path}"))
        return answer.body.decode("utf-8", "replace")

    def _asked(self, path: str, until: float) -> _Answer:
        self._renew(until)
        headers = {"X-aws-ec2-metadata-token": self._token} if self._token else {}
        return self._exchange("GET", path, headers, until)

    def _renew(self, until: float) -> None:
        """Have a token, unless the service knows of none. One that is late, as beyond a hop, is done without this time."""
        if self._token or self._tokenless:
            return
        half = self._monotonic() + (until - self._monotonic()) / 2
        try:
            answer = self._exchange("PUT", _TOKEN, _LIFETIME, half)
        except _LateError:
            return
        token = answer.body.decode("latin-1").strip()
        if answer.status in _TOKENLESS:
            self._tokenless = True
        elif answer.status != _OK:
            raise Retryable(self._told(f"answers {answer.status} when asked for a token"))
        elif not token or len(token) > _LONGEST_TOKEN or not token.isascii() or not token.isprintable():
            raise Retryable(self._told("gives a token that is none"))
        else:
            self._token = token

    def _exchange(self, method: str, path: str, headers: Mapping[str, str], until: float) -> _Answer:
        # No proxy is asked, whatever the environment tells: the service is for this machine only.
        lines = [f"{method} {self._path}/{path} HTTP/1.1", f"Host: {self._netloc}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["Content-Length: 0"] if method == "PUT" else []
        try:
            with socket.create_connection((self._host, self._port), self._left(until)) as connection:
                connection.sendall("\r\n".join((*lines, "", "")).encode("latin-1"))
                return self._answer(connection, method, until)
        except TimeoutError as error:
            raise _LateError(self._told(f"does not answer within {self._patience:g} seconds")) from error
        except OSError as error:
            raise Retryable(self._told(f"cannot be reached ({error.strerror or type(error).__name__})")) from error
        except (HTTPException, ValueError) as error:
            raise Retryable(self._told("does not answer in HTTP")) from error

    def _answer(self, connection: socket.socket, method: str, until: float) -> _Answer:
        with _Incoming(connection, lambda: self._left(until)) as incoming:
            response = HTTPResponse(incoming, method=method)  # type: ignore[arg-type] # it needs only makefile
            response.begin()
            body = response.read(_LONGEST + 1)
            cut = bool(response.length) and len(body) <= _LONGEST
        if cut:
            raise Retryable(self._told("breaks off its answer"))
        if len(body) > _LONGEST:
            raise Retryable(self._told(f"answers with more than {_LONGEST >> 10} KiB"))
        return _Answer(response.status, body)

    def _left(self, until: float) -> float:
        left = until - self._monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _told(self, what: str) -> str:
        return f"the metadata service at {self._url} {what}"


class _LateError(Retryable):
    """The time was up."""


class _Incoming(io.RawIOBase):
    """What comes over a connection while there is time; a limit for each read would never end with one byte a second."""

    def __init__(self, connection: socket.socket, left: Callable[[], float]) -> None:
        self._connection, self._left = connection, left

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Raises TimeoutError when the time is up."""
        self._connection.settimeout(self._left())
        return self._connection.recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """As a socket gives to HTTPResponse."""
        return io.BufferedReader(self)
