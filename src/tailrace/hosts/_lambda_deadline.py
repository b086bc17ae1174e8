"""The end of an invocation, and what has to be over before it."""

from __future__ import annotations

from threading import Event, Timer
from typing import Any, BinaryIO, Final, Self, cast

from tailrace.clock import Clock
from tailrace.errors import SourceError
from tailrace.model import Identity, Item
from tailrace.ports import State

_SHARE: Final = 3
"""The margin is at most this part of the time that there is."""
_AFTER_S: Final = 1.0
"""A sandbox may live so much longer than its invocation."""


class Deadline:
    """Sets `stop` some time before the end of an invocation; close it when the invocation is over.

    now ──── work ────▶ stop ──── confirm, try again ────▶ late ──── answer ────▶ end
                          ◀───────────── margin ─────────────────────────────────▶
    """

    def __init__(self, clock: Clock, remaining: float, margin: float) -> None:
        margin = min(margin, remaining / _SHARE)
        self._clock = clock
        self._end = clock.monotonic() + remaining
        self._late = self._end - margin * 2 / 3
        self.stop = Event()
        self._timer = Timer(max(remaining - margin, 0.0), self.stop.set)
        self._timer.daemon = True
        self._timer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    @property
    def late(self) -> bool:
        """Whether it is too late for anything but the answer."""
        return self._clock.monotonic() >= self._late

    def wait(self, seconds: float) -> bool:
        """Pause before trying again; at once True if it would be too late then."""
        if self._clock.monotonic() + seconds >= self._late:
            return True
        self._clock.sleep(seconds)
        return False

    def lease(self, seconds: float) -> float:
        """A lease that does not outlast the invocation by more than it may itself be late."""
        return min(seconds, max(self._end - self._clock.monotonic(), 0.0) + _AFTER_S)


class Leasing:
    """A state whose leases end with the invocation: it may be killed, and nobody shall wait for the dead."""

    def __init__(self, state: State, deadline: Deadline) -> None:
        self._state, self._deadline = state, deadline

    def claim(self, item: Identity, owner: str, seconds: float) -> bool:
        """Take the lease of an item for so long, or until the end of the invocation."""
        return self._state.claim(item, owner, self._deadline.lease(seconds))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._state, name)


def leasing(state: State, deadline: Deadline) -> State:
    """The state with leases that end with the invocation."""
    return cast("State", Leasing(state, deadline))


class Progress:
    """Whether anything came of an item since it was opened: what is confirmed already has to be skipped first."""

    def __init__(self) -> None:
        self.begun = False

    def reading(self, *, now: bool) -> None:
        """Nothing to tell of single reads."""

    def moved(self, item: Item, position: int, lines: int) -> None:  # noqa: ARG002 - as every watch
        """Something came of it, so `stop` ends the work from now on."""
        self.begun = True


class Punctual:
    """A stream that is not skipped when it is late: that may take longer than there is time."""

    def __init__(self, stream: BinaryIO, deadline: Deadline, progress: Progress, name: str) -> None:
        self._stream, self._deadline, self._progress, self._name = stream, deadline, progress, name
        progress.begun = False

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes. Raises SourceError when it is late and nothing has come of the stream yet."""
        if self._deadline.late and not self._progress.begun:
            message = (
                f"{self._name}: the invocation ended before what is not confirmed yet was reached;"
                " give the function more time or memory"
            )
            raise SourceError(message)
        return self._stream.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
