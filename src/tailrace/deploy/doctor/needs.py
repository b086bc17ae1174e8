"""What the doctor calls: of this the policy of who looks is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tailrace.deploy.cloud import PLACE_NEEDS
from tailrace.deploy.doctor import groups, recursion
from tailrace.deploy.policies import by_code
from tailrace.deploy.template.own import targets
from tailrace.deploy.wanted import Wanted
from tailrace.hosts.asking import target_of
from tailrace.permissions import Need, bucket, key, log_group, needs_on

_EVERY: Final = (
    "lambda:GetAccountSettings", "lambda:ListEventSourceMappings", "cloudwatch:DescribeAlarms", "elbv2:DescribeLoadBalancers",
    "elbv2:DescribeLoadBalancerAttributes", "elb:DescribeLoadBalancers", "elb:DescribeLoadBalancerAttributes",
)  # fmt: skip
_NETWORK: Final = (
    "ec2:DescribeSubnets", "ec2:DescribeRouteTables", "ec2:DescribeVpcEndpoints", "ec2:DescribeSecurityGroups",
)  # fmt: skip
_BUCKET: Final = (
    "s3:GetBucketLocation", "s3:GetBucketEncryption", "s3:GetBucketOwnershipControls", "s3:GetBucketPolicy",
    "s3:GetBucketNotificationConfiguration",
)  # fmt: skip
_TRIED: Final = (
    "s3:CreateMultipartUpload",
    "s3:AbortMultipartUpload",
    "es:",
    "aoss:",
    "secretsmanager:",
    "ssm:",
    "kms:Decrypt",
)
"""What of its sinks' calls a look at them makes too."""


def doctor_needs(wanted: Wanted) -> Sequence[Need]:
    """What `tailrace doctor ENV` calls. Raises UsageError."""
    return list({repr(each): each for each in _needs(wanted)}.values())


def _needs(wanted: Wanted) -> Iterator[Need]:
    names = wanted.names
    yield from PLACE_NEEDS
    yield Need("cloudformation:DescribeStacks", names.arn("cloudformation", f"stack/{names.stack}/*"))
    yield from needs_on(bucket(wanted.bucket), *_BUCKET)
    yield from needs_on("*", *_EVERY, *(_NETWORK if wanted.own.vpc.subnets else ()))
    for name in (names.queue, names.dead_letter_queue):
        yield from needs_on(names.arn("sqs", name), "sqs:GetQueueUrl", "sqs:GetQueueAttributes")
    yield from _of_function(wanted)
    yield from needs_on(names.global_arn("iam", f"role/{names.role}"), "iam:GetRole", "iam:SimulatePrincipalPolicy")
    if wanted.own.trigger == "eventbridge":
        rule = names.arn("events", f"rule/{names.rule}")
        yield from needs_on(rule, "events:DescribeRule", "events:ListTargetsByRule")
    yield from _of_receipts(wanted)
    yield from _of_keys(wanted)
    yield from _of_sinks(wanted)


def _of_function(wanted: Wanted) -> Iterator[Need]:
    names = wanted.names
    function = names.arn("lambda", f"function:{names.function}")
    for arn in (function, f"{function}:*"):
        yield Need("lambda:GetFunctionConfiguration", arn)
    yield from needs_on(function, "lambda:GetAlias", "lambda:GetFunctionConcurrency")
    if wanted.own.trigger == "s3":
        yield Need("lambda:GetPolicy", f"{function}:*")


def _of_receipts(wanted: Wanted) -> Iterator[Need]:
    for need in by_code(wanted):
        if need.call == "dynamodb:GetItem":
            yield Need("dynamodb:DescribeTable", need.resource)


def _of_keys(wanted: Wanted) -> Iterator[Need]:
    """Which key it is, is known when the bucket and the secrets are seen."""
    yield from needs_on(key("alias/"), "kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants")
    for need in by_code(wanted):
        if need.call == "secretsmanager:GetSecretValue":
            yield Need("secretsmanager:DescribeSecret", need.resource)
        if need.call == "ssm:GetParameter":
            yield Need("ssm:DescribeParameters", "*")


def _of_sinks(wanted: Wanted) -> Iterator[Need]:
    told = [*recursion.groups(wanted), *groups.templates(wanted)]
    if told:
        yield Need("logs:DescribeLogGroups", "*")
    for name in (wanted.names.function_log, *told):
        yield Need("logs:DescribeSubscriptionFilters", log_group(name))
    for each in (*targets(wanted), target_of(wanted.settings.dead_letters, wanted.settings)):
        yield from (need for need in each.needs() if need.call.startswith(_TRIED))
        if each.name == "s3" and each.options.get("acl"):
            name = each.address.removeprefix("//").partition("/")[0]
            yield Need("s3:GetBucketOwnershipControls", bucket(name))
