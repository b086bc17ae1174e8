"""Whether load balancers can write into a bucket, looked at before anything is changed.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tailrace.deploy.balancers.attributes import Goal
from tailrace.deploy.balancers.policy import Request, Verdict, verdict
from tailrace.deploy.cloud import Cloud, Place
from tailrace.deploy.deliverers import ACCOUNTS, LOAD_BALANCING, LOG_DELIVERY
from tailrace.deploy.listing import known

_LOCATIONS: Final = {"": "us-east-1", "EU": "eu-west-1"}
"""What S3 tells of regions in which there were buckets before they had names as today."""
_KMS: Final = "aws:kms"
_DAY: Final = "2026/01/31"
CALLS: Final = ("s3:GetBucketLocation", "s3:GetBucketEncryption", "s3:GetBucketPolicy")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket as far as delivery to it is concerned. `key`: that of KMS with which objects are encrypted by default, if they are."""

    name: str
    region: str
    encryption: str = ""
    key: str = ""
    policy: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What keeps load balancers from writing, and the remedy. `certain`: not only perhaps."""

    text: str
    certain: bool = True


def region_of(located: Mapping[str, Any]) -> str:
    """The region of a bucket, from what GetBucketLocation answers."""
    told = str(located.get("LocationConstraint") or "")
    return _LOCATIONS.get(told, told)


def bucket_of(cloud: Cloud, name: str) -> Bucket | None:
    """The bucket; None if there is none."""
    located = known(cloud, "s3:GetBucketLocation", "NoSuchBucket", Bucket=name)
    if located is None:
        return None
    told = known(cloud, "s3:GetBucketEncryption", "ServerSideEncryptionConfigurationNotFoundError", Bucket=name) or {}
    rules = told.get("ServerSideEncryptionConfiguration", {}).get("Rules", ())
    default: Mapping[str, str] = next((each.get("ApplyServerSideEncryptionByDefault", {}) for each in rules), {})
    policy = known(cloud, "s3:GetBucketPolicy", "NoSuchBucketPolicy", Bucket=name)
    return Bucket(
        name=name,
        region=region_of(located),
        encryption=default.get("SSEAlgorithm", ""),
        key=default.get("KMSMasterKeyID", ""),
        policy=msgspec.json.decode(policy["Policy"]) if policy else None,
    )


def faults(bucket: Bucket, goal: Goal, place: Place, kinds: Sequence[str]) -> Iterator[Fault]:
    """What keeps load balancers of these kinds from writing to the bucket."""
    if bucket.region != place.region:
        yield Fault(
            f"the bucket {bucket.name} is in {bucket.region}, and load balancers write to buckets of their own region only"
        )
    yield from _encryption(bucket, kinds)
    for kind in kinds:
        yield from _permission(bucket, goal, place, kind)


def _encryption(bucket: Bucket, kinds: Sequence[str]) -> Iterator[Fault]:
    if not bucket.encryption.startswith(_KMS):
        return
    told = [kind for kind in kinds if kind != "network"]
    if told:
        yield Fault(
            f"the bucket {bucket.name} encrypts with KMS by default, and {' and '.join(told)} load balancers write with the keys of S3"
            " (SSE-S3, AES256) only; change its default encryption, or take another bucket"
        )
    elif not bucket.key or bucket.key.endswith("alias/aws/s3"):
        yield Fault(
            f"the bucket {bucket.name} encrypts with AWS's own key of KMS, which network load balancers may not use; take a key of"
            f" your own that lets {LOG_DELIVERY} use it, or SSE-S3"
        )


def _permission(bucket: Bucket, goal: Goal, place: Place, kind: str) -> Iterator[Fault]:
    answers = {_worst(bucket.policy or {}, requests) for requests in _requests(bucket, goal, place, kind)}
    if Verdict.ALLOWED in answers:
        return
    who = LOG_DELIVERY if kind == "network" else LOAD_BALANCING
    where = f"arn:{place.partition}:s3:::{bucket.name}/{_below(goal, place)}*"
    if Verdict.UNKNOWN in answers:
        text = f"whether the policy of the bucket {bucket.name} lets {who} write to {where} depends on conditions that only AWS knows"
        yield Fault(text, certain=False)
    else:
        verb = "denies" if Verdict.DENIED in answers else "does not allow"
        also = " and s3:GetBucketAcl on the bucket" if kind == "network" else ""
        yield Fault(
            f"the policy of the bucket {bucket.name} {verb} that {who} writes logs of {kind} load balancers; let it do s3:PutObject on {where}{also}"
        )


def _requests(bucket: Bucket, goal: Goal, place: Place, kind: str) -> Iterator[Sequence[Request]]:
    """The ways of delivery, each with all that it asks for; one is enough."""
    arn = f"arn:{place.partition}:s3:::{bucket.name}"
    below = f"{arn}/{_below(goal, place)}"
    context = {
        "aws:securetransport": "true",
        "aws:principalisawsservice": "true",
        "s3:x-amz-acl": "bucket-owner-full-control",
    }
    if kind == "network":
        source = f"arn:{place.partition}:logs:{place.region}:{place.account}:delivery-source"
        context |= {"aws:sourceaccount": place.account, "aws:sourcearn": source}
        yield [
            Request(service=LOG_DELIVERY, action="s3:PutObject", resource=_log(below, place), context=context),
            Request(service=LOG_DELIVERY, action="s3:GetBucketAcl", resource=arn, context=context),
        ]
        return
    accounts = [("", ACCOUNTS[place.region])] if place.region in ACCOUNTS else []
    for service, account in [(LOAD_BALANCING, ""), *accounts]:
        # With each change a test file is written first.
        resources = (_log(below, place), f"{below}ELBAccessLogTestFile")
        known_ = {**context, "aws:principalisawsservice": str(bool(service)).lower()}
        yield [
            Request(service=service, account=account, action="s3:PutObject", resource=each, context=known_)
            for each in resources
        ]


def _below(goal: Goal, place: Place) -> str:
    return f"{goal.prefix}/AWSLogs/{place.account}/".lstrip("/")


def _log(below: str, place: Place) -> str:
    return f"{below}elasticloadbalancing/{place.region}/{_DAY}/log.gz"


def _worst(policy: Mapping[str, Any], requests: Sequence[Request]) -> Verdict:
    order = [Verdict.DENIED, Verdict.SILENT, Verdict.UNKNOWN, Verdict.ALLOWED]
    return min((verdict(policy, each) for each in requests), key=order.index)
