"""Threads that send for several sinks, so many in all."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

T = TypeVar("T")


class Senders:
    """At most `number` threads, started when they are needed, ended when the last user leaves.

    They do not keep the process from ending: one that waits for an answer is left behind.
    """

    def __init__(self, number: int, last: Callable[[], None] = lambda: None) -> None:
        self.number = number
        self._last = last
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = Lock()
        self._users = self._threads = self._busy = 0

    def enter(self) -> None:
        """One more user."""
        with self._lock:
            self._users += 1

    def leave(self) -> None:
        """One user less; after the last one the threads end, and `last` is called."""
        with self._lock:
            self._users -= 1
            if self._users:
                return
            for _ in range(self._threads):
                self._jobs.put(None)
            self._threads = 0
        self._last()

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Have something done; what it returns or raises."""
        future: Future[T] = Future()
        with self._lock:
            self._busy += 1
            if self._threads < min(self._busy, self.number):
                self._threads += 1
                Thread(target=self._work, daemon=True, name="cloudwatch").start()
        self._jobs.put(lambda: self._do(future, call))
        return future

    def _work(self) -> None:
        while job := self._jobs.get():
            job()

    def _do(self, future: Future[Any], call: Callable[[], Any]) -> None:
        try:
            if future.set_running_or_notify_cancel():
                future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - whoever waits for the result is told
            future.set_exception(error)
        finally:
            with self._lock:
                self._busy -= 1
