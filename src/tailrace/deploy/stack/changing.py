"""Making and updating a stack: by a change set, which is the plan, and without one where there is nothing yet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from tailrace.deploy.cloud import Cloud, Refused
from tailrace.deploy.stack.condition import Stack, is_absent
from tailrace.errors import Fatal
from tailrace.permissions import Need, needs_on

PREFIX: Final = "tailrace-"
"""How the names of change sets begin."""
_BODY: Final = 51_200
"""The longest template that is sent with a call, in bytes; a longer one is put into the bucket of packages."""
_CAPABILITIES: Final = ("CAPABILITY_NAMED_IAM",)
_UNCHANGED: Final = ("didn't contain changes", "No updates are to be performed", "no changes")
_PAUSE: Final = 1.0
_POLLS: Final = 300
_UNDER_WAY: Final = ("CREATE_PENDING", "CREATE_IN_PROGRESS")
_TAKEN: Final = {
    "AlreadyExistsException", "ChangeSetNotFound", "InvalidChangeSetStatus", "OperationInProgressException",
    "TokenAlreadyExistsException",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a stack is to be. `template`: None for the one that it has; `parameters`: those that are told."""

    name: str
    template: Mapping[str, Any] | None
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    bucket: str

    @property
    def body(self) -> bytes:
        """The template as it is sent."""
        return json.dumps(self.template, separators=(",", ":"), ensure_ascii=False).encode() if self.template else b""

    @property
    def template_key(self) -> str:
        """Where a long template is in the bucket of packages; empty for one that is sent with the call."""
        return f"templates/{sha256(self.body).hexdigest()}.json" if len(self.body) > _BODY else ""

    @property
    def change_set(self) -> str:
        """The name of the change set: the same for the same change."""
        told = json.dumps([dict(self.parameters), dict(self.tags)], sort_keys=True).encode()
        return f"{PREFIX}{sha256(self.body + told).hexdigest()[:24]}"


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """A change set that can be executed, and what it does."""

    name: str
    changes: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Changing:
    """Changes of one stack."""

    cloud: Cloud
    asked: Asked

    def create(self) -> str:
        """Begin to make the stack; its id. Raises Fatal, Retryable."""
        token = {"ClientRequestToken": f"{PREFIX}{int(self.cloud.clock.now())}"}
        with self._template():
            try:
                return str(self.cloud("cloudformation:CreateStack", **self._what(None), **token)["StackId"])
            except Refused as error:
                raise self._told(error) from error

    def prepare(self, stack: Stack) -> ChangeSet | None:
        """The change set; None if nothing would change. Raises Fatal with CloudFormation's reason if it cannot be made."""
        name = self.asked.change_set
        self._forget(name)
        with self._template():
            try:
                self.cloud(
                    "cloudformation:CreateChangeSet", ChangeSetName=name, ChangeSetType="UPDATE", **self._what(stack)
                )
            except Refused as error:
                if error.code != "AlreadyExistsException":  # it was made, only the answer was lost
                    raise self._told(error) from error
            found = self._awaited(name)
        if found["Status"] == "CREATE_COMPLETE":
            return ChangeSet(name, self._changes(name, found))
        self.discard(name)
        reason = str(found.get("StatusReason", "it tells no reason"))
        if any(words in reason for words in _UNCHANGED):
            return None
        message = f"CloudFormation cannot plan the change of {self.asked.name} ({found['Status']}): {reason}"
        raise Fatal(message)

    def execute(self, change_set: str) -> None:
        """Begin the change. Raises Fatal if the stack was changed since it was planned."""
        try:
            self.cloud("cloudformation:ExecuteChangeSet", ChangeSetName=change_set, StackName=self.asked.name)
        except Refused as error:
            raise self._told(error) from error

    def discard(self, change_set: str) -> None:
        """Remove a change set."""
        self._forget(change_set)

    @contextmanager
    def _template(self) -> Iterator[None]:
        """While CloudFormation reads it, a template that is too long for a call lies in the bucket of packages."""
        place = {"Bucket": self.asked.bucket, "Key": self.asked.template_key}
        if not self.asked.template_key:
            yield
            return
        self.cloud("s3:PutObject", **place, Body=self.asked.body, ChecksumAlgorithm="SHA256")
        try:
            yield
        finally:
            self.cloud("s3:DeleteObject", **place)

    def _forget(self, change_set: str) -> None:
        try:
            self.cloud("cloudformation:DeleteChangeSet", ChangeSetName=change_set, StackName=self.asked.name)
        except Refused as error:
            if error.code != "ChangeSetNotFound" and not is_absent(error):
                raise self._told(error) from error

    def _what(self, stack: Stack | None) -> dict[str, Any]:
        asked, template = self.asked, dict[str, Any]()
        if asked.template is None:
            template = {"UsePreviousTemplate": True}
        elif asked.template_key:
            template = {"TemplateURL": f"{self.cloud.of('s3').meta.endpoint_url}/{asked.bucket}/{asked.template_key}"}
        else:
            template = {"TemplateBody": asked.body.decode()}
        told = [{"ParameterKey": key, "ParameterValue": value} for key, value in asked.parameters.items()]
        if asked.template is None and stack:
            kept = stack.parameters.keys() - asked.parameters.keys()
            told += [{"ParameterKey": key, "UsePreviousValue": True} for key in sorted(kept)]  # type: ignore[dict-item]
        return {
            "StackName": asked.name,
            **template,
            "Parameters": told,
            "Capabilities": list(_CAPABILITIES),
            "Tags": [{"Key": key, "Value": value} for key, value in asked.tags.items()],
        }

    def _awaited(self, change_set: str) -> Mapping[str, Any]:
        for _ in range(_POLLS):
            found: Mapping[str, Any] = self._described(change_set)
            if found["Status"] not in _UNDER_WAY:
                return found
            self.cloud.clock.sleep(_PAUSE)
        message = f"CloudFormation has not planned the change of {self.asked.name} in {_POLLS} seconds; run this again"
        raise Fatal(message)

    def _described(self, change_set: str, **more: Any) -> Any:
        return self.cloud(
            "cloudformation:DescribeChangeSet",
            ChangeSetName=change_set,
            StackName=self.asked.name,
            IncludePropertyValues=True,
            **more,
        )

    def _changes(self, change_set: str, first: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        found, page = list(first.get("Changes", ())), first
        while token := page.get("NextToken"):
            page = self._described(change_set, NextToken=token)
            found += page.get("Changes", ())
        return found

    def _told(self, error: Refused) -> Fatal:
        """The error, in other words if somebody else is at work on the stack."""
        if error.code in _TAKEN or "_IN_PROGRESS state" in error.text:
            return Fatal(
                f"somebody else is changing the stack {self.asked.name} ({error.code}): {error.text};"
                " wait until that is done, then run this again"
            )
        return error


def parameters_of(template: Mapping[str, Any], **known: str) -> dict[str, str]:
    """The values of a template's parameters: what is known, and the defaults that the settings have given to all others."""
    told = {name: each["Default"] for name, each in template.get("Parameters", {}).items() if "Default" in each}
    return {name: _text(value) for name, value in told.items()} | known


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def changing_needs(stack: str, bucket: str) -> Sequence[Need]:
    """What making and updating a stack calls."""
    calls = ("CreateStack", "CreateChangeSet", "DescribeChangeSet", "ExecuteChangeSet", "DeleteChangeSet")
    templates = f"arn:${{AWS::Partition}}:s3:::{bucket}/templates/*"
    return [
        *needs_on(stack, *(f"cloudformation:{call}" for call in calls)),
        *needs_on(templates, "s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
    ]
