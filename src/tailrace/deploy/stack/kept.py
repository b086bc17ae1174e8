"""A bucket of logs that a former deployment has left: it keeps its logs, and no stack can make it again."""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.deploy.cloud import Cloud
from tailrace.deploy.listing import NO_BUCKET, known
from tailrace.deploy.wanted import Wanted
from tailrace.errors import UsageError
from tailrace.permissions import Need, needs_on


def refuse_kept(cloud: Cloud, wanted: Wanted) -> None:
    """Raise UsageError if the bucket that a new stack would make is there already."""
    if wanted.own.bucket or known(cloud, "s3:HeadBucket", *NO_BUCKET, Bucket=wanted.bucket) is None:
        return
    message = (
        f"the bucket {wanted.bucket} is there already, as `tailrace destroy` leaves it when there are logs in it, and a new stack cannot"
        f" make it: `tailrace destroy {wanted.environment} --delete-logs` removes it with its logs, and `--set"
        f" deploy.bucket={wanted.bucket}` goes on with it as one that exists"
    )
    raise UsageError(message)


def kept_needs(wanted: Wanted) -> Sequence[Need]:
    """What looking for it calls."""
    return [] if wanted.own.bucket else needs_on(wanted.names.global_arn("s3", wanted.bucket), "s3:HeadBucket")
