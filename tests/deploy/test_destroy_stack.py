"""The removal of a stack that does not go at once, with answers as CloudFormation, EC2 and Lambda give them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from deploy.recorded import Error, event, recorded, resource, stack
from making import StillClock
from tailrace.deploy.cloud import Cloud
from tailrace.deploy.destroy.interfaces import Waiting, interfaces, is_inside, needs, release, take_out
from tailrace.deploy.destroy.stack import BUCKET, GROUP, Removal, check, gone
from tailrace.deploy.stack.condition import Stack, stack_of
from tailrace.errors import Fatal, UsageError

NAME = "tailrace-prod"
AGAIN = "tailrace destroy prod"
FUNCTION = "AWS::Lambda::Function"
LENT = "AWS Lambda VPC ENI-tailrace-prod-processor-1"


class Formation:
    """A stack with a security group, which goes when its interfaces are gone; and with whatever else fails."""

    def __init__(
        self, held: int = 0, *, failing: Mapping[str, tuple[str, int]] | None = None, status: str = "CREATE_COMPLETE"
    ) -> None:
        self.held, self.failing = held, dict(failing or {})
        self.resources = {"Group": (GROUP, "sg-1"), "Logs": (BUCKET, "logs"), "Processor": (FUNCTION, "f")}
        self.failed: set[str] = set()
        self.events: list[dict[str, Any]] = []
        self.status, self.polls, self.deleted = status, 0, list[Mapping[str, Any]]()
        self.interface = {"NetworkInterfaceId": "eni-1", "Status": "in-use", "Description": LENT}
        self.removed: list[str] = []
        self.clock = StillClock()
        services = {
            "cloudformation": recorded(
                "cloudformation", DescribeStacks=self._stacks, DescribeStackEvents=lambda _: {"StackEvents": self.events[::-1]},
                ListStackResources=self._resources, DeleteStack=self._delete,
            ),
            "ec2": recorded("ec2", DescribeNetworkInterfaces=self._interfaces, DeleteNetworkInterface=self._interface_removed),
        }  # fmt: skip
        self.cloud = Cloud(services.__getitem__, self.clock)

    def _stacks(self, _: Any) -> Any:
        if self.status == "DELETE_IN_PROGRESS":
            self.polls += 1
            if self.polls % 4 == 0:
                self._on()
        return {"Stacks": [stack(NAME, self.status)]}

    def _resources(self, _: Any) -> Any:
        told = [
            resource(name, kind, "DELETE_FAILED" if name in self.failed else "CREATE_COMPLETE", physical)
            for name, (kind, physical) in self.resources.items()
        ]
        return {"StackResourceSummaries": told}

    def _delete(self, arguments: Mapping[str, Any]) -> Any:
        retained = arguments.get("RetainResources", [])
        if retained and self.status != "DELETE_FAILED":
            raise Error("ValidationError", "RetainResources can only be specified for a stack in DELETE_FAILED state")
        self.deleted.append(arguments)
        for name in retained:
            del self.resources[name]
        self.status, self.failed = "DELETE_IN_PROGRESS", set()
        self._event("Group", GROUP, "DELETE_IN_PROGRESS")
        return {}

    def _on(self) -> None:
        """CloudFormation tries for a while, and gives up what does not go."""
        for name, (kind, _) in list(self.resources.items()):
            reason, times = self.failing.get(name, ("", 0))
            if name == "Group" and self.held:
                reason, times = "resource sg-1 has a dependent object (DependencyViolation)", 1
            elif times:
                self.failing[name] = (reason, times - 1)
            if times:
                self.failed.add(name)
                self._event(name, kind, "DELETE_FAILED", reason)
            else:
                self._event(name, kind, "DELETE_COMPLETE")
                del self.resources[name]
        self.status = "DELETE_FAILED" if self.failed else "DELETE_COMPLETE"

    def _interfaces(self, arguments: Mapping[str, Any]) -> Any:
        assert arguments["Filters"] == [{"Name": "group-id", "Values": ["sg-1"]}]
        self.held = max(self.held - 1, 0)
        return {"NetworkInterfaces": [self.interface] if self.held else []}

    def _interface_removed(self, arguments: Mapping[str, Any]) -> Any:
        self.removed.append(arguments["NetworkInterfaceId"])
        self.held = 0
        return {}

    def _event(self, name: str, kind: str, status: str, reason: str = "") -> None:
        self.events.append(event(len(self.events), name, kind, status, reason))

    def remove(self, said: Callable[[str], None] = lambda _: None, keep: Iterable[str] = (), **how: Any) -> None:
        found = (
            stack_of(self.cloud, NAME)
            if self.status != "DELETE_IN_PROGRESS"
            else Stack(id=_ID, name=NAME, status=self.status)
        )
        assert found
        how = {"emptied": pytest.fail, **how}
        Removal(cloud=self.cloud, moved=lambda _: None, said=said, keep=tuple(keep), again=AGAIN, **how).remove(found)


_ID = stack(NAME, "")["StackId"]


def test_a_stack_goes_at_once_if_nothing_holds_it() -> None:
    formation = Formation()
    formation.remove()
    assert formation.deleted == [{"StackName": _ID}]


def test_interfaces_are_waited_for_and_told_of() -> None:
    formation, said = Formation(held=9), list[str]()
    began = formation.clock.now()
    formation.remove(said.append)
    assert len(formation.deleted) > 1
    assert "the security group is still used by eni-1 (in-use)" in said[0]
    assert said[-1].startswith("waiting: ")
    assert formation.clock.now() - began > 30


def test_interfaces_that_do_not_come_back_are_an_error_with_their_names() -> None:
    formation = Formation(held=10_000)
    began = formation.clock.now()
    with pytest.raises(Waiting, match=rf"still used by eni-1 \(in-use\).*{AGAIN}") as caught:
        formation.remove()
    assert caught.value.exit_code == 4
    assert 3600 <= formation.clock.now() - began < 4000


def test_without_waiting_it_ends_when_interfaces_hold_it_up() -> None:
    formation = Formation(held=100)
    with pytest.raises(Waiting, match="eni-1"):
        formation.remove(wait=False)
    assert formation.status == "DELETE_IN_PROGRESS"
    with pytest.raises(Waiting, match="eni-1"):  # the next run goes on with it
        formation.remove(wait=False)
    formation.held = 0
    formation.remove(wait=False)
    assert len(formation.deleted) == 1


def test_a_removal_that_is_under_way_is_followed() -> None:
    formation = Formation(status="DELETE_IN_PROGRESS")
    formation.remove()
    assert formation.deleted == []


def test_interfaces_that_lambda_has_left_are_removed() -> None:
    formation, said = Formation(held=4), list[str]()
    formation.interface["Status"] = "available"
    formation.remove(said.append)
    assert formation.removed == ["eni-1"]
    assert "the network interface eni-1, which Lambda has left, is removed" in said


def test_an_interface_of_somebody_else_is_never_removed() -> None:
    formation = Formation(held=100)
    formation.interface |= {"Status": "available", "Description": "theirs"}
    found = interfaces(formation.cloud, ["sg-1"])
    release(formation.cloud, found, pytest.fail)
    assert formation.removed == []
    assert interfaces(formation.cloud, []) == ()


def test_an_interface_that_cannot_be_removed_stops_nothing() -> None:
    formation, said = Formation(held=100), list[str]()
    formation.interface["Status"] = "available"
    ec2 = recorded("ec2", DescribeNetworkInterfaces=formation._interfaces, DeleteNetworkInterface=_denied)
    cloud = Cloud(lambda _service: ec2, formation.clock)
    release(cloud, interfaces(cloud, ["sg-1"]), said.append)
    assert said == ["the network interface eni-1 cannot be removed (UnauthorizedOperation)"]


def _denied(_: Any) -> Any:
    raise Error("UnauthorizedOperation", "You are not authorized", 403)


def test_a_bucket_that_stays_is_let_go_of() -> None:
    formation = Formation(failing={"Logs": ("The bucket you tried to delete is not empty", 9)})
    formation.remove(keep=["logs"])
    assert [each.get("RetainResources") for each in formation.deleted] == [None, ["Logs"]]


def test_a_bucket_that_must_go_is_emptied_again() -> None:
    emptied: list[str] = []
    formation = Formation(failing={"Logs": ("The bucket you tried to delete is not empty", 2)})
    formation.remove(emptied=emptied.append)
    assert emptied == ["logs", "logs"]
    assert not any("RetainResources" in each for each in formation.deleted)


def test_what_fails_again_and_again_is_told_with_its_reason() -> None:
    formation = Formation(failing={"Processor": ("User: is not authorized to perform lambda:DeleteFunction", 99)})
    with pytest.raises(
        Fatal, match=rf"could not be removed; `{AGAIN}` tries it again .*Processor.*lambda:DeleteFunction"
    ):
        formation.remove()


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"EnableTerminationProtection": True}, "--no-enable-termination-protection --stack-name tailrace-prod"),
        ({"Tags": []}, "is not one of Tailrace"),
        ({"Tags": [{"Key": "tailrace:environment", "Value": "test"}]}, "is not one of Tailrace"),
        ({"Tags": [], "Description": "Tailrace carries logs"}, ""),
        ({}, ""),
    ],
)
def test_only_stacks_of_tailrace_that_may_go_are_removed(more: Mapping[str, Any], error: str) -> None:
    cloudformation = recorded(
        "cloudformation", DescribeStacks=lambda _: {"Stacks": [stack(NAME, "CREATE_COMPLETE", **more)]}
    )
    cloud = Cloud(lambda _service: cloudformation, StillClock())
    found = stack_of(cloud, NAME)
    assert found
    if error:
        with pytest.raises(UsageError, match=error):
            check(cloud, found, "prod")
    else:
        check(cloud, found, "prod")


def test_a_stack_that_is_only_planned_needs_no_tags() -> None:
    cloudformation = recorded(
        "cloudformation", DescribeStacks=lambda _: {"Stacks": [stack(NAME, "REVIEW_IN_PROGRESS", Tags=[])]}
    )
    cloud = Cloud(lambda _service: cloudformation, StillClock())
    check(cloud, Stack(id=NAME, name=NAME, status="REVIEW_IN_PROGRESS"), "prod")


def test_a_stack_is_gone_when_it_is_told_of_no_more() -> None:
    def absent(_: Any) -> Any:
        raise Error("ValidationError", f"Stack with id {NAME} does not exist")

    assert gone(Cloud(lambda _service: recorded("cloudformation", DescribeStacks=absent), StillClock()), NAME)


class Function:
    """A function in a VPC, whose update takes a while, or is refused."""

    def __init__(self, *, refused: str = "") -> None:
        self.refused, self.polls, self.asked = refused, 3, list[Mapping[str, Any]]()
        client = recorded("lambda", GetFunctionConfiguration=self._told, UpdateFunctionConfiguration=self._updated)
        self.clock = StillClock()
        self.cloud = Cloud(lambda _service: client, self.clock)

    def _told(self, _: Any) -> Any:
        if self.asked:
            self.polls -= 1
            return {
                "LastUpdateStatus": "InProgress" if self.polls else "Successful",
                "VpcConfig": {"VpcId": "", "SubnetIds": []},
            }
        return {"LastUpdateStatus": "Successful", "VpcConfig": {"VpcId": "vpc-1", "SubnetIds": ["subnet-1"]}}

    def _updated(self, arguments: Mapping[str, Any]) -> Any:
        self.asked.append(arguments)
        if self.refused:
            raise Error(self.refused, "", 409)
        return {}


def test_a_function_leaves_its_vpc_before_it_goes() -> None:
    function = Function()
    assert is_inside(function.cloud, "f")
    take_out(function.cloud, "f", pytest.fail)
    assert function.asked == [{"FunctionName": "f", "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []}}]
    assert function.polls == 0
    assert not is_inside(function.cloud, "f")


def test_a_function_that_cannot_leave_stops_nothing() -> None:
    function, said = Function(refused="ResourceConflictException"), list[str]()
    take_out(function.cloud, "f", said.append)
    assert said == ["f stays in its VPC until it is removed (ResourceConflictException)"]


def test_what_is_called_is_told() -> None:
    assert {need.call for need in needs("arn")} >= {"ec2:DeleteNetworkInterface", "lambda:UpdateFunctionConfiguration"}
