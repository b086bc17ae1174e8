"""The agent with this process's streams and clock; without what draws tables, for it stays in memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tailrace.cli._cells import visible
from tailrace.clock import SystemClock
from tailrace.errors import UsageError
from tailrace.loadbalancer.agent.opening import Opening
from tailrace.loadbalancer.agent.parts import Making
from tailrace.settings import Resolved


def run(settings: Resolved, *, once: bool, status: str | None) -> int:
    """Run the agent; the exit code."""
    opening = Opening(Making(settings, os.environ, SystemClock(), _say), _teller(status))
    return opening.once() if once else opening.run()


def _say(message: str) -> None:
    """Tell people a sentence, whole: several processes do."""
    with suppress(OSError):  # whoever reads it may be gone
        os.write(2, f"{visible(message)}\n".encode("utf-8", "replace"))


def _teller(status: str | None) -> Callable[[bytes], None]:
    """Takes lines of status. Raises UsageError if the file cannot be written."""
    if status is None:
        return lambda line: _told(2, line)
    try:
        Path(status).open("ab").close()
    except OSError as error:
        message = f"--status {status}: nothing can be appended to it ({error.strerror or error}); name another file"
        raise UsageError(message) from error

    def tell(line: bytes) -> None:
        with Path(status).open("ab", buffering=0) as file:
            file.write(line)

    return tell


def _told(descriptor: int, line: bytes) -> None:
    os.write(descriptor, line)
