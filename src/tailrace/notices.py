"""Telling what is wrong without telling it a thousand times a minute."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Final

from tailrace.clock import Clock

PAUSE_S: Final = 60.0
"""A kind of trouble is told once in so long."""


class Notices:
    """Passes sentences on: the first of each kind at once, the next one after a pause, with how many there were meanwhile."""

    def __init__(self, notice: Callable[[str], None], clock: Clock) -> None:
        self._notice, self._clock = notice, clock
        self._lock = Lock()
        self._told: dict[str, float] = {}
        self._held: dict[str, int] = {}

    def tell(self, kind: str, sentence: str) -> None:
        """One more of a kind."""
        with self._lock:
            now = self._clock.monotonic()
            if now - self._told.get(kind, now - PAUSE_S) < PAUSE_S:
                self._held[kind] = self._held.get(kind, 0) + 1
                return
            self._told[kind] = now
            held = self._held.pop(kind, 0)
        self._notice(f"{sentence} (and {held} more like it)" if held else sentence)
