"""Circles: what the function writes must not come back to it.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tailrace.deploy.doctor.checking import Check, again
from tailrace.deploy.doctor.finding import Finding, aws, ok, wrong
from tailrace.deploy.doctor.looking import Looking
from tailrace.deploy.listing import NO_RESOURCE
from tailrace.deploy.template.own import targets
from tailrace.deploy.wanted import Wanted
from tailrace.hosts.asking import target_of
from tailrace.permissions import objects

_SUBJECT: Final = "recursion"
_FIELD: Final = re.compile(r"\{[^{}]*\}")
_MOST: Final = 50
"""So many log groups with a name that a sink may write to are looked at."""


@dataclass(frozen=True, slots=True)
class Found:
    """Subscription filters by log group: of the function's own, and of those that its sinks write to."""

    filters: Mapping[str, Sequence[Mapping[str, Any]]]


def groups(wanted: Wanted) -> Sequence[str]:
    """The log groups that sinks write to, as the settings name them."""
    return [each.address for each in targets(wanted) if each.name == "cloudwatch"]


def _look(wanted: Wanted, looking: Looking) -> Found:
    named = [wanted.names.function_log]
    for group in groups(wanted):
        head = group.partition("{")[0]
        if head == group:
            named.append(group)
            continue
        prefix = {"logGroupNamePrefix": head} if head else {}
        found = looking.every("logs:DescribeLogGroups", "logGroups", **prefix)
        named += [each["logGroupName"] for each in found if _may_be(group, each["logGroupName"])][:_MOST]
    return Found({each: _filters(looking, each) for each in dict.fromkeys(named)})


def _filters(looking: Looking, group: str) -> Sequence[Mapping[str, Any]]:
    told = looking("logs:DescribeSubscriptionFilters", *NO_RESOURCE, logGroupName=group) or {}
    found: Sequence[Mapping[str, Any]] = told.get("subscriptionFilters", ())
    return found


def circles(wanted: Wanted, found: Found) -> Iterator[Finding]:
    """Whether anything goes round."""
    faults = [*_own_group(wanted), *_subscribed(wanted, found), *_own_prefix(wanted)]
    yield from faults
    if not faults:
        yield ok(_SUBJECT, "nothing that the function writes comes back to it")


def _own_group(wanted: Wanted) -> Iterator[Finding]:
    own = wanted.names.function_log
    for group in groups(wanted):
        if _may_be(group, own):
            text = f"the sink cloudwatch:{group} may write to {own}, the function's own log; give it another beginning"
            yield wrong(_SUBJECT, text, f"{again(wanted)} --to 'cloudwatch:/tailrace/{{load_balancer}}'")


def _may_be(group: str, name: str) -> bool:
    """Whether a name may be made of a template."""
    parts = [re.escape(each) for each in _FIELD.split(group)]
    return bool(re.fullmatch(".*".join(parts), name))


def _subscribed(wanted: Wanted, found: Found) -> Iterator[Finding]:
    function = wanted.names.arn("lambda", f"function:{wanted.names.function}")
    for group, filters in found.filters.items():
        for each in filters:
            if each.get("destinationArn", "").startswith(function):
                text = f"{group} is carried to {wanted.names.function} by the subscription {each['filterName']}, and the function writes there"
                names = ("--log-group-name", group, "--filter-name", each["filterName"])
                yield wrong(_SUBJECT, text, aws("logs", "delete-subscription-filter", *names))


def _own_prefix(wanted: Wanted) -> Iterator[Finding]:
    trigger = objects(wanted.bucket, wanted.prefix).removesuffix("*")
    dead = target_of(wanted.settings.dead_letters, wanted.settings)
    elsewhere = f"s3://{wanted.artifacts}/{wanted.names.dead_letters}"
    remedies = [*((each, f"--to s3://{wanted.bucket}/carried") for each in targets(wanted))]
    for target, remedy in [*remedies, (dead, f"--set dead_letters={elsewhere}")]:
        places = {need.resource for need in target.needs() if need.call.startswith("s3:PutObject")}
        for place in sorted(each.rpartition(":::")[2] for each in places if each.startswith(trigger)):
            text = f"what is written to s3://{place} is below {wanted.prefix}, whose objects call the function"
            yield wrong(_SUBJECT, text, f"{again(wanted)} {remedy}")


CHECKS: Final = (Check(subject=_SUBJECT, look=_look, judge=circles),)
