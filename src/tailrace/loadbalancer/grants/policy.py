"""Bucket policies: statements of ours among those that are there. Only thinks.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html
https://docs.ceph.com/en/latest/radosgw/bucketpolicy/
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from tailrace.errors import UsageError
from tailrace.loadbalancer.grants.wanted import Wanted

_MARK: Final = "TailraceLb"
_LONGEST: Final = 20 << 10
"""AWS takes no longer policy."""
VERSION: Final = "2012-10-17"
_ACCOUNT: Final = re.compile(r"\d{12}")
_CANONICAL: Final = re.compile(r"[0-9a-f]{64}")
_PROJECT: Final = re.compile(r"[0-9a-f]{32}")
_UID: Final = re.compile(r"(?:([A-Za-z0-9_]+)\$)?([A-Za-z0-9._@+=,-]+)")

Document = dict[str, Any]


def merged(there: Mapping[str, Any] | None, wanted: Wanted) -> Document | None:
    """The policy as it is to be, None if it is so already; without any statement it is to be deleted.

    Raises UsageError for somebody who cannot be named in one, and for more than a policy may hold.
    """
    before = _statements(there)
    ours = {each["Sid"]: each for each in statements(wanted)}
    kept = [each for each in before if each.get("Sid") not in ours]
    after = kept if wanted.revoke else [*kept, *ours.values()]
    found = {sid: each for each in before if (sid := each.get("Sid")) in ours}
    if wanted.revoke and not found:
        return None
    if not wanted.revoke and len(found) == len(ours) and all(_alike(found[sid], ours[sid]) for sid in ours):
        return None
    document = {"Version": VERSION, **(there or {}), "Statement": after}
    if len(json.dumps(document, separators=(",", ":"))) > _LONGEST:
        message = f"the policy of {wanted.bucket} would be longer than {_LONGEST >> 10} KiB; use another bucket for this load balancer"
        raise UsageError(message)
    return document


def statements(wanted: Wanted) -> list[Document]:
    """What is granted. Their names follow from whom they are for and what of, so that they are found again."""
    mark = sha256(f"{wanted.who}\x00{wanted.scope}\x00{wanted.permission}".encode()).hexdigest()[:10]
    bucket = f"arn:{wanted.partition}:s3:::{wanted.bucket}"
    objects = f"{bucket}/{wanted.scope}*"
    common = {"Effect": "Allow", "Principal": principal(wanted)}
    if wanted.permission == "write":
        # With the second one an object may say that the owner of the bucket has full control of it.
        actions = ["s3:PutObject", "s3:PutObjectAcl"]
        return [{"Sid": f"{_MARK}Put{mark}", **common, "Action": actions, "Resource": [objects]}]
    listing: Document = {"Sid": f"{_MARK}List{mark}", **common, "Action": ["s3:ListBucket"], "Resource": [bucket]}
    if wanted.scope:
        prefixes = [*dict.fromkeys((wanted.scope.rstrip("/"), f"{wanted.scope}*"))]
        listing["Condition"] = {"StringLike": {"s3:prefix": prefixes}}
    return [
        {"Sid": f"{_MARK}Find{mark}", **common, "Action": ["s3:GetBucketLocation"], "Resource": [bucket]},
        listing,
        {"Sid": f"{_MARK}Get{mark}", **common, "Action": ["s3:GetObject"], "Resource": [objects]},
    ]


def principal(wanted: Wanted) -> Document:
    """Somebody as a policy names him. Raises UsageError."""
    who = wanted.who
    if who.startswith("arn:"):
        return {"AWS": [who]}
    if wanted.kind != "ceph":
        if _ACCOUNT.fullmatch(who):
            return {"AWS": [f"arn:{wanted.partition}:iam::{who}:root"]}
        if _CANONICAL.fullmatch(who):
            return {"CanonicalUser": who}
    match = _UID.fullmatch(who)
    if wanted.kind not in ("ceph", "other") or not match:
        forms = (
            "UID, TENANT$UID or the id of a project"
            if wanted.kind == "ceph"
            else "the 12 digits of an account, a canonical id or an ARN"
        )
        message = f"{who!r} cannot be granted anything by a bucket policy; set lb.reader, or say --to, with {forms}"
        raise UsageError(message)
    tenant, uid = match[1] or "", match[2]
    # Ceph knows a project of Keystone as a user of its own name in a tenant of its own name, or as one in no tenant.
    tenants = (tenant, uid) if not tenant and _PROJECT.fullmatch(uid) else (tenant,)
    return {"AWS": [f"arn:aws:iam::{each}:user/{uid}" for each in tenants]}


def _statements(there: Mapping[str, Any] | None) -> list[Document]:
    found = (there or {}).get("Statement", [])
    return list(found) if isinstance(found, list) else [found]


def _alike(one: Document, other: Document) -> bool:
    """Whether both grant the same. Not whom: AWS tells people otherwise than they were named, and the Sid stands for them."""
    return all(_set(one.get(part)) == _set(other.get(part)) for part in ("Action", "Resource")) and (
        one.get("Effect"),
        _conditions(one),
    ) == (other.get("Effect"), _conditions(other))


def _conditions(statement: Document) -> dict[tuple[str, str], set[str]]:
    found = statement.get("Condition") or {}
    return {(operator, key): _set(values) for operator, keys in found.items() for key, values in keys.items()}


def _set(value: Any) -> set[str]:
    """One and a list of one are the same."""
    return {value} if isinstance(value, str) else set(value or ())
