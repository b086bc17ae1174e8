"""The bucket of logs: in the right region, encrypted as load balancers can, and open to those who deliver.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from tailrace.deploy.balancers.attributes import Goal
from tailrace.deploy.balancers.checking import Bucket, Fault, faults, region_of
from tailrace.deploy.cloud import Place
from tailrace.deploy.deliverers import LOAD_BALANCING, LOG_DELIVERY
from tailrace.deploy.doctor.balancers import kinds_of
from tailrace.deploy.doctor.checking import Check, again
from tailrace.deploy.doctor.finding import Finding, aws, compact, ok, unknown, wrong
from tailrace.deploy.doctor.looking import Looking
from tailrace.deploy.template.own import targets
from tailrace.deploy.wanted import Wanted
from tailrace.hosts.asking import Target

_FULL_CONTROL: Final = "bucket-owner-full-control"
_ENFORCED: Final = "BucketOwnerEnforced"
_LONGEST: Final = 20 << 10
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html"""


# --- where it is ---


def _look_at_region(wanted: Wanted, looking: Looking) -> str | None:
    found = looking("s3:GetBucketLocation", "NoSuchBucket", Bucket=wanted.bucket)
    return None if found is None else region_of(found)


def place(wanted: Wanted, region: str | None) -> Iterator[Finding]:
    """Whether it is there, and in the region of the deployment."""
    if region is None:
        made = aws("s3", "mb", f"s3://{wanted.bucket}", "--region", wanted.names.region)
        yield wrong(_REGION, f"there is no bucket {wanted.bucket}", made if wanted.own.bucket else again(wanted))
    elif region != wanted.names.region:
        text = f"{wanted.bucket} is in {region} and the deployment in {wanted.names.region}; load balancers and notifications stay in a region"
        yield wrong(_REGION, text, f"{again(wanted)} --region {region}")
    else:
        yield ok(_REGION, f"{wanted.bucket} is in {region}")


# --- encryption ---


@dataclass(frozen=True, slots=True)
class Encryption:
    """How objects are encrypted by default; empty if that was never said. `kinds`: of the load balancers that there are."""

    algorithm: str
    key: str
    kinds: Sequence[str]


def encryption_of(wanted: Wanted, looking: Looking) -> Encryption | None:
    """That of the bucket of logs; None if there is no bucket. Raises Unseen."""
    if _look_at_region(wanted, looking) is None:
        return None
    absent = "ServerSideEncryptionConfigurationNotFoundError"
    told = looking("s3:GetBucketEncryption", absent, Bucket=wanted.bucket) or {}
    rules: Sequence[Mapping[str, Any]] = told.get("ServerSideEncryptionConfiguration", {}).get("Rules", ())
    default = rules[0].get("ApplyServerSideEncryptionByDefault", {}) if rules else {}
    return Encryption(
        default.get("SSEAlgorithm", ""), default.get("KMSMasterKeyID", ""), tuple(kinds_of(wanted, looking))
    )


def encryption(wanted: Wanted, found: Encryption | None) -> Iterator[Finding]:
    """Whether load balancers can write with it."""
    if found is None:
        return
    bucket = Bucket(wanted.bucket, wanted.names.region, found.algorithm, found.key, _anything(wanted))
    seen = [
        fault for kind in found.kinds for fault in faults(bucket, _goal(wanted), _place(wanted, wanted.names.account), [kind])
    ]  # fmt: skip
    if not seen:
        yield ok(_ENCRYPTION, f"objects are encrypted with {found.algorithm or 'the keys of S3'}")
        return
    plain = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    remedy = aws("s3api", "put-bucket-encryption", "--bucket", wanted.bucket, "--server-side-encryption-configuration", compact(plain))  # fmt: skip
    yield wrong(_ENCRYPTION, "; ".join(dict.fromkeys(fault.text for fault in seen)), remedy)


