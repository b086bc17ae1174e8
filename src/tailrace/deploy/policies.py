"""Policies: the least that a role needs, made of what each piece says that it calls.

Pseudo-parameters of CloudFormation stay in them for the template; `filled` puts what they stand for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Final

from tailrace.clouds import secrets
from tailrace.deploy.actions import actions_of
from tailrace.deploy.naming import Names
from tailrace.deploy.wanted import Wanted
from tailrace.errors import UsageError
from tailrace.hosts import _lambda_settings, _lambda_work, states
from tailrace.hosts.asking import asked_for, target_of
from tailrace.permissions import ANNOUNCED, Need, bucket, log_group, log_stream, needs_on, objects
from tailrace.settings import Resolved, Settings
from tailrace.sources._objects import reading_announced

Document = dict[str, Any]
MANAGED: Final = 6144
INLINE: Final = 10_240
"""So many characters may a policy have that is by itself, and all that are in a role.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
_REGION: Final = "${AWS::Region}"
_INTERFACES: Final = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)
"""https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions"""


@dataclass(frozen=True, slots=True)
class Place:
    """What pseudo-parameters stand for."""

    partition: str
    region: str
    account: str
    suffix: str = "amazonaws.com"


@dataclass(frozen=True, slots=True)
class Grant:
    """Actions on resources, under conditions."""

    actions: Sequence[str]
    resources: Sequence[str]
    where: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def function_document(wanted: Wanted, config: str = "") -> Document:
    """What the role of the function may do. `config`: where its settings are, if they are in S3 or a parameter. Raises UsageError."""
    own = [*by_code(wanted), *_lambda_settings.needs(config)]
    found = document([*_in_region(own, wanted.settings.region), *by_lambda(wanted)])
    if wanted.own.vpc.subnets:
        found["Statement"].append(_not_by_code(wanted.names))
    return found


def by_code(wanted: Wanted) -> list[Need]:
    """What the function's own code calls. Raises UsageError."""
    return [
        *reading_announced(objects(wanted.bucket, wanted.prefix), bucket(wanted.bucket)),
        *_delivering(replace(wanted.resolved, settings=wanted.settings)),
        *_lambda_work.needs(_queue(wanted.names)),
    ]


def by_lambda(wanted: Wanted) -> list[Need]:
    """What Lambda itself calls in the name of the function's role."""
    names, every = wanted.names, []
    polled = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
    if wanted.own.trigger == "s3":  # events that were tried in vain
        every += needs_on(names.arn("sqs", names.dead_letter_queue), "sqs:SendMessage")
    if wanted.own.tracing:
        every += needs_on("*", "xray:PutTelemetryRecords", "xray:PutTraceSegments")
    if wanted.own.vpc.subnets:
        every += needs_on("*", *_INTERFACES)
    return [
        Need("logs:CreateLogStream", log_group(names.function_log)),
        Need("logs:PutLogEvents", log_stream(names.function_log, "*")),
        *needs_on(_queue(names), *polled),
        *every,
    ]


def run_document(resolved: Resolved, reads: Sequence[tuple[str, str]] = ()) -> Document:
    """What the role of a worker may do. `reads`: buckets and prefixes of the objects that its queues announce. Raises UsageError."""
    return document(_in_region(_of_worker(resolved, reads), resolved.settings.region))


def _of_worker(resolved: Resolved, reads: Sequence[tuple[str, str]]) -> Iterator[Need]:
    settings = resolved.settings
    if not settings.from_:
        raise UsageError(
            'from: a worker needs a source; write from = ["sqs:QUEUE"] into tailrace.toml, or --set from=…'
        )
    for origin in asked_for(resolved, settings.from_).sources:
        for need in origin.needs():
            if need.resource != ANNOUNCED:
                yield need
                continue
            if not reads:
                message = (
                    f"{origin.asked} does not tell which buckets its objects are in; name them: --bucket BUCKET/PREFIX"
                )
                raise UsageError(message)
            for name, prefix in reads:
                yield from (replace(need, resource=each) for each in (objects(name, prefix), bucket(name)))
    yield from _delivering(resolved, settings.from_)
    yield from secrets.needs(settings.listen_token)


