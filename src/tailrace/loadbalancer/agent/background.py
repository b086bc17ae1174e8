"""A thread for what waits for the disk, so that sockets do not."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Thread
from typing import Protocol


class Later(Protocol):
    """Does work in the order in which it is given."""

    def __call__(self, work: Callable[[], None]) -> None:
        """Do it, at some time. It raises nothing."""

    def drain(self) -> None:
        """Wait until all is done."""


class Background:
    """Does it in a thread."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Callable[[], object]] = SimpleQueue()
        Thread(target=self._work, daemon=True).start()

    def __call__(self, work: Callable[[], None]) -> None:
        """Do it soon."""
        self._queue.put(work)

    def drain(self) -> None:
        """Wait until all is done."""
        done = Event()
        self._queue.put(done.set)
        done.wait()

    def _work(self) -> None:
        while True:
            self._queue.get()()


class AtOnce:
    """Does it before it returns."""

    def __call__(self, work: Callable[[], None]) -> None:
        """Do it now."""
        work()

    def drain(self) -> None:
        """Nothing waits."""
