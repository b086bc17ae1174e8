"""Trying again, with pauses of random length below a limit that doubles ("full jitter").

https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tailrace.clock import Clock
from tailrace.errors import Retryable
from tailrace.settings import Retry

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How to try again: the settings, and what tells the time.

    `wait` pauses for so many seconds and tells whether to give up because the process is to stop. `retried` is told of
    each call that is made again, `lasting` of a failure that did not pass at once, in a sentence.
    """

    policy: Retry
    clock: Clock
    wait: Callable[[float], bool]
    chance: Callable[[], float] = random.random
    retried: Callable[[], None] = lambda: None
    lasting: Callable[[str], None] = lambda _sentence: None

    def trying(self, call: Callable[[], T]) -> T:
        """What the call returns. Raises its Retryable when the deadline would pass or the process is to stop."""
        deadline = self.clock.monotonic() + self.policy.deadline
        limit = float(self.policy.first_pause)
        failures = 0
        while True:
            try:
                return call()
            except Retryable as error:
                pause = self.chance() * limit if error.after is None else error.after
                if self.clock.monotonic() + pause > deadline:
                    raise
                if failures:
                    self.lasting(f"{error}; it is tried again for up to {self.policy.deadline}")
                if self.wait(pause):
                    raise
                self.retried()
            failures += 1
            limit = min(limit * 2, self.policy.longest_pause)
