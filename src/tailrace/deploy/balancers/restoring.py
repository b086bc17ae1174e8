"""Putting the logs of load balancers back as they were before a deployment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tailrace.changes import Change
from tailrace.deploy.balancers import attributes as its
from tailrace.deploy.balancers.attributes import Attributes
from tailrace.deploy.balancers.finding import Balancer, at
from tailrace.deploy.balancers.modifying import Unfit, modify
from tailrace.deploy.cloud import Cloud
from tailrace.deploy.memory import BALANCERS, Memory

FORGET: Final = "forget"
"""The call of a change that only forgets: there is nothing to be put back."""
_PATIENCE_S: Final = 30


@dataclass(frozen=True, slots=True)
class Found:
    """A load balancer, its attributes now, None if it is gone, and what is remembered: how it was, and how it was left."""

    balancer: Balancer
    attributes: Attributes | None
    before: Attributes
    now: Attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoring:
    """The logs of all load balancers that are remembered are to be as they were (a `Setup`).

    `notice`: is told, in a sentence, what could not be put back to the letter.
    """

    cloud: Cloud
    memory: Memory
    notice: Callable[[str], None]

    def look(self) -> Sequence[Found]:
        """What is there, and what was."""
        return [self._found(arn, told) for arn, told in self.memory.remembered(BALANCERS).items()]

    def plan(self, found: Sequence[Found]) -> Sequence[Change]:
        """What is to be changed, and at last forgotten. What somebody else has changed since is left as it is."""
        return [change for each in found for change in _changes(each)]

    def apply(self, change: Change) -> None:
        """Make the change; logs that cannot go where they went are switched off. Raises Retryable and Fatal."""
        if change.call == FORGET:
            self.memory.forget(BALANCERS, change.arguments["LoadBalancerArn"])
            return
        try:
            modify(self.cloud, change, _PATIENCE_S)
        except Unfit as error:
            self.notice(f"{change.why}: {error}; they are switched off instead")
            modify(self.cloud, _off(change), _PATIENCE_S)

    def close(self) -> None:
        """Nothing is open."""

    def _found(self, arn: str, told: Mapping[str, Any]) -> Found:
        balancer = at(arn)
        return Found(balancer, its.attributes_of(self.cloud, balancer), told.get("before", {}), told.get("now", {}))


def _changes(found: Found) -> Iterator[Change]:
    forget = {"LoadBalancerArn": found.balancer.arn}
    if found.attributes is None:
        yield Change(FORGET, forget, f"{found.balancer} is gone")
        return
    left = []
    for kind in its.KINDS[found.balancer.kind]:
        words = kind.replace("_", " ")
        ours, there = its.goal_of(found.now, kind), its.goal_of(found.attributes, kind)
        if ours is None or there == its.goal_of(found.before, kind):
            continue
        if there != ours:
            left.append(f"its {words} were changed by somebody else and stay so")
            continue
        former = its.goal_of(found.before, kind)
        why = f"{words} of {found.balancer} {f'go to {former} again' if former else 'are switched off'}, as before"
        yield its.change(found.balancer, its.of_kind(found.before, kind), why)
    yield Change(FORGET, forget, f"{found.balancer}: {'; '.join(left) or 'it is as it was'}")


def _off(change: Change) -> Change:
    """The same load balancer and kind of logs, switched off."""
    if "LoadBalancerAttributes" in change.arguments:
        told = {**change.arguments, "LoadBalancerAttributes": {"AccessLog": {"Enabled": False}}}
    else:
        switch = next(each for each in change.arguments["Attributes"] if each["Key"].endswith(".enabled"))
        told = {**change.arguments, "Attributes": [{**switch, "Value": "false"}]}
    return Change(change.call, told, change.why)
