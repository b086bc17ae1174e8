"""What CloudFormation calls for the resources of a stack, in the name of whoever changes the stack: by type of resource.

It is taken from the permissions that the registry's schemas tell of each type's handlers, without those that serve properties
which the template never has; a test compares both. What is made by its type and not by its name (EC2's, event source mappings) is
limited to its VPC or function.

https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html#schema-properties-handlers
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tailrace.deploy.policies import Grant
from tailrace.deploy.wanted import Wanted
from tailrace.permissions import bucket, log_group, objects

Where = Callable[[Wanted], Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What the handlers of a type call on some resources of a service: to make and change it, to read it, and to remove it."""

    service: str
    on: Callable[[Wanted], Sequence[str]]
    make: str = ""
    read: str = ""
    remove: str = ""
    where: Where = field(default=lambda _wanted: {})

    def grants(self, wanted: Wanted, *, make: bool) -> Iterator[Grant]:
        """As parts of a policy; not what only makes it, if it is but to be removed."""
        names = f"{self.make if make else ''} {self.read} {self.remove}".split()
        if names:
            yield Grant([f"{self.service}:{name}" for name in names], self.on(wanted), self.where(wanted))


def grants(wanted: Wanted, types: Iterator[str] | Sequence[str], *, make: bool) -> list[Grant]:
    """What CloudFormation needs for resources of these types. Raises LookupError for a type that is not known here."""
    return [grant for kind in dict.fromkeys(types) for each in TYPES[kind] for grant in each.grants(wanted, make=make)]


def _everything(_wanted: Wanted) -> Sequence[str]:
    return ["*"]


def _bucket(wanted: Wanted) -> Sequence[str]:
    return [bucket(wanted.bucket)]


def _queues(wanted: Wanted) -> Sequence[str]:
    names = wanted.names
    return [names.arn("sqs", name) for name in (names.queue, names.dead_letter_queue)]


def _table(wanted: Wanted) -> Sequence[str]:
    return [wanted.names.arn("dynamodb", f"table/{wanted.names.receipts}")]


def _role(wanted: Wanted) -> Sequence[str]:
    return [wanted.names.global_arn("iam", f"role/{wanted.names.role}")]


def _log(wanted: Wanted) -> Sequence[str]:
    whole = log_group(wanted.names.function_log)
    return [whole.removesuffix(":*"), whole]  # tags are on the group, everything else is on what is below it


def _function(wanted: Wanted) -> Sequence[str]:
    return [wanted.names.arn("lambda", f"function:{wanted.names.function}")]


def _versions(wanted: Wanted) -> Sequence[str]:
    return [*_function(wanted), f"{_function(wanted)[0]}:*"]


def _mappings(wanted: Wanted) -> Sequence[str]:
    return [wanted.names.arn("lambda", "event-source-mapping:*")]


def _of_function(wanted: Wanted) -> Mapping[str, Mapping[str, Any]]:
    return {"ArnLike": {"lambda:FunctionArn": _versions(wanted)}}


def _alarms(wanted: Wanted) -> Sequence[str]:
    return [wanted.names.arn("cloudwatch", f"alarm:{wanted.names.alarm('*')}")]


def _rule(wanted: Wanted) -> Sequence[str]:
    return [wanted.names.arn("events", f"rule/{wanted.names.rule}")]


def _ec2(*kinds: str) -> Callable[[Wanted], Sequence[str]]:
    def on(wanted: Wanted) -> Sequence[str]:
        vpc, ids = wanted.own.vpc, {kind: ["*"] for kind in kinds}
        ids |= {"vpc": [vpc.id], "subnet": list(vpc.subnets), "route-table": list(vpc.route_tables)}
        return [wanted.names.arn("ec2", f"{kind}/{each}") for kind in kinds for each in ids[kind]]

    return on


def _in_vpc(wanted: Wanted) -> Mapping[str, Mapping[str, Any]]:
    return {"ArnEquals": {"ec2:Vpc": wanted.names.arn("ec2", f"vpc/{wanted.own.vpc.id}")}}


