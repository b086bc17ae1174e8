"""The process that takes lines: from sockets and files into the spool."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tailrace.clock import Clock
from tailrace.disk import writing
from tailrace.loadbalancer.agent.attributes import known
from tailrace.loadbalancer.agent.background import AtOnce, Later
from tailrace.loadbalancer.agent.counters import Counters
from tailrace.loadbalancer.agent.follow import Follower
from tailrace.loadbalancer.agent.inbox import Inbox, boot_id
from tailrace.loadbalancer.agent.receive import Listening
from tailrace.loadbalancer.agent.slots import slot_at
from tailrace.loadbalancer.agent.spool import Spool
from tailrace.loadbalancer.model import Attributes, Slot
from tailrace.notices import Notices

FLUSH_S: Final = 0.5
"""After so long what was received is written to the spool's segment."""
LOOK_S: Final = 0.25
_TICK_S: Final = 1.0
_CHUNKS: Final = 16
"""So many pieces of a file are read before sockets are looked at again."""
_BURSTS: Final = 16
_DRAINED_S: Final = 5.0


SlotOf = Callable[[float, float], Slot]
"""The slot of a moment, by the length that slots have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is taken, into which spool. `fixed`: attributes that are not those of an API; else the spool tells them."""

    folder: Path
    limit: int
    follow: Sequence[str]
    fixed: Attributes | None
    interval: float


class Signals:
    """SIGTERM and SIGUSR1, which also wake whoever polls."""

    def __init__(self) -> None:
        self.stop = self._flush = False
        self.descriptor = -1

    def listen(self) -> None:
        """Heed them in this process from now on."""
        self.descriptor, waking = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._told)
        signal.signal(signal.SIGUSR1, self._told)

    def _told(self, number: int, _frame: object) -> None:
        if number == signal.SIGTERM:
            self.stop = True
        else:
            self._flush = True

    def take_flush(self) -> bool:
        """Whether there was a SIGUSR1 since the last time."""
        if not self._flush:
            return False
        with suppress(BlockingIOError):
            os.read(self.descriptor, 512)
        self._flush = False
        return True


