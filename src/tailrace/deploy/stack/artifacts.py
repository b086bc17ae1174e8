"""The bucket of packages: made before the stack, because the stack's function is made of what lies in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tailrace.changes import Change
from tailrace.deploy.cloud import Cloud, Place, Refused
from tailrace.deploy.listing import NO_BUCKET
from tailrace.errors import Fatal, UsageError
from tailrace.permissions import Need, needs_on

_TLS: Final = "TailraceTlsOnly"
_EMPTY: Final = '{"Version": "2012-10-17", "Statement": []}'
_RULE: Final = "tailrace-uploads"
_ENCRYPTION: Final = {
    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]
}
_PRIVATE: Final = {
    "BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True,
}  # fmt: skip
_LIFECYCLE: Final = {
    "ID": _RULE,
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
}
_WITHOUT_PLACE: Final = "us-east-1"
"""The region whose name a call that makes a bucket must not tell."""
_UNSET: Final = {
    "NoSuchBucketPolicy", "NoSuchLifecycleConfiguration", "NoSuchTagSet", "NoSuchPublicAccessBlockConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
}  # fmt: skip
_LOOKS: Final = (
    "GetBucketEncryption", "GetPublicAccessBlock", "GetBucketPolicy", "GetBucketTagging", "GetBucketLifecycleConfiguration",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """A bucket as it is. `told`: what each look answered, nothing where it is not set."""

    there: bool
    told: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifacts:
    """The bucket as it is wanted (a `Setup`). `own`: it was made for this deployment, so its configuration is looked after."""

    cloud: Cloud
    name: str
    place: Place
    tags: Mapping[str, str]
    own: bool

    def look(self) -> Found:
        """What is there. Raises Fatal if the bucket is somebody else's."""
        try:
            self._call("HeadBucket")
        except Refused as error:
            if error.code in NO_BUCKET:
                return Found(there=False)
            if error.code in ("403", "301"):
                message = f"the bucket {self.name} belongs to another account or region; set deploy.artifacts_bucket to one of your own"
                raise Fatal(message) from error
            raise
        return Found(there=True, told={look: self._looked(look) for look in _LOOKS} if self.own else {})

    def plan(self, found: Found) -> Sequence[Change]:
        """What is to be changed. Raises UsageError for a bucket that is told of and not there."""
        if not self.own:
            if not found.there:
                message = f"deploy.artifacts_bucket: there is no bucket {self.name} in {self.place.region}; make it, or leave the setting out"
                raise UsageError(message)
            return []
        made = [] if found.there else [Change("CreateBucket", self._location(), "packages are kept there")]
        return [*made, *self._configuration(found.told)]

    def apply(self, change: Change) -> None:
        """Make a change."""
        try:
            self._call(change.call, **change.arguments)
        except Refused as error:
            if error.code != "BucketAlreadyOwnedByYou":
                raise

    def close(self) -> None:
        """Nothing to let go of."""

    def _location(self) -> dict[str, Any]:
        if self.place.region == _WITHOUT_PLACE:
            return {}
        return {"CreateBucketConfiguration": {"LocationConstraint": self.place.region}}

    def _configuration(self, told: Mapping[str, Mapping[str, Any]]) -> list[Change]:
        wanted = [
            self._encryption(told.get("GetBucketEncryption", {})),
            self._private(told.get("GetPublicAccessBlock", {})),
            self._policy(told.get("GetBucketPolicy", {})),
            self._tagging(told.get("GetBucketTagging", {})),
            self._lifecycle(told.get("GetBucketLifecycleConfiguration", {})),
        ]
        return [change for change in wanted if change]

    def _encryption(self, told: Mapping[str, Any]) -> Change | None:
        if told.get("ServerSideEncryptionConfiguration", {}).get("Rules"):  # also another one, such as KMS
            return None
        arguments = {"ServerSideEncryptionConfiguration": _ENCRYPTION}
        return Change("PutBucketEncryption", arguments, "what lies in it is encrypted")

    def _private(self, told: Mapping[str, Any]) -> Change | None:
        if told.get("PublicAccessBlockConfiguration") == _PRIVATE:
            return None
        return Change(
            "PutPublicAccessBlock", {"PublicAccessBlockConfiguration": _PRIVATE}, "nothing in it can be public"
        )

    def _policy(self, told: Mapping[str, Any]) -> Change | None:
        policy: Any = json.loads(told.get("Policy") or _EMPTY)
        arn = f"arn:{self.place.partition}:s3:::{self.name}"
        ours = {
            "Sid": _TLS,
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        if ours in policy["Statement"]:
            return None
        others = [each for each in policy["Statement"] if each.get("Sid") != _TLS]
        text = json.dumps({**policy, "Statement": [*others, ours]})
        return Change("PutBucketPolicy", {"Policy": text}, "it is reached by TLS only")

    def _tagging(self, told: Mapping[str, Any]) -> Change | None:
        found = {each["Key"]: each["Value"] for each in told.get("TagSet", ())}
        if self.tags.items() <= found.items():
            return None
        tags = [{"Key": key, "Value": value} for key, value in {**found, **self.tags}.items()]
        return Change("PutBucketTagging", {"Tagging": {"TagSet": tags}}, "its tags are those of the deployment")

    def _lifecycle(self, told: Mapping[str, Any]) -> Change | None:
        rules = told.get("Rules", ())
        if any(each.get("ID") == _RULE for each in rules):
            return None
        arguments = {"LifecycleConfiguration": {"Rules": [*rules, _LIFECYCLE]}}
        return Change("PutBucketLifecycleConfiguration", arguments, "uploads that were broken off do not stay")

    def _looked(self, look: str) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = self._call(look)
        except Refused as error:
            if error.code in _UNSET:
                return {}
            raise
        return answer

    def _call(self, operation: str, **arguments: Any) -> Any:
        owner = {} if operation == "CreateBucket" else {"ExpectedBucketOwner": self.place.account}
        return self.cloud(f"s3:{operation}", Bucket=self.name, **owner, **arguments)


def artifacts_needs(bucket: str, *, own: bool) -> Sequence[Need]:
    """What looking after the bucket calls."""
    changes = (
        "CreateBucket", "PutBucketEncryption", "PutPublicAccessBlock", "PutBucketPolicy", "PutBucketTagging",
        "PutBucketLifecycleConfiguration", *_LOOKS,
    )  # fmt: skip
    calls = ("HeadBucket", *(changes if own else ()))
    return needs_on(f"arn:${{AWS::Partition}}:s3:::{bucket}", *(f"s3:{call}" for call in calls))