def _delivering(resolved: Resolved, words: Sequence[str] = ()) -> list[Need]:
    """What is called to deliver records; `words`: the sources, to which settings may belong that name none."""
    settings = resolved.settings
    found = [need for target in asked_for(resolved, words).sinks for need in target.needs()]
    return [*found, *_of_dead_letters(settings), *states.needs(settings)]


def _of_dead_letters(settings: Settings) -> list[Need]:
    return target_of(settings.dead_letters, settings).needs() if settings.dead_letters else []


def document(needs: Iterable[Need], further: Iterable[Grant] = ()) -> Document:
    """The policy that allows this and nothing else: as few statements as there can be, always in the same order."""
    allowed: dict[tuple[str, str], set[str]] = {}
    for grant in chain((Grant(actions_of(need), [need.resource], need.where) for need in needs), further):
        where = json.dumps(grant.where, sort_keys=True) if grant.where else ""
        for resource in grant.resources:
            allowed.setdefault((resource, where), set()).update(grant.actions)
    together: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for (resource, where), actions in allowed.items():
        for service in sorted({action.partition(":")[0] for action in actions}):
            of_service = tuple(sorted(action for action in actions if action.startswith(f"{service}:")))
            together.setdefault((of_service, where), []).append(resource)
    sids = Counter[str]()
    statements = [
        _statement(sids, actions, sorted(resources), where)
        for (actions, where), resources in sorted(together.items(), key=lambda each: (each[0], sorted(each[1])))
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _statement(sids: Counter[str], actions: Sequence[str], resources: Sequence[str], where: str) -> Document:
    service, _, action = actions[0].partition(":")
    name = f"{service.capitalize()}{action}"
    sids[name] += 1
    found: Document = {"Sid": name if sids[name] == 1 else f"{name}{sids[name]}", "Effect": "Allow"}
    found |= {"Action": list(actions), "Resource": list(resources)}
    return {**found, "Condition": json.loads(where)} if where else found


def _not_by_code(names: Names) -> Document:
    """Network interfaces are made by Lambda for the function; the function itself may not.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-best-practice
    """
    function = names.arn("lambda", f"function:{names.function}")
    return {
        "Sid": "InterfacesByLambdaOnly",
        "Effect": "Deny",
        "Action": list(_INTERFACES),
        "Resource": ["*"],
        "Condition": {"ArnEquals": {"lambda:SourceFunctionArn": [function]}},
    }


def filled(found: Any, place: Place) -> Any:
    """The same with what pseudo-parameters stand for."""
    if isinstance(found, Mapping):
        return {key: filled(value, place) for key, value in found.items()}
    if isinstance(found, list):
        return [filled(each, place) for each in found]
    for name, value in (
        ("Partition", place.partition),
        ("Region", place.region),
        ("AccountId", place.account),
        ("URLSuffix", place.suffix),
    ):
        found = found.replace(f"${{AWS::{name}}}", value)
    return found


def length(found: Document) -> int:
    """How many characters a policy has, as IAM counts them: without white space."""
    return len(json.dumps(found, separators=(",", ":")))


def _in_region(needs: Iterable[Need], region: str) -> list[Need]:
    """The same in the region that the settings name for all clients."""
    if not region:
        return list(needs)
    return [
        Need(
            need.call,
            need.resource.replace(_REGION, region),
            json.loads(json.dumps(need.where).replace(_REGION, region)),
        )
        if _is_regional(need)
        else need
        for need in needs
    ]


def _is_regional(need: Need) -> bool:
    """Whether the region is where a call goes, and no part of the name of a bucket."""
    return ":s3:::" not in need.resource


def _queue(names: Names) -> str:
    return names.arn("sqs", names.queue)
