"""The load balancers of the region: which write into the bucket of logs, which beside what is carried, and which write nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tailrace.deploy.balancers import attributes as its
from tailrace.deploy.balancers.attributes import ACCESS, Attributes, Goal
from tailrace.deploy.balancers.finding import Balancer, at
from tailrace.deploy.doctor.checking import Check, again
from tailrace.deploy.doctor.finding import Finding, ok, wrong
from tailrace.deploy.doctor.looking import Looking, Unseen
from tailrace.deploy.wanted import Wanted

_SUBJECT: Final = "load balancers"
_MOST: Final = 100
"""The attributes of each are a call of their own."""
_NAMED: Final = 8
KINDS: Final = ("application", "classic", "network")
"""Those that write logs."""


@dataclass(frozen=True, slots=True)
class Found:
    """Load balancers with the attributes of their logs. `more`: so many were not looked at."""

    balancers: Mapping[Balancer, Attributes]
    more: int = 0


def present(wanted: Wanted, looking: Looking) -> Sequence[Balancer]:
    """The load balancers of the region that can write logs. Raises Unseen."""
    names = wanted.names
    new = looking.every("elbv2:DescribeLoadBalancers", "LoadBalancers")
    old = looking.every("elb:DescribeLoadBalancers", "LoadBalancerDescriptions")
    arn = names.arn("elasticloadbalancing", "loadbalancer/")
    classic = [Balancer(f"{arn}{each['LoadBalancerName']}", "classic", each["LoadBalancerName"]) for each in old]
    found = [*(at(each["LoadBalancerArn"]) for each in new), *classic]
    return sorted(each for each in found if each.kind in KINDS)


def kinds_of(wanted: Wanted, looking: Looking) -> Sequence[str]:
    """The kinds of load balancers that there are; all, if there are none or they cannot be seen."""
    try:
        found: Sequence[Any] = present(wanted, looking)
    except Unseen:
        found = ()
    return sorted({each.kind for each in found}) or KINDS


def look(wanted: Wanted, looking: Looking) -> Found:
    """All that there are. Raises Unseen."""
    balancers = present(wanted, looking)
    return Found({each: _attributes(looking, each) for each in balancers[:_MOST]}, max(0, len(balancers) - _MOST))


def _attributes(looking: Looking, balancer: Balancer) -> Attributes:
    found: Attributes | None = looking.through(
        _describing(balancer), balancer.arn, lambda cloud: its.attributes_of(cloud, balancer)
    )
    return found or {}


def _describing(balancer: Balancer) -> str:
    return f"{'elb' if balancer.classic else 'elbv2'}:DescribeLoadBalancerAttributes"


def logging(wanted: Wanted, found: Found) -> Iterator[Finding]:
    """Who writes where; only what is written into the bucket and not carried is wrong."""
    goal = Goal(wanted.bucket, wanted.own.prefix)
    goals = {each: goals_of(each, attributes) for each, attributes in found.balancers.items()}
    for balancer, theirs in goals.items():
        for kind, there in theirs.items():
            if there.bucket == goal.bucket and not _carried(there, wanted):
                text = f"{balancer} writes its {kind.replace('_', ' ')} to {there}, and only what is below {goal} is carried"
                yield wrong(_SUBJECT, text, _switching(wanted, [balancer]))
    ours = carried(wanted, found)
    silent = [each for each, theirs in goals.items() if ACCESS not in theirs]
    more = f"; {found.more:,} more were not looked at" if found.more else ""
    if ours or not silent:
        yield ok(_SUBJECT, f"{_named(ours) or 'none'} {'write' if len(ours) > 1 else 'writes'} to {goal}{more}")
    if silent:
        text = f"{_named(silent)} {'write' if len(silent) > 1 else 'writes'} access logs nowhere{'' if ours else more}"
        yield ok(_SUBJECT, text, _switching(wanted, silent))


def carried(wanted: Wanted, found: Found) -> Sequence[Balancer]:
    """Those of which logs are carried."""
    goals = {each: goals_of(each, attributes) for each, attributes in found.balancers.items()}
    return [each for each, theirs in goals.items() if any(_carried(there, wanted) for there in theirs.values())]


def goals_of(balancer: Balancer, attributes: Attributes) -> dict[str, Goal]:
    """Where a load balancer writes, by kind of logs."""
    told = {kind: its.goal_of(attributes, kind) for kind in its.KINDS[balancer.kind]}
    return {kind: goal for kind, goal in told.items() if goal}


def _carried(goal: Goal, wanted: Wanted) -> bool:
    return goal.bucket == wanted.bucket and f"{goal.prefix}/AWSLogs/".lstrip("/").startswith(wanted.prefix)


def _switching(wanted: Wanted, balancers: Sequence[Balancer]) -> str:
    told = " ".join(f"--load-balancer {each.name}" for each in balancers[:_NAMED])
    return f"{again(wanted)} {told}"


def _named(balancers: Sequence[Balancer]) -> str:
    names = ", ".join(each.name for each in balancers[:_NAMED])
    return f"{names} and {len(balancers) - _NAMED:,} more" if len(balancers) > _NAMED else names


CHECKS: Final = (Check(subject=_SUBJECT, look=look, judge=logging, of="bucket"),)
