"""The process that holds the sockets and starts the others anew when they die.

It does as little as can be done, so that nothing makes it fail. What is sent while a worker is started anew waits in the sockets.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tailrace.clock import Clock
from tailrace.errors import EXIT_OK, EXIT_UNUSABLE, TailraceError, UsageError
from tailrace.loadbalancer.agent.counters import Counters
from tailrace.loadbalancer.agent.handover import hand_over, has_come, inherit, offer
from tailrace.loadbalancer.agent.receive import Listening, listen
from tailrace.loadbalancer.agent.spool import lock
from tailrace.loadbalancer.agent.status import encoded, status
from tailrace.loadbalancer.agent.working import Worker, work

ORPHAN_S: Final = 60.0
"""For so long a worker whose agent was killed waits for the next agent."""
_WATCHED: Final = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
_ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PRIORITY: Final = -10
"""The worker's, where that is permitted: HAProxy waits for nobody, and what does not fit into a socket it drops."""
_QUICK_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 30.0
_HEIR_S: Final = 3.0
_BREATH_S: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """What runs. `worker`: makes the worker of some sockets; `shipper`: puts until its parent, whose process id it is given, is dead."""

    folder: Path
    receive: Sequence[str]
    handed: Sequence[socket.socket]
    worker: Callable[[Sequence[Listening], Counters], Worker]
    shipper: Callable[[Counters, int], None]
    clock: Clock
    say: Callable[[str], None]
    tell: Callable[[bytes], None]
    status_s: float