@dataclass(slots=True)
class Worker:
    """Takes lines until it is told to stop. `slot_of`: the slot of lines that come at a time."""

    wanted: Wanted
    listening: Sequence[Listening]
    counters: Counters
    clock: Clock
    say: Callable[[str], None]
    slot_of: SlotOf = slot_at
    later: Later = field(default_factory=AtOnce)
    told: Signals = field(default_factory=Signals)
    _spool: Spool = field(init=False)
    _inbox: Inbox = field(init=False)
    _followers: list[Follower] = field(default_factory=list)
    _attributes: Attributes | None = None
    _notices: Notices = field(init=False)
    _received_at: float = 0.0
    _followed_at: float = 0.0
    _ticked_at: float = 0.0

    def __post_init__(self) -> None:
        """Find what the spool has. Raises Fatal."""
        self._notices = Notices(self.say, self.clock)
        mark = self.wanted.folder / "boot"
        boot = boot_id()
        anew = not mark.exists() or mark.read_bytes() != boot
        self._spool = Spool(self.wanted.folder, self.wanted.limit, thorough=anew, later=self.later)
        if anew:
            with writing(mark):
                mark.write_bytes(boot)
        self._inbox = Inbox(self.wanted.folder / "inbox", boot, self._spool.reached.burst)
        self._spool.look()  # the inbox has taken its part of the disk
        self._attributes = self.wanted.fixed or known(self.wanted.folder)
        for path in self.wanted.follow:
            follower = Follower(path, self.clock, self.say)
            follower.begin(list(self._spool.reached.files.values()))
            self._followers.append(follower)
        self._flush()
        self.counters.set("ready", 1)

    def round(self) -> bool:
        """All that there is to do now; whether there is more at once."""
        self.receive()
        now, busy = self.clock.monotonic(), False
        if self._followers and now - self._followed_at >= LOOK_S:
            busy = self.follow()
            self._followed_at = 0.0 if busy else now
        if self.told.take_flush():
            self.close_segment()
        if now - self._ticked_at >= _TICK_S:
            self._ticked_at = now
            self.tick()
        return busy

    def receive(self) -> None:
        """Take what waits at the sockets, as far as other work allows."""
        for each in self.listening:
            for _ in range(_BURSTS):
                if self._inbox.receive(each.socket):
                    break
                self._flush()
        now = self.clock.monotonic()
        if self._inbox.fill and now - self._received_at >= FLUSH_S:
            self._flush()
        elif not self._inbox.fill:
            self._received_at = now

    def follow(self) -> bool:
        """Take what was written to followed files; whether there may be more at once."""
        more = [self._take(follower) for follower in self._followers]
        return any(more)

    def _take(self, follower: Follower) -> bool:
        for _ in range(_CHUNKS):
            chunk = follower.chunk()
            if chunk is None:
                return False
            lines = chunk.data.count(b"\n")
            data = chunk.data if self._logs else b""
            if not self._spool.write(self._slot(), data, 0, chunk.positions, lines if data else 0):
                self._notices.tell("full", f"warning: {self._fullness()}; {follower.path} waits")
                return False
            follower.took()
            self.counters.add("followed" if self._logs else "discarded", lines)
            self.counters.add("spooled", len(data))
        return True

    def tick(self) -> None:
        """What is done each second: durability, the end of slots, news."""
        self._flush()
        self._spool.sync()
        self._spool.turn(self.clock.now())
        self._spool.look()
        self.counters.set("full", int(self._spool.is_full))
        self._heed()
        lost = sum(each.dropped() for each in self.listening)
        if lost > self.counters["kernel_dropped"]:
            self._notices.tell(
                "kernel",
                f"warning: the kernel has dropped {lost:,} datagrams so far: they came faster than they were read",
            )
        self.counters.set("kernel_dropped", lost)

    def end(self) -> None:
        """Take what still waits, and keep it."""
        for each in self.listening:
            each.end()
        until = self.clock.monotonic() + _DRAINED_S
        while self.clock.monotonic() < until:
            self.receive()
            if not self._inbox.fill:
                break
            self._flush()
        self.rest()

    def rest(self) -> None:
        """Keep what was taken, and take no more."""
        self._flush()
        self._spool.close()
        for follower in self._followers:
            follower.close()

    def close_segment(self) -> None:
        """Let what is there be put now, before the slot's end."""
        self._flush()
        self._spool.close_segment()

    # Parts

    @property
    def is_full(self) -> bool:
        """Whether the spool took no more the last time."""
        return self._spool.is_full

    @property
    def _logs(self) -> bool:
        """Whether lines are kept; until it is known whether they are wanted they are."""
        return self._attributes is None or self._attributes.enabled

    @property
    def _interval(self) -> float:
        return self._attributes.interval if self._attributes else self.wanted.interval

    def _slot(self) -> Slot:
        now = self.clock.now()
        self._spool.turn(now)
        return self._spool.slot or self.slot_of(now, self._interval)

    def _flush(self) -> None:
        """Write what was received to the spool."""
        self._received_at = self.clock.monotonic()
        inbox = self._inbox
        if not inbox.fill:
            return
        lines = inbox.datagrams
        if not self._logs:
            self.counters.add("discarded", lines)
        elif self._spool.write(self._slot(), inbox.content, inbox.burst, (), lines):
            self.counters.add("received", lines)
            self.counters.add("spooled", inbox.fill)
        else:
            self.counters.set("full", 1)
            if not inbox.is_full:
                return  # it may wait there
            self.counters.add("dropped", lines)
            self._notices.tell(
                "full", f"warning: {self._fullness()}; {self.counters['dropped']:,} lines were dropped so far"
            )
        inbox.empty()

    def _fullness(self) -> str:
        return f"the spool {self.wanted.folder} is full (lb.spool_limit, or half of what its disk has left)"

    def _heed(self) -> None:
        """Follow changes of the attributes."""
        if self.wanted.fixed:
            return
        now = known(self.wanted.folder)
        if now is None or now == self._attributes:
            return
        before, self._attributes = self._attributes, now
        if before and now.interval != before.interval:
            self._spool.shorten(self.clock.now(), now.interval)


def work(worker: Worker, alive: int, *, parent: int) -> bool:
    """Let a worker work until it is told to stop, by SIGTERM, or its parent dies; whether the latter.

    `alive`: a pipe that ends when the parent does. SIGUSR1 makes it close the segment.
    """
    told = worker.told
    told.listen()
    poll = select.poll()
    for descriptor in (*(each.socket.fileno() for each in worker.listening), alive, told.descriptor):
        poll.register(descriptor, select.POLLIN)
    busy = False
    while not told.stop:
        ready = poll.poll(0 if busy else LOOK_S * 1000)
        if any(descriptor == alive for descriptor, _ in ready) or os.getppid() != parent:
            return True
        busy = worker.round()
    worker.end()
    return False
