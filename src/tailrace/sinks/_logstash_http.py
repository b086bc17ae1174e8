"""Records to Logstash over HTTP: requests that hold JSON arrays, each of which is answered for as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from isal import igzip

from tailrace.errors import Fatal, Retryable, TailraceError
from tailrace.kinds import Vault
from tailrace.model import Batch, Flushed, Item, Refusal, Rendering
from tailrace.quantities import Secret
from tailrace.sinks._parcels import Limits, Outbox, Request
from tailrace.sinks._shapes import Written
from tailrace.transport import UNAUTHORIZED, Answer, Connection, basic, passing, retry_after

_TOO_LARGE: Final = 413
_UNWANTED: Final = (400, 422)
"""What servers answer to content that they cannot read."""
_LEVEL: Final = 1


@dataclass(slots=True)
class Login:
    """Basic authentication, whose secret may be replaced while we run."""

    username: str
    password: Secret
    vault: Vault
    _anew: bool = False

    def headers(self) -> dict[str, str]:
        """What tells the server who we are. Raises what the vault raises."""
        if not self.username:
            return {}
        return {"Authorization": basic(self.username, self.vault.read(self.password, anew=self._anew))}

    def renew(self) -> bool:
        """Read the password anew for the next request; False if it was already since it last was accepted."""
        fresh, self._anew = self._anew, True
        return bool(self.username) and not fresh

    def accepted(self) -> None:
        """The server has taken a request."""
        self._anew = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How requests are sent: to which path, compressed or not, asking before or not."""

    path: str
    gzip: bool
    expect: bool

    def body(self, ndjson: bytes) -> bytes:
        """Records as a JSON array."""
        array = b"".join((b"[", ndjson[:-1].replace(b"\n", b","), b"]"))
        return igzip.compress(array, _LEVEL) if self.gzip else array

    def headers(self) -> dict[str, str]:
        """What tells the server what the body is."""
        encoding = {"Content-Encoding": "gzip"} if self.gzip else {}
        return {"Content-Type": "application/json", **encoding}


class HttpSink:
    """Sends the records of one item at a time. What was answered with 2xx is delivered, and nothing else is.

    A request whose content is too large or not wanted is halved until the record that is to blame is alone.
    """

    keeps_receipts = True
    rendering: Rendering | None = None
    """Of a refused record the line is wanted too."""

    def __init__(  # noqa: PLR0913 - what it is made of
        self, name: str, connection: Connection, written: Written, manner: Manner, login: Login, limits: Limits,
        now: Callable[[], float],
    ) -> None:  # fmt: skip
        self.name = name
        self._connection, self._written, self._manner, self._login = connection, written, manner, login
        self._now = now
        self._outbox = Outbox(limits)
        self._refusals: list[Refusal] = []

    def write(self, item: Item, batch: Batch, part: int) -> None:  # noqa: ARG002 - as every sink
        """Send the requests that are full, then take the batch. Raises Retryable or Fatal."""
        self._send_ready()
        if len(batch.records):
            self._outbox.take(batch, bytes(self._written(item, batch)))

    def flush(self) -> Flushed:
        """Send everything, and tell what was refused. Raises Retryable or Fatal."""
        self._outbox.seal()
        self._send_ready()
        refusals, self._refusals = self._refusals, []
        return Flushed(refusals=refusals)

    def abandon(self) -> None:
        """Forget what was written since the last flush."""
        self._outbox.clear()
        self._refusals = []

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self._connection.close()

    def check(self) -> str:
        """Look whether the server is there. It gets no request, for Logstash makes an event of any. Raises TailraceError."""
        self._login.headers()
        self._connection.connect()
        return f"{self._connection.where} takes connections"

    def _send_ready(self) -> None:
        ready = self._outbox.ready
        while ready:
            answer = self._asked(ready[0])
            if answer.ok:
                self._login.accepted()
                ready.popleft()
            elif answer.status in (_TOO_LARGE, *_UNWANTED):
                self._blame(ready[0], answer.status)
            elif answer.status not in UNAUTHORIZED or not self._login.renew():
                raise self._told(answer)

    def _asked(self, request: Request) -> Answer:
        headers = {**self._manner.headers(), **self._login.headers()}
        body = self._manner.body(request.data)
        return self._connection.request("POST", self._manner.path, headers, body, expect=self._manner.expect)

    def _blame(self, request: Request, status: int) -> None:
        """Halve a request that the server will never take; a record that is alone in it is refused."""
        if request.count > 1:
            if status == _TOO_LARGE:
                self._outbox.limits = replace(self._outbox.limits, size=max(len(request.data) // 2, 1))
            self._outbox.halve()
            return
        reason = "too_large" if status == _TOO_LARGE else "rejected"
        self._refusals.append(request.parcels[0].refusal(reason, f"HTTP {status}"))
        self._outbox.ready.popleft()

    def _told(self, answer: Answer) -> TailraceError:
        where, status = f"{self._connection.where}{self._manner.path}", answer.status
        if passing(status):
            return Retryable(f"{where} does not take records now (HTTP {status})", retry_after(answer, self._now()))
        if status in UNAUTHORIZED:
            return Fatal(
                f"{where} does not let us in (HTTP {status}); check `username` and `password`, and what they may do"
            )
        return Fatal(f"{where} is not what takes records (HTTP {status}); check the URL, and write where it leads to")
