"""Buckets that are to go: emptied of every version of every object, while others may still write into them, and removed.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/empty-bucket.html
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tailrace.deploy.cloud import Cloud, Refused
from tailrace.deploy.listing import NO_BUCKET, known, listed
from tailrace.errors import Fatal, Retryable, UsageError
from tailrace.keys import is_control
from tailrace.permissions import Need, needs_on

_PAUSES_S: Final = (0.5, 5.0)
"""Between looks at a bucket: at first, and at most."""
_PATIENCE_S: Final = 15 * 60
"""Load balancers deliver for some minutes after they were switched off."""
_TOLD: Final = 3
_TOLD_EACH: Final = 100_000
Version = Mapping[str, str]
"""Key and version id of an object, or of a marker that it was deleted."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of a deployment. `said`: is told how it goes on."""

    cloud: Cloud
    name: str
    said: Callable[[str], None]

    def is_there(self) -> bool:
        """Whether it exists. Raises Fatal if it belongs to another account."""
        return known(self.cloud, "s3:HeadBucket", *NO_BUCKET, Bucket=self.name) is not None

    def check(self, tags: Mapping[str, str]) -> None:
        """Raise UsageError if it has other values of these tags, and so is somebody else's in spite of its name."""
        told = known(self.cloud, "s3:GetBucketTagging", "NoSuchTagSet", Bucket=self.name) or {}
        found = {each["Key"]: each["Value"] for each in told.get("TagSet", ())}
        if others := [f"{key}={found[key]}" for key, value in tags.items() if found.get(key, value) != value]:
            message = f"the bucket {self.name} is tagged {' '.join(others)} and so not of this deployment; remove it yourself if it shall go"
            raise UsageError(message)

    def kept(self, prefix: str = "") -> str:
        """The key of an object below a prefix that is no control object; empty if there is none."""
        return next((each["Key"] for each in self._versions(prefix) if not is_control(each["Key"])), "")

    def empty(self, *, prefix: str = "", but: Collection[str] = ()) -> int:
        """Remove all that begins with a prefix, except these keys, until two looks find nothing; how much it was. Raises Retryable if it does not end."""
        last = self.cloud.clock.monotonic() + _PATIENCE_S
        total, quiet, (pause, longest) = 0, 0, _PAUSES_S
        while quiet < 2:  # noqa: PLR2004 - twice
            keys = self._swept(prefix, but, total)
            total += len(keys)
            quiet = 0 if keys else quiet + 1
            if quiet < 2 and self.cloud.clock.monotonic() >= last:  # noqa: PLR2004
                raise self._restless(keys)
            if keys:
                self.cloud.clock.sleep(pause)
                pause = min(pause * 2, longest)
        return total

    def remove(self) -> None:
        """Empty it and remove it, however often something is written meanwhile. Raises Retryable if that does not end."""
        last = self.cloud.clock.monotonic() + _PATIENCE_S
        while self.is_there():
            self.empty()
            try:
                known(self.cloud, "s3:DeleteBucket", *NO_BUCKET, Bucket=self.name)
            except Refused as error:
                if error.code != "BucketNotEmpty":
                    raise
                if self.cloud.clock.monotonic() >= last:
                    raise self._restless([each["Key"] for each in self._versions("")]) from error

    def remove_bare(self) -> str:
        """Remove it if nothing but control objects is in it; else the key of something that is, and the bucket stays."""
        for each in [each for each in self._versions("") if is_control(each["Key"])]:
            self._delete([each])
        if key := self.kept():
            return key
        for each in listed(self.cloud, "s3:ListMultipartUploads", "Uploads", Bucket=self.name):
            return str(each["Key"])
        try:
            known(self.cloud, "s3:DeleteBucket", *NO_BUCKET, Bucket=self.name)
        except Refused as error:
            if error.code != "BucketNotEmpty":
                raise
            return self.kept() or "an object that has just come"
        return ""

    def _swept(self, prefix: str, but: Collection[str], before: int) -> Sequence[str]:
        """Remove all that is there now; the keys of it, as many as people are told of and the count is exact."""
        keys: list[str] = []
        for some in _thousands(each for each in self._versions(prefix) if each["Key"] not in but):
            self._delete(some)
            keys += [each["Key"] for each in some]
            if (before + len(keys)) // _TOLD_EACH != (before + len(keys) - len(some)) // _TOLD_EACH:
                self.said(f"{before + len(keys):,} objects removed from {self.name}")
        for upload in listed(self.cloud, "s3:ListMultipartUploads", "Uploads", Bucket=self.name, Prefix=prefix):
            which = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
            known(self.cloud, "s3:AbortMultipartUpload", "NoSuchUpload", Bucket=self.name, **which)
            keys.append(upload["Key"])
        return keys

    def _versions(self, prefix: str) -> Iterator[Version]:
        """All objects in all versions, and all markers."""
        at: dict[str, str] = {}
        while True:
            page = (
                known(self.cloud, "s3:ListObjectVersions", "NoSuchBucket", Bucket=self.name, Prefix=prefix, **at) or {}
            )
            for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                yield {"Key": each["Key"], "VersionId": each["VersionId"]}
            if not page.get("IsTruncated"):
                return
            at = {"KeyMarker": page.get("NextKeyMarker", "")}
            if page.get("NextVersionIdMarker"):
                at["VersionIdMarker"] = page["NextVersionIdMarker"]

    def _delete(self, some: Sequence[Version]) -> None:
        try:
            answer = self.cloud("s3:DeleteObjects", Bucket=self.name, Delete={"Objects": some, "Quiet": True})
        except Refused as error:
            if error.code != "MalformedXML":  # a key with a character that XML has not
                raise
            for each in some:
                self.cloud("s3:DeleteObject", Bucket=self.name, **each)
            return
        for each in answer.get("Errors", ()):
            if each.get("Code") not in ("NoSuchKey", "NoSuchVersion", "InternalError", "SlowDown"):
                message = (
                    f"s3://{self.name}/{each['Key']} cannot be removed ({each.get('Code')}): {each.get('Message')}"
                )
                raise Fatal(message)

    def _restless(self, keys: Sequence[str]) -> Retryable:
        told = ", ".join(list(dict.fromkeys(keys))[:_TOLD])
        return Retryable(
            f"something writes into {self.name} again and again, such as {told}; switch that off, and run this again"
        )


def _thousands(versions: Iterator[Version]) -> Iterator[Sequence[Version]]:
    some: list[Version] = []
    for each in versions:
        some.append(each)
        if len(some) == 1000:  # noqa: PLR2004 - as DeleteObjects takes
            yield some
            some = []
    if some:
        yield some


def needs(bucket: str) -> Sequence[Need]:
    """What emptying and removing calls."""
    own = needs_on(
        bucket, "s3:HeadBucket", "s3:GetBucketTagging", "s3:ListObjectVersions", "s3:ListMultipartUploads", "s3:DeleteBucket"
    )  # fmt: skip
    calls: tuple[Any, ...] = ("s3:DeleteObjects", "s3:DeleteObject", "s3:AbortMultipartUpload")
    return [*own, *needs_on(f"{bucket}/*", *calls)]
