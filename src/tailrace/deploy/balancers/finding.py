"""Load balancers of this account and region, by name, ARN or tag."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tailrace.deploy.cloud import Cloud, Place
from tailrace.deploy.listing import known, listed
from tailrace.errors import UsageError
from tailrace.permissions import Need

_ARN: Final = re.compile(
    r"arn:[^:]+:elasticloadbalancing:([^:]*):([^:]*):loadbalancer/(?:(app|net|gwy)/([^/]+)/[^/]+|([^/]+))"
)
ABSENT: Final = ("LoadBalancerNotFound", "AccessPointNotFound")
"""The codes with which both kinds of service say that there is no such load balancer."""
_KINDS: Final = {"app": "application", "net": "network", "gwy": "gateway"}
_TAGGED_AT_A_TIME: Final = 20
NEEDS: Final = tuple(
    Need(f"{api}:{call}", "*") for api in ("elbv2", "elb") for call in ("DescribeLoadBalancers", "DescribeTags")
)


@dataclass(frozen=True, slots=True, order=True)
class Balancer:
    """A load balancer. `kind`: application, network, gateway or classic."""

    arn: str
    kind: str
    name: str

    @property
    def classic(self) -> bool:
        """Whether it is of the first generation, which has an API of its own."""
        return self.kind == "classic"

    def __str__(self) -> str:
        return f"the {self.kind} load balancer {self.name}"


def find(cloud: Cloud, place: Place, words: Sequence[str]) -> Sequence[Balancer]:
    """The load balancers that are meant, each once. Raises UsageError if a word means none, several by one name, or one that writes no logs."""
    found: dict[Balancer, None] = {}
    for word in words:
        meant = _meant(cloud, place, word)
        if not meant:
            message = f"--load-balancer {word}: there is none in {place.region} of the account {place.account}; see `aws elbv2 describe-load-balancers`"
            raise UsageError(message)
        found.update(dict.fromkeys(meant))
    if gateways := [each for each in found if each.kind == "gateway"]:
        message = f"--load-balancer: {gateways[0]} writes no logs; only application, network and classic ones do"
        raise UsageError(message)
    return sorted(found)


def at(arn: str) -> Balancer:
    """The load balancer of an ARN, whether it is there or not. Raises UsageError if it is none."""
    match = _ARN.fullmatch(arn)
    if not match:
        message = f"--load-balancer {arn}: this is no ARN of a load balancer"
        raise UsageError(message)
    short, name, classic = match.group(3, 4, 5)
    return Balancer(arn, _KINDS.get(short, "classic"), name or classic)


def _meant(cloud: Cloud, place: Place, word: str) -> Sequence[Balancer]:
    if word.startswith("arn:"):
        return _by_arn(cloud, place, word)
    if word.startswith("tag:"):
        return list(_by_tag(cloud, place, word))
    both = [*_present(cloud, Names=[word]), *_classic(cloud, place, LoadBalancerNames=[word])]
    if len(both) > 1:
        message = f"--load-balancer {word}: there is a classic one and another one of that name; write the ARN: {' or '.join(each.arn for each in both)}"
        raise UsageError(message)
    return both


def _by_arn(cloud: Cloud, place: Place, arn: str) -> Sequence[Balancer]:
    balancer = at(arn)
    region, account = arn.split(":")[3:5]
    if (region, account) != (place.region, place.account):
        message = (
            f"--load-balancer {arn}: it is in {region} of the account {account}, and this deployment in {place.region} of"
            f" {place.account}; load balancers write to buckets of their own region only, so deploy an environment there"
        )
        raise UsageError(message)
    if balancer.classic:
        return _classic(cloud, place, LoadBalancerNames=[balancer.name])
    return _present(cloud, LoadBalancerArns=[arn])


def _by_tag(cloud: Cloud, place: Place, word: str) -> Iterator[Balancer]:
    key, equals, value = word.removeprefix("tag:").partition("=")
    if not key or not equals:
        message = f"--load-balancer {word}: write tag:KEY=VALUE"
        raise UsageError(message)
    pair = {"Key": key, "Value": value}
    new = [_new(each) for each in listed(cloud, "elbv2:DescribeLoadBalancers", "LoadBalancers")]
    for some in _parts(new):
        told = cloud("elbv2:DescribeTags", ResourceArns=[each.arn for each in some])["TagDescriptions"]
        having = {each["ResourceArn"] for each in told if pair in each["Tags"]}
        yield from (each for each in some if each.arn in having and each.kind != "gateway")
    old = [_old(each, place) for each in listed(cloud, "elb:DescribeLoadBalancers", "LoadBalancerDescriptions")]
    for some in _parts(old):
        told = cloud("elb:DescribeTags", LoadBalancerNames=[each.name for each in some])["TagDescriptions"]
        having = {each["LoadBalancerName"] for each in told if pair in each["Tags"]}
        yield from (each for each in some if each.name in having)


def _parts(found: Sequence[Balancer]) -> Iterator[Sequence[Balancer]]:
    for start in range(0, len(found), _TAGGED_AT_A_TIME):
        yield found[start : start + _TAGGED_AT_A_TIME]


def _present(cloud: Cloud, **which: Any) -> Sequence[Balancer]:
    answer = known(cloud, "elbv2:DescribeLoadBalancers", *ABSENT, **which) or {}
    return [_new(each) for each in answer.get("LoadBalancers", ())]


def _classic(cloud: Cloud, place: Place, **which: Any) -> Sequence[Balancer]:
    answer = known(cloud, "elb:DescribeLoadBalancers", *ABSENT, **which) or {}
    return [_old(each, place) for each in answer.get("LoadBalancerDescriptions", ())]


def _new(told: Mapping[str, Any]) -> Balancer:
    return Balancer(told["LoadBalancerArn"], told["Type"], told["LoadBalancerName"])


def _old(told: Mapping[str, Any], place: Place) -> Balancer:
    name = told["LoadBalancerName"]
    arn = f"arn:{place.partition}:elasticloadbalancing:{place.region}:{place.account}:loadbalancer/{name}"
    return Balancer(arn, "classic", name)
