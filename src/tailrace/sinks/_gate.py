"""How many requests may be under way to one server: it is asked less when it pushes back, and gradually more when it does not.

Additive increase and multiplicative decrease, as TCP does it: https://www.rfc-editor.org/rfc/rfc5681#section-3.1
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from tailrace.errors import Retryable


class Gate:
    """Lets so many through at a time. Threads share it."""

    def __init__(self, most: int) -> None:
        self._most = float(most)
        self._limit = float(most)
        self._inside = 0
        self._round = 0
        self._changed = Condition()

    @property
    def limit(self) -> int:
        """How many are let through now."""
        return int(self._limit)

    @contextmanager
    def passing(self, patience: float) -> Iterator[int]:
        """Wait to be let through; gives the number of the round. Raises Retryable if nobody has left for so many seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._inside < self.limit, patience):
                raise Retryable("the server is busy with the requests of other workers")
            self._inside += 1
            entered = self._round
        try:
            yield entered
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def widen(self) -> None:
        """A request went well: when as many have as are let through, one more is."""
        with self._changed:
            self._limit = min(self._most, self._limit + 1 / self._limit)
            self._changed.notify_all()

    def narrow(self, entered: int) -> None:
        """The server pushed back: half as many are let through, once for all that were under way together."""
        with self._changed:
            if entered == self._round:
                self._round += 1
                self._limit = max(1.0, self._limit / 2)
