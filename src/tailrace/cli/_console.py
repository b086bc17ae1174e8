"""The two streams: people read standard error, programs standard output."""

from __future__ import annotations

import os
import stat
import sys
from typing import BinaryIO

from rich.console import Console

from tailrace.cli._cells import visible
from tailrace.clock import SystemClock
from tailrace.clouds import Vault
from tailrace.hosts.clients import clients
from tailrace.kinds import Surroundings
from tailrace.settings import Settings


def people() -> Console:
    """A console for what is said to people while other output may go to standard output."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def surroundings(settings: Settings) -> Surroundings:
    """This process's streams, clock and clouds."""
    # Unbuffered, and opened anew: Python's own would hold back what has come until its buffer is full.
    stdin: BinaryIO = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115
    client = clients(settings)
    return Surroundings(
        settings=settings,
        clock=SystemClock(),
        stdin=stdin,
        stdout=1,
        client=client,
        vault=Vault(client, os.environ),
        outputs=regular(1),
        notice=warn,
    )


def regular(*descriptors: int) -> frozenset[tuple[int, int]]:
    """Device and inode of each that is a regular file; no other is read by chance."""
    statuses = [os.fstat(descriptor) for descriptor in descriptors]
    return frozenset((status.st_dev, status.st_ino) for status in statuses if stat.S_ISREG(status.st_mode))


def say(message: str) -> None:
    """Tell people a sentence."""
    sys.stderr.write(f"{visible(message)}\n")


def warn(message: str) -> None:
    """Say something that is no failure."""
    say(f"warning: {message}")


def output() -> Console:
    """A console for results; where they do not go to a terminal, lines are as long as they need to be."""
    wide = {} if sys.stdout.isatty() else {"width": 10_000}
    return Console(highlight=False, **wide)  # type: ignore[arg-type]
