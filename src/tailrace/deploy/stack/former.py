"""The bucket of logs of a former deployment: it stays when its stack goes, and a new stack cannot make what is there."""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.deploy.cloud import Cloud, Refused
from tailrace.deploy.wanted import Wanted
from tailrace.errors import UsageError
from tailrace.permissions import Need


def refuse_former(cloud: Cloud, wanted: Wanted) -> None:
    """Raises UsageError if the bucket that the stack is to make is there already."""
    if wanted.own.bucket:
        return
    try:
        cloud("s3:HeadBucket", Bucket=wanted.bucket)
    except Refused as error:
        if error.code in ("404", "NoSuchBucket"):
            return
        if error.code not in ("403", "301"):
            raise
    message = (
        f"the bucket {wanted.bucket} is there already, such as `tailrace destroy` leaves it with its logs: use it by"
        f' deploy.bucket = "{wanted.bucket}", or remove it and its logs by `tailrace destroy {wanted.environment} --delete-logs`'
    )
    raise UsageError(message)


def former_needs(wanted: Wanted) -> Sequence[Need]:
    """What is called for this."""
    return () if wanted.own.bucket else [Need("s3:HeadBucket", wanted.names.global_arn("s3", wanted.bucket))]
