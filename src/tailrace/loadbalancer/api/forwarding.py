"""The cloud's own load balancing endpoint, asked as the user who asks here: what is not kept here is its matter."""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit

from tailrace.clock import Clock
from tailrace.clouds.direct.signatures import Keys, Request, Scope, sign_v2, sign_v4
from tailrace.errors import UsageError
from tailrace.loadbalancer.api.accounts import User
from tailrace.loadbalancer.api.authentication import SERVICE
from tailrace.loadbalancer.api.http import Answer
from tailrace.loadbalancer.api.parameters import Parameters, is_of_signature
from tailrace.loadbalancer.api.refusals import unavailable

_LETTERS: Final = re.compile(r"[\x21-\x7e]+")
"""Of what URLs consist: all else has to be written as %XX, and names of hosts as xn--."""
_PATIENCE_S: Final = 20
"""For all of a request and its answer."""
_CONNECT_S: Final = 5
"""For each address that the host has."""
_LONGEST: Final = 8 << 20
_FORM: Final = "application/x-www-form-urlencoded; charset=utf-8"
_PASSED_ON: Final = ("x-amzn-requestid", "retry-after")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarding:
    """Asks the endpoint at a URL. `signature`: which one it wants; `region`: for which, where that is v4."""

    url: str
    signature: Literal["v4", "v2"]
    region: str
    clock: Clock

    def __post_init__(self) -> None:
        """Raises UsageError."""
        try:
            parts = urlsplit(self.url)
            good = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.username
            good = bool(good) and parts.port != 0 and bool(_LETTERS.fullmatch(self.url))
        except ValueError:
            good = False
        if not good:
            message = f"lb.serve.forward_to: expected a URL such as https://cloud.example:8773/services/LoadBalancing, not {self.url!r}"
            raise UsageError(message)

    def ask(self, user: User, parameters: Parameters) -> Answer:
        """What the cloud answers to these parameters. Raises Refusal if it does not answer."""
        headers, body = self._composed(
            user, {name: value for name, value in parameters.items() if not is_of_signature(name)}
        )
        until = self.clock.monotonic() + _PATIENCE_S
        connection = self._connection()
        try:
            connection.connect()
            line: Any = _Line(connection.sock, lambda: until - self.clock.monotonic())
            line.allow()
            connection.request("POST", self._path, body, headers)
            told = http.client.HTTPResponse(line, method="POST")
            told.begin()
            content = told.read(_LONGEST + 1)
        except (OSError, http.client.HTTPException) as error:
            message = f"The cloud's own endpoint does not answer ({type(error).__name__})"
            raise unavailable(message) from error
        finally:
            connection.close()
        if len(content) > _LONGEST:
            msg = "The answer of the cloud's own endpoint is longer than 8 MiB"
            raise unavailable(msg)
        kept = {name: value for name in _PASSED_ON if (value := told.headers.get(name))}
        return Answer(told.status, content, kept, told.headers.get("content-type", "text/xml"))

    def _composed(self, user: User, parameters: Mapping[str, str]) -> tuple[dict[str, str], bytes]:
        keys = Keys(access=user.access_key, secret=user.secret_key)
        headers = {"Host": urlsplit(self.url).netloc, "Content-Type": _FORM}
        if self.signature == "v2":
            asked = Request("POST", self._path, headers=tuple(headers.items()))
            return headers, sign_v2(asked, parameters, keys, self.clock.now()).encode()
        body = "&".join(
            f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in parameters.items()
        ).encode()
        asked = Request("POST", self._path, headers=tuple(headers.items()), body=body)
        return headers | sign_v4(asked, keys, Scope(self.region, SERVICE), self.clock.now()), body

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        if parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(str(parts.hostname), parts.port, timeout=_CONNECT_S, context=context)
        return http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=_CONNECT_S)

    @property
    def _path(self) -> str:
        return urlsplit(self.url).path or "/"


class _Line(io.RawIOBase):
    """A connection that is read until a moment, however slowly the other side speaks. `left`: seconds until then."""

    def __init__(self, connection: socket.socket, left: Callable[[], float]) -> None:
        self._connection, self._left = connection, left

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What the standard library reads."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """What comes next. Raises TimeoutError if nothing did in time."""
        self.allow()
        return self._connection.recv_into(buffer)

    def allow(self) -> None:
        """Let the next step take what is left. Raises TimeoutError if nothing is."""
        left = self._left()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)


def good(answer: Answer) -> bool:
    """Whether the cloud has done what was asked."""
    return answer.status == HTTPStatus.OK
