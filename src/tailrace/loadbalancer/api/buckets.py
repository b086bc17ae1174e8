"""Whether logs can be written to a bucket: AWS finds out by writing a test file, and so does this.

https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/enable-access-logs.html
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final

from tailrace.clock import Clock
from tailrace.clouds import failures
from tailrace.errors import TailraceError
from tailrace.loadbalancer.api.accounts import Registered
from tailrace.loadbalancer.model import Attributes

_PATIENCE_S: Final = 20.0
"""A store that has not answered by then is asked no longer."""
_AT_A_TIME: Final = 8
_OWNER: Final = {"ACL": "bucket-owner-full-control"}
"""The bucket's owner may read what others write into it; Swift knows no such thing, nor do buckets of AWS without ACLs."""
_NO_ACL: Final = frozenset({"InvalidArgument", "NotImplemented", "AccessControlListNotSupported", "501", "400"})
_ABSENT: Final = frozenset({"NoSuchBucket", "InvalidBucketName", "404"})


class Buckets:
    """Tries buckets. Threads may share it. `client`: makes the client of a service with this service's own keys. `say`: tells its operator."""

    def __init__(
        self,
        client: Callable[[str], Any],
        clock: Clock,
        say: Callable[[str], None],
        patience_s: float = _PATIENCE_S,
    ) -> None:
        """Raises UsageError if there is no store to be asked."""
        self._client, self._clock, self._say, self._patience_s = client("s3"), clock, say, patience_s
        self._threads = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="buckets")

    def fault(self, balancer: Registered, wanted: Attributes) -> str:
        """Why logs cannot be written there, in the words of AWS; empty if they can."""
        try:
            return self._threads.submit(self._tried, balancer, wanted).result(self._patience_s)
        except TimeoutError:
            return self._unknown(wanted.bucket, f"no answer in {self._patience_s:g} s")

    def close(self) -> None:
        """Try no more. May be called twice."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _tried(self, balancer: Registered, wanted: Attributes) -> str:
        try:
            self._write(balancer, wanted)
        except failures.raised() as error:
            return _fault(error, wanted.bucket) or self._unknown(wanted.bucket, failures.code_of(error))
        except TailraceError as error:  # the keys are those of a role, which its STS does not give
            return self._unknown(wanted.bucket, str(error))
        return ""

    def _unknown(self, bucket: str, why: str) -> str:
        self._say(f"warning: the bucket {bucket} could not be tried at {failures.endpoint_of(self._client)}: {why}")
        return "S3Bucket validation transient issue"

    def _write(self, balancer: Registered, wanted: Attributes) -> None:
        at = datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        told = {
            "Bucket": wanted.bucket,
            "Key": test_file(balancer, wanted),
            "Body": f"Enable AccessLog for ELB: {balancer.name} at {at}".encode(),
            "ContentType": "text/plain",
        }
        try:
            self._client.put_object(**told, **_OWNER)
        except failures.raised() as error:
            if failures.code_of(error) not in _NO_ACL:
                raise
            self._client.put_object(**told)


def test_file(balancer: Registered, wanted: Attributes) -> str:
    """The key of the file that is written for a try."""
    return f"{wanted.prefix}/AWSLogs/{balancer.account}/ELBAccessLogTestFile".lstrip("/")


def _fault(error: Exception, bucket: str) -> str:
    """What the store says of the bucket; empty if nothing."""
    code = failures.code_of(error)
    if code in _ABSENT:
        return f"S3Bucket: {bucket} does not exist"
    if failures.denied(error):
        return f"Access Denied for bucket: {bucket}. Please check S3bucket permission"
    return ""
