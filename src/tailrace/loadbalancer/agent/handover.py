"""Handing sockets over: a worker whose agent was killed goes on until the next agent takes its sockets, so that nothing that was sent is lost.

DIR/control    a unix socket, while such a worker waits for its heir
"""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from tailrace.loadbalancer.agent.receive import Listening

_LARGEST: Final = 64 << 10
_MOST: Final = 64
_PATIENCE_S: Final = 5.0


def offer(folder: Path) -> socket.socket:
    """Wait for an heir there."""
    path = folder / "control"
    path.unlink(missing_ok=True)
    waiting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    with _inside(folder):
        waiting.bind("control")
    path.chmod(0o600)
    waiting.listen(1)
    return waiting


def has_come(waiting: socket.socket) -> bool:
    """Whether an heir waits."""
    return bool(select.select([waiting], [], [], 0)[0])


def hand_over(waiting: socket.socket, folder: Path, listening: Sequence[Listening], lock: int) -> bool:
    """Give everything to the heir that has come; whether it has."""
    try:
        heir, _ = waiting.accept()
    except OSError:
        return False
    with heir, suppress(OSError):
        heir.settimeout(_PATIENCE_S)
        (folder / "control").unlink(missing_ok=True)
        told = [{"name": each.name, "path": each.path, "handed": each.handed} for each in listening]
        socket.send_fds(heir, [json.dumps(told).encode()], [lock, *(each.socket.fileno() for each in listening)])
        return True
    return False


def inherit(folder: Path) -> tuple[int, list[Listening]] | None:
    """The lock and the sockets of a worker whose agent is dead; None if there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(_PATIENCE_S)
        try:
            with _inside(folder):
                asking.connect("control")
            told, descriptors, _, _ = socket.recv_fds(asking, _LARGEST, _MOST)
        except OSError:
            return None
    if not descriptors:
        return None
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - the library's
    lock, *sockets = descriptors
    pairs = zip(json.loads(told), sockets, strict=True)
    return lock, [Listening(socket.socket(fileno=each), **about) for about, each in pairs]


class _inside:  # noqa: N801 - used as a function
    """Names of unix sockets are short, names of folders may be long: name it from inside."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        self._before = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        os.chdir(self._folder)

    def __exit__(self, *_error: object) -> None:
        os.fchdir(self._before)
        os.close(self._before)
