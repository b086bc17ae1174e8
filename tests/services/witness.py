"""A second receiver of a load balancer's log: what arrives there is known without anything of ours in between."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_SO_RCVBUFFORCE = 33
_BUFFER = 32 << 20
_LONGEST = 1 << 16
_HEADER = re.compile(rb"<\d+>(?:1 \S+ \S+ \S+ \S+ - - |.{15} \S+: )")


@dataclass
class Witness:
    """Keeps each datagram. `port`: UDP of 127.0.0.1."""

    port: int
    heard: list[bytes] = field(default_factory=list)

    @property
    def lines(self) -> list[bytes]:
        """What came, without the header and HAProxy's notices about itself."""
        told = [_HEADER.sub(b"", datagram.rstrip(b"\n"), count=1) for datagram in self.heard]
        return [
            each
            for each in told
            if b"/" in each and not each.startswith((b"Proxy ", b"Server ", b"Stopping ", b"backend "))
        ]


@contextmanager
def witness() -> Iterator[Witness]:
    """A receiver, in a thread of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        try:
            listening.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        except PermissionError:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        listening.bind(("127.0.0.1", 0))
        made = Witness(listening.getsockname()[1])
        thread = threading.Thread(target=_listen, args=(listening, made.heard), name="witness")
        thread.start()
        try:
            yield made
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ending:
                ending.sendto(b"", ("127.0.0.1", made.port))
            thread.join()


def _listen(listening: socket.socket, heard: list[bytes]) -> None:
    while datagram := listening.recv(_LONGEST):
        heard.append(datagram)
