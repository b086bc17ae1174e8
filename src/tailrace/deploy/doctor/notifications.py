"""The bucket's notifications: ours is there and leads to the queue or the alias, and no other one overlaps it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tailrace.deploy.doctor.checking import REMOVED, Check, again, gone
from tailrace.deploy.doctor.finding import Finding, aws, compact, ok, wrong
from tailrace.deploy.doctor.looking import Looking
from tailrace.deploy.listing import NO_RESOURCE
from tailrace.deploy.notifications import DESTINATIONS, merge, notice_of, overlap
from tailrace.deploy.wanted import Wanted

_SUBJECT: Final = "notifications"


@dataclass(frozen=True, slots=True)
class Found:
    """What the bucket tells, None if there is no bucket; EventBridge's rule, None if there is none, and where that leads."""

    document: Mapping[str, Any] | None
    rule: Mapping[str, Any] | None = None
    targets: Sequence[Mapping[str, Any]] = ()


def _look(wanted: Wanted, looking: Looking) -> Found:
    document = looking("s3:GetBucketNotificationConfiguration", "NoSuchBucket", Bucket=wanted.bucket)
    if wanted.own.trigger != "eventbridge":
        return Found(document)
    name = wanted.names.rule
    rule = looking("events:DescribeRule", *NO_RESOURCE, Name=name)
    told = looking("events:ListTargetsByRule", *NO_RESOURCE, Rule=name) or {}
    return Found(document, rule, told.get("Targets", ()))


def notified(wanted: Wanted, found: Found) -> Iterator[Finding]:
    """Whether objects are told of, to the right one, and to nobody else who must not hear of them."""
    if found.document is None:  # which the bucket's own check tells
        return
    if wanted.own.trigger == "eventbridge":
        yield from _by_rule(wanted, found)
    else:
        yield from _directly(wanted, found, found.document)


def _remedy(wanted: Wanted, found: Found) -> str:
    """What writes ours beside what is there: a deployment does that itself in an existing bucket only."""
    if wanted.own.bucket or found.document is None:
        return again(wanted)
    told = {key: value for key, value in found.document.items() if key != "ResponseMetadata"}
    merged = compact(merge(told, notice_of(wanted), switched=False))
    return aws("s3api", "put-bucket-notification-configuration", "--bucket", wanted.bucket,
               "--notification-configuration", merged)  # fmt: skip


def _directly(wanted: Wanted, found: Found, document: Mapping[str, Any]) -> Iterator[Finding]:
    notice = notice_of(wanted)
    assert notice.entry
    _, entry = notice.entry
    destination = notice.queue or notice.function
    every = [(each, each[arn]) for key, arn in DESTINATIONS.items() for each in document.get(key, ())]
    ours = [each for each, arn in every if arn == destination]
    named = [(each, arn) for each, arn in every if arn != destination and each.get("Id") == notice.id]
    others = [(each, arn) for each, arn in every if arn != destination and each.get("Id") != notice.id]
    for _, arn in named:
        yield wrong(_SUBJECT, f"{notice.id} leads to {arn}, not to {destination}", _remedy(wanted, found))
    for theirs, arn in others:
        if overlap(entry, theirs):
            text = f"{wanted.bucket} tells {arn} of the same objects ({theirs.get('Id', 'without id')}), and S3 takes no second notification for them"
            yield wrong(_SUBJECT, text, f"{again(wanted)} --set deploy.trigger=eventbridge")
    fitting = [each for each in ours if _covers(each, wanted.prefix)]
    if fitting:
        rest = f"; {len(others)} of others stay beside it" if others else ""
        yield ok(_SUBJECT, f"{wanted.bucket} tells {destination} of objects below {wanted.prefix}{rest}")
    elif ours:
        text = f"{wanted.bucket} does not tell {destination} of all that is made below {wanted.prefix}"
        yield wrong(_SUBJECT, text, _remedy(wanted, found))
    elif not named:
        yield wrong(_SUBJECT, f"{wanted.bucket} does not tell {destination} of new objects", _remedy(wanted, found))


def _covers(entry: Mapping[str, Any], prefix: str) -> bool:
    rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    told = {str(rule["Name"]).lower(): str(rule["Value"]) for rule in rules}
    made = {"s3:ObjectCreated:*"} <= {*entry.get("Events", ())}
    return made and prefix.startswith(told.get("prefix", "")) and not told.get("suffix")


def _by_rule(wanted: Wanted, found: Found) -> Iterator[Finding]:
    names = wanted.names
    faults = list(_of_rule(wanted, found))
    if found.document is not None and "EventBridgeConfiguration" not in found.document:
        yield wrong(_SUBJECT, f"{wanted.bucket} does not tell EventBridge of its objects", _remedy(wanted, found))
    elif not faults:
        yield ok(_SUBJECT, f"{wanted.bucket} tells EventBridge, whose rule {names.rule} tells {names.queue}")
    yield from faults


def _of_rule(wanted: Wanted, found: Found) -> Iterator[Finding]:
    names, rule = wanted.names, found.rule
    if rule is None:
        yield wrong(_SUBJECT, f"there is no rule {names.rule} in EventBridge{REMOVED}", gone(wanted))
        return
    if rule.get("State") == "DISABLED":
        yield wrong(
            _SUBJECT, f"the rule {names.rule} is switched off", aws("events", "enable-rule", "--name", names.rule)
        )
    pattern = msgspec.json.decode(rule.get("EventPattern") or "{}")
    if wanted.bucket not in pattern.get("detail", {}).get("bucket", {}).get("name", ()):
        yield wrong(_SUBJECT, f"the rule {names.rule} is for other buckets than {wanted.bucket}", gone(wanted))
    queue = names.arn("sqs", names.queue)
    if queue not in [each["Arn"] for each in found.targets]:
        target = f"Id=events,Arn={queue}"
        remedy = aws("events", "put-targets", "--rule", names.rule, "--targets", target)
        yield wrong(_SUBJECT, f"the rule {names.rule} does not lead to {queue}", remedy)


CHECKS: Final = (Check(subject=_SUBJECT, look=_look, judge=notified),)
