"""One HTTP request and its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tailrace.errors import Retryable
from tailrace.transport.answers import Answer
from tailrace.transport.channel import Channel

if TYPE_CHECKING:
    import h11

CONTINUE_S: Final = 1.0
"""So long is waited for a server to ask for the body."""
_CONTINUE: Final = 100


@dataclass(slots=True)
class Exchange:
    """Sends one request and receives its answer. Raises OSError, h11.RemoteProtocolError, and Retryable for an answer beyond the limit.

    `taken`: whether the other side may have got the whole request, so that it may have acted on it. `heard`: whether
    anything of an answer came. `asked`: whether the server asked for the body, None if it was not waited for.
    """

    channel: Channel
    http: h11.Connection
    timeout: float
    limit: int
    monotonic: Callable[[], float]
    taken: bool = False
    heard: bool = False
    asked: bool | None = None
    _final: h11.Response | None = None

    def run(self, request: h11.Request, body: bytes, *, expect: bool) -> Answer:
        """The answer. With `expect` the body is sent only when the server has asked for it, or has said nothing for a second."""
        self._send(self.http.send(request) or b"", last=not body)
        if body and expect:
            self._wait_to_continue()
        if self._final is None:
            self._send_body(body)
        return self._answer()

    def _send_body(self, body: bytes) -> None:
        import h11  # noqa: PLC0415 - an optional library

        self._send(body, last=True)
        if self._final is None:
            self.http.send_with_data_passthrough(h11.Data(data=body))
            self.http.send(h11.EndOfMessage())

    def _send(self, data: bytes | memoryview, *, last: bool) -> None:
        """Send until the server answers; one that does not want a body answers before it has it, and may hang up."""
        view = memoryview(data)
        try:
            while view and self._final is None:
                view = view[self.channel.send(view) :]
                if view and self.channel.hears():
                    self._hear(self.monotonic() + self.timeout)
        except ConnectionError as error:
            self._salvage(error)
        else:
            self.taken = last and not view

    def _hear(self, deadline: float) -> None:
        """Take in what the server says while it is sent to: its answer, or only that it goes on."""
        import h11  # noqa: PLC0415 - an optional library

        event = self._event(deadline)
        self._final = event if isinstance(event, h11.Response) else None

    def _salvage(self, error: ConnectionError) -> None:
        """Read the answer that came before the connection broke. Raises the error if there is none."""
        try:
            while self._final is None:
                self._hear(self.monotonic() + self.timeout)
        except (ConnectionError, TimeoutError):
            raise error from None

    def _wait_to_continue(self) -> None:
        import h11  # noqa: PLC0415 - an optional library

        deadline = self.monotonic() + CONTINUE_S
        self.asked = False
        try:
            event = self._event(deadline)
            while isinstance(event, h11.InformationalResponse) and event.status_code != _CONTINUE:
                event = self._event(deadline)
        except TimeoutError:
            return
        self.asked = True
        self._final = event if isinstance(event, h11.Response) else None

    def _answer(self) -> Answer:
        import h11  # noqa: PLC0415 - an optional library

        deadline = self.monotonic() + self.timeout
        while (final := self._final) is None:
            self._hear(deadline)
        pieces: list[bytes] = []
        room = self.limit
        while isinstance(event := self._event(deadline), h11.Data):
            room -= len(event.data)
            if room < 0:
                message = f"an answer is longer than {self.limit} bytes"
                raise Retryable(message)
            pieces.append(bytes(event.data))
        return Answer(final.status_code, _joined(final), b"".join(pieces))

    def _event(self, deadline: float) -> object:
        import h11  # noqa: PLC0415 - an optional library

        while (event := self.http.next_event()) is h11.NEED_DATA:
            data = self.channel.receive(deadline - self.monotonic())
            if not data and not self.heard:
                raise ConnectionResetError
            self.heard = True
            self.http.receive_data(data)
        return event


def _joined(response: h11.Response) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
