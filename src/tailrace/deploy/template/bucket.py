"""The bucket of logs, if one is made, and who may write to it.

Load balancers encrypt with the keys of S3 only (SSE-S3). They are allowed by service principal, and in older regions also by
the region's account; each account may write below its own number.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/enable-access-logs.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from tailrace.deploy.deliverers import LOAD_BALANCING, LOG_DELIVERY
from tailrace.deploy.template.accounts import HAS_ACCOUNT, account
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

BUCKET: Final = "LogsBucket"
_ELB: Final = {"Service": LOAD_BALANCING}
_DELIVERY: Final = {"Service": LOG_DELIVERY}
_UNFINISHED_DAYS: Final = 1
_ARGUED: Final = {
    "CKV_AWS_18": "it is the bucket of access logs; logging access to it in itself would never end",
    "CKV_AWS_21": "every log has a key of its own and is gone after some days; versions would keep what is to go",
    "CKV_AWS_145": "load balancers deliver to buckets with SSE-S3 only",
    "CKV_AWS_144": "logs are carried away from here within minutes",
}


def bucket(wanted: Wanted, notification: dict[str, Any], after: Sequence[str]) -> Resources:
    """The bucket with its notification, which S3 checks when it is made: so it is made `after` what that needs."""
    if wanted.own.bucket:
        return {}
    made = {
        "Type": "AWS::S3::Bucket",
        "DependsOn": sorted(after),
        # Logs are not lost with the stack: `tailrace destroy --delete-logs` empties and removes the bucket. What a failed
        # creation leaves is empty.
        "DeletionPolicy": "RetainExceptOnCreate",
        "UpdateReplacePolicy": "Retain",
        "Metadata": argued(**_ARGUED),
        "Properties": {
            "BucketName": sub(wanted.bucket),
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
            "LifecycleConfiguration": {"Rules": [_expiry(), _unfinished()]},
            "NotificationConfiguration": notification,
            # Delivery by ELB and by CloudWatch Logs grants bucket-owner-full-control, the one ACL that is taken then.
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
            "Tags": tags(wanted.tags),
        },
    }
    return {BUCKET: made, f"{BUCKET}Policy": _policy(wanted)}


def _expiry() -> dict[str, Any]:
    return {"Id": "expire-logs", "Status": "Enabled", "ExpirationInDays": ref("LogExpirationDays")}


def _unfinished() -> dict[str, Any]:
    aborted = {"DaysAfterInitiation": _UNFINISHED_DAYS}
    return {"Id": "abort-unfinished-uploads", "Status": "Enabled", "AbortIncompleteMultipartUpload": aborted}


def _policy(wanted: Wanted) -> dict[str, Any]:
    return {
        "Type": "AWS::S3::BucketPolicy",
        # As long as the bucket: who uses it again by deploy.bucket finds that load balancers may write, over TLS only.
        "DeletionPolicy": "RetainExceptOnCreate",
        "UpdateReplacePolicy": "Delete",
        "Properties": {"Bucket": ref(BUCKET), "PolicyDocument": document(*_statements(wanted))},
    }


def _statements(wanted: Wanted) -> Iterator[Any]:
    accounts = wanted.own.accounts or (wanted.names.account,)
    arn = wanted.names.global_arn("s3", wanted.bucket)
    below = filled([f"{arn}/{wanted.prefix}{each}/*" for each in accounts])
    yield only_by_tls("s3:*", filled([arn, f"{arn}/*"]))
    yield allowed("LoadBalancersWrite", _ELB, "s3:PutObject", below)
    root = {"Fn::Sub": ["arn:${AWS::Partition}:iam::${Account}:root", {"Account": account()}]}
    older = allowed("LoadBalancersOfOlderRegionsWrite", {"AWS": root}, "s3:PutObject", below)
    yield {"Fn::If": [HAS_ACCOUNT, older, ref("AWS::NoValue")]}
    theirs = {
        "StringEquals": {"aws:SourceAccount": filled(list(accounts))},
        "ArnLike": {
            "aws:SourceArn": filled(
                [f"arn:{wanted.names.partition}:logs:{wanted.names.region}:{each}:*" for each in accounts]
            )
        },
    }
    acl = {"s3:x-amz-acl": "bucket-owner-full-control", **theirs["StringEquals"]}
    look = allowed("NetworkLoadBalancersLook", _DELIVERY, "s3:GetBucketAcl", sub(arn))
    write = allowed("NetworkLoadBalancersWrite", _DELIVERY, "s3:PutObject", below)
    yield {**look, "Condition": theirs}
    yield {**write, "Condition": {**theirs, "StringEquals": acl}}
