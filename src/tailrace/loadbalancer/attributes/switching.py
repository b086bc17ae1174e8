"""Switching the access log of one load balancer on and off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tailrace.changes import Change
from tailrace.errors import UsageError
from tailrace.hosts.calling import Cloud
from tailrace.loadbalancer.attributes import logs as its
from tailrace.loadbalancer.attributes.finding import Balancer
from tailrace.loadbalancer.attributes.logs import ACCESS, Attributes, Goal
from tailrace.loadbalancer.attributes.modifying import Unfit, modify

_PATIENCE_S: Final = 30
"""For so long a cloud may not see yet what the policy of a bucket allows."""
_INTERVAL: Final = "60"
"""Minutes, where nothing is told and nothing was: as AWS does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked for; None where it is to be as it was. `interval`: minutes."""

    enabled: bool
    bucket: str | None = None
    prefix: str | None = None
    interval: str | None = None


@dataclass(frozen=True, slots=True)
class Switching:
    """The access log of a load balancer is to be as it is asked for (a `Setup`)."""

    cloud: Cloud
    balancer: Balancer
    asked: Asked

    def look(self) -> Attributes:
        """The attributes of its logs. Raises UsageError if it writes none."""
        if self.balancer.kind not in its.KINDS:
            message = f"{self.balancer} writes no logs; only application, network and classic ones do"
            raise UsageError(message)
        found = its.attributes_of(self.cloud, self.balancer)
        if found is None:
            message = f"{self.balancer} is gone"
            raise UsageError(message)
        return found

    def plan(self, found: Attributes) -> Sequence[Change]:
        """The call that is needed, if one is. Raises UsageError if it is not told to which bucket."""
        if not self.asked.enabled:
            off = {f"{ACCESS}.s3.enabled": "false"}
            there = {f"{ACCESS}.s3.enabled": "false", **found}
            why = f"no more to {its.goal_of(found, ACCESS)}"
            return [] if off.items() <= there.items() else [its.change(self.balancer, off, why)]
        goal = self._goal(found)
        interval = self.asked.interval or found.get(f"{ACCESS}.s3.interval") or _INTERVAL
        wanted = its.written_to(goal, self.balancer, ACCESS, interval)
        if wanted.items() <= {f"{ACCESS}.s3.prefix": "", **found}.items():
            return []
        before = its.goal_of(found, ACCESS)
        often = f", every {interval} minutes" if self.balancer.classic else ""
        former = f" and no more to {before}" if before and before != goal else ""
        return [its.change(self.balancer, wanted, f"to {goal}{often}{former}")]

    def apply(self, change: Change) -> None:
        """Make it. Raises UsageError if the cloud does not take it, Retryable and Fatal."""
        try:
            modify(self.cloud, change, _PATIENCE_S)
        except Unfit as error:
            message = f"{self.balancer} does not take this: {error}"
            raise UsageError(message) from error

    def close(self) -> None:
        """Nothing is open."""

    def _goal(self, found: Attributes) -> Goal:
        bucket = self.asked.bucket or found.get(f"{ACCESS}.s3.bucket", "")
        prefix = found.get(f"{ACCESS}.s3.prefix", "") if self.asked.prefix is None else self.asked.prefix
        if not bucket:
            message = f"{self.balancer} has no bucket for its log yet; name one by --bucket"
            raise UsageError(message)
        if self.asked.interval and not self.balancer.classic:
            message = f"--interval: {self.balancer} writes its log every 5 minutes; only classic ones can be told"
            raise UsageError(message)
        return Goal(bucket, prefix.strip("/"))
