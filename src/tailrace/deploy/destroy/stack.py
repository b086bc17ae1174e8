"""Removing a stack, in whatever state it is, and waiting for what AWS gives back only by and by.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DeleteStack.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tailrace.deploy.cloud import Cloud
from tailrace.deploy.destroy.interfaces import held, interfaces, release, waiting
from tailrace.deploy.listing import known
from tailrace.deploy.stack.condition import Stack
from tailrace.deploy.stack.events import Event, Following, Moved, failed
from tailrace.errors import UsageError
from tailrace.permissions import Need, needs_on

BUCKET: Final = "AWS::S3::Bucket"
GROUP: Final = "AWS::EC2::SecurityGroup"
_PAUSE_S: Final = 30
_PATIENCE_S: Final = 60 * 60
"""Lambda gives interfaces back within 20 to 45 minutes."""
_TRIES: Final = 3
"""Of what fails for another reason than an interface."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What a stack has made. `what`: its type; `id`: its physical id."""

    name: str
    what: str
    id: str
    status: str

    @property
    def there(self) -> bool:
        """Whether it was made and is not gone."""
        return bool(self.id) and self.status not in ("DELETE_COMPLETE", "DELETE_SKIPPED")

    @property
    def short(self) -> str:
        """What people call it."""
        if self.id.startswith("arn:"):
            return self.id.split(":", 5)[-1]
        return self.id.rpartition("/")[2] if self.id.startswith("http") else self.id


def resources(cloud: Cloud, stack: str) -> Sequence[Resource]:
    """What there is of a stack."""
    found = [
        each
        for page in cloud.pages("cloudformation:ListStackResources", StackName=stack)
        for each in page["StackResourceSummaries"]
    ]
    made = (
        Resource(
            each["LogicalResourceId"], each["ResourceType"], each.get("PhysicalResourceId", ""), each["ResourceStatus"]
        )
        for each in found
    )
    return [each for each in made if each.there]


def check(cloud: Cloud, stack: Stack, environment: str) -> None:
    """Raise UsageError if a stack is protected, or not of this environment."""
    (told,) = cloud("cloudformation:DescribeStacks", StackName=stack.id)["Stacks"]
    if told.get("EnableTerminationProtection"):
        message = (
            f"the stack {stack.name} is protected from being removed; if it shall be, run `aws cloudformation"
            f" update-termination-protection --no-enable-termination-protection --stack-name {stack.name}` and this again"
        )
        raise UsageError(message)
    tags = {each["Key"]: each["Value"] for each in told.get("Tags", ())}
    ours = tags.get("tailrace:environment") == environment or str(told.get("Description", "")).startswith("Tailrace ")
    if not ours and stack.status != "REVIEW_IN_PROGRESS":
        message = f"the stack {stack.name} is not one of Tailrace: it lacks the tag tailrace:environment={environment}; remove it yourself if it shall go"
        raise UsageError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """The removal of a stack. `keep`: buckets that stay, by name. `emptied`: empties the bucket of that name. `again`: the command that goes on."""

    cloud: Cloud
    moved: Moved
    said: Callable[[str], None]
    keep: Sequence[str]
    emptied: Callable[[str], Any]
    again: str
    wait: bool = True

    def remove(self, stack: Stack) -> None:
        """Do it. Raises Waiting for interfaces that Lambda holds, Fatal with the reasons of all other failures."""
        last = self.cloud.clock.monotonic() + _PATIENCE_S
        groups = [each.id for each in resources(self.cloud, stack.id) if each.what == GROUP]
        retained: list[str] = []
        tries, begun = 0, stack.status == "DELETE_IN_PROGRESS"
        while True:
            following = Following(self.cloud, self._heard(groups))
            following.begin(stack.id)
            if begun:
                self._look(groups)
                begun = False
            else:
                kept = {"RetainResources": retained} if retained else {}
                self.cloud("cloudformation:DeleteStack", StackName=stack.id, **kept)
            done = following.until_at_rest(stack.id)
            if done.status == "DELETE_COMPLETE":
                return
            left = [each for each in resources(self.cloud, stack.id) if each.status == "DELETE_FAILED"]
            retained = [each.name for each in left if each.what == BUCKET and each.id in self.keep]
            self._ready(left)
            if found := interfaces(self.cloud, groups):
                release(self.cloud, found, self.said)
                if not self.wait or self.cloud.clock.monotonic() >= last:
                    raise waiting(found, self.again)
                self.said(f"waiting: {held(found)}")
                self.cloud.clock.sleep(_PAUSE_S)
            elif (tries := tries + 1) > _TRIES:
                raise failed(done, f"could not be removed; `{self.again}` tries it again", following.reasons)

    def _ready(self, left: Sequence[Resource]) -> None:
        """Empty what must not stay and was written into again."""
        for each in left:
            if each.what == BUCKET and each.id not in self.keep:
                self.emptied(each.id)

    def _heard(self, groups: Sequence[str]) -> Moved:
        """Tells of events, and of what holds a security group up when its turn has come."""

        def heard(event: Event) -> None:
            self.moved(event)
            if event.what == GROUP and event.status == "DELETE_IN_PROGRESS":
                self._look(groups)

        return heard

    def _look(self, groups: Sequence[str]) -> None:
        found = interfaces(self.cloud, groups)
        if found and not self.wait:
            raise waiting(found, self.again)
        if found:
            self.said(held(found))


def gone(cloud: Cloud, name: str) -> bool:
    """Whether there is no such stack."""
    told = known(cloud, "cloudformation:DescribeStacks", "ValidationError", StackName=name)
    return told is None or all(each["StackStatus"] == "DELETE_COMPLETE" for each in told["Stacks"])


def needs(stack: str) -> Sequence[Need]:
    """What is called for it."""
    calls = ("DescribeStacks", "DescribeStackEvents", "ListStackResources", "DeleteStack")
    return needs_on(stack, *(f"cloudformation:{call}" for call in calls))
