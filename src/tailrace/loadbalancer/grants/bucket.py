"""Access to a bucket of an S3 store, and when its objects expire: looked at, planned, changed.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tailrace.changes import Change
from tailrace.clouds import failures
from tailrace.errors import Fatal, UsageError
from tailrace.keys import TEST
from tailrace.loadbalancer.grants import acl, lifecycle, policy
from tailrace.loadbalancer.grants.calls import NOBODY, Store, UnknownGranteeError
from tailrace.loadbalancer.grants.headers import Way, grantee
from tailrace.loadbalancer.grants.wanted import Wanted

_ENFORCED: Final = "BucketOwnerEnforced"
_GONE: Final = ("NoSuchKey", "404")
_PERMISSIONS: Final = {"read": "READ", "write": "WRITE"}
_UNKNOWN: Final = {
    "put_bucket_policy": ("MalformedPolicy", "InvalidPolicyDocument", "InvalidArgument"),
    "put_bucket_acl": ("InvalidArgument", *NOBODY),
    "put_object": ("InvalidArgument", *NOBODY),
}
"""The codes that mean, for each call, that there is nobody of that name."""
_NO_LISTS: Final = "AccessControlListNotSupported"
_LISTLESS: Final = (
    f"{{bucket}} has no access control lists (its object ownership is {_ENFORCED}); set lb.access to policy"
)
_VERSIONED: Final = (
    "objects of {bucket} cannot expire: it keeps old versions, and this store has lifecycle rules for no such bucket; use one without"
    " versions, or set lb.expire_days to 0"
)
_UNTIED: Final = (
    "objects of {bucket} cannot expire: the names of this load balancer's begin with nothing of their own, so all others in it would"
    " be deleted too; set lb.prefix, or lb.expire_days to 0"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a bucket is like. `who`: to whom it is granted, as the store knows him. `others`: objects whose owners alone may grant anything."""

    owner: str
    who: str
    access: acl.Acl
    enforced: bool = False
    policy: policy.Document | None = None
    rules: Sequence[lifecycle.Rule] = ()
    versioned: bool = False
    objects: Sequence[tuple[str, acl.Acl]] = ()
    others: int = field(default=0)


