"""From the settings to an agent that runs, or puts once what is there."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tailrace.accesslogging import AccessLogging
from tailrace.errors import UsageError
from tailrace.loadbalancer.agent.background import AtOnce, Background, Later
from tailrace.loadbalancer.agent.counters import Counters
from tailrace.loadbalancer.agent.parts import Making
from tailrace.loadbalancer.agent.receive import Listening, handed_over
from tailrace.loadbalancer.agent.slots import last_slot, slot_at
from tailrace.loadbalancer.agent.spool import lock
from tailrace.loadbalancer.agent.working import SlotOf, Wanted, Worker
from tailrace.loadbalancer.model import Attributes

if TYPE_CHECKING:
    from tailrace.loadbalancer.agent.attributes import Polling
    from tailrace.loadbalancer.agent.ship import Shipper

STATUS_S: Final = 60.0


@dataclass(frozen=True)
class Opening:
    """An agent, as the settings tell. `tell`: takes its status, a line of JSON."""

    making: Making
    tell: Callable[[bytes], None]

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; the exit code. Raises UsageError or Fatal before anything is received."""
        from tailrace.loadbalancer.agent.supervise import Agent, Supervisor  # noqa: PLC0415 - not for once

        handed = handed_over(self.making.environ)
        if not (self._lb.receive or self._lb.follow or handed):
            raise UsageError(
                "there is nothing to take: set lb.receive, such as udp:127.0.0.1:5514, or lb.follow, a file that rsyslog writes"
            )
        self.making.check()
        agent = Agent(
            folder=self._folder,
            receive=self._lb.receive,
            handed=handed,
            worker=self._staying,
            shipper=self._ship,
            clock=self.making.clock,
            say=self.making.say,
            tell=self.tell,
            status_s=min(STATUS_S, self._lb.interval),
        )
        return Supervisor(agent).run()

    def once(self) -> int:
        """Put what is there now; the exit code. Raises UsageError or Fatal."""
        from tailrace.loadbalancer.agent.once import Once  # noqa: PLC0415 - not for one that stays

        self.making.check()
        counters = Counters()
        held = lock(self._folder)
        try:
            once = Once(self._polling(), lambda: self._worker((), counters, last_slot), self._shipper(counters))
            return once.run()
        finally:
            os.close(held)

    @property
    def _lb(self) -> AccessLogging:
        return self.making.lb

    @property
    def _folder(self) -> Path:
        return Path(self._lb.spool).absolute()

    @property
    def _fixed(self) -> Attributes | None:
        """The attributes, if no API tells them."""
        lb = self._lb
        if lb.attributes_url:
            return None
        return Attributes(enabled=True, bucket=lb.bucket, prefix=lb.prefix, interval=lb.interval)

    def _staying(self, listening: Sequence[Listening], counters: Counters) -> Worker:
        return self._worker(listening, counters, later=Background())

    def _worker(
        self, listening: Sequence[Listening], counters: Counters, slot_of: SlotOf = slot_at, later: Later | None = None
    ) -> Worker:
        wanted = Wanted(
            folder=self._folder,
            limit=self._lb.spool_limit,
            follow=self._lb.follow,
            fixed=self._fixed,
            interval=self._lb.interval,
        )
        return Worker(wanted, listening, counters, self.making.clock, self.making.say, slot_of, later or AtOnce())

    def _shipper(self, counters: Counters) -> Shipper:
        from tailrace.loadbalancer.agent.ship import Shipper  # noqa: PLC0415 - it is not the worker's

        making, limit = self.making, self._lb.spool_limit
        return Shipper(self._folder, making.parts(), self._fixed, counters, making.clock, making.say, dead_limit=limit)

    def _polling(self) -> Polling | None:
        from tailrace.loadbalancer.agent.attributes import Polling  # noqa: PLC0415 - it is not the worker's

        asking = self.making.asking()
        return Polling(self._folder, asking, self.making.clock, self.making.say) if asking else None

    def _ship(self, counters: Counters, parent: int) -> None:
        from tailrace.loadbalancer.agent.ship import ship  # noqa: PLC0415 - it is not the worker's

        ship(self._shipper(counters), self._polling(), parent=parent)
