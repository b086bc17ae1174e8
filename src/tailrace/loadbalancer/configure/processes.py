"""Which HAProxy runs here with a configuration, as /proc tells."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
_UNIT: Final = re.compile(r"/([^/]+\.service)(?:/|$)")
_VALUED: Final = frozenset(("-f", "-n", "-N", "-m", "-C", "-L", "-p", "-x", "-S", "-sf", "-st"))
_TABLES: Final = (("tcp", 3, "0A", 9), ("tcp6", 3, "0A", 9), ("unix", 3, "00010000", 6))
"""Where the kernel tells of sockets: the columns of their state, as it is while they wait for connections, and of their inode."""
_INNER: Final = frozenset((
    "HAPROXY_MWORKER", "HAPROXY_MWORKER_REEXEC", "HAPROXY_MWORKER_WAIT_ONLY", "HAPROXY_PROCESSES", "HAPROXY_CLI", "HAPROXY_MASTER_CLI",
    "HAPROXY_CFGFILES", "HAPROXY_STARTUP_VERSION", "HAPROXY_LOAD_SUCCESS", "NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
))  # fmt: skip
"""What a master says to itself: with these another HAProxy would think that it is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process of HAProxy. `start`: when it began, in the kernel's ticks: with its number it is one process for ever."""

    pid: int
    parent: int
    start: int
    argv: tuple[str, ...]
    folder: Path
    program: Path
    unit: str = ""
    environ: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def key(self) -> tuple[int, int]:
        """What no other process has."""
        return (self.pid, self.start)

    def value(self, option: str) -> str:
        """What stands behind an option of its command line, if it is there."""
        return next((after for each, after in zip(self.argv, self.argv[1:], strict=False) if each == option), "")

    def files(self) -> list[Path]:
        """The files and folders of its configuration, as its command line names them."""
        found, at = list[str](), 1
        while at < len(self.argv):
            word = self.argv[at]
            if word == "--":
                found += self.argv[at + 1 :]
                break
            if word == "-f":
                found += self.argv[at + 1 : at + 2]
            at += 2 if word in _VALUED else 1
        base = self.folder / self.value("-C")
        return [base / each for each in found]


@dataclass(frozen=True, slots=True)
class Running:
    """A HAProxy: its master or, where it has none, the only process; and the master's workers."""

    head: Process
    workers: tuple[Process, ...]


def before(found: Sequence[Running], files: Sequence[Path], proc: Path = PROC) -> str:
    """The numbers of processes that began before one of the files was written: they cannot have read it."""
    lines = (proc / "stat").read_text(encoding="ascii", errors="replace").splitlines()
    boot = next((float(line.split()[1]) for line in lines if line.startswith("btime ")), 0.0)
    written = max((file.stat().st_mtime for file in files), default=0.0)
    ticks = os.sysconf("SC_CLK_TCK")
    working = [process for each in found for process in each.workers or (each.head,)]
    # The kernel tells when it was started in whole seconds.
    return ", ".join(str(each.pid) for each in working if boot + 1 + each.start / ticks < written)


def listening(process: Process, proc: Path = PROC) -> frozenset[str]:
    """The sockets on which a process waits for connections: none when it only finishes what it has, or is gone."""
    held = set[str]()
    with suppress(OSError):
        for each in (proc / str(process.pid) / "fd").iterdir():
            with suppress(OSError):
                held.add(str(each.readlink()).removeprefix("socket:[").removesuffix("]"))
    return frozenset(held & _waiting(proc / str(process.pid) / "net"))


def _waiting(net: Path) -> set[str]:
    """The inodes of all sockets that wait for connections."""
    found = set[str]()
    for name, column, state, inode in _TABLES:
        with suppress(OSError):
            for line in (net / name).read_text(errors="replace").splitlines()[1:]:
                words = line.split()
                if len(words) > inode and words[column] == state:
                    found.add(words[inode])
    return found


def running(files: Sequence[Path], proc: Path = PROC) -> list[Running]:
    """All HAProxys that were started with one of these files."""
    wanted = {each.resolve() for each in files}
    found = {each.pid: each for each in processes(proc) if _reads(each, wanted) and not _elsewhere(each, proc)}
    heads = [each for each in found.values() if each.parent not in found]
    return [Running(head, tuple(each for each in found.values() if each.parent == head.pid)) for head in heads]


def processes(proc: Path = PROC) -> list[Process]:
    """All processes of HAProxy that we may look into."""
    found = []
    for entry in proc.iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                each = _process(entry)
                if "haproxy" in each.program.name:
                    found.append(each)
    return sorted(found, key=lambda each: each.start)


def _reads(process: Process, wanted: set[Path]) -> bool:
    named = {each.resolve() for each in process.files()}
    return bool(named & wanted) or any(file.parent in named for file in wanted)


def _elsewhere(process: Process, proc: Path) -> bool:
    """Whether its files are others under the same names, as those of a container are. In its chroot it has none."""
    for file in process.files():
        with suppress(OSError):
            inside = proc / str(process.pid) / "root" / str(file).lstrip("/")
            return not inside.samefile(file)
    return False


def _process(entry: Path) -> Process:
    """Raises OSError, ValueError or IndexError for one that is gone, or is not ours to look at."""
    # The name in parentheses may hold anything.
    told = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
    if told[0] in "ZX":
        raise ValueError(told[0])
    environ = (entry / "environ").read_bytes().split(b"\0")
    pairs = ((os.fsdecode(name), value) for name, _, value in (each.partition(b"=") for each in environ) if name)
    unit = _UNIT.search((entry / "cgroup").read_text(errors="replace")) if (entry / "cgroup").exists() else None
    return Process(
        pid=int(entry.name),
        parent=int(told[1]),
        start=int(told[19]),
        argv=tuple(os.fsdecode(each) for each in (entry / "cmdline").read_bytes().split(b"\0")[:-1]),
        folder=(entry / "cwd").readlink(),
        program=Path(str((entry / "exe").readlink()).removesuffix(" (deleted)")),
        unit=unit[1] if unit else "",
        environ={name: os.fsdecode(value) for name, value in pairs if name not in _INNER},
    )
