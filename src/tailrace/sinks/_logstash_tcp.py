"""Records to Logstash over TCP: a line of JSON each, on one connection, which the other side does not confirm.

What is known of their fate is what TCP knows: after `flush` the other side's kernel has everything, and the connection
stood. If it breaks before that, everything since the last flush is sent again, so that records may come twice. With
`confirm` each flush ends the connection and waits for the other side's end: then its program has read everything, for a
kernel that still holds something unread resets the connection instead.
"""

from __future__ import annotations

import ssl
from collections import deque
from dataclasses import dataclass
from typing import Final

from tailrace.errors import TailraceError
from tailrace.model import Batch, Flushed, Item, Rendering
from tailrace.sinks._shapes import Written
from tailrace.transport import Channel, Endpoint, told

_ADMISSION_S: Final = 1.0
_FAREWELL_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """The connection as settings tell it.

    `window`: so much of what has left our kernel is kept to be sent again. `confirm`: whether a flush ends the connection.
    """

    endpoint: Endpoint
    context: ssl.SSLContext | None
    timeout: float
    window: int
    confirm: bool

    def open(self) -> Channel:
        """Connect. Raises OSError."""
        channel = Channel(self.endpoint, self.context, self.timeout)
        try:
            channel.admit(_ADMISSION_S)
        except OSError:
            channel.close()
            raise
        return channel


class TcpSink:
    """Sends the records of one item at a time."""

    keeps_receipts = True

    def __init__(self, name: str, wire: Wire, written: Written, rendering: Rendering | None) -> None:
        self.name, self.rendering = name, rendering
        self._wire, self._written = wire, written
        self._channel: Channel | None = None
        self._waiting: deque[bytes | memoryview] = deque()
        self._at = 0
        """So much of the first that waits is sent, as far as is known: TLS may have sent more."""
        self._begun = False
        self._sent: deque[bytes | memoryview] = deque()
        """What was sent since the last flush; of much, the end."""
        self._kept = 0
        self._ending = False

    def write(self, item: Item, batch: Batch, part: int) -> None:  # noqa: ARG002 - as every sink
        """Send what waits, then take the batch. Raises Retryable or Fatal."""
        self._send()
        if len(batch.records):
            self._waiting.append(self._written(item, batch))

    def flush(self) -> Flushed:
        """Send everything, and wait until the other side's kernel, or its program, has it. Raises Retryable or Fatal."""
        if not self._ending:
            self._send()
        if self._channel:
            try:
                self._settle(self._channel)
            except OSError as error:
                raise self._failed(error) from error
        self._forget()
        return Flushed(unconfirmed=True)

    def abandon(self) -> None:
        """Forget what was written since the last flush. What is under way, or begun, ends with the connection."""
        self._waiting.clear()
        self._forget()
        if self._channel and (self._begun or self._ending or self._channel.unsent()):
            self._hang_up()

    def close(self) -> None:
        """End the connection so that the other side gets what was sent. May be called twice."""
        channel, self._channel = self._channel, None
        if channel:
            channel.finish(_FAREWELL_S)

    def check(self) -> str:
        """Look whether the server is there. Raises TailraceError."""
        try:
            self._wire.open().finish(_FAREWELL_S)
        except OSError as error:
            raise told(error, self._wire.endpoint, "cannot be reached") from error
        return f"{self._wire.endpoint} takes connections, and confirms nothing"

    def _send(self) -> None:
        """Send what waits. After a time limit it goes on where it was; after a broken connection, from the last flush on."""
        try:
            if self._channel is None and self._waiting:
                self._channel = self._wire.open()
            if self._channel and not self._stands(self._channel):
                self._channel = self._wire.open()
            while self._waiting and self._channel:
                self._begun = True
                self._at += self._channel.send(memoryview(self._waiting[0])[self._at :])
                if self._at == len(self._waiting[0]):
                    self._keep(self._waiting.popleft(), self._channel.unsent())
                _notice(self._channel)
        except OSError as error:
            raise self._failed(error) from error

    def _stands(self, channel: Channel) -> bool:
        """Whether the connection stands. Raises ConnectionError if something is lost with it."""
        try:
            _notice(channel)
        except ConnectionError:
            if self._sent or self._begun:
                raise
            self._hang_up()
        return self._channel is not None

    def _settle(self, channel: Channel) -> None:
        """Wait until everything has arrived. After a time limit it goes on where it was."""
        if not self._ending:
            _arrived(channel, self._wire.timeout)
        if self._wire.confirm:
            if not self._ending:
                channel.end()
                self._ending = True
            while channel.receive():
                pass
            self._hang_up()

    def _keep(self, data: bytes | memoryview, unsent: int) -> None:
        """Keep what was sent, and of what was sent before as much as may be in the other side's kernel or still in ours."""
        self._at, self._begun = 0, False
        self._sent.append(data)
        self._kept += len(data)
        while self._kept - len(self._sent[0]) >= self._wire.window + unsent:
            self._kept -= len(self._sent.popleft())

    def _forget(self) -> None:
        self._sent.clear()
        self._kept = 0

    def _hang_up(self) -> None:
        if self._channel:
            self._channel.close()
        self._channel, self._at = None, 0
        self._begun = self._ending = False

    def _failed(self, error: OSError) -> TailraceError:
        """The error to raise; what a broken connection has swallowed waits again."""
        if self._channel is None:
            return told(error, self._wire.endpoint, "cannot be reached")
        if isinstance(error, TimeoutError) and error.errno is None:
            return told(error, self._wire.endpoint, "does not take more")
        error = _cause(self._channel, error)
        self._hang_up()
        self._waiting.extendleft(reversed(self._sent))
        self._forget()
        return told(error, self._wire.endpoint, "broke the connection")


def _notice(channel: Channel) -> None:
    """Raise ConnectionError if the other side has hung up. What it says otherwise means nothing."""
    while channel.hears():
        if not channel.receive():
            raise ConnectionResetError


def _arrived(channel: Channel, seconds: float) -> None:
    _notice(channel)
    while channel.unsent():
        channel.settle(seconds)
        _notice(channel)


def _cause(channel: Channel, error: OSError) -> OSError:
    """Why the other side hung up, if it told that before: that it does not trust us."""
    try:
        _notice(channel)
    except ssl.SSLError as told_before:
        return told_before
    except OSError:
        pass
    return error
