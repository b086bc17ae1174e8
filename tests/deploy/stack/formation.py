"""CloudFormation as far as a deployment sees it: what it does in the states that no emulator shows.

Every call is made by a client of botocore, which checks its arguments, and every answer is checked against the service's
model before it is given (botocore's Stubber). Texts and codes are those of CloudFormation's own answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

import boto3
from botocore import xform_name
from botocore.stub import Stubber

from cloud import REGION

ACCOUNT = "123456789012"
WHEN = datetime(2026, 11, 22, tzinfo=UTC)
NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
Effect = Callable[["Stack"], None]


class Error(Exception):
    """What a service refuses by."""

    def __init__(self, code: str, text: str, status: int = 400) -> None:
        super().__init__(code, text)
        self.code, self.text, self.status = code, text, status


@dataclass
class Stack:
    id: str
    name: str
    status: str
    template: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    tags: list[dict[str, str]] = field(default_factory=list)
    reason: str = ""
    then: list[str] = field(default_factory=list)
    """The states that follow, one at each look."""


@dataclass
class ChangeSet:
    name: str
    template: dict[str, Any]
    parameters: dict[str, str]
    tags: list[dict[str, str]]
    changes: list[dict[str, Any]]
    seen: int = 0


REFUSED = "Validation failed with 1 error(s). Call DescribeEvents to retrieve the full list of issues, then retry the operation."


class Formation:
    """Stacks and change sets. `effect`: what a stack's success makes of the account; `fails`: the operations that fail next."""

    def __init__(self, effect: Effect) -> None:
        self.stacks: dict[str, Stack] = {}
        self.sets: dict[str, ChangeSet] = {}
        self.events: list[dict[str, Any]] = []
        self.fails: list[str] = []
        self.reasons = [("EventQueue", "AWS::SQS::Queue", "A queue of that name was deleted less than 60 seconds ago")]
        self.pages = 3
        self._effect, self._numbers = effect, count(1)

    def client(self) -> Scripted:
        return Scripted("cloudformation", self.answer)

    def answer(self, method: str, arguments: Mapping[str, Any]) -> Any:
        return getattr(self, f"_{method}")(**{xform_name(name): value for name, value in arguments.items()})

    def put(self, status: str, name: str = "tailrace-prod", *then: str) -> Stack:
        """A stack that is there."""
        stack = Stack(f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{name}/{next(self._numbers)}", name, status)
        stack.then = list(then)
        self.stacks[name] = stack
        self._event(stack, stack.name, "AWS::CloudFormation::Stack", status)
        return stack

    # The operations

    def _describe_stacks(self, stack_name: str) -> Any:
        stack = self._found(stack_name)
        if stack.then:
            self._become(stack, stack.then.pop(0))
        told = {
            "StackId": stack.id, "StackName": stack.name, "StackStatus": stack.status, "CreationTime": WHEN,
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in stack.parameters.items()],
        }  # fmt: skip
        return {"Stacks": [told | ({"StackStatusReason": stack.reason} if stack.reason else {})]}

    def _describe_stack_events(self, stack_name: str, next_token: str = "0") -> Any:
        stack, begin = self._found(stack_name), int(next_token)
        found = [each for each in reversed(self.events) if each["StackId"] == stack.id]
        more = {"NextToken": str(begin + self.pages)} if begin + self.pages < len(found) else {}
        return {"StackEvents": found[begin : begin + self.pages], **more}

    def _describe_events(self, stack_name: str, filters: Any) -> Any:
        """As CloudFormation tells what is wrong with a template: of each operation, the last one first."""
        assert filters == {"FailedEvents": True}
        common = {
            "StackId": self._found(stack_name).id,
            "EventType": "VALIDATION_ERROR",
            "ResourceType": "AWS::S3::Bucket",
        }
        return {
            "OperationEvents": [
                {**common, "EventId": "2", "OperationId": "now", "LogicalResourceId": "LogsBucket", "ValidationStatusReason": "exists"},
                {**common, "EventId": "1", "OperationId": "then", "LogicalResourceId": "Old", "ValidationStatusReason": "was wrong"},
            ]
        }  # fmt: skip

    def _create_stack(self, stack_name: str, parameters: Any, **told: Any) -> Any:
        if stack_name in self.stacks:
            raise Error("AlreadyExistsException", f"Stack [{stack_name}] already exists")
        assert told["capabilities"] == ["CAPABILITY_NAMED_IAM"]
        stack = self.put("CREATE_IN_PROGRESS", stack_name)
        stack.template, stack.tags = json.loads(told["template_body"]), told["tags"]
        stack.parameters = {each["ParameterKey"]: each["ParameterValue"] for each in parameters}
        stack.then = ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
        if self._fails("create"):
            stack.then = ["CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"]
        return {"StackId": stack.id}

    def _create_change_set(self, stack_name: str, change_set_name: str, change_set_type: str, **told: Any) -> Any:
        stack = self._updatable(stack_name)
        assert change_set_type == "UPDATE"
        if change_set_name in self.sets:
            raise Error("AlreadyExistsException", f"ChangeSet {change_set_name} already exists")
        template = stack.template if told.get("use_previous_template") else json.loads(told["template_body"])
        parameters = {
            each["ParameterKey"]: stack.parameters[each["ParameterKey"]] if each.get("UsePreviousValue") else each["ParameterValue"]
            for each in told["parameters"]
        }  # fmt: skip
        changes = self._changes(stack, template, parameters)
        self.sets[change_set_name] = ChangeSet(change_set_name, template, parameters, told["tags"], changes)
        return {"Id": self._set_id(change_set_name), "StackId": stack.id}

    def _describe_change_set(self, stack_name: str, change_set_name: str, next_token: str = "0", **_: Any) -> Any:
        if change_set_name not in self.sets:
            raise Error("ChangeSetNotFound", f"ChangeSet [{change_set_name}] does not exist", 404)
        found, begin = self.sets[change_set_name], int(next_token)
        found.seen += 1
        status, more = "CREATE_COMPLETE", dict[str, Any]()
        if found.seen == 1:
            return {"Status": "CREATE_IN_PROGRESS", "StackName": stack_name}
        if self._fails("change set"):
            status, more = "FAILED", {"StatusReason": "Transform AWS::Broken failed with: no such macro"}
        elif not found.changes:
            status, more = "FAILED", {"StatusReason": NO_CHANGES}
        elif begin + 1 < len(found.changes):
            more = {"NextToken": str(begin + 1)}
        return {"Status": status, "StackName": stack_name, "Changes": found.changes[begin : begin + 1], **more}

    def _execute_change_set(self, stack_name: str, change_set_name: str, **_: Any) -> Any:
        stack = self._updatable(stack_name)
        if change_set_name not in self.sets:
            raise Error("ChangeSetNotFound", f"ChangeSet [{change_set_name}] does not exist", 404)
        found = self.sets[change_set_name]
        self.sets.clear()
        before = stack.template, stack.parameters, stack.tags
        stack.template, stack.parameters, stack.tags = found.template, found.parameters, found.tags
        self._become(stack, "UPDATE_IN_PROGRESS")
        stack.then = ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"]
        if self._fails("update"):
            stack.template, stack.parameters, stack.tags = before
            end = "UPDATE_ROLLBACK_FAILED" if self._fails("rollback") else "UPDATE_ROLLBACK_COMPLETE"
            stack.then = ["UPDATE_ROLLBACK_IN_PROGRESS", end]
        return {}

    def _delete_change_set(self, stack_name: str, change_set_name: str) -> Any:
        self._found(stack_name)
        self.sets.pop(change_set_name, None)
        return {}

    def _delete_stack(self, stack_name: str) -> Any:
        stack = self._found(stack_name)
        self._become(stack, "DELETE_IN_PROGRESS")
        stack.then = ["DELETE_FAILED" if self._fails("delete") else "DELETE_COMPLETE"]
        return {}

    def _continue_update_rollback(self, stack_name: str) -> Any:
        stack = self._found(stack_name)
        assert stack.status == "UPDATE_ROLLBACK_FAILED"
        self._become(stack, "UPDATE_ROLLBACK_IN_PROGRESS")
        stack.then = ["UPDATE_ROLLBACK_FAILED" if self._fails("continue") else "UPDATE_ROLLBACK_COMPLETE"]
        return {}

    # What they share

    def _become(self, stack: Stack, status: str) -> None:
        if status.endswith("_FAILED") or (
            status.endswith("ROLLBACK_IN_PROGRESS") and stack.status != "UPDATE_ROLLBACK_FAILED"
        ):
            for name, kind, reason in self.reasons:
                self._event(stack, name, kind, "CREATE_FAILED", reason)
            self._event(stack, "Other", "AWS::SQS::Queue", "CREATE_FAILED", "Resource creation cancelled")
        if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            for name, resource in stack.template["Resources"].items():
                self._event(stack, name, resource["Type"], status)
            self._effect(stack)
        stack.status = status
        self._event(stack, stack.name, "AWS::CloudFormation::Stack", status)
        if status == "DELETE_COMPLETE":
            self.stacks.pop(stack.name)
            self.stacks[stack.id] = stack

    def _event(self, stack: Stack, name: str, kind: str, status: str, reason: str = "") -> None:
        self.events.append({
            "StackId": stack.id, "StackName": stack.name, "EventId": str(next(self._numbers)), "LogicalResourceId": name,
            "ResourceType": kind, "ResourceStatus": status, "Timestamp": WHEN, "ResourceStatusReason": reason,
        })  # fmt: skip

    def _found(self, name: str) -> Stack:
        for stack in self.stacks.values():
            if stack.id == name or (stack.name == name and stack.status != "DELETE_COMPLETE"):
                return stack
        raise Error("ValidationError", f"Stack with id {name} does not exist")

    def _updatable(self, name: str) -> Stack:
        stack = self._found(name)
        if stack.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"):
            raise Error("ValidationError", f"Stack:{stack.id} is in {stack.status} state and can not be updated.")
        return stack

    def _fails(self, what: str) -> bool:
        if what in self.fails:
            self.fails.remove(what)
            return True
        return False

    def _set_id(self, name: str) -> str:
        return f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:changeSet/{name}/1"

    def _changes(self, stack: Stack, template: dict[str, Any], parameters: dict[str, str]) -> list[dict[str, Any]]:
        found, old, new = [], stack.template["Resources"], template["Resources"]
        for name in sorted(old.keys() | new.keys()):
            change = {"LogicalResourceId": name, "ResourceType": (new.get(name) or old[name])["Type"], "Details": []}
            if name not in old:
                found.append({**change, "Action": "Add"})
            elif name not in new:
                found.append({**change, "Action": "Remove", "PolicyAction": "Delete"})
            elif old[name] != new[name] or (
                change["ResourceType"] == "AWS::Lambda::Function" and parameters != stack.parameters
            ):
                found.append({**change, "Action": "Modify", "Replacement": "False"})
        return [{"Type": "Resource", "ResourceChange": each} for each in found]


class Scripted:
    """A client of botocore whose answers come from a function."""

    def __init__(self, service: str, answer: Callable[[str, Mapping[str, Any]], Any]) -> None:
        self._client = boto3.client(service, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="y")
        self._stubber = Stubber(self._client)
        self._stubber.activate()
        self._answer, self.meta = answer, self._client.meta

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            try:
                self._stubber.add_response(method, self._answer(method, arguments))
            except Error as error:
                self._stubber.add_client_error(method, error.code, error.text, http_status_code=error.status)
            return getattr(self._client, method)(**arguments)

        return call
