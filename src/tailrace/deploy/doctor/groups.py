"""Log groups that are named by load balancer: they must be there, or be made, when the first record comes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tailrace.deploy.balancers.finding import Balancer
from tailrace.deploy.doctor import balancers
from tailrace.deploy.doctor.checking import Check, again
from tailrace.deploy.doctor.finding import Finding, aws, ok, unknown, wrong
from tailrace.deploy.doctor.looking import Looking
from tailrace.deploy.template.own import targets
from tailrace.deploy.wanted import Wanted

_SUBJECT: Final = "log groups"
_FIELD: Final = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Found:
    """The log groups that there are, and the load balancers whose logs are carried."""

    groups: Collection[str]
    balancers: Sequence[Balancer]


def templates(wanted: Wanted) -> Sequence[str]:
    """The names of log groups with fields in them, of sinks that make none."""
    asked = [each for each in targets(wanted) if each.name == "cloudwatch" and "{" in each.address]
    return [each.address for each in asked if str(each.options.get("create_group", "")).lower() != "true"]


def _look(wanted: Wanted, looking: Looking) -> Found:
    told = templates(wanted)
    if not told:
        return Found((), ())
    heads = {each.partition("{")[0] for each in told}
    found = [
        group["logGroupName"]
        for head in sorted(heads)
        for group in looking.every(
            "logs:DescribeLogGroups", "logGroups", **({"logGroupNamePrefix": head} if head else {})
        )
    ]
    return Found(found, balancers.carried(wanted, balancers.look(wanted, looking)))


def there(wanted: Wanted, found: Found) -> Iterator[Finding]:
    """Whether the group of each load balancer is there."""
    for template in templates(wanted):
        names = dict.fromkeys(_name(wanted, template, each) for each in found.balancers)
        known = [name for name in names if not _FIELD.search(name)]
        gone = [name for name in known if name not in found.groups]
        making = f"{again(wanted)} --set create_group=true"
        for name in gone:
            text = f"there is no log group {name}, and cloudwatch:{template} makes none: its load balancer's records would wait"
            yield wrong(_SUBJECT, text, aws("logs", "create-log-group", "--log-group-name", name))
        if not known:
            yield unknown(_SUBJECT, f"the log groups of cloudwatch:{template} must be there when records come", making)
        elif not gone:
            yield ok(_SUBJECT, f"{', '.join(known)} {'are' if len(known) > 1 else 'is'} there")


def _name(wanted: Wanted, template: str, balancer: Balancer) -> str:
    """The name of a load balancer's group, as far as that is known before records come."""
    told = {
        "load_balancer": balancer.name,
        "account": wanted.names.account,
        "region": wanted.names.region,
        "bucket": wanted.bucket,
    }
    return _FIELD.sub(lambda match: told.get(match[1], match[0]), template)


CHECKS: Final = (Check(subject=_SUBJECT, look=_look, judge=there, of="bucket"),)
