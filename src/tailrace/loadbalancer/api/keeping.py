"""What both versions of the API do: tell what is wanted of an access log, and change it once the bucket was tried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from tailrace.loadbalancer.api.accounts import Registered
from tailrace.loadbalancer.api.buckets import Buckets
from tailrace.loadbalancer.api.database import Author, Database
from tailrace.loadbalancer.api.refusals import Refusal, denied
from tailrace.loadbalancer.api.wanting import NONE, Wanted, laid_over
from tailrace.loadbalancer.model import Attributes

_PATIENCE_S: Final = 25
"""So long one change waits for another one of the same load balancer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """Keeps what is wanted. Threads may share it."""

    database: Database
    buckets: Buckets
    _locks: dict[tuple[str, str, str], Lock] = field(default_factory=dict, repr=False)

    def attributes(self, of: Registered) -> Attributes:
        """What is wanted of a load balancer now."""
        return self.database.attributes(of) or NONE

    def change(self, of: Registered, wanted: Wanted, by: Author, conflict: int) -> Attributes:
        """Change it; what is wanted then. `conflict`: the status of what cannot be. Raises Refusal."""
        with self._alone(of):
            before = self.database.attributes(of)
            after = laid_over(before or NONE, wanted, conflict)
            if after.enabled and not by.user.names(after.bucket):
                message = f"{by.user.name} is not authorized to have logs written to the bucket {after.bucket}"
                raise denied(message)
            if after.enabled and (fault := self.buckets.fault(of, after)):
                msg = "InvalidConfigurationRequest"
                raise Refusal(msg, fault, conflict)
            self.database.change(of, before, after, by)
            return after

    @contextmanager
    def _alone(self, of: Registered) -> Iterator[None]:
        """One change of a load balancer at a time: each is laid over what the one before has left."""
        lock = self._locks.setdefault((of.account, of.kind, of.name), Lock())
        if not lock.acquire(timeout=_PATIENCE_S):
            msg = "Throttling"
            raise Refusal(msg, "Rate exceeded: another change of this load balancer is under way")
        try:
            yield
        finally:
            lock.release()
