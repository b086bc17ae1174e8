"""How the function learns of objects: through the queue, by a call, or by EventBridge; for a bucket that is made, or one that is there.

The notification of a bucket that is there belongs to its owner: `tailrace deploy` adds to it, and no template can.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html
"""

from __future__ import annotations

from typing import Any, Final

from tailrace.deploy.notifications import EVENT
from tailrace.deploy.template.expressions import Resources, att, filled, ref, sub, tags
from tailrace.deploy.template.function import ALIAS
from tailrace.deploy.template.queue import DEAD, EVENTS, POLICY
from tailrace.deploy.wanted import Wanted

PERMISSION: Final = "BucketPermission"
RULE: Final = "ObjectsRule"
_DAY_S: Final = 86_400


def notification(wanted: Wanted) -> tuple[dict[str, Any], list[str]]:
    """The notification of the bucket that is made, and what must be there before it."""
    rules = {"S3Key": {"Rules": [{"Name": "prefix", "Value": wanted.prefix}]}}
    match wanted.own.trigger:
        case "sqs":
            told = {"Event": EVENT, "Filter": rules, "Queue": att(EVENTS, "Arn")}
            return {"QueueConfigurations": [told]}, [POLICY]
        case "s3":
            told = {"Event": EVENT, "Filter": rules, "Function": ref(ALIAS)}
            return {"LambdaConfigurations": [told]}, [PERMISSION]
        case "eventbridge":
            return {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}, []


def calls(wanted: Wanted) -> Resources:
    """What lets S3 call the function, or the rule by which EventBridge tells the queue."""
    match wanted.own.trigger:
        case "s3":
            return {PERMISSION: _permission(wanted), "FailedCalls": _failed_calls(wanted)}
        case "eventbridge":
            return {RULE: _rule(wanted)}
    return {}


def _permission(wanted: Wanted) -> dict[str, Any]:
    """Named by the bucket's name and not by the bucket, which waits for it."""
    return {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "FunctionName": ref(ALIAS),
            "Action": "lambda:InvokeFunction",
            "Principal": "s3.amazonaws.com",
            "SourceArn": sub(wanted.names.global_arn("s3", wanted.bucket)),
            "SourceAccount": sub(wanted.names.account),
        },
    }


def _failed_calls(wanted: Wanted) -> dict[str, Any]:
    """S3's calls wait in Lambda's own queue: what fails there three times, or gets too old, goes to the dead letters."""
    return {
        "Type": "AWS::Lambda::EventInvokeConfig",
        "DependsOn": [ALIAS],
        "Properties": {
            "FunctionName": wanted.names.function,
            "Qualifier": "live",
            "MaximumRetryAttempts": 2,
            "MaximumEventAgeInSeconds": 6 * 3600,
            "DestinationConfig": {"OnFailure": {"Destination": att(DEAD, "Arn")}},
        },
    }


def _rule(wanted: Wanted) -> dict[str, Any]:
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [wanted.bucket]}, "object": {"key": [{"prefix": wanted.prefix}]}},
    }
    target = {
        "Id": "events",
        "Arn": att(EVENTS, "Arn"),
        "DeadLetterConfig": {"Arn": att(DEAD, "Arn")},
        "RetryPolicy": {"MaximumEventAgeInSeconds": _DAY_S, "MaximumRetryAttempts": 185},
    }
    return {
        "Type": "AWS::Events::Rule",
        "DependsOn": [POLICY, f"{DEAD}Policy"],
        "Properties": {
            "Name": wanted.names.rule,
            "Description": f"Objects below {wanted.prefix} in the bucket of logs",
            "EventPattern": filled(pattern),
            "State": "ENABLED",
            "Targets": [target],
            "Tags": tags(wanted.tags),
        },
    }
