"""What an earlier run has left half done, and how it is brought to where a deployment can begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tailrace.deploy.cloud import Cloud
from tailrace.deploy.stack.condition import Stack, unknown
from tailrace.deploy.stack.events import Following, Moved, failed
from tailrace.deploy.stack.words import Step
from tailrace.permissions import Need, needs_on

_KIND = "AWS::CloudFormation::Stack"


def repairs(stack: Stack | None) -> Sequence[Step]:
    """What must be done to a stack before anything else. Raises Fatal for one in a state that is none of ours."""
    if stack is None or stack.steady:
        return []
    if why := stack.to_be_removed:
        return [Step("remove", _KIND, stack.name, f"{why}; it is made anew then")]
    if why := stack.to_be_continued:
        return [Step("do", _KIND, stack.name, f"{why}: continue that rollback, then look again")]
    raise unknown(stack)


def rest(cloud: Cloud, stack: Stack, moved: Moved) -> Stack | None:
    """Wait for what is under way; the stack then, None if it is gone."""
    following = Following(cloud, moved)
    following.begin(stack.id)
    found = following.until_at_rest(stack.id)
    return None if found.status == "DELETE_COMPLETE" else found


def repair(cloud: Cloud, stack: Stack, moved: Moved) -> None:
    """Do it. Raises Fatal if it does not succeed, with CloudFormation's reasons."""
    following = Following(cloud, moved)
    following.begin(stack.id)
    if stack.to_be_removed:
        cloud("cloudformation:DeleteStack", StackName=stack.id)
        found = following.until_at_rest(stack.id)
        if found.status != "DELETE_COMPLETE":
            raise failed(found, "could not be removed", following.reasons)
        return
    _continue(cloud, stack)
    found = following.until_at_rest(stack.id)
    if not found.steady:
        raise failed(found, "could not be rolled back", following.reasons)


def _continue(cloud: Cloud, stack: Stack, **how: Any) -> None:
    cloud("cloudformation:ContinueUpdateRollback", StackName=stack.id, **how)


def repair_needs(stack: str) -> Sequence[Need]:
    """What repairing calls."""
    return needs_on(stack, "cloudformation:DeleteStack", "cloudformation:ContinueUpdateRollback")
