"""A connection over TCP, with or without TLS, on which no wait is without limit."""

from __future__ import annotations

import fcntl
import select
import socket
import ssl
import struct
import termios
from contextlib import suppress
from typing import Final

from tailrace.transport.endpoints import Endpoint

_PIECE: Final = 256 << 10
_KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 6))
"""A silent other side is found to be gone after two minutes."""
_FAREWELLS: Final = 64
_ENDED: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError)


class Channel:
    """One connection, for one thread. Methods raise OSError, and TimeoutError after the time limit without progress."""

    def __init__(self, endpoint: Endpoint, context: ssl.SSLContext | None, timeout: float) -> None:
        """Connect."""
        self._timeout = timeout
        self._socket = socket.create_connection((endpoint.host, endpoint.port), timeout)
        try:
            self._configure()
            if context:
                self._socket = context.wrap_socket(self._socket, server_hostname=endpoint.host)
            self._socket.setblocking(False)  # noqa: FBT003 - as the standard library has it
        except BaseException:
            self._socket.close()
            raise
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._incoming = select.poll()
        self._incoming.register(self._socket, select.POLLIN)
        self._early: bytes | None = None

    def _configure(self) -> None:
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            self._socket.setsockopt(socket.IPPROTO_TCP, option, value)

    def send(self, data: bytes | memoryview) -> int:
        """Send, and tell how much was sent. Raises TimeoutError if nothing at all could be.

        Less than everything is sent if the other side says something instead of reading, or reads no more for the time
        limit; give the rest again then.
        """
        view = memoryview(data)
        sent = 0
        while sent < len(view):
            try:
                sent += self._socket.send(view[sent : sent + _PIECE])
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                try:
                    self._wait(select.POLLIN | select.POLLOUT, self._timeout)
                except TimeoutError:
                    if sent:
                        break
                    raise
                if self.hears():
                    break
            except _ENDED as error:
                raise ConnectionResetError from error
        return sent

    def hears(self) -> bool:
        """Whether the other side has said something that is not yet received, or has hung up; does not wait."""
        if self._early is None:
            self._early = self._arrived()
        return self._early is not None

    def receive(self, seconds: float | None = None) -> bytes:
        """What comes next; nothing if the other side has hung up."""
        while not self.hears():
            self._wait(select.POLLIN, self._timeout if seconds is None else seconds)
        data, self._early = self._early or b"", None
        return data

    def unsent(self) -> int:
        """How many bytes the other side's kernel has not confirmed to have."""
        told = fcntl.ioctl(self._socket, termios.TIOCOUTQ, struct.pack("i", 0))
        return int(struct.unpack("i", told)[0])

    def settle(self, seconds: float) -> None:
        """Wait until the other side's kernel has everything, or it speaks or hangs up."""
        pause = 0.0005
        while self.unsent() and not self.hears():
            if seconds <= 0:
                raise TimeoutError
            with suppress(TimeoutError):
                self._wait(select.POLLIN, pause)
            seconds -= pause
            pause = min(pause * 2, 0.05)

    def admit(self, seconds: float) -> None:
        """Wait until the server has looked at our certificate, which in TLS 1.3 it does when we have connected already.

        It hangs up then, or sends a ticket; one that sends none is waited for in vain, and so only for so long.
        """
        stream = self._socket
        if not isinstance(stream, ssl.SSLSocket) or stream.version() != "TLSv1.3":
            return
        with suppress(TimeoutError):
            while not self.hears() and not (stream.session and stream.session.has_ticket):
                self._wait(select.POLLIN, seconds)

    def end(self) -> None:
        """Say that nothing more is sent, once everything is. The other side may still speak."""
        if isinstance(self._socket, ssl.SSLSocket):
            with suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):  # its own end is read later
                self._socket = self._socket.unwrap()
        self._socket.shutdown(socket.SHUT_WR)

    def finish(self, seconds: float) -> None:
        """End the connection so that the other side gets everything: wait for its end for so long, and close."""
        try:
            with suppress(OSError):
                self.end()
                for _ in range(_FAREWELLS):
                    if not self.receive(seconds):
                        break
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection as it is. May be called twice."""
        self._socket.close()

    def _arrived(self) -> bytes | None:
        # Asking first is cheaper than the exception of a read that would wait. TLS keeps nothing back: a read takes a whole
        # record, and so at least what the kernel told of.
        if not self._incoming.poll(0):
            return None
        try:
            return self._socket.recv(_PIECE)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except _ENDED:
            return b""

    def _wait(self, events: int, seconds: float) -> None:
        """Wait for one of the events."""
        self._poll.modify(self._socket, events)
        if not self._poll.poll(max(seconds, 0) * 1000):
            raise TimeoutError
