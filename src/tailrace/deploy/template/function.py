"""The function, its log, its alias, and the queue that calls it.

Everything calls the alias. CloudFormation makes it and never changes it again: `tailrace deploy` publishes versions and moves it.
"""

from __future__ import annotations

from typing import Any, Final

from tailrace.deploy import naming
from tailrace.deploy.template.environment import variables
from tailrace.deploy.template.expressions import Resources, argued, att, ref, tags
from tailrace.deploy.template.network import vpc_config
from tailrace.deploy.template.queue import EVENTS
from tailrace.deploy.template.role import ROLE
from tailrace.deploy.wanted import Wanted

FUNCTION: Final = "Processor"
LOG: Final = "ProcessorLog"
ALIAS: Final = "Live"
_BATCH: Final = 10
_MOST_CALLS: Final = 1000
"""https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"""
_ARGUED: Final = {
    "CKV_AWS_50": "tracing is deploy.tracing, off by default: each trace costs, and the function tells of itself in its log",
    "CKV_AWS_115": "reserved concurrency is deploy.reserved_concurrency: it is taken from what the account has",
    "CKV_AWS_116": "messages that fail are in the queue's dead letters, and failed calls of S3 in the alias's destination",
    "CKV_AWS_117": "the VPC is deploy.vpc: the function needs none where what it reaches is public",
    "CKV_AWS_173": "the variables hold no secret: secrets are told by reference, or the template is not made",
    "CKV_AWS_272": "the package is named by its hash, in a bucket that is the deployment's own",
}


def function(wanted: Wanted) -> Resources:
    """All four."""
    return {
        LOG: _log(wanted),
        FUNCTION: _function(wanted),
        ALIAS: {
            "Type": "AWS::Lambda::Alias",
            "Properties": {"Name": naming.ALIAS, "FunctionName": ref(FUNCTION), "FunctionVersion": naming.LATEST},
        },
        "EventSource": _source(wanted),
    }


def _log(wanted: Wanted) -> dict[str, Any]:
    return {
        "Type": "AWS::Logs::LogGroup",
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        "Metadata": argued(CKV_AWS_158="it tells of objects and figures, never of records; logs are encrypted anyway"),
        "Properties": {
            "LogGroupName": wanted.names.function_log,
            "RetentionInDays": ref("FunctionLogDays"),
            "Tags": tags(wanted.tags),
        },
    }


def _function(wanted: Wanted) -> dict[str, Any]:
    own = wanted.own
    told = {
        "FunctionName": wanted.names.function,
        "Description": f"Carries load-balancer logs ({wanted.names.stack})",
        "Handler": naming.HANDLER,
        "Runtime": wanted.runtime,
        "Architectures": [own.architecture],
        "Code": {"S3Bucket": ref("CodeBucket"), "S3Key": ref("CodeKey")},
        "Role": att(ROLE, "Arn"),
        "MemorySize": ref("Memory"),
        "Timeout": own.timeout,
        "Environment": {"Variables": variables(wanted)},
        "LoggingConfig": {"LogGroup": wanted.names.function_log},
        # A long object is continued through the queue by the function itself, twenty times at most; Lambda would stop it after
        # sixteen.
        "RecursiveLoop": "Allow",
        "TracingConfig": {"Mode": "Active" if own.tracing else "PassThrough"},
        "Tags": tags(wanted.tags),
    }
    if own.reserved_concurrency:
        told["ReservedConcurrentExecutions"] = own.reserved_concurrency
    if own.vpc.subnets:
        told["VpcConfig"] = vpc_config(wanted)
    return {
        "Type": "AWS::Lambda::Function",
        "DependsOn": [LOG],
        "Metadata": argued(**_ARGUED),
        "Properties": told,
    }


def _source(wanted: Wanted) -> dict[str, Any]:
    """The queue calls the alias; as often at a time as there is reserved, so that no message counts a call that was refused."""
    told = {
        "FunctionName": ref(ALIAS),
        "EventSourceArn": att(EVENTS, "Arn"),
        "BatchSize": _BATCH,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "Enabled": True,
        "Tags": tags(wanted.tags),
    }
    if wanted.own.reserved_concurrency > 1:
        told["ScalingConfig"] = {"MaximumConcurrency": min(wanted.own.reserved_concurrency, _MOST_CALLS)}
    return {"Type": "AWS::Lambda::EventSourceMapping", "Properties": told}