class Bucket:
    """Brings a bucket's access and lifecycle into the state that is wanted (a `Setup`)."""

    def __init__(self, client: Any, wanted: Wanted, way: Way) -> None:
        self._store, self._wanted, self._way = Store(client, wanted.bucket), wanted, way
        self._who = wanted.who

    def resolve(self) -> None:
        """Have the store tell who is meant, by an object that is put and taken away again: an account number has another id in lists.

        Raises UsageError if the store knows nobody of that name.
        """
        if self._way != "acl" and self._wanted.kind != "ceph":
            return
        owner = self._owned()["Owner"]["ID"]
        name = f"{self._wanted.scope}{TEST}-grant"
        grants = {"GrantRead": grantee(self._who), "GrantFullControl": grantee(owner)}
        try:
            self._granting("put_object", Key=name, Body=b"", **grants)
        except UnknownGranteeError:
            # What is granted to somebody who is gone can be taken back; a project is known to Ceph after its first request only.
            if self._wanted.revoke or (self._way == "policy" and len(policy.principal(self._wanted)["AWS"]) > 1):
                return
            raise
        try:
            if self._way == "acl":
                readers = acl.grantees(self._store.call("get_object_acl", Key=name), "READ")
                self._who = readers[0] if readers else self._who
        finally:
            self._store.call("delete_object", Key=name)

    def look(self) -> Found:
        """What the bucket is like. Raises UsageError if it is missing, Fatal if it is somebody else's."""
        there, wanted = self._owned(), self._wanted
        found = Found(owner=there["Owner"]["ID"], who=self._who, access=there)
        if wanted.kind == "aws":
            controls = self._store.optional("get_bucket_ownership_controls", "OwnershipControlsNotFoundError") or {}
            rules = controls.get("OwnershipControls", {}).get("Rules", [])
            found = replace(found, enforced=any(each["ObjectOwnership"] == _ENFORCED for each in rules))
        if self._way == "policy":
            told = self._store.optional("get_bucket_policy", "NoSuchBucketPolicy")
            found = replace(found, policy=json.loads(told["Policy"]) if told else None)
        if wanted.expire_days is not None:
            found = self._with_lifecycle(found)
        if self._way == "acl" and wanted.permission == "read" and not found.enforced:
            found = self._with_objects(found)
        return found

    def plan(self, found: Found) -> list[Change]:
        """What is to be changed. Raises UsageError if it must not be."""
        if self._way == "policy":
            changes = self._of_policy(found)
        elif self._way == "acl":
            changes = self._of_lists(found)
        else:
            message = (
                "it is not known how this store grants access: set lb.kind to what it is, or lb.access to acl or policy"
            )
            raise UsageError(message)
        return [*changes, *self._of_lifecycle(found)]

    def apply(self, change: Change) -> None:
        """Make a change."""
        if change.call == "put_object_acl":
            # It may have expired since it was looked at.
            self._store.optional(change.call, *_GONE, **change.arguments)
        else:
            self._granting(change.call, **change.arguments)

    def close(self) -> None:
        """There is nothing to let go of."""

    def _owned(self) -> acl.Acl:
        """The bucket's access control list, which its owner may read. Raises Fatal if that is somebody else."""
        there = self._store.call("get_bucket_acl")
        mine = [self._wanted.bucket]
        with suppress(*failures.raised()):  # who may not list his buckets is believed
            mine = [each["Name"] for each in self._store.client.list_buckets().get("Buckets", ())]
        if self._wanted.bucket not in mine:
            message = (
                f"the bucket {self._wanted.bucket} belongs to {there['Owner']['ID']}, whose credentials these are not; use its owner's, or, if"
                " it is to belong to the one who reads, set lb.bucket_owner to him"
            )
            raise Fatal(message)
        return {"Owner": there["Owner"], "Grants": there["Grants"]}

    def _with_lifecycle(self, found: Found) -> Found:
        told = self._store.optional("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration")
        versioned = False
        if self._wanted.expire_days and self._wanted.kind == "eucalyptus":
            versioned = bool(self._store.call("get_bucket_versioning").get("Status"))
        return replace(found, rules=(told or {}).get("Rules", []), versioned=versioned)

    def _with_objects(self, found: Found) -> Found:
        objects, others = [], 0
        for key in self._keys():
            try:
                there = self._store.client.get_object_acl(Bucket=self._wanted.bucket, Key=key)
            except failures.raised() as error:
                if failures.code_of(error) in _GONE:
                    continue
                if not failures.denied(error):
                    raise self._store.told(error, "get_object_acl") from error
                others += 1
                continue
            objects.append((key, {"Owner": there["Owner"], "Grants": there["Grants"]}))
        return replace(found, objects=objects, others=others)

    def _keys(self) -> Iterator[str]:
        # The listing of old, for Eucalyptus knows no other.
        pages = self._store.client.get_paginator("list_objects")
        try:
            for page in pages.paginate(Bucket=self._wanted.bucket, Prefix=self._wanted.scope):
                yield from (each["Key"] for each in page.get("Contents", ()))
        except failures.raised() as error:
            raise self._store.told(error, "list_objects") from error

    def _of_policy(self, found: Found) -> list[Change]:
        new = policy.merged(found.policy, self._wanted)
        if new is None:
            return []
        what = "list and read" if self._wanted.permission == "read" else "put objects into"
        why = self._may(f"{what} {self._wanted.place}")
        if not new["Statement"]:
            return [Change("delete_bucket_policy", {}, f"{why}: nothing else is in the policy")]
        return [Change("put_bucket_policy", {"Policy": json.dumps(new)}, f"{why}; other statements stay")]

    def _of_lists(self, found: Found) -> list[Change]:
        if found.enforced:
            raise UsageError(_LISTLESS.format(bucket=self._wanted.bucket))
        wanted, permission = self._wanted, _PERMISSIONS[self._wanted.permission]
        changes = []
        if new := acl.merged(found.access, found.who, permission, revoke=wanted.revoke):
            why = self._may(f"{'list' if wanted.permission == 'read' else 'put objects into'} s3://{wanted.bucket}")
            changes.append(Change("put_bucket_acl", {"AccessControlPolicy": new}, why))
        for key, there in found.objects:
            if new := acl.merged(there, found.who, permission, found.owner, revoke=wanted.revoke):
                changes.append(
                    Change("put_object_acl", {"Key": key, "AccessControlPolicy": new}, self._may(f"read {key}"))
                )
        return changes

    def _may(self, what: str) -> str:
        return f"{self._wanted.who} may {'no longer ' if self._wanted.revoke else ''}{what}"

    def _of_lifecycle(self, found: Found) -> list[Change]:
        wanted, days = self._wanted, self._wanted.expire_days
        if days is None or wanted.revoke:
            return []
        new = lifecycle.merged(wanted.kind, found.rules, wanted.expiring, days)
        if new is None:
            return []
        if days and found.versioned:
            raise UsageError(_VERSIONED.format(bucket=wanted.bucket))
        if days and not wanted.expiring:
            raise UsageError(_UNTIED.format(bucket=wanted.bucket))
        place = f"s3://{wanted.bucket}/{wanted.expiring}*"
        place += f", of {wanted.all_of}," if wanted.all_of else ""
        before = lifecycle.days_of(found.rules, wanted.expiring)
        why = f"{place} expires after {days} days" if days else f"{place} is kept for ever"
        if before and before != days:
            why += f" ({before} days become {days})" if days else f" (no longer {before} days)"
        if not new:
            return [Change("delete_bucket_lifecycle", {}, why)]
        return [
            Change(
                "put_bucket_lifecycle_configuration",
                {"LifecycleConfiguration": {"Rules": new}},
                f"{why}; other rules stay",
            )
        ]

    def _granting(self, name: str, **arguments: Any) -> None:
        try:
            getattr(self._store.client, name)(Bucket=self._wanted.bucket, **arguments)
        except failures.raised() as error:
            if failures.code_of(error) in _UNKNOWN.get(name, ()):
                message = (
                    f"{self._store.endpoint} does not know {self._wanted.who!r}, who is to get access to {self._wanted.bucket}"
                    f" ({failures.code_of(error)}); check lb.reader or --to"
                )
                raise UnknownGranteeError(message) from error
            if failures.code_of(error) == _NO_LISTS:
                raise UsageError(_LISTLESS.format(bucket=self._wanted.bucket)) from error
            raise self._store.told(error, name) from error
