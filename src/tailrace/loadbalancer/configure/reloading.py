"""Having HAProxy take its new configuration without losing a connection, and the proof that it did.

https://docs.haproxy.org/2.6/management.html#4
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tailrace.clock import Clock
from tailrace.errors import Fatal, UsageError
from tailrace.loadbalancer.configure.processes import Process, Running, listening

LONGEST: Final = 30.0
"""So many seconds a reload may take."""
STEADY: Final = 1.0
"""A new process that runs for so many seconds has taken its configuration."""
_LOOKS: Final = 0.1
_SYSTEMD: Final = Path("/run/systemd/system")
"""Is there where systemd runs the machine."""


@dataclass(frozen=True, slots=True)
class Reload:
    """How a HAProxy takes a new configuration. `told`: in words that people can type."""

    told: str
    run: Callable[[], None]


def reloads(found: Sequence[Running], command: Sequence[str] = (), *, systemd: Path = _SYSTEMD) -> list[Reload]:
    """What is to be done so that all HAProxys found take their new configuration. Raises UsageError if that is not known."""
    if command:
        return [Reload(" ".join(command), lambda: _called(command))]
    made: dict[str, Reload] = {}
    for each in found:
        one = _reload(each, systemd)
        made.setdefault(one.told, one)
    return list(made.values())


def _reload(each: Running, systemd: Path) -> Reload:
    head = each.head
    if head.unit and _is_own(head.unit) and systemd.is_dir() and shutil.which("systemctl"):
        words: tuple[str, ...] = ("systemctl", "reload", head.unit)
        return Reload(" ".join(words), lambda: _called(words))
    if each.workers and (place := _socket(head)):
        return Reload(f"echo reload | socat - {place}", lambda: _asked(place))
    if each.workers:
        return Reload(f"kill -USR2 {head.pid}", lambda: _signalled(head))
    if {"-D"} & set(head.argv):
        words = (*_started(head), "-sf", str(head.pid))
        return Reload(" ".join(words), lambda: _called(words, head))
    message = (
        f"HAProxy (process {head.pid}) runs in the foreground without a master, so who started it has to reload it: give"
        " --reload-command, or --no-reload to do it yourself. Nothing was changed"
    )
    raise UsageError(message)


def _is_own(unit: str) -> bool:
    """Whether the unit is HAProxy's, not that of a shell or program that started it."""
    return "haproxy" in unit


def _socket(head: Process) -> str:
    """The master's socket, if it is a file's."""
    place = head.value("-S").partition(",")[0].removeprefix("unix@")
    return place if place.startswith("/") else ""


def _started(head: Process) -> tuple[str, ...]:
    """The command line without the processes that it took over from."""
    words, at = [str(head.program)], 1
    while at < len(head.argv):
        if head.argv[at] in ("-sf", "-st"):
            at += 1
            while at < len(head.argv) and head.argv[at].isdigit():
                at += 1
        elif head.argv[at] == "-x":
            at += 2
        else:
            words.append(head.argv[at])
            at += 1
    return tuple(words)


def _called(words: Sequence[str], like: Process | None = None) -> None:
    """Run a program, in the folder and environment of a process if there is one. Raises Fatal."""
    folder, environ = (like.folder, like.environ) if like else (None, None)
    try:
        done = subprocess.run(  # noqa: S603 - the user's own words, or those that HAProxy was started with
            words, check=False, timeout=LONGEST, cwd=folder, env=environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"`{' '.join(words)}` failed: {error}"
        raise Fatal(message) from error
    if done.returncode:
        last = done.stdout.decode(errors="replace").strip().splitlines()[-1:] or ["it says nothing"]
        message = f"`{' '.join(words)}` failed with exit code {done.returncode}: {last[0]}"
        raise Fatal(message)


def _asked(place: str) -> None:
    """Tell the master over its socket. It closes the connection when it begins; newer ones tell how it went."""
    try:
        with socket.socket(socket.AF_UNIX) as talk:
            talk.settimeout(LONGEST)
            talk.connect(place)
            talk.sendall(b"reload\n")
            told = talk.recv(4096)
    except ConnectionError:
        return
    except OSError as error:
        message = f"the master's socket {place} cannot be used: {error}"
        raise Fatal(message) from error
    if told.startswith(b"Success=0"):
        message = f"HAProxy's master says: {' '.join(told.decode(errors='replace').split())[:500]}"
        raise Fatal(message)


def _signalled(head: Process) -> None:
    try:
        os.kill(head.pid, signal.SIGUSR2)
    except OSError as error:
        message = f"HAProxy's master (process {head.pid}) cannot be told to reload: {error.strerror}"
        raise Fatal(message) from error


@dataclass(frozen=True, slots=True)
class Patience:
    """Within how many seconds a new process has to be there, and for how many it has to stay."""

    longest: float = LONGEST
    steady: float = STEADY


def proven(before: Sequence[Running], look: Callable[[], list[Running]], clock: Clock, patience: Patience) -> str:
    """Wait until new processes do the work of those before, and go on doing it; what was seen. Raises Fatal.

    Those before have to be gone, or to wait for connections no more: a new one that cannot begin never comes so far.
    """
    old = {process.key for each in before for process in (each.head, *each.workers)}
    heads = {each.head.key for each in before if each.workers}
    ends, since, seen = clock.monotonic() + patience.longest, clock.monotonic(), frozenset[int]()
    while clock.monotonic() < ends:
        now = look()
        work = _working(now)
        new = frozenset(process.pid for process in work if process.key not in old)
        left = [process for process in work if process.key in old]
        complete = len(new) >= max(1, len(before)) and heads <= {each.head.key for each in now}
        if not complete or new != seen or any(map(listening, left)):
            since, seen = clock.monotonic(), new
        elif clock.monotonic() - since >= patience.steady:
            return _seen(sorted(new), before, [each.pid for each in left])
        clock.sleep(_LOOKS)
    message = "HAProxy has no new worker that stays, so it did not take the new configuration"
    raise Fatal(message)


def _seen(new: Sequence[int], before: Sequence[Running], left: Sequence[int]) -> str:
    over = f"has taken over from {_numbers(_pids(before))}" if before else "has begun"
    finishing = f"; {_numbers(left)} finishes what it has" if left else ""
    return f"new worker {_numbers(new)} {over}{finishing}"


def _working(found: Sequence[Running]) -> list[Process]:
    """Those that handle connections."""
    return [process for each in found for process in each.workers or (each.head,)]


def _pids(found: Sequence[Running]) -> list[int]:
    return [process.pid for process in _working(found)]


def _numbers(pids: Sequence[int]) -> str:
    return ", ".join(map(str, pids))
