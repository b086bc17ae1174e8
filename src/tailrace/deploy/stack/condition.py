"""What a stack is found in, and what that means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tailrace.deploy.cloud import Cloud, Refused
from tailrace.errors import Fatal
from tailrace.permissions import Need

_REMOVED_FIRST: Final = {
    "CREATE_FAILED": "its creation failed",
    "ROLLBACK_COMPLETE": "its creation failed and was rolled back",
    "ROLLBACK_FAILED": "its creation failed, and so did rolling it back",
    "REVIEW_IN_PROGRESS": "nothing of it was ever made",
    "DELETE_FAILED": "its removal was begun and failed",
}
"""States of stacks that can only be removed, and why they are in them."""
_CONTINUED_FIRST: Final = {"UPDATE_ROLLBACK_FAILED": "an update failed, and so did rolling it back"}
_STEADY: Final = {
    "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_FAILED", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stack as it is."""

    id: str
    name: str
    status: str
    reason: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Whether CloudFormation is at work on it."""
        return self.status.endswith("_IN_PROGRESS") and self.status not in _REMOVED_FIRST

    @property
    def to_be_removed(self) -> str:
        """Why it must be removed before anything else; empty if it need not."""
        return _REMOVED_FIRST.get(self.status, "")

    @property
    def to_be_continued(self) -> str:
        """Why its last rollback must be continued before anything else; empty if it need not."""
        return _CONTINUED_FIRST.get(self.status, "")

    @property
    def steady(self) -> bool:
        """Whether it can be updated."""
        return self.status in _STEADY


def stack_of(cloud: Cloud, name: str) -> Stack | None:
    """The stack of that name or id; None if there is none. Raises Fatal, Retryable."""
    try:
        found = cloud("cloudformation:DescribeStacks", StackName=name)["Stacks"]
    except Refused as error:
        if is_absent(error):
            return None
        raise
    if not found or (found[0]["StackStatus"] == "DELETE_COMPLETE" and not name.startswith("arn:")):
        return None
    return _stack(found[0])


def is_absent(error: Refused) -> bool:
    """Whether a call was refused because there is no such stack."""
    return error.code == "ValidationError" and "does not exist" in error.text


def _stack(told: Mapping[str, Any]) -> Stack:
    return Stack(
        id=told["StackId"],
        name=told["StackName"],
        status=told["StackStatus"],
        reason=told.get("StackStatusReason", ""),
        parameters={each["ParameterKey"]: each.get("ParameterValue", "") for each in told.get("Parameters", ())},
        outputs={each["OutputKey"]: each.get("OutputValue", "") for each in told.get("Outputs", ())},
    )


def unknown(stack: Stack) -> Fatal:
    """What to raise about a stack in a state that is none of ours."""
    return Fatal(
        f"the stack {stack.name} is in {stack.status}{f' ({stack.reason})' if stack.reason else ''}, which no deployment"
        " leaves behind; bring it into a COMPLETE state in CloudFormation"
    )


def condition_needs(stack: str) -> Sequence[Need]:
    """What looking at a stack calls."""
    return [Need("cloudformation:DescribeStacks", stack)]
