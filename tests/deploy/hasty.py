"""The program with a clock that has no time: `python hasty.py deploy ENV …` is `tailrace deploy ENV …`."""

from __future__ import annotations

import time
from typing import Final

from tailrace.__main__ import main as run
from tailrace.cli import _deploying
from tailrace.clock import SystemClock

_HASTE: Final = 20


class Hasty(SystemClock):
    """The machine's clock; but pauses are short, and are taken for as long as they were meant to be."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / _HASTE)
        self._ahead += seconds - seconds / _HASTE


def main() -> None:
    _deploying.SystemClock = Hasty  # type: ignore[misc,attr-defined]
    run()


if __name__ == "__main__":
    main()
