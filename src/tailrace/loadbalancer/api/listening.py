"""Listening for requests: so many connections at a time, each for so long."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import BoundedSemaphore, Condition, Event, Thread
from typing import Final

from tailrace.clock import Clock
from tailrace.errors import UsageError
from tailrace.loadbalancer.api.http import Answer, Late, Request, Wire, written
from tailrace.loadbalancer.api.refusals import Refusal

_WAITING: Final = 128
_LOOK_S: Final = 0.2
"""So often it is looked whether to stop."""
_DRAINED: Final = 256 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many connections there may be, and what each may take, in seconds.

    `idle_s`: between requests; `request_s`: for all of a request; `answer_s`: to take the answer. `requests`: on one connection.
    """

    connections: int = 64
    idle_s: float = 15.0
    request_s: float = 10.0
    answer_s: float = 10.0
    requests: int = 100


@dataclass(frozen=True, slots=True)
class Answering:
    """What is done with requests, and with what is none."""

    answer: Callable[[Request], Answer]
    refused: Callable[[Refusal, str], Answer]


class Listener:
    """Answers in threads of its own until it is closed."""

    def __init__(self, place: tuple[str, int], answering: Answering, clock: Clock, limits: Limits, tls: ssl.SSLContext | None = None) -> None:  # fmt: skip
        """Raises UsageError if nobody can listen there."""
        self._answering, self._clock, self._limits, self._tls = answering, clock, limits, tls
        self._stop = Event()
        self._slots = BoundedSemaphore(limits.connections)
        self._idle: set[socket.socket] = set()
        self._serving = 0
        self._ended = Condition()
        try:
            self._socket = socket.create_server(place, family=_family(place[0]), backlog=_WAITING)
        except OSError as error:
            message = f"lb.serve.listen: {place[0]}:{place[1]} cannot be listened on: {error.strerror or error}; choose another"
            raise UsageError(message) from error
        self._socket.settimeout(_LOOK_S)
        self._thread = Thread(target=self._accept, name="accepting", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it listens."""
        host, port = self._socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def close(self) -> None:
        """Take no more connections, and let those that are under way end: each has its limits. May be called twice."""
        self._stop.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes who accepts
        self._thread.join()
        self._socket.close()
        with self._ended:
            for connection in self._idle:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)  # who says nothing is not waited for
            self._ended.wait_for(lambda: not self._serving, self._limits.request_s + self._limits.answer_s)

    def _accept(self) -> None:
        while not self._stop.is_set():
            if not self._slots.acquire(timeout=_LOOK_S):
                continue
            try:
                connection, address = self._socket.accept()
            except OSError as error:
                self._slots.release()
                if not isinstance(error, TimeoutError):  # such as too many open files
                    self._stop.wait(_LOOK_S)
                continue
            with self._ended:
                self._serving += 1
            try:
                Thread(target=self._serve, args=(connection, str(address[0])), daemon=True).start()
            except RuntimeError:  # no more threads for now
                connection.close()
                self._served()
                self._stop.wait(_LOOK_S)

    def _serve(self, connection: socket.socket, address: str) -> None:
        try:
            with connection, suppress(OSError, Late):
                self._talk(connection, address)
        finally:
            self._served()

    def _served(self) -> None:
        self._slots.release()
        with self._ended:
            self._serving -= 1
            self._ended.notify_all()

    def _talk(self, connection: socket.socket, address: str) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is None:
            self._exchange(connection, address)
            return
        connection.settimeout(self._limits.request_s)
        with self._tls.wrap_socket(connection, server_side=True) as secured:
            self._exchange(secured, address)

    def _exchange(self, connection: socket.socket, address: str) -> None:
        wire = Wire(connection, self._clock, address)
        for number in range(self._limits.requests):
            wire.allow(self._limits.idle_s)
            if not self._awaited(connection, wire):
                return
            wire.allow(self._limits.request_s)
            try:
                request = wire.request()
                if request is None:
                    return
                last = not request.lasting or self._stop.is_set() or number + 1 == self._limits.requests
                answer = self._answering.answer(request)
            except Refusal as error:
                self._end(connection, wire, self._answering.refused(error, address))
                return
            except Late:
                slow = Refusal("RequestTimeout", "The request did not come in time", 408)
                self._end(connection, wire, self._answering.refused(slow, address))
                return
            wire.allow(self._limits.answer_s)
            wire.send(written(answer, lasting=not last, bare=request.method == "HEAD"))
            if last:
                return

    def _awaited(self, connection: socket.socket, wire: Wire) -> bool:
        """Wait for a request to begin; False if none does, or at the end."""
        with self._ended:
            if self._stop.is_set():
                return False
            self._idle.add(connection)
        try:
            return wire.waits()
        finally:
            with self._ended:
                self._idle.discard(connection)

    def _end(self, connection: socket.socket, wire: Wire, answer: Answer) -> None:
        """Send the last answer, and read some of what was not read: otherwise the answer could be lost on its way."""
        wire.allow(self._limits.answer_s)
        wire.send(written(answer, lasting=False))
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(1)
        read = 0
        while read < _DRAINED and (data := connection.recv(16 << 10)):
            read += len(data)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
