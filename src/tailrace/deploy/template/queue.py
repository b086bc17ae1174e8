"""The queue of events and of objects to be continued, and where messages go that were not delivered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tailrace.deploy.template.expressions import (
    Resources,
    allowed,
    argued,
    document,
    filled,
    only_by_tls,
    ref,
    sub,
    tags,
)
from tailrace.deploy.wanted import Wanted

EVENTS: Final = "EventQueue"
POLICY: Final = "EventQueuePolicy"
DEAD: Final = "DeadLetterQueue"
RECEIVES: Final = 10
"""A message is tried so often before it is set aside. Lambda asks for 5 at least; an object that another invocation holds, and
one that there was no time for, come again too."""
VISIBILITY: Final = 6
"""A message stays hidden for so many timeouts of the function, as Lambda asks for; so the timeout is no parameter."""
_DAY_S: Final = 86_400
_ARGUED: Final = "it is encrypted with the keys of SQS; S3 cannot send to a queue with the key of AWS in KMS"


def queues(wanted: Wanted) -> Resources:
    """Both queues and who may send to them."""
    names = wanted.names
    events, dead = names.arn("sqs", names.queue), names.arn("sqs", names.dead_letter_queue)
    waiting = {
        "VisibilityTimeout": VISIBILITY * wanted.own.timeout,
        "MessageRetentionPeriod": 7 * _DAY_S,
        "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": [DEAD, "Arn"]}, "maxReceiveCount": RECEIVES},
    }
    # A message's age counts from the first queue on, so the second keeps it for longer.
    kept = {
        "MessageRetentionPeriod": 14 * _DAY_S,
        "RedriveAllowPolicy": {"redrivePermission": "byQueue", "sourceQueueArns": [sub(events)]},
    }
    return {
        EVENTS: _queue(wanted, names.queue, waiting),
        POLICY: _policy(EVENTS, events, *_senders(wanted, events)),
        DEAD: _queue(wanted, names.dead_letter_queue, kept),
        f"{DEAD}Policy": _policy(DEAD, dead, *_failed(wanted, dead)),
    }


def _queue(wanted: Wanted, name: str, own: dict[str, Any]) -> dict[str, Any]:
    return {
        "Type": "AWS::SQS::Queue",
        # What waits names objects, which stay in their bucket.
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        "Metadata": argued(CKV_AWS_27=_ARGUED),
        "Properties": {"QueueName": name, "SqsManagedSseEnabled": True, **own, "Tags": tags(wanted.tags)},
    }


def _policy(queue: str, arn: str, *statements: Any) -> dict[str, Any]:
    told = document(only_by_tls("sqs:*", sub(arn)), *statements)
    return {"Type": "AWS::SQS::QueuePolicy", "Properties": {"Queues": [ref(queue)], "PolicyDocument": told}}


def _senders(wanted: Wanted, arn: str) -> Iterator[Any]:
    if wanted.own.trigger == "sqs":
        told = allowed("BucketSends", {"Service": "s3.amazonaws.com"}, "sqs:SendMessage", sub(arn))
        bucket = wanted.names.global_arn("s3", wanted.bucket)
        where = {
            "ArnLike": {"aws:SourceArn": bucket},
            "StringEquals": {"aws:SourceAccount": wanted.names.account},
        }
        yield {**told, "Condition": filled(where)}
    if wanted.own.trigger == "eventbridge":
        yield _rule_sends(wanted, arn)


def _failed(wanted: Wanted, arn: str) -> Iterator[Any]:
    if wanted.own.trigger == "eventbridge":
        yield _rule_sends(wanted, arn)


def _rule_sends(wanted: Wanted, arn: str) -> Any:
    """The rule's ARN has the account in it, and EventBridge documents no other key for queues."""
    told = allowed("RuleSends", {"Service": "events.amazonaws.com"}, "sqs:SendMessage", sub(arn))
    rule = wanted.names.arn("events", f"rule/{wanted.names.rule}")
    return {**told, "Condition": filled({"ArnEquals": {"aws:SourceArn": rule}})}
