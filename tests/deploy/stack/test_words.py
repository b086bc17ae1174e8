"""Plans in words: what becomes of each resource, why, and what is not told."""

from __future__ import annotations

from typing import Any

import pytest

from tailrace.cli._plan import show
from tailrace.deploy.stack.words import Step, changed, created, settings_changed


def change(action: str, *details: dict[str, Any], **more: Any) -> dict[str, Any]:
    it = {
        "Action": action,
        "ResourceType": "AWS::Lambda::Function",
        "LogicalResourceId": "Processor",
        "Details": details,
    }
    return {"Type": "Resource", "ResourceChange": {**it, **more}}


def detail(path: str, before: str = "", after: str = "", recreation: str = "Never") -> dict[str, Any]:
    name = path.split("/")[2]
    told = {"Attribute": "Properties", "Name": name, "Path": path, "RequiresRecreation": recreation}
    return {"Target": {**told, "BeforeValue": before, "AfterValue": after}, "Evaluation": "Static"}


@pytest.mark.parametrize(
    ("told", "action", "grave"),
    [
        (change("Add"), "create", False),
        (change("Import"), "create", False),
        (change("Modify", Replacement="False"), "change", False),
        (change("Modify", Replacement="True"), "replace", True),
        (change("Modify", Replacement="Conditional"), "replace", True),
        (change("Remove", PolicyAction="Delete"), "remove", True),
        (change("Remove"), "remove", True),
        (change("Remove", PolicyAction="Retain"), "let go", False),
        (change("Dynamic"), "change", False),
    ],
)
def test_what_becomes_of_a_resource(told: dict[str, Any], action: str, *, grave: bool) -> None:
    (step,) = changed([told])
    assert (step.action, step.grave) == (action, grave)


def test_a_resource_is_only_replaced_if_what_it_refers_to_is() -> None:
    """CloudFormation calls every resource `Conditional` that refers to one which changes."""
    by_table = {"ChangeSource": "ResourceReference", "CausingEntity": "Table"}
    by_arn = {"ChangeSource": "ResourceAttribute", "CausingEntity": "Table.Arn"}
    for cause in (by_table, by_arn):
        referring = change(
            "Modify", {**detail("/Properties/Source", recreation="Always"), **cause}, Replacement="Conditional"
        )
        for becomes, action in (("False", "change"), ("True", "replace")):
            table = change("Modify", Replacement=becomes, LogicalResourceId="Table")
            assert [step.action for step in changed([table, referring])] == [action, action]
    by_parameter = {"ChangeSource": "ParameterReference", "CausingEntity": "Memory"}
    unclear = detail("/Properties/Size", recreation="Conditionally") | by_parameter
    (step,) = changed([change("Modify", unclear, Replacement="Conditional")])
    assert (step.action, step.why) == ("replace", "it may be replaced; Size")


def test_properties_are_told_with_their_values() -> None:
    (step,) = changed(
        [change("Modify", detail("/Properties/MemorySize", "256", "512"), PhysicalResourceId="x-processor")]
    )
    assert (step.name, step.why) == ("Processor (x-processor)", "MemorySize 256 → 512")
    (step,) = changed([change("Modify", detail("/Properties/RoleName", "a", "b", "Always"), Replacement="True")])
    assert step.why == "RoleName a → b (replaces it)"
    bare = {"Target": {"Attribute": "Tags"}, "Evaluation": "Static"}
    (step,) = changed([change("Modify", bare, bare, {"Target": {}})])
    assert step.why == "Tags"


@pytest.mark.parametrize("text", ["hunter2", "x" * 100, "two\nlines"])
def test_variables_are_told_by_name_only(text: str) -> None:
    (step,) = changed([change("Modify", detail("/Properties/Environment/Variables/TAILRACE_CONFIG", text, "new"))])
    assert step.why == "Environment.Variables.TAILRACE_CONFIG"
    (step,) = changed([change("Modify", detail("/Properties/Policy", "x" * 100, "y"))])
    assert step.why == "Policy"


def test_settings_are_told_without_what_may_be_secret() -> None:
    before = 'toml:to = ["cloudwatch:/a"]\nlisten_token = "hunter2"\n[sinks.s]\nurl = "https://user:hunter2@x"\n[retry]\ndeadline = "1m"'
    after = 'toml:to = ["cloudwatch:/b"]\nlisten_token = "hunter3"\n[sinks.s]\nurl = "https://user:hunter3@x"\nmystery = "hunter4"'
    told = settings_changed(before, after)
    assert told == [
        "listen_token *** → ***", 'retry.deadline "1m" → default', "sinks.s.mystery default → ***", "sinks.s.url *** → ***",
        'to ["cloudwatch:/a"] → ["cloudwatch:/b"]',
    ]  # fmt: skip
    assert "hunter" not in str(told)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("toml:a=1", "toml:a=1", []),
        ("", "", []),
        ("ssm:/one", "ssm:/two", ["its settings"]),
        ("ssm:/one", "ssm:/one", []),
        ("toml:=", "toml:workers=1", ["its settings"]),
        ("toml:", f"toml:store='{'x' * 99}'", [f'store default → "{"x" * 79}…']),
    ],
)
def test_settings_that_are_elsewhere_or_long(before: str, after: str, told: list[str]) -> None:
    assert settings_changed(before, after) == told


def test_what_is_created_is_named() -> None:
    of = {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q"}}, "P": {"Type": "X", "Properties": {"Name": {"Ref": "Q"}}}, "R": {"Type": "Y"}}  # fmt: skip
    assert [step.name for step in created({"Resources": of})] == ["Q (q)", "P", "R"]


def test_a_plan_is_a_table_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [Step("remove", "AWS::SQS::Queue", "Q", "why\x1b[2J"), Step("do", "release", "version 2")]
    show(steps, as_json=False)
    told = capsys.readouterr().out
    assert "- remove" in told
    assert "1 to remove" in told
    assert "\x1b" not in told
    show(steps, as_json=True)
    assert '"action":"remove"' in capsys.readouterr().out


def test_what_is_lost_is_red(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    show([Step("replace", "AWS::SQS::Queue", "Q"), Step("create", "AWS::SQS::Queue", "P")], as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert "\x1b[1;31m± replace" in lines[0]
    assert "31m" not in lines[1]
