"""Which permissions a call asks for: the one table, reviewed against AWS's own reference of actions and resources.

A call is not always an action of its own name: S3 knows no HeadObject, SQS no batches. Where a call of S3 asks for one
permission on objects and another one on their bucket, both stand here, and a need takes those that fit its resource.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tailrace.permissions import Need

PAGES: Final = {
    "aoss": "list_opensearchserverless",
    "cloudformation": "list_cloudformation",
    "cloudwatch": "list_cloudwatch",
    "dynamodb": "list_dynamodb",
    "ec2": "list_ec2",
    "elasticloadbalancing": "list_elasticloadbalancingv2",
    "events": "list_eventbridge",
    "es": "list_opensearchservice",
    "iam": "list_iam",
    "kms": "list_kms",
    "lambda": "list_lambda",
    "logs": "list_logs",
    "s3": "list_s3",
    "secretsmanager": "list_secretsmanager",
    "sqs": "list_sqs",
    "ssm": "list_ssm",
    "xray": "list_xray",
}
"""The page of each service, below https://docs.aws.amazon.com/service-authorization/latest/reference/."""

_SAME: Final = {
    "cloudformation": "ContinueUpdateRollback DeleteChangeSet DeleteStack DescribeChangeSet DescribeEvents DescribeStackEvents DescribeStacks"
    " ExecuteChangeSet ListStackResources",
    "cloudwatch": "DescribeAlarms GetMetricData",
    "dynamodb": "DeleteItem DescribeTable GetItem PutItem Query",
    "ec2": "AssignPrivateIpAddresses CreateNetworkInterface DeleteNetworkInterface DescribeManagedPrefixLists DescribeNetworkInterfaces DescribeRouteTables"
    " DescribeSecurityGroups DescribeSubnets DescribeVpcEndpoints UnassignPrivateIpAddresses",
    "events": "DescribeRule ListRules ListTargetsByRule",
    "iam": "GetRole SimulatePrincipalPolicy",
    "kms": "Decrypt DescribeKey GenerateDataKey GetKeyPolicy ListGrants",
    "lambda": "GetAccountSettings GetAlias GetFunctionConcurrency GetFunctionConfiguration GetPolicy ListEventSourceMappings PublishVersion UpdateAlias UpdateFunctionCode UpdateFunctionConfiguration",
    "logs": "CreateLogGroup CreateLogStream DeleteLogGroup DescribeLogGroups DescribeSubscriptionFilters FilterLogEvents PutLogEvents PutRetentionPolicy",
    "s3": "AbortMultipartUpload CreateBucket DeleteBucket DeleteObject GetBucketLocation GetBucketOwnershipControls GetBucketPolicy"
    " GetBucketTagging PutBucketPolicy PutBucketTagging PutObject",
    "secretsmanager": "DescribeSecret GetSecretValue",
    "sqs": "DeleteMessage GetQueueAttributes GetQueueUrl ReceiveMessage SendMessage",
    "ssm": "DescribeParameters GetParameter",
    "xray": "PutTelemetryRecords PutTraceSegments",
}
"""Calls that are actions of the same name."""

_OTHERS: Final[Mapping[str, Sequence[str]]] = {
    "aoss:POST": ["aoss:APIAccessAll"],
    "es:POST": ["es:ESHttpPost"],
    # Of the items of a transaction each asks for its own: here conditions and puts.
    "dynamodb:TransactWriteItems": ["dynamodb:ConditionCheckItem", "dynamodb:PutItem"],
    # What is missing is answered with 404 to those only who may list the bucket, and with 403 to others.
    "s3:GetObject": ["s3:GetObject", "s3:ListBucket"],
    "s3:GetObject?VersionId": ["s3:GetObjectVersion", "s3:ListBucket"],
    "s3:HeadObject": ["s3:GetObject", "s3:ListBucket"],
    "s3:HeadObject?VersionId": ["s3:GetObjectVersion", "s3:ListBucket"],
    # botocore looks for a bucket's region itself where an answer to HEAD tells nothing.
    "s3:HeadBucket": ["s3:ListBucket"],
    "s3:ListObjectsV2": ["s3:ListBucket"],
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
    "s3:CompleteMultipartUpload": ["s3:PutObject"],
    "s3:CreateMultipartUpload": ["s3:PutObject"],
    "s3:CreateMultipartUpload?ACL": ["s3:PutObject", "s3:PutObjectAcl"],
    "s3:PutObject?ACL": ["s3:PutObject", "s3:PutObjectAcl"],
    "s3:UploadPart": ["s3:PutObject"],
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
    "s3:DeleteObject?VersionId": ["s3:DeleteObjectVersion"],
    "s3:DeleteObjects": ["s3:DeleteObject"],
    "s3:GetBucketEncryption": ["s3:GetEncryptionConfiguration"],
    "s3:GetBucketLifecycleConfiguration": ["s3:GetLifecycleConfiguration"],
    "s3:GetBucketNotificationConfiguration": ["s3:GetBucketNotification"],
    "s3:GetPublicAccessBlock": ["s3:GetBucketPublicAccessBlock"],
    "s3:ListMultipartUploads": ["s3:ListBucketMultipartUploads"],
    "s3:ListObjectVersions": ["s3:ListBucketVersions"],
    "s3:PutBucketEncryption": ["s3:PutEncryptionConfiguration"],
    "s3:PutBucketLifecycleConfiguration": ["s3:PutLifecycleConfiguration"],
    "s3:PutBucketNotificationConfiguration": ["s3:PutBucketNotification"],
    "s3:PutPublicAccessBlock": ["s3:PutBucketPublicAccessBlock"],
    # Whoever calls may know who that is.
    "sts:GetCallerIdentity": [],
    # A stack is tagged when it is made and changed.
    "cloudformation:CreateChangeSet": ["cloudformation:CreateChangeSet", "cloudformation:TagResource"],
    "cloudformation:CreateStack": ["cloudformation:CreateStack", "cloudformation:TagResource"],
    # Both generations of load balancers have one name.
    **{
        f"{service}:{call}": [f"elasticloadbalancing:{call}"]
        for service in ("elb", "elbv2")
        for call in (
            "DescribeLoadBalancerAttributes",
            "DescribeLoadBalancers",
            "DescribeTags",
            "ModifyLoadBalancerAttributes",
        )
    },
    # Batches ask for the permission of the single call.
    "sqs:ChangeMessageVisibilityBatch": ["sqs:ChangeMessageVisibility"],
    "sqs:DeleteMessageBatch": ["sqs:DeleteMessage"],
}

CALLS: Final[Mapping[str, Sequence[str]]] = {
    **{f"{service}:{call}": [f"{service}:{call}"] for service, calls in _SAME.items() for call in calls.split()},
    **_OTHERS,
}
"""The actions that a call asks for."""

OF_OBJECTS: Final = frozenset(
    f"s3:{action}"
    for action in (
        "AbortMultipartUpload",
        "DeleteObject",
        "DeleteObjectVersion",
        "GetObject",
        "GetObjectVersion",
        "PutObject",
        "PutObjectAcl",
    )
)
"""The actions of S3 whose resources are objects; those of all others are buckets."""


def actions_of(need: Need) -> list[str]:
    """The actions that a call asks for on its resource. Raises LookupError for a call of which the table does not know."""
    actions = CALLS[need.call]
    if ":s3:::" not in need.resource:
        return list(actions)
    fitting = [action for action in actions if (action in OF_OBJECTS) == ("/" in need.resource.partition(":s3:::")[2])]
    if not fitting:
        message = f"{need.call} asks for nothing on {need.resource}"
        raise LookupError(message)
    return fitting
