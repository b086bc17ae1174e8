"""Calls of an object store's S3 API about one bucket, whose failures are told in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tailrace.clouds import failures
from tailrace.errors import Fatal, Retryable, TailraceError, UsageError

_NO_BUCKET: Final = ("NoSuchBucket", "404")
_FOREIGN: Final = ("AccessDenied", "403", "AllAccessDisabled")
NOBODY: Final = ("NoSuchKey", "UnresolvableGrantByEmailAddress", "InvalidPrincipal")
"""So stores answer who do not know a grantee; Ceph says the first."""


class UnknownGranteeError(UsageError):
    """The store does not know whom something is granted to."""


@dataclass(frozen=True, slots=True)
class Store:
    """A boto3 client of S3, and a bucket there."""

    client: Any
    bucket: str

    @property
    def endpoint(self) -> str:
        """Where it is."""
        return failures.endpoint_of(self.client)

    def call(self, name: str, **arguments: Any) -> Any:
        """Call an operation. Raises UsageError, Fatal, Retryable."""
        try:
            return getattr(self.client, name)(Bucket=self.bucket, **arguments)
        except failures.raised() as error:
            raise self.told(error, name) from error

    def optional(self, name: str, *absent: str, **arguments: Any) -> Any:
        """The same, but None if the store answers with one of these codes."""
        try:
            return getattr(self.client, name)(Bucket=self.bucket, **arguments)
        except failures.raised() as error:
            if failures.code_of(error) in absent:
                return None
            raise self.told(error, name) from error

    def told(self, error: Exception, name: str) -> TailraceError:
        """What to raise for what a call raised."""
        code, what = failures.code_of(error), name.replace("_", " ")
        if code in _NO_BUCKET:
            return UsageError(
                f"there is no bucket {self.bucket} at {self.endpoint}; make it first, or name another by --bucket"
            )
        if code in _FOREIGN:
            return Fatal(
                f"{self.endpoint} refuses to {what} of {self.bucket} ({code}): the bucket belongs to somebody else, or these"
                " credentials may not; use its owner's, or, if it is to belong to the one who reads, set lb.bucket_owner to him"
            )
        if lasting := failures.of_bucket(error, f"the bucket {self.bucket}", self.bucket, self.client):
            return lasting
        if failures.passing(error) or failures.unreachable(error):
            return Retryable(f"{self.endpoint} cannot {what} of {self.bucket} now ({code}); try again")
        return Fatal(f"{self.endpoint} refuses to {what} of {self.bucket} ({code})")


def owner_of(client: Any) -> str:
    """The canonical id of whoever's keys a client has. Raises Fatal, Retryable."""
    try:
        return str(client.list_buckets()["Owner"]["ID"])
    except failures.raised() as error:
        endpoint, code = failures.endpoint_of(client), failures.code_of(error)
        if failures.passing(error):
            message = f"{endpoint} cannot tell whose keys these are now ({code}); try again"
            raise Retryable(message) from error
        message = f"{endpoint} does not tell whose keys these are ({code}); give others that may list buckets"
        raise failures.fatal(error, "the list of buckets", client) or Fatal(message) from error
