"""Putting what is there now, without staying: for cron, and for an end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tailrace.errors import EXIT_OK, EXIT_PARTIAL
from tailrace.loadbalancer.agent.attributes import Polling
from tailrace.loadbalancer.agent.ship import Shipper
from tailrace.loadbalancer.agent.spool import CLOSED, segments
from tailrace.loadbalancer.agent.working import Worker

TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Once:
    """Reads what followed files have, and puts it with all that waits in the spool. `worker`: made after the attributes were asked for."""

    polling: Polling | None
    worker: Callable[[], Worker]
    shipper: Shipper

    def run(self) -> int:
        """The exit code: that of partial delivery if anything has to stay."""
        if self.polling:
            self.polling.look()
        worker = self.worker()
        full = self._carry(worker)
        worker.rest()
        left = len(segments(self.shipper.folder, CLOSED))
        if left:
            self.shipper.say(f"{left} segments stay in the spool {self.shipper.folder}: run it again")
        elif full:
            self.shipper.say(
                f"the spool {self.shipper.folder} was full before all was read: make room, and run it again"
            )
        return EXIT_PARTIAL if left or full else EXIT_OK

    def _carry(self, worker: Worker) -> bool:
        """Read and put, in turns if the spool does not hold all at once; whether it is full and stays so."""
        while True:
            while worker.follow():
                pass
            worker.close_segment()
            full = worker.is_full
            if not (self._put() and full):
                return full
            worker.tick()

    def _put(self) -> bool:
        """Put what is closed; whether any of it went."""
        before = len(segments(self.shipper.folder, CLOSED))
        for _ in range(TRIES):
            if not self.shipper.look():
                break
            self.shipper.clock.sleep(self.shipper.pause())
        return len(segments(self.shipper.folder, CLOSED)) < before
