"""Templates of many settings, and what CloudFormation would make of their functions in some place."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tailrace.deploy.template import template
from tailrace.deploy.wanted import Wanted, wanted
from tailrace.settings import Document, resolve

VPC = ("deploy.vpc.id=vpc-12345678", "deploy.vpc.subnets=subnet-12345678 subnet-87654321")
ENDPOINTS = (*VPC, "deploy.vpc.route_tables=rtb-12345678")
SEARCH = (
    "to=search", "sinks.search.url=elasticsearch:https://search.example.com:9200/logs-alb-default",
    "sinks.search.username=writer", "sinks.search.password=secretsmanager:search#password",
    "deploy.vpc.sink_cidrs=10.1.0.0/16 10.2.0.0/16",
)  # fmt: skip
LOGSTASH = (
    "to=stash", "sinks.stash.url=logstash:tls://stash.example.com:5044",
    "sinks.stash.redact_key=ssm:/tailrace/key", "deploy.vpc.sink_cidrs=10.3.0.0/24",
)  # fmt: skip
AXES: Mapping[str, Sequence[tuple[str, ...]]] = {
    "trigger": [(f"deploy.trigger={each}",) for each in ("sqs", "s3", "eventbridge")],
    "bucket": [(), ("deploy.bucket=their-logs",)],
    "vpc": [(), ENDPOINTS, (*VPC, "deploy.vpc.endpoints=false")],
    "sinks": [
        (),
        ("to=s3://archive-of-logs/alb",),
        SEARCH,
        LOGSTASH,
        ("to=cloudwatch:/logs/{load_balancer} own", "sinks.own.url=s3://archive-of-logs/alb", "sinks.own.sse=aws:kms"),
    ],
    "concurrency": [(), ("deploy.reserved_concurrency=1",), ("deploy.reserved_concurrency=40",)],
    "tracing": [(), ("deploy.tracing=true",)],
    "topic": [(), ("deploy.alarm_topic=arn:aws:sns:eu-west-1:123456789012:alarms",)],
    "table": [(), ("state=dynamodb:their-receipts",)],
    "accounts": [(), ("deploy.accounts=123456789012 210987654321",)],
    "architecture": [("deploy.architecture=arm64",), ("deploy.architecture=x86_64", "deploy.runtime=python3.12")],
    "rest": [
        (),
        (
            "deploy.prefix=front/logs", "deploy.tags=team=logs cost-centre=7", "awslambda.metrics_namespace=",
            "deploy.permissions_boundary=arn:aws:iam::123456789012:policy/boundary", "dead_letters=s3://lost/alb",
        ),
    ],
}  # fmt: skip
"""What decides what a template holds."""


def asked(*assignments: str, environment: str = "prod", config: str = "", **place: str) -> Wanted:
    """A deployment as settings ask for it."""
    return wanted(resolve({}, assignments, {}, Document("settings", config)), environment, **place)


def made(*assignments: str, environment: str = "prod", config: str = "") -> dict[str, Any]:
    """Its template."""
    return template(asked(*assignments, environment=environment, config=config))


def every(axes: Mapping[str, Sequence[tuple[str, ...]]]) -> Iterator[tuple[str, ...]]:
    """All combinations."""
    for chosen in itertools.product(*axes.values()):
        yield tuple(itertools.chain(*chosen))


def pairwise() -> list[tuple[str, ...]]:
    """As few combinations as a greedy hand finds, in which any two choices of different axes occur together."""
    axes = list(AXES.values())
    left = {
        ((a, i), (b, j))
        for a, b in itertools.combinations(range(len(axes)), 2)
        for i in range(len(axes[a]))
        for j in range(len(axes[b]))
    }
    found = []
    while left:
        chosen: dict[int, int] = dict(min(left))
        for axis in range(len(axes)):
            if axis not in chosen:
                chosen[axis] = max(
                    range(len(axes[axis])), key=lambda option: (_new(left, {**chosen, axis: option}, axis), -option)
                )
        picked = sorted(chosen.items())
        left -= set(itertools.combinations(picked, 2))
        found.append(tuple(itertools.chain(*(axes[axis][option] for axis, option in picked))))
    return found


def _new(left: set[Any], chosen: Mapping[int, int], axis: int) -> int:
    return sum(1 for pair in itertools.combinations(sorted(chosen.items()), 2) if pair in left and axis in dict(pair))


class Place:
    """A region of an account, in which the functions of a template have values; resources are called by their logical ids."""

    def __init__(self, template: Mapping[str, Any], region: str, partition: str = "aws", **parameters: Any) -> None:
        self._template = template
        self._known = {
            "AWS::Region": region, "AWS::Partition": partition, "AWS::AccountId": "123456789012",
            "AWS::URLSuffix": "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com",
            **{name: told.get("Default", name) for name, told in template["Parameters"].items()}, **parameters,
        }  # fmt: skip

    def value(self, of: Any) -> Any:
        """What it is there; what is not there is left out of what holds it."""
        if isinstance(of, list):
            return [each for each in map(self.value, of) if each is not None]
        if not isinstance(of, Mapping):
            return of
        if len(of) == 1:
            ((name, told),) = of.items()
            if name == "Ref":
                return None if told == "AWS::NoValue" else self._known.get(told, told)
            if name.startswith("Fn::"):
                return getattr(self, f"_{name[4:].lower()}")(told)
        return {key: found for key, each in of.items() if (found := self.value(each)) is not None}

    def _getatt(self, told: Any) -> Any:
        return ["Z1:first.example.com", "Z2:second.example.com"] if told[1] == "DnsEntries" else ".".join(told)

    def _sub(self, told: Any) -> str:
        text, own = told if isinstance(told, list) else (told, {})
        names = {**self._known, **{name: name for name in self._template["Resources"]}, **self.value(own)}
        return re.sub(
            r"\$\{(!?)([^}]*)\}", lambda found: f"${{{found[2]}}}" if found[1] else str(names[found[2]]), text
        )

    def _if(self, told: Any) -> Any:
        return self.value(told[1] if self.value(self._template["Conditions"][told[0]]) else told[2])

    def _not(self, told: Any) -> bool:
        return not self.value(told[0])

    def _equals(self, told: Any) -> bool:
        return bool(self.value(told[0]) == self.value(told[1]))

    def _findinmap(self, told: Any) -> Any:
        first, second, third = map(self.value, told)
        return self._template["Mappings"][first][second][third]

    def _join(self, told: Any) -> str:
        return str(told[0]).join(self.value(told[1]))

    def _split(self, told: Any) -> list[str]:
        return str(self.value(told[1])).split(told[0])

    def _select(self, told: Any) -> Any:
        return self.value(told[1])[told[0]]
