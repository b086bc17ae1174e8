"""What is remembered of a deployment beside its stack: which versions were released, and how things were before.

It is one object, `deployments/STACK.json` in the bucket of packages. It is written only over what was read: if somebody else has written
it meanwhile, that is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tailrace.deploy.cloud import Cloud, Refused
from tailrace.deploy.listing import NO_OBJECT, known
from tailrace.errors import Fatal, UsageError
from tailrace.permissions import Need, needs_on

SCHEMA: Final = 1
KEPT: Final = 200
"""So many releases are remembered."""
_CHANGED: Final = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the function that was put to work. `good`: whether its control object came through; None if that is not known yet.

    `package`: the SHA-256 of its package, in hex; `label`: that package's version and commit. `time`: in seconds since 1970.
    """

    version: str
    package: str
    label: str
    time: float
    good: bool | None = None


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is remembered.

    `load_balancers`: by ARN, the attributes of their logs as they were `before`, and as they were left (`now`). `notifications`: by
    bucket that is somebody else's, whether it tells EventBridge because of us.
    """

    schema: int = SCHEMA
    releases: tuple[Release, ...] = ()
    load_balancers: dict[str, dict[str, dict[str, str]]] = {}
    notifications: dict[str, dict[str, str]] = {}

    def release(self, version: str) -> Release | None:
        """What is known of a version."""
        return next((each for each in reversed(self.releases) if each.version == version), None)

    def with_release(self, release: Release) -> Ledger:
        """The same with this release as the last one; what was known of that version is replaced."""
        others = tuple(each for each in self.releases if each.version != release.version)
        return msgspec.structs.replace(self, releases=(*others, release)[-KEPT:])

    def good_before(self, version: str) -> Sequence[Release]:
        """The good releases before a version, the latest first; all of them if nothing is known of it."""
        places = [place for place, each in enumerate(self.releases) if each.version == version]
        before = self.releases[: places[-1]] if places else self.releases
        return [each for each in reversed(before) if each.good]


@dataclass(frozen=True, slots=True)
class Kept:
    """A ledger as it was read, and its etag; empty if there was none."""

    ledger: Ledger
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Book:
    """Where the ledger of a stack is."""

    cloud: Cloud
    bucket: str
    stack: str

    @property
    def key(self) -> str:
        """Its key."""
        return f"deployments/{self.stack}.json"

    def read(self) -> Kept:
        """The ledger; an empty one if there is none yet. Raises Fatal, Retryable, UsageError."""
        answer = known(self.cloud, "s3:GetObject", *NO_OBJECT, Bucket=self.bucket, Key=self.key)
        if answer is None:
            return Kept(Ledger())
        try:
            ledger = msgspec.json.decode(answer["Body"].read(), type=Ledger)
        except msgspec.DecodeError as error:
            message = f"s3://{self.bucket}/{self.key} is not what Tailrace has written; correct it, or remove it to begin anew"
            raise Fatal(message) from error
        if ledger.schema > SCHEMA:
            message = f"s3://{self.bucket}/{self.key} was written by a newer Tailrace; upgrade"
            raise UsageError(message)
        return Kept(ledger, str(answer["ETag"]))

    def write(self, ledger: Ledger, over: Kept) -> Kept:
        """Write it over what was read. Raises Fatal if that is not there any more, or if it cannot be written."""
        body = msgspec.json.format(msgspec.json.encode(ledger), indent=1)
        only: dict[str, Any] = {"IfMatch": over.etag} if over.etag else {"IfNoneMatch": "*"}
        try:
            answer = self.cloud(
                "s3:PutObject", Bucket=self.bucket, Key=self.key, Body=body, ContentType="application/json", **only
            )
        except Refused as error:
            if error.code not in _CHANGED:
                raise
            now = self.read()
            if now.ledger == ledger:  # it was written, only the answer was lost
                return now
            message = (
                f"somebody else is deploying {self.stack}: s3://{self.bucket}/{self.key} has changed meanwhile;"
                " run this again when that is done"
            )
            raise Fatal(message) from error
        return Kept(ledger, str(answer["ETag"]))


def ledger_needs(bucket: str, stack: str) -> Sequence[Need]:
    """What reading and writing the ledger calls."""
    arn = f"arn:${{AWS::Partition}}:s3:::{bucket}"
    return [*needs_on(f"{arn}/deployments/{stack}.json", "s3:GetObject", "s3:PutObject"), Need("s3:GetObject", arn)]
