"""What is wanted of an access log, checked as AWS does, and laid over what was before.

https://docs.aws.amazon.com/elasticloadbalancing/2012-06-01/APIReference/API_AccessLog.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tailrace.loadbalancer.api.refusals import Refusal, invalid, shown
from tailrace.loadbalancer.model import Attributes

NONE: Final = Attributes(enabled=False, bucket="")
"""Those of a load balancer of which nobody has wanted anything."""
_MINUTE: Final = 60
_INTERVALS: Final = (5, 60)
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_LONGEST_PREFIX: Final = 512
_UNSHOWN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a request tells; None where it tells nothing. `interval`: minutes."""

    enabled: bool | None = None
    bucket: str | None = None
    prefix: str | None = None
    interval: int | None = None


def laid_over(before: Attributes, wanted: Wanted, conflict: int) -> Attributes:
    """The attributes after a request: what it does not tell stays as it was. `conflict`: the status of what cannot be.

    Raises Refusal.
    """
    if wanted.bucket == "":
        msg = "S3Bucket name cannot be empty"
        raise invalid(msg)
    if wanted.bucket is not None and not _BUCKET.fullmatch(wanted.bucket):
        message = f"S3Bucket: {shown(wanted.bucket)} is not a name of a bucket"
        raise _unfit(message, conflict)
    if wanted.prefix is not None and (fault := _fault(wanted.prefix)):
        message = f"Access log's prefix {fault}"
        raise _unfit(message, conflict)
    if wanted.interval is not None and wanted.interval not in _INTERVALS:
        msg = "Access log's emit interval must be 5 or 60 minutes"
        raise _unfit(msg, conflict)
    after = Attributes(
        enabled=before.enabled if wanted.enabled is None else wanted.enabled,
        bucket=before.bucket if wanted.bucket is None else wanted.bucket,
        prefix=before.prefix if wanted.prefix is None else wanted.prefix,
        interval=before.interval if wanted.interval is None else wanted.interval * _MINUTE,
    )
    if after.enabled and not after.bucket:
        msg = "S3Bucket name cannot be empty"
        raise invalid(msg)
    return after


def minutes(attributes: Attributes) -> int:
    """The interval as the API tells it."""
    return round(attributes.interval / _MINUTE)


def _fault(prefix: str) -> str:
    """What is wrong with a prefix; empty if nothing is."""
    if prefix.startswith("/") or prefix.endswith("/"):
        return "cannot begin or end with a slash"
    if "AWSLogs" in prefix:
        return "cannot contain AWSLogs"
    if prefix and any(part in ("", ".", "..") for part in prefix.split("/")):
        return "cannot contain empty parts, or parts that are dots only"
    if _UNSHOWN.search(prefix):
        return "cannot contain control characters"
    if len(prefix.encode()) > _LONGEST_PREFIX:
        return f"cannot be longer than {_LONGEST_PREFIX} bytes"
    return ""


def _unfit(message: str, status: int) -> Refusal:
    return Refusal("InvalidConfigurationRequest", f"Requested configuration change is invalid: {message}", status)
