"""Records on their way to a search server: sent in requests of a bounded size, and again where the server asks for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from isal import isal_zlib

from tailrace.errors import Fatal, Retryable
from tailrace.model import Refusal
from tailrace.sinks._bulk import Chunk
from tailrace.sinks._bulk_answer import PUSHED_BACK, TOO_LARGE, Verdict, no_ids, verdicts
from tailrace.sinks._gate import Gate
from tailrace.sinks._search_server import SearchServer
from tailrace.transport import Answer

_FILTER: Final = "?filter_path=errors%2Citems.%2A.status%2Citems.%2A.error"
"""Of the answer only this is wanted. Encoded as a signature for AWS needs it."""
_OK, _BAD_REQUEST, _TOO_LARGE = 200, 400, 413
_GZIP: Final = 31
"""zlib's number for the format of gzip with the largest window."""
_FAST: Final = 1


@dataclass(slots=True)
class Common:
    """What the outboxes of all workers share.

    `size`: of a request, in bytes; it shrinks where the server takes less. `ids`: whether records are sent with ids;
    `must_have_ids`: also if the server refuses them. `notice`: is told, once, if it does.
    """

    gate: Gate
    size: int
    ids: bool
    must_have_ids: bool
    notice: Callable[[str], None]
    _lock: Lock = field(default_factory=Lock)

    def shrink(self, size: int) -> None:
        """A request of so many bytes was too large."""
        with self._lock:
            self.size = max(1, min(self.size, size // 2))

    def drop_ids(self, where: str) -> None:
        """Go on without ids. Raises Fatal if that must not be."""
        if self.must_have_ids:
            message = f"{where} takes no documents with ids, as collections of time series do: set ids to auto or false"
            raise Fatal(message)
        with self._lock:
            if self.ids:
                self.notice(
                    f"{where} takes no documents with ids: what is sent twice is there twice, and only receipts prevent that"
                )
            self.ids = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How requests are sent: the path of bulk requests, and for how many seconds those of others are waited for."""

    path: str
    gzip: bool
    filtered: bool
    patience: float


class Outbox:
    """What one worker has to send; `already` and `refusals` tell what became of it since `forget`."""

    def __init__(self, server: SearchServer, common: Common, manner: Manner) -> None:
        self._server, self._common, self._gzip, self._patience = server, common, manner.gzip, manner.patience
        self._path = manner.path + _FILTER * manner.filtered
        self._headers = {"Content-Type": "application/x-ndjson"} | ({"Content-Encoding": "gzip"} if manner.gzip else {})
        self._waiting: deque[Chunk] = deque()
        self.forget()

    def check(self) -> str:
        """Whether requests are answered. Raises Retryable and Fatal."""
        return self._server.check(self._path)

    def forget(self) -> None:
        """Nothing waits, and nothing is told of any more."""
        self._waiting.clear()
        self._size = 0
        self.already = 0
        self.refusals: list[Refusal] = []

    def add(self, chunk: Chunk) -> None:
        """Take records in."""
        self._waiting.append(chunk)
        self._size += len(chunk.body)

    def send(self, *, rest: bool = True) -> None:
        """Send everything, or all but a `rest` that fills no request.

        Raises Retryable if some of it must wait, and Fatal; what was settled by then is not sent again.
        """
        while self._waiting and (rest or self._size >= self._common.size):
            taken = self._take()
            left: Sequence[Chunk] = taken
            try:
                left, error = self._sent(taken)
                if error:
                    raise error
            finally:
                self._waiting.extendleft(reversed(left))
                self._size += sum(len(chunk.body) for chunk in left)

    def _take(self) -> list[Chunk]:
        """The first chunks of those that wait, as many as fit into a request."""
        most, size = self._common.size, 0
        chunks: list[Chunk] = []
        while self._waiting and size < most:
            chunk = self._waiting.popleft()
            self._size -= len(chunk.body)
            if not self._common.ids and chunk.ids:
                chunk = chunk.without_ids()
            if len(chunk.body) > most and len(chunk) > 1:
                chunk, rest = chunk.halves()
                self._waiting.extendleft((rest, chunk))
                self._size += len(rest.body) + len(chunk.body)
            elif chunks and size + len(chunk.body) > most:
                self._waiting.appendleft(chunk)
                self._size += len(chunk.body)
                break
            else:
                chunks.append(chunk)
                size += len(chunk.body)
        return chunks

    def _sent(self, chunks: Sequence[Chunk]) -> tuple[Sequence[Chunk], Retryable | None]:
        """Send one request; what of it is to be sent again, and why it must wait, if it must. Raises Retryable, Fatal."""
        body = b"".join(chunk.body for chunk in chunks)
        answer, found = self._asked(body, sum(map(len, chunks)))
        if answer.status == _OK:
            return self._settled(chunks, found) if found else ((), None)
        if again := self._server.again(answer):
            raise again
        if answer.status == _TOO_LARGE:
            return self._halved(chunks, len(body)), None
        if answer.status == _BAD_REQUEST and chunks[0].ids and no_ids(answer.body):
            self._common.drop_ids(self._server.where)
            return chunks, None
        raise self._server.fatal(answer)

    def _asked(self, body: bytes, records: int) -> tuple[Answer, Sequence[Verdict] | None]:
        """The answer, and what it says of each record. The gate is told whether the server has enough."""
        gate = self._common.gate
        sent = isal_zlib.compress(body, _FAST, _GZIP) if self._gzip else body
        with gate.passing(self._patience) as entered:
            try:
                answer = self._server.ask("POST", self._path, self._headers, sent)
            except Retryable:
                gate.narrow(entered)
                raise
            found = verdicts(answer.body, records) if answer.status == _OK else None
            if answer.status in PUSHED_BACK or any(verdict.pushed_back for verdict in found or ()):
                gate.narrow(entered)
            else:
                gate.widen()
        return answer, found

    def _halved(self, chunks: Sequence[Chunk], size: int) -> Sequence[Chunk]:
        """A request was too large: what is to be sent again, in smaller ones. A record alone is refused."""
        if sum(map(len, chunks)) == 1:
            self.refusals.append(chunks[0].refusal(0, TOO_LARGE, f"{size} bytes"))
            return ()
        self._common.shrink(size)
        return chunks

    def _settled(self, chunks: Sequence[Chunk], found: Sequence[Verdict]) -> tuple[Sequence[Chunk], Retryable | None]:
        """Account for each record; those that are to be sent again, and why they must wait."""
        verdicts = iter(found)
        left: list[Chunk] = []
        waiting: list[str] = []
        for chunk in chunks:
            kept: list[int] = []
            for at, verdict in zip(range(len(chunk)), verdicts, strict=False):
                if self._is_left(chunk, at, verdict):
                    kept.append(at)
                    waiting += [verdict.detail] * (verdict.kind != "without_id")
            if kept:
                left.append(chunk.only(kept))
        if not waiting:
            return left, None
        told = f"{self._server.where} has no room for {len(waiting)} of {len(found)} records now ({waiting[0]})"
        return left, Retryable(told)

    def _is_left(self, chunk: Chunk, at: int, verdict: Verdict) -> bool:
        """Account for a record; whether it is to be sent again. Raises Fatal."""
        kind = (
            "again" if verdict.kind == "already" and not chunk.ids else verdict.kind
        )  # a chance match: another id will do
        if kind == "already":
            self.already += 1
        elif kind == "refused":
            self.refusals.append(chunk.refusal(at, verdict.reason, verdict.detail))
        elif kind == "without_id" and chunk.ids:
            self._common.drop_ids(self._server.where)
            return True
        elif kind in ("fatal", "without_id"):
            message = f"{self._server.where}: {verdict.detail or 'it takes no document, with an id or without'}"
            raise Fatal(message)
        return kind == "again"
