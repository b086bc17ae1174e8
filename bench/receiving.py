"""Receivers that read what is sent and throw it away, so that what is measured is the sending alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

Receive = Callable[[socket.socket], None]
"""What is done with a socket that listens, as long as the process lives."""


def listen(receive: Receive) -> int:
    """Listen, in a thread of its own; the port."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    threading.Thread(target=receive, args=(listening,), daemon=True).start()
    port: int = listening.getsockname()[1]
    return port


def answering(body: bytes) -> Receive:
    """Answer every HTTP request with 200 and that body; first with 100 where it is expected."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    def receive(listening: socket.socket) -> None:
        while True:
            client, _ = listening.accept()
            threading.Thread(target=_answer, args=(client, answer), daemon=True).start()

    return receive


def _answer(client: socket.socket, answer: bytes) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray(1 << 20)
    with suppress(OSError), client:
        waiting = b""
        while True:
            while b"\r\n\r\n" not in waiting:
                received = client.recv(64 << 10)
                if not received:
                    return
                waiting += received
            head, _, waiting = waiting.partition(b"\r\n\r\n")
            if b"100-continue" in head:
                client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            missing = length - len(waiting)
            waiting = waiting[length:] if missing < 0 else b""
            while missing > 0:
                missing -= client.recv_into(buffer, min(missing, len(buffer)))
            client.sendall(answer)
