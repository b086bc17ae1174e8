"""The network interfaces of a function in a VPC: Lambda gives them back by itself, some time after the function is gone.

As long as they are there the security group cannot be removed. Lambda needs the function's role for it, which therefore
must go last.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tailrace.deploy.cloud import Cloud, Refused
from tailrace.deploy.listing import NO_RESOURCE, known, listed
from tailrace.errors import EXIT_PARTIAL, TailraceError
from tailrace.permissions import Need, needs_on

_POLL_S: Final = 5
_UPDATE_S: Final = 600
_LAMBDAS: Final = "AWS Lambda VPC ENI"
NEEDS: Final = (Need("ec2:DescribeNetworkInterfaces", "*"), Need("ec2:DeleteNetworkInterface", "*"))


class Waiting(TailraceError):
    """Something goes only by and by; the next run goes on from here."""

    exit_code = EXIT_PARTIAL


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface. `lent`: it is Lambda's, and no machine has it any more."""

    id: str
    status: str
    lent: bool

    def __str__(self) -> str:
        return f"{self.id} ({self.status})"


def interfaces(cloud: Cloud, groups: Sequence[str]) -> Sequence[Interface]:
    """Those with one of these security groups."""
    if not groups:
        return ()
    found = listed(
        cloud, "ec2:DescribeNetworkInterfaces", "NetworkInterfaces", Filters=[{"Name": "group-id", "Values": list(groups)}]
    )  # fmt: skip
    return [
        Interface(
            each["NetworkInterfaceId"],
            each["Status"],
            each["Status"] == "available" and str(each.get("Description", "")).startswith(_LAMBDAS),
        )
        for each in found
    ]


def release(cloud: Cloud, found: Sequence[Interface], said: Callable[[str], None]) -> None:
    """Remove those which Lambda has let go of and not removed: it could not, if its role went first."""
    for each in found:
        if not each.lent:
            continue
        try:
            known(cloud, "ec2:DeleteNetworkInterface", "InvalidNetworkInterfaceID.NotFound", NetworkInterfaceId=each.id)
        except Refused as error:  # taken again, or not allowed: then it is waited for
            said(f"the network interface {each.id} cannot be removed ({error.code})")
        else:
            said(f"the network interface {each.id}, which Lambda has left, is removed")


def is_inside(cloud: Cloud, function: str) -> bool:
    """Whether a function is in a VPC."""
    told = known(cloud, "lambda:GetFunctionConfiguration", *NO_RESOURCE, FunctionName=function) or {}
    return bool((told.get("VpcConfig") or {}).get("SubnetIds"))


def take_out(cloud: Cloud, function: str, said: Callable[[str], None]) -> None:
    """Take a function out of its VPC, so that its interfaces are given back sooner. That it cannot be done stops nothing."""
    nowhere: dict[str, Sequence[str]] = {"SubnetIds": [], "SecurityGroupIds": []}
    try:
        known(cloud, "lambda:UpdateFunctionConfiguration", *NO_RESOURCE, FunctionName=function, VpcConfig=nowhere)
    except Refused as error:
        said(f"{function} stays in its VPC until it is removed ({error.code})")
        return
    last = cloud.clock.monotonic() + _UPDATE_S
    while cloud.clock.monotonic() < last:
        told = known(cloud, "lambda:GetFunctionConfiguration", *NO_RESOURCE, FunctionName=function) or {}
        if told.get("LastUpdateStatus", "Successful") != "InProgress":
            return
        cloud.clock.sleep(_POLL_S)


def waiting(found: Sequence[Interface], again: str) -> Waiting:
    """What to raise about interfaces that are not given back yet."""
    return Waiting(f"{held(found)}; `{again}` goes on then")


def held(found: Sequence[Interface]) -> str:
    """What they hold up, in words."""
    names = ", ".join(map(str, found))
    return f"the security group is still used by {names}; Lambda gives its own back within 45 minutes as a rule"


def needs(function: str) -> Sequence[Need]:
    """What is called for it."""
    return [*NEEDS, *needs_on(function, "lambda:GetFunctionConfiguration", "lambda:UpdateFunctionConfiguration")]
