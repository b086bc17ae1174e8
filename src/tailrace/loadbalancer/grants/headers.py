"""What is said with each object that is put, so that those may read it who are to."""

from __future__ import annotations

import re
from typing import Final, Literal

from tailrace.accesslogging import AccessLogging
from tailrace.errors import UsageError
from tailrace.loadbalancer.model import Balancer
from tailrace.privatecloud import Kind

Way = Literal["acl", "policy", "container", "none"]
"""By lists of grants on bucket and objects, by a bucket policy, by Swift's container, or not at all."""

_WAYS: Final[dict[Kind, Way]] = {
    "aws": "policy",
    "ceph": "policy",
    "eucalyptus": "acl",
    "swift": "container",
    "other": "none",
}
_DAY_S: Final = 86400
_GRANTEE: Final = re.compile(r"[A-Za-z0-9$._@:+=,-]{1,256}")


def way_of(kind: Kind, lb: AccessLogging) -> Way:
    """How access is granted on a store. Raises UsageError for what it cannot."""
    if kind == "swift":
        if lb.access in ("acl", "policy"):
            message = f"lb.access = {lb.access}: Swift grants access by the container only; leave it at auto"
            raise UsageError(message)
        return "container" if lb.access == "auto" else "none"
    return _WAYS[kind] if lb.access == "auto" else lb.access


def reader_of(lb: AccessLogging, balancer: Balancer) -> str:
    """Who may read, as the store writes it."""
    return lb.reader or balancer.account


def is_theirs(lb: AccessLogging, balancer: Balancer) -> bool:
    """Whether the bucket belongs to those who are to read, and whoever writes is a guest in it."""
    return lb.bucket_owner in (reader_of(lb, balancer), balancer.account) or bool(
        lb.attributes_url and not lb.bucket_owner
    )


def put_headers(kind: Kind, lb: AccessLogging, balancer: Balancer) -> dict[str, str]:
    """Headers for each object. Pure. Raises UsageError, which names the setting, if something has to be told first."""
    way = way_of(kind, lb)
    if kind == "swift":
        # What expires has its time on each object, for Swift's S3 has no lifecycle rules.
        return {"X-Delete-After": str(lb.expire_days * _DAY_S)} if lb.expire_days else {}
    if is_theirs(lb, balancer):
        # Else only the writer could read it; where the owner of the bucket owns all objects, this is allowed and means nothing.
        return {"x-amz-acl": "bucket-owner-full-control"}
    if way != "acl":
        return {}
    if not lb.bucket_owner:
        message = (
            "lb.bucket_owner is not set: on this store each object tells all who may read it, so the owner of the bucket has to"
            " be named too; `tailrace lb grant` shows it"
        )
        raise UsageError(message)
    return {"x-amz-grant-read": grantee(reader_of(lb, balancer)), "x-amz-grant-full-control": grantee(lb.bucket_owner)}


def grantee(who: str) -> str:
    """An account or a canonical id, as headers name it. Raises UsageError for what is none."""
    if not _GRANTEE.fullmatch(who):
        message = f"{who!r} is no account and no canonical id; set lb.reader and lb.bucket_owner to such"
        raise UsageError(message)
    return f'id="{who}"'
