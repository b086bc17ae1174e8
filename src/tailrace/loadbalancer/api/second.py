"""The API of application load balancers, as far as it is spoken here.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from tailrace.loadbalancer.api.accounts import Registered
from tailrace.loadbalancer.api.asking import Actions, Asked, Desk
from tailrace.loadbalancer.api.classic import not_ours
from tailrace.loadbalancer.api.directory import not_found
from tailrace.loadbalancer.api.http import Answer
from tailrace.loadbalancer.api.listing import Sought, listing, named
from tailrace.loadbalancer.api.parameters import boolean, listed, only, structures
from tailrace.loadbalancer.api.reading import first, texts
from tailrace.loadbalancer.api.refusals import invalid, missing, shown
from tailrace.loadbalancer.api.wanting import Wanted
from tailrace.loadbalancer.api.xml import Element, members
from tailrace.loadbalancer.model import Attributes

_LOG: Final = "access_logs.s3."
_KEYS: Final = tuple(f"{_LOG}{each}" for each in ("enabled", "bucket", "prefix"))
_KEY: Final = re.compile(r"[a-zA-Z0-9._]{1,256}")
_LONGEST: Final = 1024
_MOST: Final = 20
_PAGE: Final = 400


def modify(asked: Asked, desk: Desk) -> Sequence[Element] | Answer:
    """Change what is wanted of an access log; other attributes are the cloud's own matter."""
    arn = asked.required("LoadBalancerArn")
    only(asked.parameters, "LoadBalancerArn", below=("Attributes",))
    told = _attributes(asked)
    others = sorted(told.keys() - set(_KEYS))
    if others and len(others) == len(told) and (answer := desk.forwarded(asked)):
        return answer
    balancer = desk.directory.at(asked.by, arn)
    asked.seen(balancer)
    if others:
        raise not_ours(others[0], f"{_LOG}*", HTTPStatus.BAD_REQUEST, forwarded=desk.cloud is not None)
    enabled = told.get(f"{_LOG}enabled")
    wanted = Wanted(
        enabled=None if enabled is None else boolean(enabled, f"{_LOG}enabled"),
        bucket=told.get(f"{_LOG}bucket"),
        prefix=told.get(f"{_LOG}prefix"),
    )
    asked.may_change()
    after = desk.keeping.change(balancer, wanted, asked.by, HTTPStatus.BAD_REQUEST)
    return [("Attributes", members(_told(after)))]


def describe(asked: Asked, desk: Desk) -> Sequence[Element]:
    """What is wanted of an access log, and the cloud's own attributes where it tells them."""
    only(asked.parameters, "LoadBalancerArn")
    balancer = desk.directory.at(asked.by, asked.required("LoadBalancerArn"))
    asked.seen(balancer)
    tree = desk.others(asked)
    theirs = first(tree, "Attributes") if tree is not None else None
    pairs = [texts(each) for each in theirs] if theirs is not None else []
    others = [_pair(each["Key"], each.get("Value", "")) for each in pairs if each.get("Key", _LOG)[: len(_LOG)] != _LOG]
    return [("Attributes", members([*_told(desk.keeping.attributes(balancer)), *others]))]


def balancers(asked: Asked, desk: Desk) -> Sequence[Element] | Answer:
    """The load balancers that the user sees."""
    only(asked.parameters, "Marker", "PageSize", below=("LoadBalancerArns", "Names"))
    arns, names = (listed(asked.parameters, each) for each in ("LoadBalancerArns", "Names"))
    known = desk.directory.known(asked.user, "application")
    ours = [each for each in known if not (arns or names) or each.arn in arns or each.name in names]
    others = [sorted(set(arns) - {each.arn for each in known}), sorted(set(names) - {each.name for each in known})]
    if not ours and (answer := desk.forwarded(asked)):
        return answer
    if (unknown := [*others[0], *others[1]]) and not desk.forwards(asked.user):
        message = f"One or more load balancers not found: '{shown(unknown[0])}'"
        raise not_found(message)
    rest = {**named("LoadBalancerArns", others[0]), **named("Names", others[1])} if arns or names else None
    found = listing(asked, desk, Sought(kind="application", ours=ours, rest=rest, tag="LoadBalancers", most=_PAGE))
    if isinstance(found, Answer):
        return found
    return [
        ("LoadBalancers", members([*map(_description, found.ours), *found.theirs])),
        *([("NextMarker", found.marker)] if found.marker else []),
    ]


def _attributes(asked: Asked) -> Mapping[str, str]:
    """Those that the request tells, by key. Raises Refusal."""
    pairs = structures(asked.parameters, "Attributes", "Key", "Value")
    if not pairs:
        msg = "attributes"
        raise missing(msg)
    if len(pairs) > _MOST:
        message = f"1 validation error detected: Value at 'attributes' failed to satisfy constraint: Member must have length less than or equal to {_MOST}"
        raise invalid(message)
    found: dict[str, str] = {}
    for pair in pairs:
        key, value = pair.get("Key", ""), pair.get("Value", "")
        if not _KEY.fullmatch(key):
            message = f"Load balancer attribute key '{shown(key)}' is not recognized"
            raise invalid(message)
        if key in found:
            message = f"Load balancer attribute key '{shown(key)}' is given more than once"
            raise invalid(message)
        if len(value) > _LONGEST:
            message = f"The value of '{shown(key)}' is longer than {_LONGEST} characters"
            raise invalid(message)
        found[key] = value
    return found


def _told(log: Attributes) -> list[Sequence[Element]]:
    values = (str(log.enabled).lower(), log.bucket, log.prefix)
    return [_pair(key, value) for key, value in zip(_KEYS, values, strict=True)]


def _pair(key: str, value: str) -> Sequence[Element]:
    return [("Key", key), ("Value", value)]


def _description(balancer: Registered) -> Sequence[Element]:
    return [
        ("LoadBalancerArn", balancer.arn),
        ("DNSName", balancer.dns_name),
        ("LoadBalancerName", balancer.name),
        ("State", [("Code", "active")]),
        ("Type", balancer.kind),
    ]


ACTIONS: Final[Actions] = {
    "ModifyLoadBalancerAttributes": modify,
    "DescribeLoadBalancerAttributes": describe,
    "DescribeLoadBalancers": balancers,
}
