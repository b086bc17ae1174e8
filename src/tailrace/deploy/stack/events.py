"""Following what CloudFormation does to a stack, until it is at rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tailrace.deploy.cloud import Cloud
from tailrace.deploy.stack.condition import Stack, stack_of
from tailrace.errors import Fatal
from tailrace.permissions import Need, needs_on

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 5.0
_CONSEQUENCES: Final = ("Resource creation cancelled", "Resource update cancelled", "The following resource(s) failed")
"""How reasons begin that only tell of other failures."""
_REASONS: Final = 5
_DETAILS: Final = "Call DescribeEvents"
"""What a reason says that tells nothing itself: a template was refused before anything was made of it."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a resource."""

    id: str
    what: str
    name: str
    status: str
    reason: str

    @property
    def failed(self) -> bool:
        """Whether it tells why things failed."""
        return self.status.endswith("_FAILED") and bool(self.reason) and not self.reason.startswith(_CONSEQUENCES)

    @property
    def done(self) -> bool:
        """Whether the resource has become what it should."""
        return self.status.endswith("_COMPLETE")

    def __str__(self) -> str:
        return f"{self.name} ({self.what}): {self.reason or self.status}"


Moved = Callable[[Event], None]
"""Is told of each event."""


@dataclass(slots=True)
class Following:
    """What happens to a stack from now on. Made before it is asked to change."""

    cloud: Cloud
    moved: Moved
    seen: set[str] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)

    def begin(self, stack: str) -> None:
        """Pass over what has happened up to now."""
        self.seen.update(each["EventId"] for each in self._page(stack))

    def until_at_rest(self, stack_id: str) -> Stack:
        """Tell what happens until nothing more does; the stack then. Raises Fatal, Retryable."""
        pause = _FIRST_PAUSE
        while True:
            found = stack_of(self.cloud, stack_id)
            fresh = self._fresh(stack_id)
            for event in fresh:
                self.moved(event)
            self.events += fresh
            if found is None:
                return Stack(id=stack_id, name=stack_id.split("/")[1], status="DELETE_COMPLETE")
            if not found.busy:
                self._look_into_details(stack_id)
                return found
            pause = _FIRST_PAUSE if fresh else min(pause * 2, _LONGEST_PAUSE)
            self.cloud.clock.sleep(pause)

    @property
    def reasons(self) -> str:
        """Why things failed, the first failure first."""
        told = list(dict.fromkeys(str(event) for event in self.events if event.failed))
        more = f"; and {len(told) - _REASONS} more" if len(told) > _REASONS else ""
        return "; ".join(told[:_REASONS]) + more

    def _fresh(self, stack_id: str) -> list[Event]:
        """What has happened since the last look, oldest first."""
        found: list[Event] = []
        for page in self.cloud.pages("cloudformation:DescribeStackEvents", StackName=stack_id):
            new = [each for each in page["StackEvents"] if each["EventId"] not in self.seen]
            found += map(_event, new)
            if len(new) < len(page["StackEvents"]):
                break
        self.seen.update(event.id for event in found)
        return found[::-1]

    def _look_into_details(self, stack_id: str) -> None:
        """Take in what was wrong with a template, where the events only tell that something was."""
        told = [event for event in self.events if _DETAILS not in event.reason]
        if len(told) == len(self.events) or not hasattr(self.cloud.of("cloudformation"), "describe_events"):
            return
        call = self.cloud("cloudformation:DescribeEvents", StackName=stack_id, Filters={"FailedEvents": True})
        wrong = [each for each in call["OperationEvents"] if each.get("ValidationStatusReason")]
        faults = [_fault(each) for each in wrong if each.get("OperationId") == wrong[0].get("OperationId")]
        self.events = [*told, *faults] if faults else self.events

    def _page(self, stack: str) -> Sequence[Mapping[str, Any]]:
        events: Sequence[Mapping[str, Any]] = self.cloud("cloudformation:DescribeStackEvents", StackName=stack)[
            "StackEvents"
        ]
        return events


def _event(told: Mapping[str, Any]) -> Event:
    return Event(
        id=told["EventId"],
        what=told.get("ResourceType", ""),
        name=told.get("LogicalResourceId", ""),
        status=told.get("ResourceStatus", ""),
        reason=told.get("ResourceStatusReason", ""),
    )


def _fault(told: Mapping[str, Any]) -> Event:
    return Event(
        id=told["EventId"],
        what=told.get("ResourceType", ""),
        name=told.get("LogicalResourceId", ""),
        status="VALIDATION_FAILED",
        reason=told["ValidationStatusReason"],
    )


def failed(stack: Stack, what: str, reasons: str) -> Fatal:
    """What to raise about a stack that has not become what it should."""
    why = reasons or stack.reason or "CloudFormation tells no reason"
    return Fatal(f"the stack {stack.name} {what} ({stack.status}): {why}")


def event_needs(stack: str) -> Sequence[Need]:
    """What following a stack calls."""
    return needs_on(
        stack, "cloudformation:DescribeStacks", "cloudformation:DescribeStackEvents", "cloudformation:DescribeEvents"
    )
