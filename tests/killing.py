"""Children that are killed at any moment: the loop of a script that starts them, and how a test speaks to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable


def serve(work: Callable[[], object]) -> None:
    """For each line on standard input, a number of seconds, work in a child and kill it after so long by SIGKILL.

    With `-` the child may finish. Each line is answered with the child's exit status.
    """
    for line in sys.stdin:
        child = os.fork()
        if not child:
            work()
            os._exit(0)
        if line.strip() != "-":
            time.sleep(float(line))
            os.kill(child, signal.SIGKILL)
        print(os.waitpid(child, 0)[1], flush=True)  # noqa: T201 - its answer


def run(script: subprocess.Popen[str], line: str) -> int:
    """The exit status of the child that a script starts for a line."""
    assert script.stdin is not None
    assert script.stdout is not None
    script.stdin.write(f"{line}\n")
    script.stdin.flush()
    return int(script.stdout.readline())
