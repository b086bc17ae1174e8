"""The stack of the deployment: whether there is one, and in which state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tailrace.deploy.doctor.checking import Check, again
from tailrace.deploy.doctor.finding import Finding, aws, ok, unknown, wrong
from tailrace.deploy.doctor.looking import Looking
from tailrace.deploy.wanted import Wanted

_SUBJECT: Final = "stack"
_STEADY: Final = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"}
_GONE: Final = {"DELETE_COMPLETE", "REVIEW_IN_PROGRESS"}
_EMPTY: Final = ("CREATE_", "DELETE_", "ROLLBACK_")
"""How the states begin, but for CREATE_COMPLETE, in which not everything is there."""


def stack_of(wanted: Wanted, looking: Looking) -> Mapping[str, Any] | None:
    """The stack; None if there is none. Raises Unseen."""
    told = looking("cloudformation:DescribeStacks", "ValidationError", StackName=wanted.names.stack)
    found = [each for each in (told or {}).get("Stacks", ()) if each["StackStatus"] not in _GONE]
    return found[0] if found else None


def holds(found: Mapping[str, Any] | None) -> bool:
    """Whether a stack has what a deployment consists of."""
    status = str((found or {"StackStatus": _EMPTY[0]})["StackStatus"])
    return status == "CREATE_COMPLETE" or not status.startswith(_EMPTY)


def steady(wanted: Wanted, found: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Whether it is there and at rest."""
    name = wanted.names.stack
    if found is None:
        yield wrong(_SUBJECT, f"there is no stack {name}: nothing is deployed", again(wanted))
        return
    status, why = found["StackStatus"], found.get("StackStatusReason", "")
    if status in _STEADY:
        yield ok(_SUBJECT, f"{name} is there ({status})")
    elif status.endswith("_IN_PROGRESS"):
        events = aws("cloudformation", "describe-stack-events", "--stack-name", name)
        yield unknown(_SUBJECT, f"CloudFormation is at work on {name} ({status}); look again when it is done", events)
    else:
        yield wrong(_SUBJECT, f"{name} is in {status}{f': {why}' if why else ''}", again(wanted))


CHECKS: Final = (Check(subject=_SUBJECT, look=stack_of, judge=steady, of="nothing"),)
