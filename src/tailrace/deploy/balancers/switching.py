"""Switching logs on: into the bucket of a deployment, after a look at whether they can be written there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tailrace.changes import Change
from tailrace.deploy.balancers import attributes as its
from tailrace.deploy.balancers.attributes import ACCESS, Attributes, Goal
from tailrace.deploy.balancers.checking import CALLS, Bucket, bucket_of, faults
from tailrace.deploy.balancers.finding import NEEDS, Balancer, find
from tailrace.deploy.balancers.modifying import Unfit, modify
from tailrace.deploy.cloud import Cloud, Place
from tailrace.deploy.memory import BALANCERS, Memory
from tailrace.deploy.wanted import Wanted
from tailrace.errors import UsageError
from tailrace.permissions import Need, needs_on

_PATIENCE_S: Final = 120
"""For so long a balancer may not see yet what the policy of a new bucket allows."""


@dataclass(frozen=True, slots=True)
class Found:
    """Load balancers with the attributes of their logs, and the bucket, None if it is still to be made."""

    balancers: Mapping[Balancer, Attributes]
    bucket: Bucket | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging:
    """Logs of load balancers that are to go to the bucket of a deployment (a `Setup`).

    `words`: the load balancers that are meant. `replace`: take logs that go elsewhere. `notice`: is told, in a sentence, what is left out.
    """

    wanted: Wanted
    words: Sequence[str]
    cloud: Cloud
    place: Place
    memory: Memory
    notice: Callable[[str], None]
    replace: bool = False

    @property
    def goal(self) -> Goal:
        """Where the logs go."""
        return Goal(self.wanted.bucket, self.wanted.own.prefix)

    def look(self) -> Found:
        """What is there. Raises UsageError if a load balancer is not, or an existing bucket."""
        found = {}
        for balancer in find(self.cloud, self.place, self.words):
            attributes = its.attributes_of(self.cloud, balancer)
            found[balancer] = attributes or {}
        bucket = bucket_of(self.cloud, self.goal.bucket)
        if bucket is None and self.wanted.own.bucket:
            message = f"deploy.bucket: there is no bucket {self.goal.bucket}"
            raise UsageError(message)
        return Found(found, bucket)

    def plan(self, found: Found) -> Sequence[Change]:
        """What is to be changed. Raises UsageError if logs cannot be written there, or go elsewhere already and shall not be taken."""
        self._check(found)
        self._check_others(found)
        for balancer, attributes in found.balancers.items():
            if unknown := [_words(kind) for kind in its.KINDS[balancer.kind] if not its.offered(attributes, kind)]:
                self.notice(f"{balancer}: this endpoint does not know {' and '.join(unknown)}; they are left out")
        return [
            change for balancer, attributes in found.balancers.items() for change in self._changes(balancer, attributes)
        ]

    def apply(self, change: Change) -> None:
        """Remember what was, and change it. Raises UsageError if it may not write there, Retryable and Fatal."""
        balancer, attributes = self._current(change)
        kind = next(kind for kind in its.KINDS[balancer.kind] if change in self._changes(balancer, attributes, kind))
        self._remember(balancer, attributes, kind)
        try:
            modify(self.cloud, change, _PATIENCE_S)
        except Unfit as error:
            if kind == ACCESS:
                message = (
                    f"{balancer} cannot write to {self.goal}: {error}; see `tailrace doctor {self.wanted.environment}`"
                )
                raise UsageError(message) from error
            self.notice(f"{balancer}: its {_words(kind)} stay as they are: {error}")

    def close(self) -> None:
        """Nothing is open."""

    def _check(self, found: Found) -> None:
        kinds = sorted({balancer.kind for balancer in found.balancers})
        seen = list(faults(found.bucket, self.goal, self.place, kinds)) if found.bucket else []
        for fault in seen:
            if not fault.certain:
                self.notice(fault.text)
        if certain := [fault.text for fault in seen if fault.certain]:
            raise UsageError("; ".join(certain))

    def _check_others(self, found: Found) -> None:
        taken = [
            each for balancer, attributes in found.balancers.items() for each in self._elsewhere(balancer, attributes)
        ]
        if taken and not self.replace:
            message = f"{'; '.join(taken)}; with --replace-logging they come to {self.goal} instead, and go back there on destroy"
            raise UsageError(message)

    def _elsewhere(self, balancer: Balancer, attributes: Attributes) -> Iterator[str]:
        for kind in its.KINDS[balancer.kind]:
            there = its.goal_of(attributes, kind)
            if there and there != self.goal and not self._is_ours(balancer, attributes, kind):
                yield f"{balancer} writes its {_words(kind)} to {there} already"

    def _changes(self, balancer: Balancer, attributes: Attributes, only: str = "") -> Iterator[Change]:
        for kind in its.KINDS[balancer.kind]:
            wanted = its.written_to(self.goal, balancer, kind)
            there = {f"{kind}.s3.prefix": "", **attributes}
            if only in ("", kind) and its.offered(attributes, kind) and not wanted.items() <= there.items():
                why = f"{_words(kind)} of {balancer} go to {self.goal}"
                before = its.goal_of(attributes, kind)
                yield its.change(
                    balancer, wanted, f"{why} and no more to {before}" if before and before != self.goal else why
                )

    def _current(self, change: Change) -> tuple[Balancer, Attributes]:
        """The load balancer of a change as it is now. Raises UsageError if the change does not fit any more."""
        for balancer in find(self.cloud, self.place, self.words):
            if its.balancer_of(change) in (balancer.arn, balancer.name) and balancer.classic == change.call.startswith(
                "elb:"
            ):
                attributes = its.attributes_of(self.cloud, balancer) or {}
                if change in self._changes(balancer, attributes):
                    return balancer, attributes
        message = f"{its.balancer_of(change)} was changed by somebody else meanwhile; run it again"
        raise UsageError(message)

    def _remember(self, balancer: Balancer, attributes: Attributes, kind: str) -> None:
        """What was before, unless that is our own doing; and what is now."""
        known = self.memory.remembered(BALANCERS).get(balancer.arn) or {}
        before, now = dict(known.get("before", {})), dict(known.get("now", {}))
        if not self._is_ours(balancer, attributes, kind):
            before = {key: value for key, value in before.items() if not key.startswith(f"{kind}.")}
            before |= {f"{kind}.s3.enabled": "false", **its.of_kind(attributes, kind)}
        now |= its.written_to(self.goal, balancer, kind)
        self.memory.remember(BALANCERS, balancer.arn, {"before": before, "now": now})

    def _is_ours(self, balancer: Balancer, attributes: Attributes, kind: str) -> bool:
        """Whether logs go where an earlier deployment has let them go."""
        known = self.memory.remembered(BALANCERS).get(balancer.arn) or {}
        there = its.goal_of(attributes, kind)
        return there is not None and there == its.goal_of(known.get("now", {}), kind)


def _words(kind: str) -> str:
    return kind.replace("_", " ").replace("health check", "health-check")


def needs(wanted: Wanted) -> Sequence[Need]:
    """What is called for it; also to put it back."""
    bucket = wanted.names.global_arn("s3", wanted.bucket)
    return [
        *NEEDS,
        *(Need(call, "*") for call in its.calls() if "Describe" in call),
        *needs_on(bucket, *CALLS),
        *modifying(wanted),
    ]


def modifying(wanted: Wanted) -> Sequence[Need]:
    """The calls that change load balancers, whichever they are."""
    every = wanted.names.arn("elasticloadbalancing", "loadbalancer/*")
    return needs_on(every, *its.MODIFY.values())