def _anything(wanted: Wanted) -> Mapping[str, Any]:
    """A policy that allows everything, so that only the rest is judged."""
    arn = wanted.names.global_arn("s3", wanted.bucket)
    return {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": [arn, f"{arn}/*"]}]}


# --- ownership ---


@dataclass(frozen=True, slots=True)
class Ownership:
    """To whom objects belong, by bucket; empty where that was never said. `acls`: what sinks write with an ACL, and which."""

    of: Mapping[str, str]
    acls: Mapping[str, str]


def _look_at_ownership(wanted: Wanted, looking: Looking) -> Ownership:
    acls = {bucket: acl for bucket, acl in map(_acl, targets(wanted)) if acl}
    there = [] if _look_at_region(wanted, looking) is None else [wanted.bucket]
    return Ownership({each: _owner(looking, each) for each in dict.fromkeys([*there, *acls])}, acls)


def _owner(looking: Looking, bucket: str) -> str:
    absent = ("OwnershipControlsNotFoundError", "NoSuchBucket")
    told = looking("s3:GetBucketOwnershipControls", *absent, Bucket=bucket) or {}
    rules: Sequence[Mapping[str, Any]] = told.get("OwnershipControls", {}).get("Rules", ())
    return str(rules[0]["ObjectOwnership"]) if rules else ""


def _acl(target: Target) -> tuple[str, str]:
    bucket = target.address.removeprefix("//").partition("/")[0]
    return bucket, str(target.options.get("acl", "")) if target.name == "s3" else ""


def ownership(wanted: Wanted, found: Ownership) -> Iterator[Finding]:
    """Whether objects are the bucket's owner's, and no ACL is sent where none is taken."""
    for bucket, acl in found.acls.items():
        if found.of[bucket] == _ENFORCED and acl != _FULL_CONTROL:
            text = f"{bucket} takes no ACLs ({_ENFORCED}), and the sink sends {acl}: every object would be refused"
            yield wrong(_OWNERSHIP, text, f"{again(wanted)} --set acl={_FULL_CONTROL}")
    owner = found.of.get(wanted.bucket)
    if owner is None:
        return
    if owner in (_ENFORCED, "BucketOwnerPreferred"):
        yield ok(_OWNERSHIP, f"objects of {wanted.bucket} belong to its owner ({owner})")
        return
    text = f"objects of {wanted.bucket} belong to those who write them ({owner or 'never set'}); load balancers grant its owner full control"
    yield ok(_OWNERSHIP, text, _enforcing(wanted.bucket))


def _enforcing(bucket: str) -> str:
    rules = f"Rules=[{{ObjectOwnership={_ENFORCED}}}]"
    return aws("s3api", "put-bucket-ownership-controls", "--bucket", bucket, "--ownership-controls", rules)


# --- policy ---


@dataclass(frozen=True, slots=True)
class Policy:
    """The bucket's policy, None if it has none. `kinds`: of the load balancers that there are."""

    document: Mapping[str, Any] | None
    kinds: Sequence[str]


def _look_at_policy(wanted: Wanted, looking: Looking) -> Policy | None:
    if _look_at_region(wanted, looking) is None:
        return None
    told = looking("s3:GetBucketPolicy", "NoSuchBucketPolicy", Bucket=wanted.bucket)
    return Policy(msgspec.json.decode(told["Policy"]) if told else None, tuple(kinds_of(wanted, looking)))


def delivery(wanted: Wanted, found: Policy | None) -> Iterator[Finding]:
    """Whether load balancers of each kind and account may write, by the bucket's policy."""
    if found is None:
        return
    seen = list(_faults(wanted, found))
    size = len(compact(found.document)) if found.document else 0
    certain = list(dict.fromkeys(fault.text for fault in seen if fault.certain))
    for text in certain:
        yield wrong(_POLICY, text, _remedy(wanted, found))
    for fault in seen:
        if not fault.certain:
            yield unknown(_POLICY, fault.text, _reading(wanted))
    if not seen:
        accounts = ", ".join(_accounts(wanted))
        yield ok(
            _POLICY,
            f"{', '.join(found.kinds)} load balancers of {accounts} may write below {wanted.prefix} ({size:,} bytes of {_LONGEST:,})",
        )


def _faults(wanted: Wanted, found: Policy) -> Iterator[Fault]:
    bucket = Bucket(wanted.bucket, wanted.names.region, policy=found.document)
    for account in _accounts(wanted):
        for kind in found.kinds:
            yield from faults(bucket, _goal(wanted), _place(wanted, account), [kind])


def _remedy(wanted: Wanted, found: Policy) -> str:
    """The policy with what is missing; what it denies is for people to look at."""
    told: Mapping[str, Any] = found.document or {"Version": "2012-10-17", "Statement": []}
    before = told["Statement"] if isinstance(told["Statement"], list) else [told["Statement"]]
    ours = list(_statements(wanted, found.kinds))
    sids = {each["Sid"] for each in ours}
    merged = {**told, "Statement": [*(each for each in before if each.get("Sid") not in sids), *ours]}
    if any(fault.certain for fault in _faults(wanted, replace(found, document=merged))):
        return _reading(wanted)
    return aws("s3api", "put-bucket-policy", "--bucket", wanted.bucket, "--policy", compact(merged))


def _reading(wanted: Wanted) -> str:
    return aws("s3api", "get-bucket-policy", "--bucket", wanted.bucket, "--query", "Policy", "--output", "text")


def _statements(wanted: Wanted, kinds: Sequence[str]) -> Iterator[dict[str, Any]]:
    arn, accounts = wanted.names.global_arn("s3", wanted.bucket), list(_accounts(wanted))
    below = [f"{arn}/{wanted.prefix}{each}/*" for each in accounts]
    if {*kinds} - {"network"}:
        yield _allowed("TailraceLoadBalancersWrite", LOAD_BALANCING, "s3:PutObject", below)
    if "network" in kinds:
        theirs = {"StringEquals": {"aws:SourceAccount": accounts}}
        yield {
            **_allowed("TailraceNetworkLoadBalancersLook", LOG_DELIVERY, "s3:GetBucketAcl", [arn]),
            "Condition": theirs,
        }
        told = {"StringEquals": {**theirs["StringEquals"], "s3:x-amz-acl": _FULL_CONTROL}}
        yield {**_allowed("TailraceNetworkLoadBalancersWrite", LOG_DELIVERY, "s3:PutObject", below), "Condition": told}


def _allowed(sid: str, service: str, action: str, resources: Sequence[str]) -> dict[str, Any]:
    who = {"Service": service}
    return {"Sid": sid, "Effect": "Allow", "Principal": who, "Action": action, "Resource": resources}


def _accounts(wanted: Wanted) -> Sequence[str]:
    return wanted.own.accounts or (wanted.names.account,)


def _goal(wanted: Wanted) -> Goal:
    return Goal(wanted.bucket, wanted.own.prefix)


def _place(wanted: Wanted, account: str) -> Place:
    return Place(wanted.names.partition, wanted.names.region, account)


_REGION: Final = "bucket"
_ENCRYPTION: Final = "bucket encryption"
_OWNERSHIP: Final = "bucket ownership"
_POLICY: Final = "bucket policy"
CHECKS: Final = (
    Check(subject=_REGION, look=_look_at_region, judge=place, of="bucket"),
    Check(subject=_ENCRYPTION, look=encryption_of, judge=encryption, of="bucket"),
    Check(subject=_OWNERSHIP, look=_look_at_ownership, judge=ownership, of="bucket"),
    Check(subject=_POLICY, look=_look_at_policy, judge=delivery, of="bucket"),
)