def _bounded(wanted: Wanted) -> Mapping[str, Mapping[str, Any]]:
    boundary = wanted.own.permissions_boundary
    return {"StringEquals": {"iam:PermissionsBoundary": boundary}} if boundary else {}


def _to_lambda(_wanted: Wanted) -> Mapping[str, Mapping[str, Any]]:
    return {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}


def _packages(wanted: Wanted) -> Sequence[str]:
    return [objects(wanted.artifacts, "packages/")]


_ADDING: Final = "AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress"
_TAKING_AWAY: Final = "RevokeSecurityGroupEgress RevokeSecurityGroupIngress"
TYPES: Final[Mapping[str, Sequence[Handled]]] = {
    "AWS::S3::Bucket": [
        Handled(
            service="s3",
            on=_bucket,
            make="CreateBucket PutBucketNotification PutBucketOwnershipControls PutBucketPublicAccessBlock PutBucketTagging"
            " PutEncryptionConfiguration PutLifecycleConfiguration TagResource UntagResource",
            read="GetBucketNotification GetBucketOwnershipControls GetBucketPublicAccessBlock GetBucketTagging"
            " GetEncryptionConfiguration GetLifecycleConfiguration ListBucket ListTagsForResource",
            remove="DeleteBucket",
        )
    ],
    "AWS::S3::BucketPolicy": [
        Handled(service="s3", on=_bucket, make="PutBucketPolicy", read="GetBucketPolicy", remove="DeleteBucketPolicy")
    ],
    "AWS::SQS::Queue": [
        Handled(
            service="sqs",
            on=_queues,
            make="CreateQueue GetQueueUrl SetQueueAttributes TagQueue UntagQueue",
            read="GetQueueAttributes ListQueueTags",
            remove="DeleteQueue",
        )
    ],
    "AWS::SQS::QueuePolicy": [Handled(service="sqs", on=_queues, remove="SetQueueAttributes")],
    "AWS::DynamoDB::Table": [
        Handled(
            service="dynamodb",
            on=_table,
            make="CreateTable TagResource UntagResource UpdateContinuousBackups UpdateTable UpdateTimeToLive",
            read="DescribeContinuousBackups DescribeContributorInsights DescribeKinesisStreamingDestination DescribeTable"
            " DescribeTimeToLive GetResourcePolicy ListTagsOfResource",
            remove="DeleteTable",
        )
    ],
    "AWS::IAM::Role": [
        Handled(service="iam", on=_role, make="CreateRole PutRolePolicy", where=_bounded),
        Handled(
            service="iam",
            on=lambda wanted: _role(wanted) if wanted.own.permissions_boundary else [],
            make="PutRolePermissionsBoundary",
            where=_bounded,
        ),
        Handled(
            service="iam",
            on=_role,
            make="TagRole UntagRole UpdateAssumeRolePolicy UpdateRole UpdateRoleDescription",
            read="GetRole GetRolePolicy ListAttachedRolePolicies ListRolePolicies",
            remove="DeleteRole DeleteRolePolicy",
        ),
    ],
    "AWS::Logs::LogGroup": [
        Handled(
            service="logs",
            on=_log,
            make="CreateLogGroup DeleteRetentionPolicy PutRetentionPolicy TagResource UntagResource",
            read="GetDataProtectionPolicy ListTagsForResource",
            remove="DeleteLogGroup",
        ),
        Handled(
            service="logs", on=_everything, read="DescribeIndexPolicies DescribeLogGroups DescribeResourcePolicies"
        ),
    ],
    "AWS::Lambda::Function": [
        Handled(
            service="lambda",
            on=_function,
            make="CreateFunction DeleteFunctionConcurrency PutFunctionConcurrency PutFunctionRecursionConfig TagResource"
            " UntagResource UpdateFunctionCode UpdateFunctionConfiguration",
            read="GetFunction GetFunctionCodeSigningConfig GetFunctionRecursionConfig GetFunctionScalingConfig"
            " GetRuntimeManagementConfig",
            remove="DeleteFunction",
        ),
        Handled(service="iam", on=_role, make="PassRole", where=_to_lambda),
        Handled(service="s3", on=_packages, make="GetObject"),
        Handled(
            service="ec2",
            on=lambda wanted: ["*"] if wanted.own.vpc.subnets else [],
            make="DescribeSecurityGroups DescribeSubnets DescribeVpcs",
            remove="DescribeNetworkInterfaces",
        ),
    ],
    "AWS::Lambda::Alias": [
        Handled(
            service="lambda",
            on=_versions,
            make="CreateAlias UpdateAlias",
            read="GetAlias",
            remove="DeleteAlias",
        ),
        Handled(service="lambda", on=lambda wanted: _versions(wanted)[1:], read="GetProvisionedConcurrencyConfig"),
    ],
    "AWS::Lambda::Permission": [
        Handled(service="lambda", on=_versions, make="AddPermission", read="GetPolicy", remove="RemovePermission")
    ],
    "AWS::Lambda::EventSourceMapping": [
        # The mapping has no name before it is made, and what it calls is a condition.
        Handled(service="lambda", on=_everything, make="CreateEventSourceMapping", where=_of_function),
        Handled(
            service="lambda",
            on=_mappings,
            make="UpdateEventSourceMapping",
            remove="DeleteEventSourceMapping",
            where=_of_function,
        ),
        Handled(
            service="lambda", on=_mappings, make="TagResource UntagResource", read="GetEventSourceMapping ListTags"
        ),
    ],
    "AWS::Lambda::EventInvokeConfig": [
        Handled(
            service="lambda",
            on=_versions,
            make="PutFunctionEventInvokeConfig UpdateFunctionEventInvokeConfig",
            read="GetFunctionEventInvokeConfig",
            remove="DeleteFunctionEventInvokeConfig",
        )
    ],
    "AWS::Events::Rule": [
        Handled(
            service="events",
            on=_rule,
            make="PutRule PutTargets TagResource UntagResource",
            read="DescribeRule ListTagsForResource ListTargetsByRule",
            remove="DeleteRule RemoveTargets",
        )
    ],
    "AWS::CloudWatch::Alarm": [
        Handled(
            service="cloudwatch",
            on=_alarms,
            make="PutMetricAlarm TagResource UntagResource",
            read="DescribeAlarms ListTagsForResource",
            remove="DeleteAlarms",
        )
    ],
    "AWS::EC2::SecurityGroup": [
        Handled(service="ec2", on=_ec2("security-group", "vpc"), make="CreateSecurityGroup"),
        Handled(
            service="ec2",
            on=_ec2("security-group"),
            make=f"{_ADDING} {_TAKING_AWAY} UpdateSecurityGroupRuleDescriptionsEgress UpdateSecurityGroupRuleDescriptionsIngress",
            remove="DeleteSecurityGroup",
            where=_in_vpc,
        ),
        Handled(service="ec2", on=_ec2("security-group"), make="CreateTags DeleteTags"),
        Handled(service="ec2", on=_everything, read="DescribeSecurityGroups", remove="DescribeInstances"),
    ],
    "AWS::EC2::VPCEndpoint": [
        Handled(
            service="ec2",
            on=_ec2("vpc-endpoint", "vpc", "subnet", "route-table", "security-group"),
            make="CreateVpcEndpoint",
        ),
        Handled(
            service="ec2",
            on=_ec2("vpc-endpoint", "subnet", "route-table", "security-group"),
            make="ModifyVpcEndpoint",
        ),
        Handled(service="ec2", on=_ec2("vpc-endpoint"), make="CreateTags DeleteTags", remove="DeleteVpcEndpoints"),
        Handled(
            service="ec2",
            on=_everything,
            read="DescribeSecurityGroups DescribeSubnets DescribeVpcEndpoints DescribeVpcs",
        ),
        # The schema does not tell of it; the reference does, for endpoints with names of their own in the VPC.
        Handled(service="route53", on=_everything, make="AssociateVPCWithHostedZone"),
    ],
}
