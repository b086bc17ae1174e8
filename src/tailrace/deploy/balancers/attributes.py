"""The attributes of load balancers that concern logs, written alike for all kinds: text by key.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html
https://docs.aws.amazon.com/elasticloadbalancing/2012-06-01/APIReference/API_AccessLog.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tailrace.changes import Change
from tailrace.deploy.balancers.finding import ABSENT, Balancer
from tailrace.deploy.cloud import Cloud
from tailrace.deploy.listing import known

Attributes = Mapping[str, str]
ACCESS: Final = "access_logs"
KINDS: Final = {
    "application": (ACCESS, "connection_logs", "health_check_logs"),
    "network": (ACCESS,),
    "classic": (ACCESS,),
}
"""The kinds of logs of each kind of load balancer; the first is written by every endpoint."""
MODIFY: Final = {True: "elb:ModifyLoadBalancerAttributes", False: "elbv2:ModifyLoadBalancerAttributes"}
_DESCRIBE: Final = {True: "elb:DescribeLoadBalancerAttributes", False: "elbv2:DescribeLoadBalancerAttributes"}
_INTERVAL: Final = "5"
"""Minutes between the logs of a classic load balancer; AWS takes 5 and 60."""
_CLASSIC: Final = {
    "enabled": "Enabled",
    "bucket": "S3BucketName",
    "prefix": "S3BucketPrefix",
    "interval": "EmitInterval",
}


@dataclass(frozen=True, slots=True)
class Goal:
    """Where logs go: below `[prefix/]AWSLogs/` in a bucket."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def attributes_of(cloud: Cloud, balancer: Balancer) -> Attributes | None:
    """Those of its logs, such as `access_logs.s3.enabled`; None if the load balancer is not there."""
    answer = known(cloud, _DESCRIBE[balancer.classic], *ABSENT, **_which(balancer))
    if answer is None:
        return None
    if balancer.classic:
        log = answer["LoadBalancerAttributes"].get("AccessLog", {})
        told = {key: _text(log[name]) for key, name in _CLASSIC.items() if name in log}
        return {f"{ACCESS}.s3.{key}": value for key, value in told.items()}
    kinds = KINDS.get(balancer.kind, ())
    return {each["Key"]: each.get("Value", "") for each in answer["Attributes"] if each["Key"].startswith(kinds)}


def offered(attributes: Attributes, kind: str) -> bool:
    """Whether this endpoint knows a kind of logs; older ones do not know all."""
    return kind == ACCESS or any(key.startswith(f"{kind}.s3.") for key in attributes)


def of_kind(attributes: Attributes, kind: str) -> dict[str, str]:
    """Those of one kind of logs."""
    return {key: value for key, value in attributes.items() if key.startswith(f"{kind}.s3.")}


def goal_of(attributes: Attributes, kind: str) -> Goal | None:
    """Where logs of a kind go; None if they are not written."""
    if attributes.get(f"{kind}.s3.enabled") != "true":
        return None
    return Goal(attributes.get(f"{kind}.s3.bucket", ""), attributes.get(f"{kind}.s3.prefix", "").strip("/"))


def written_to(goal: Goal, balancer: Balancer, kind: str) -> dict[str, str]:
    """The attributes with which logs of a kind go there."""
    told = {"enabled": "true", "bucket": goal.bucket, "prefix": goal.prefix}
    if balancer.classic:
        told["interval"] = _INTERVAL
    return {f"{kind}.s3.{key}": value for key, value in told.items()}


def change(balancer: Balancer, attributes: Attributes, why: str) -> Change:
    """The call that gives a load balancer attributes of one kind of logs. An empty name of a bucket is never sent: it is refused."""
    told = {key: value for key, value in attributes.items() if value or not key.endswith(".bucket")}
    if balancer.classic:
        log = {_CLASSIC[key.rpartition(".")[2]]: value for key, value in told.items()}
        return Change(MODIFY[True], {**_which(balancer), "LoadBalancerAttributes": {"AccessLog": _typed(log)}}, why)
    pairs = [{"Key": key, "Value": value} for key, value in told.items()]
    return Change(MODIFY[False], {**_which(balancer), "Attributes": pairs}, why)


def balancer_of(change: Change) -> str:
    """The ARN or, of a classic one, the name of the load balancer that a change is for."""
    return str(change.arguments.get("LoadBalancerArn") or change.arguments["LoadBalancerName"])


def _typed(log: Mapping[str, str]) -> dict[str, Any]:
    """As the classic API takes them; a switch and a number are no text there."""
    typed: dict[str, Any] = dict(log)
    typed["Enabled"] = log["Enabled"] == "true"
    if "EmitInterval" in log:
        typed["EmitInterval"] = int(log["EmitInterval"])
    return typed


def _which(balancer: Balancer) -> dict[str, str]:
    return {"LoadBalancerName": balancer.name} if balancer.classic else {"LoadBalancerArn": balancer.arn}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def calls() -> Sequence[str]:
    """What reading and changing them calls."""
    return [*_DESCRIBE.values(), *MODIFY.values()]