@dataclass(slots=True)
class _Child:
    """A process that is to run always."""

    name: str
    run: Callable[[], int]
    pid: int = 0
    started: float = 0.0
    pause: float = 0.0
    due: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """Runs an agent until SIGTERM or SIGINT."""

    agent: Agent
    counters: Counters = field(default_factory=Counters)
    _lock: int = -1
    _listening: list[Listening] = field(default_factory=list)
    _alive: tuple[int, int] = (-1, -1)
    _code: int = EXIT_OK
    _stopping: bool = False

    def run(self) -> int:
        """The exit code. Raises UsageError or Fatal before anything is received."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        try:
            self._take_spool()
            self._alive = os.pipe()
            children = [_Child("worker", self._work), _Child("shipper", self._ship)]
            gc.collect()
            gc.freeze()
            for child in children:
                self._start(child)
            _notify(b"READY=1")
            self._watch(children)
            _notify(b"STOPPING=1")
            self._stop(children)
            self._tell()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self._code

    def _take_spool(self) -> None:
        """The spool and the sockets, also those of a worker that was left alone."""
        agent = self.agent
        inherited: Sequence[Listening] = ()
        until = agent.clock.monotonic() + _HEIR_S
        while True:
            try:
                self._lock = lock(agent.folder)
                break
            except UsageError:
                found = inherit(agent.folder)
                if found:
                    self._lock, inherited = found
                    os.pwrite(self._lock, f"{os.getpid()}\n".ljust(16).encode(), 0)
                    agent.say("the sockets of an agent that was killed are taken over")
                    break
                if agent.clock.monotonic() > until:
                    raise
                agent.clock.sleep(0.1)
        self._listening = listen(agent.receive, agent.handed, agent.say, inherited)

    # Children

    def _work(self) -> int:
        agent, parent = self.agent, os.getppid()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
        worker = agent.worker(self._listening, self.counters)
        if work(worker, self._alive[0], parent=parent):
            Alone(worker, self._listening, self._lock, agent).remain()
        return EXIT_OK

    def _ship(self) -> int:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        os.close(self._alive[0])
        for each in self._listening:
            each.socket.close()
        self.agent.shipper(self.counters, os.getppid())
        return EXIT_OK

    def _start(self, child: _Child) -> None:
        child.started = self.agent.clock.monotonic()
        child.pid = os.fork()
        if child.pid:
            return
        code = EXIT_UNUSABLE
        try:
            os.close(self._alive[1])
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
            code = child.run()
        except TailraceError as error:
            self.agent.say(f"error: {error}")
            code = error.exit_code
        except Exception as error:  # noqa: BLE001 - told, and the process started anew
            self.agent.say(f"internal error: {child.name}: {type(error).__name__}: {error}")
        finally:
            os._exit(code)

    def _watch(self, children: Sequence[_Child]) -> None:
        """Start anew what dies, until a signal ends it."""
        clock = self.agent.clock
        next_status = clock.monotonic() + self.agent.status_s
        while not self._stopping:
            due = min([next_status, *(child.due for child in children if not child.pid)])
            came = signal.sigtimedwait(_WATCHED, max(0.0, due - clock.monotonic()))
            number = came.si_signo if came else 0
            if number in _ENDING:
                return
            if number == signal.SIGUSR1:
                _signal(children[0], signal.SIGUSR1)
            self._reap(children)
            for child in children:
                if not child.pid and clock.monotonic() >= child.due and not self._stopping:
                    self.counters.add("restarts")
                    self._start(child)
            if clock.monotonic() >= next_status:
                next_status = clock.monotonic() + self.agent.status_s
                self._tell()

    def _tell(self) -> None:
        with suppress(OSError):  # whoever reads it may be gone
            self.agent.tell(encoded(status(self.agent.folder, self.counters, self.agent.clock.now())))

    def _reap(self, children: Sequence[_Child]) -> None:
        for child in children:
            if not child.pid:
                continue
            pid, ended = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self._died(child, os.waitstatus_to_exitcode(ended))

    def _died(self, child: _Child, code: int) -> None:
        """Decide when it is started anew: at once, if it was killed; ever later if it ends by itself again and again."""
        clock, say = self.agent.clock, self.agent.say
        lasted = clock.monotonic() - child.started
        child.pid = 0
        if not self.counters["ready"] and child.name == "worker" and code > 0:
            self._code, self._stopping = code, True
            return
        if lasted > _QUICK_S:
            child.pause = 0.0
        child.due = clock.monotonic() + child.pause
        child.pause = min(max(child.pause * 2, 0.0 if code < 0 and not child.pause else 1.0), _LONGEST_PAUSE_S)
        why = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        say(f"warning: the {child.name} {why}; it is started anew")

    def _stop(self, children: Sequence[_Child]) -> None:
        """End the children: the worker keeps what it has, what the shipper does is done again by the next one."""
        for child in children:
            _signal(child, signal.SIGTERM)
        for child in children:
            if child.pid:
                os.waitpid(child.pid, 0)
        for each in self._listening:
            each.socket.close()


@dataclass(frozen=True, slots=True)
class Alone:
    """A worker whose agent was killed."""

    worker: Worker
    listening: Sequence[Listening]
    lock: int
    agent: Agent

    def remain(self) -> None:
        """Take lines until the next agent takes the sockets, or none has come for some time."""
        worker, clock, folder = self.worker, self.agent.clock, self.agent.folder
        self.agent.say("warning: the agent was killed: lines are still taken, for the next one")
        until = clock.monotonic() + ORPHAN_S
        with offer(folder) as waiting:
            while clock.monotonic() < until and folder.is_dir() and not worker.told.stop:
                worker.round()
                if has_come(waiting):
                    worker.rest()
                    hand_over(waiting, folder, self.listening, self.lock)
                    return
                clock.sleep(_BREATH_S)
        worker.end()


def _signal(child: _Child, number: int) -> None:
    if child.pid:
        os.kill(child.pid, number)


def _notify(state: bytes) -> None:
    """Tell systemd, if it listens.

    https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
    """
    place = os.environ.get("NOTIFY_SOCKET", "")
    if place[:1] not in ("/", "@"):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.sendto(state, "\0" + place[1:] if place[0] == "@" else place)
