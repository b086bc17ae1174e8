"""The API of classic load balancers, as far as it is spoken here.

https://docs.aws.amazon.com/elasticloadbalancing/2012-06-01/APIReference/Welcome.html
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from tailrace.loadbalancer.api.accounts import Registered
from tailrace.loadbalancer.api.asking import Actions, Asked, Desk
from tailrace.loadbalancer.api.directory import not_found
from tailrace.loadbalancer.api.http import Answer
from tailrace.loadbalancer.api.listing import Sought, listing, named
from tailrace.loadbalancer.api.parameters import boolean, listed, only, whole
from tailrace.loadbalancer.api.reading import elements, first
from tailrace.loadbalancer.api.refusals import Refusal, missing, shown
from tailrace.loadbalancer.api.wanting import NONE, Wanted, minutes
from tailrace.loadbalancer.api.xml import Element, members
from tailrace.loadbalancer.model import Attributes

_ATTRIBUTES: Final = "LoadBalancerAttributes"
_LOG: Final = f"{_ATTRIBUTES}.AccessLog"
_FIELDS: Final = tuple(f"{_LOG}.{each}" for each in ("Enabled", "S3BucketName", "S3BucketPrefix", "EmitInterval"))
_OTHERS: Final = tuple(
    f"{_ATTRIBUTES}.{each}"
    for each in ("CrossZoneLoadBalancing", "ConnectionDraining", "ConnectionSettings", "AdditionalAttributes")
)
_MOST: Final = 400
_OFTEN: Final = 5
"""Minutes between the objects of an application load balancer, which nobody can change."""


def modify(asked: Asked, desk: Desk) -> Sequence[Element] | Answer:
    """Change what is wanted of an access log; other attributes are the cloud's own matter."""
    name = asked.required("LoadBalancerName")
    only(asked.parameters, "LoadBalancerName", *_FIELDS, below=_OTHERS)
    ours = any(each in asked.parameters for each in _FIELDS)
    others = sorted(each for each in asked.parameters if each.startswith(tuple(f"{each}." for each in _OTHERS)))
    if not ours and not others:
        msg = "loadBalancerAttributes"
        raise missing(msg)
    if others and not ours and (answer := desk.forwarded(asked)):
        return answer
    balancer = desk.directory.named(asked.by, name)
    asked.seen(balancer)
    if others:
        raise not_ours(
            others[0].removeprefix(f"{_ATTRIBUTES}."),
            "AccessLog",
            HTTPStatus.CONFLICT,
            forwarded=desk.cloud is not None,
        )
    wanted = _wanted(asked)
    asked.may_change()
    after = desk.keeping.change(balancer, wanted, asked.by, HTTPStatus.CONFLICT)
    return [("LoadBalancerName", balancer.name), (_ATTRIBUTES, [_told(after, balancer)])]


def describe(asked: Asked, desk: Desk) -> Sequence[Element]:
    """What is wanted of an access log, and the cloud's own attributes where it tells them."""
    only(asked.parameters, "LoadBalancerName")
    balancer = desk.directory.followed(asked.by, asked.required("LoadBalancerName"))
    asked.seen(balancer)
    tree = desk.others(asked)
    theirs = first(tree, _ATTRIBUTES) if tree is not None else None
    others = elements(theirs) if theirs is not None else ()
    kept = [each for each in others if each[0] != "AccessLog"] if not isinstance(others, str) else []
    return [(_ATTRIBUTES, [_told(desk.keeping.attributes(balancer), balancer), *kept])]


def balancers(asked: Asked, desk: Desk) -> Sequence[Element] | Answer:
    """The load balancers that the user sees."""
    only(asked.parameters, "Marker", "PageSize", below=("LoadBalancerNames",))
    names = listed(asked.parameters, "LoadBalancerNames")
    known = desk.directory.known(asked.user, "classic")
    ours = [each for each in known if not names or each.name in names]
    unknown = sorted(set(names) - {each.name for each in known})
    if not ours and (answer := desk.forwarded(asked)):
        return answer
    if unknown and not desk.forwards(asked.user):
        message = f"There is no ACTIVE Load Balancer named '{shown(unknown[0])}'"
        raise not_found(message)
    rest = named("LoadBalancerNames", unknown) if names else None
    found = listing(asked, desk, Sought(kind="classic", ours=ours, rest=rest, tag="LoadBalancerDescriptions", most=_MOST))  # fmt: skip
    if isinstance(found, Answer):
        return found
    return [
        ("LoadBalancerDescriptions", members([*map(_description, found.ours), *found.theirs])),
        *([("NextMarker", found.marker)] if found.marker else []),
    ]


def _wanted(asked: Asked) -> Wanted:
    told = {name.rpartition(".")[2]: value for name, value in asked.parameters.items() if name in _FIELDS}
    if "Enabled" not in told:
        msg = "loadBalancerAttributes.accessLog.enabled"
        raise missing(msg)
    return Wanted(
        enabled=boolean(told["Enabled"], "Enabled"),
        bucket=told.get("S3BucketName"),
        prefix=told.get("S3BucketPrefix"),
        interval=whole(told["EmitInterval"], "EmitInterval") if "EmitInterval" in told else None,
    )


def _told(log: Attributes, of: Registered) -> Element:
    told: list[Element] = [("Enabled", str(log.enabled).lower())]
    if log.bucket:
        told.append(("S3BucketName", log.bucket))
    if log != NONE:
        told += [
            ("EmitInterval", str(minutes(log) if of.kind == "classic" else _OFTEN)),
            ("S3BucketPrefix", log.prefix),
        ]
    return "AccessLog", told


def _description(balancer: Registered) -> Sequence[Element]:
    return [
        ("LoadBalancerName", balancer.name),
        ("DNSName", balancer.dns_name),
        ("SourceSecurityGroup", [("OwnerAlias", balancer.account)]),  # nothing else tells an operator whose it is
    ]


def not_ours(name: str, ours: str, status: int, *, forwarded: bool) -> Refusal:
    """An attribute that is not kept here."""
    remedy = (
        "the cloud keeps it: change it in a call of its own" if forwarded else "no load balancer here would follow it"
    )
    return Refusal(
        "InvalidConfigurationRequest",
        f"Requested configuration change is invalid: only {ours} is kept here, not {shown(name)}; {remedy}",
        status,
    )


ACTIONS: Final[Actions] = {
    "ModifyLoadBalancerAttributes": modify,
    "DescribeLoadBalancerAttributes": describe,
    "DescribeLoadBalancers": balancers,
}
