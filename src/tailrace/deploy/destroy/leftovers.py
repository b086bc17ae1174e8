"""Looking again, by name, at everything that a deployment makes: what is left, and the command that removes it.

https://docs.aws.amazon.com/cli/latest/reference/
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tailrace.deploy.cloud import Cloud
from tailrace.deploy.destroy.stack import gone
from tailrace.deploy.listing import NO_BUCKET, NO_QUEUE, NO_RESOURCE, known, listed
from tailrace.deploy.template.alarms import alarms
from tailrace.deploy.wanted import Wanted
from tailrace.permissions import Need, needs_on

_NO_ROLE: Final = ("NoSuchEntity", "NoSuchEntityException")


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that is there. `command`: what removes it."""

    what: str
    name: str
    command: str

    def __str__(self) -> str:
        return f"{self.what} {self.name}: {self.command}"


def leftovers(cloud: Cloud, wanted: Wanted, kept: Collection[str] = ()) -> Sequence[Leftover]:
    """All that is there, but what is kept. Raises Fatal, Retryable."""
    return [each for look in _LOOKS for each in look(cloud, wanted) if each.name not in kept]


def log_group_is_there(cloud: Cloud, wanted: Wanted) -> bool:
    """Whether the function's own log is there; Lambda makes it anew when a last invocation tells something."""
    name = wanted.names.function_log
    found = listed(cloud, "logs:DescribeLogGroups", "logGroups", logGroupNamePrefix=name)
    return any(each["logGroupName"] == name for each in found)


def remove_log_group(cloud: Cloud, wanted: Wanted) -> None:
    """Remove it; there may be none."""
    known(cloud, "logs:DeleteLogGroup", *NO_RESOURCE, logGroupName=wanted.names.function_log)


def _stack(cloud: Cloud, wanted: Wanted) -> Iterator[Leftover]:
    name = wanted.names.stack
    if not gone(cloud, name):
        yield Leftover("stack", name, f"aws cloudformation delete-stack --stack-name {name}")


def _function(cloud: Cloud, wanted: Wanted) -> Iterator[Leftover]:
    name = wanted.names.function
    if known(cloud, "lambda:GetFunctionConfiguration", *NO_RESOURCE, FunctionName=name):
        yield Leftover("function", name, f"aws lambda delete-function --function-name {name}")


def _log(cloud: Cloud, wanted: Wanted) -> Iterator[Leftover]:
    name = wanted.names.function_log
    if log_group_is_there(cloud, wanted):
        yield Leftover("log group", name, f"aws logs delete-log-group --log-group-name {name}")


def _role(cloud: Cloud, wanted: Wanted) -> Iterator[Leftover]:
    name = wanted.names.role
    if known(cloud, "iam:GetRole", *_NO_ROLE, RoleName=name):
        remove = f"aws iam delete-role-policy --role-name {name} --policy-name {wanted.names.function}; aws iam delete-role --role-name {name}"
        yield Leftover("role", name, remove)


def _queues(cloud: Cloud, wanted: Wanted) -> Iterator[Leftover]:
    for name in (wanted.names.queue, wanted.names.dead_letter_queue):
        if found := known(cloud, "sqs:GetQueueUrl", *NO_QUEUE, QueueName=name):
            yield Leftover("queue", name, f"aws sqs delete-queue --queue-url {found['QueueUrl']}")


def _table(cloud: Cloud, wanted: Wanted) -> Iterator[Leftover]:
    name = wanted.names.receipts
    if known(cloud, "dynamodb:DescribeTable", *NO_RESOURCE, TableName=name):
        yield Leftover("table", name, f"aws dynamodb delete-table --table-name {name}")


def _rule(cloud: Cloud, wanted: Wanted) -> Iterator[Leftover]:
    name = wanted.names.rule
    if known(cloud, "events:DescribeRule", *NO_RESOURCE, Name=name):
        yield Leftover(
            "rule", name, f"aws events remove-targets --rule {name} --ids events; aws events delete-rule --name {name}"
        )


def _alarms(cloud: Cloud, wanted: Wanted) -> Iterator[Leftover]:
    names = [each["Properties"]["AlarmName"] for each in alarms(wanted).values()]
    for each in listed(cloud, "cloudwatch:DescribeAlarms", "MetricAlarms", AlarmNames=names):
        name = each["AlarmName"]
        yield Leftover("alarm", name, f"aws cloudwatch delete-alarms --alarm-names {name}")


def _buckets(cloud: Cloud, wanted: Wanted) -> Iterator[Leftover]:
    for name in (wanted.names.logs_bucket, wanted.names.artifacts_bucket):
        if known(cloud, "s3:HeadBucket", *NO_BUCKET, Bucket=name) is not None:
            yield Leftover("bucket", name, f"tailrace destroy {wanted.environment} --delete-logs")


def _network(cloud: Cloud, wanted: Wanted) -> Iterator[Leftover]:
    if not wanted.own.vpc.id:
        return
    mine = [
        {"Name": "vpc-id", "Values": [wanted.own.vpc.id]},
        {"Name": "tag:tailrace:component", "Values": [wanted.own.component]},
        {"Name": "tag:tailrace:environment", "Values": [wanted.environment]},
    ]
    for each in listed(cloud, "ec2:DescribeVpcEndpoints", "VpcEndpoints", Filters=mine):
        # Not every server of EC2's API knows these filters here.
        if each["VpcId"] == wanted.own.vpc.id and each["State"].lower() not in ("deleting", "deleted"):
            name = each["VpcEndpointId"]
            yield Leftover("VPC endpoint", name, f"aws ec2 delete-vpc-endpoints --vpc-endpoint-ids {name}")
    for each in listed(cloud, "ec2:DescribeSecurityGroups", "SecurityGroups", Filters=mine):
        name = each["GroupId"]
        yield Leftover("security group", name, f"aws ec2 delete-security-group --group-id {name}")


_LOOKS: Final[Sequence[Callable[[Cloud, Wanted], Iterator[Leftover]]]] = (
    _stack, _function, _log, _role, _queues, _table, _rule, _alarms, _network, _buckets,
)  # fmt: skip


def needs(wanted: Wanted) -> Sequence[Need]:
    """What looking again calls, and removing the function's log."""
    names = wanted.names
    network: Any = ("ec2:DescribeVpcEndpoints", "ec2:DescribeSecurityGroups") if wanted.own.vpc.id else ()
    return [
        Need("lambda:GetFunctionConfiguration", names.arn("lambda", f"function:{names.function}")),
        Need("logs:DescribeLogGroups", "*"),
        Need("logs:DeleteLogGroup", names.arn("logs", f"log-group:{names.function_log}:*")),
        Need("iam:GetRole", names.global_arn("iam", f"role/{names.role}")),
        *(Need("sqs:GetQueueUrl", names.arn("sqs", each)) for each in (names.queue, names.dead_letter_queue)),
        Need("dynamodb:DescribeTable", names.arn("dynamodb", f"table/{names.receipts}")),
        Need("events:DescribeRule", names.arn("events", f"rule/{names.rule}")),
        *needs_on("*", "cloudwatch:DescribeAlarms", *network),
        *(Need("s3:HeadBucket", names.global_arn("s3", each)) for each in (names.logs_bucket, names.artifacts_bucket)),
    ]
