"""A door to a server that can be shut: what is sent through it meanwhile is refused, and connections that are open break."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_PIECE = 65536


@dataclass
class Gate:
    """Hands connections on from its own port to another. `url`: of its own."""

    to: int
    port: int
    is_open: bool = True
    refused: int = 0
    _pairs: set[socket.socket] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def shut(self) -> None:
        """Nothing passes any more."""
        self.is_open = False
        for each in list(self._pairs):
            _end(each)

    def open(self) -> None:
        """Everything passes again."""
        self.is_open = True

    def take(self, client: socket.socket) -> None:
        """Hand a connection on, or break it."""
        if not self.is_open:
            self.refused += 1
            client.close()
            return
        server = socket.create_connection(("127.0.0.1", self.to))
        self._pairs |= {client, server}
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_PIECE):
                target.sendall(data)
        _end(target)
        if source in self._pairs and target in self._pairs:
            self._pairs -= {source}
            return
        self._pairs -= {source, target}
        for each in (source, target):
            each.close()


@contextmanager
def gate(to: str) -> Iterator[Gate]:
    """A gate in front of the server at a URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        made = Gate(int(to.rpartition(":")[2]), listening.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(listening, made))
        thread.start()
        try:
            yield made
        finally:
            made.shut()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listening: socket.socket, made: Gate) -> None:
    with suppress(OSError):
        while True:
            made.take(listening.accept()[0])


def _end(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
