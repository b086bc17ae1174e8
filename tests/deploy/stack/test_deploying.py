"""A deployment from nothing to its removal of the half-done: what is planned, what is done, and what is left when it fails."""

from __future__ import annotations

import pytest

from cloud import REGION
from deploy.stack.account import Account, refusal, template
from deploy.stack.formation import REFUSED
from tailrace.deploy.stack.smoke import Unproven
from tailrace.errors import Fatal, UsageError


def words(steps: list) -> list[tuple[str, str]]:
    return [(step.action, step.what) for step in steps]


def test_from_nothing_to_a_version_that_is_proved(account: Account) -> None:
    assert words(account.deploy()) == [
        ("create", "bucket of packages"),
        ("create", "package"),
        ("create", "AWS::SQS::Queue"),
        ("create", "AWS::Lambda::Function"),
        ("do", "release"),
    ]
    assert (account.live, account.versions) == ("1", ["1"])
    (release,) = account.deployment()._book.read().ledger.releases
    assert (release.version, release.good, release.label) == ("1", True, "0.1.1")
    assert account.control_objects() == []


def test_the_same_again_does_nothing(account: Account) -> None:
    account.deploy()
    account.calls.clear()
    assert account.deploy() == []
    assert account.versions == ["1"]
    assert not account.formation.sets
    changing = {call for call in account.calls if not call.partition(":")[2].startswith(("Describe", "Get", "Head"))}
    assert changing == {"cloudformation:CreateChangeSet", "cloudformation:DeleteChangeSet"}


def test_looking_at_a_plan_leaves_nothing_behind(account: Account) -> None:
    deployment = account.deployment()
    with deployment.planned(deployment.look()) as plan:
        assert plan.steps
    assert not account.formation.stacks
    assert account.deployment().order.artifacts.look().there is False
    account.deploy()
    deployment = account.deployment("2")
    with deployment.planned(deployment.look()) as plan:
        assert account.formation.sets
        assert [step.what for step in plan.steps] == ["package", "AWS::Lambda::Function", "release"]
    assert not account.formation.sets
    assert (account.live, account.versions) == ("1", ["1"])


def test_new_settings_are_a_new_version_and_are_told_by_name(account: Account) -> None:
    account.deploy()
    steps = account.deploy(made=template(TAILRACE_CONFIG='toml:to=["cloudwatch:/b"]\nworkers=3'))
    (release,) = [step for step in steps if step.what == "release"]
    assert 'to ["cloudwatch:/a"] → ["cloudwatch:/b"]' in release.why
    assert "workers default → 3" in release.why
    assert account.live == "2"


def test_code_only_changes_nothing_but_the_code(account: Account) -> None:
    account.deploy()
    before = account.formation.stacks[account.name].template
    steps = account.deploy("2", code_only=True, made=template(TAILRACE_CONFIG='toml:to=["other"]'))
    assert words(steps) == [("create", "package"), ("change", "AWS::Lambda::Function"), ("do", "release")]
    assert account.formation.stacks[account.name].template == before
    assert account.live_code == account.deployment("2").order.package.code_sha256
    assert account.deploy("2", code_only=True) == []


def test_code_only_without_a_stack_is_a_mistake(account: Account) -> None:
    with pytest.raises(UsageError, match=f"no stack {account.name}.*tailrace deploy {account.environment}"):
        account.deploy(code_only=True)
    assert not account.deployment().order.artifacts.look().there


def test_what_does_not_come_through_is_taken_back(account: Account) -> None:
    account.deploy()
    account.proves = False
    with pytest.raises(Unproven, match=r"no receipt after 3m.*version 1 is live again"):
        account.deploy("2")
    assert account.live == "1"
    releases = account.deployment()._book.read().ledger.releases
    assert [(each.version, each.good) for each in releases] == [("1", True), ("2", False)]
    assert account.control_objects() == []
    account.proves = True
    assert words(account.deploy("2")) == [("do", "release")]
    assert account.live_code == account.deployment("2").order.package.code_sha256


def test_records_of_a_control_object_are_a_failure(account: Account) -> None:
    account.deploy()
    account.records = 1
    with pytest.raises(Unproven, match=r"was read as a log by cloudwatch:/a; version 1 is live again"):
        account.deploy("2")
    assert account.live == "1"


def test_the_first_version_has_none_before_it(account: Account) -> None:
    account.proves = False
    with pytest.raises(Unproven, match=r"no receipt after 8m; .*version 1 stays live, for there is none before it"):
        account.deploy()
    account.proves = True
    assert words(account.deploy()) == [("do", "proof")]
    assert account.deploy() == []


def test_code_that_somebody_changed_is_brought_back(account: Account) -> None:
    account.deploy()
    account.functions.update_function_code(
        FunctionName=f"{account.name}-processor", ZipFile=account.deployment("9").order.package.path.read_bytes()
    )
    (step,) = account.deploy()
    assert "it is brought back" in step.why
    assert account.live_code == account.deployment().order.package.code_sha256
    assert account.deploy() == []


def test_resources_that_are_lost_are_grave(account: Account) -> None:
    account.deploy()
    less = template(TAILRACE_CONFIG='toml:to=["cloudwatch:/a"]')
    del less["Resources"]["EventQueue"]
    steps = account.deploy(made=less)
    assert [(step.action, step.name) for step in steps if step.grave] == [("remove", "EventQueue")]
    assert words(steps)[-1] == ("do", "proof")  # the way has changed, the function has not
    assert account.live == "1"


def test_a_bucket_that_is_lost_is_made_again(account: Account) -> None:
    account.deploy()
    bucket = account.wanted().artifacts
    for page in account.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for each in page["Contents"]:
            account.s3.delete_object(Bucket=bucket, Key=each["Key"])
    account.s3.delete_bucket(Bucket=bucket)
    account.policies.clear()
    assert words(account.deploy()) == [("create", "bucket of packages"), ("create", "package"), ("do", "proof")]
    assert account.deploy() == []


def test_a_change_set_that_fails_is_told_with_its_reason_and_is_gone(account: Account) -> None:
    account.deploy()
    account.formation.fails = ["change set"]
    with pytest.raises(Fatal, match=r"cannot plan the change of .*FAILED.*Transform AWS::Broken failed"):
        account.deploy("2")
    assert not account.formation.sets
    assert account.live == "1"


def test_a_stack_that_cannot_be_made_tells_why_and_is_made_anew(account: Account) -> None:
    account.formation.fails = ["create"]
    with pytest.raises(Fatal) as told:
        account.deploy()
    assert (
        "could not be made (ROLLBACK_COMPLETE): EventQueue (AWS::SQS::Queue): A queue of that name was deleted"
        in str(told.value)
    )
    assert "cancelled" not in str(told.value)
    assert f"`tailrace deploy {account.environment}` takes it up again" in str(told.value)
    assert told.value.exit_code == 3
    steps = account.deploy()
    assert words(steps)[0] == ("remove", "AWS::CloudFormation::Stack")
    assert steps[0].grave
    assert account.live == "1"


def test_what_is_wrong_with_a_template_is_asked_for(account: Account) -> None:
    account.formation.fails = ["create"]
    account.formation.reasons = [(account.name, "AWS::CloudFormation::Stack", REFUSED)]
    with pytest.raises(Fatal, match=r"\(ROLLBACK_COMPLETE\): LogsBucket \(AWS::S3::Bucket\): exists") as told:
        account.deploy()
    assert "was wrong" not in str(told.value)
    assert "DescribeEvents" not in str(told.value)


def test_a_bucket_that_a_new_stack_would_make_is_no_surprise(account: Account) -> None:
    account.s3.create_bucket(Bucket=account.wanted().bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    with pytest.raises(UsageError, match=rf"is there already.*destroy {account.environment} --delete-logs` removes it"):
        account.deploy()
    assert "cloudformation:CreateStack" not in account.calls
    account.s3.delete_bucket(Bucket=account.wanted().bucket)
    account.deploy()
    assert account.live == "1"


def test_a_stack_that_cannot_be_updated_is_as_before(account: Account) -> None:
    account.deploy()
    account.formation.fails = ["update"]
    with pytest.raises(
        Fatal, match=r"could not be updated, and is as it was before \(UPDATE_ROLLBACK_COMPLETE\): EventQueue"
    ):
        account.deploy("2")
    assert (account.live, account.versions) == ("1", ["1"])
    account.deploy("2")
    assert account.live == "2"


def test_a_rollback_that_failed_is_continued(account: Account) -> None:
    account.deploy()
    account.formation.fails = ["update", "rollback"]
    with pytest.raises(Fatal, match=r"UPDATE_ROLLBACK_FAILED"):
        account.deploy("2")
    assert words(account.deploy("2"))[0] == ("do", "AWS::CloudFormation::Stack")
    assert account.live == "2"


def test_a_rollback_that_fails_again_is_told(account: Account) -> None:
    account.deploy()
    account.formation.fails = ["update", "rollback", "continue"]
    with pytest.raises(Fatal, match=r"UPDATE_ROLLBACK_FAILED"):
        account.deploy("2")
    with pytest.raises(Fatal, match=r"could not be rolled back \(UPDATE_ROLLBACK_FAILED\): EventQueue"):
        account.deploy("2")


@pytest.mark.parametrize("status", ["REVIEW_IN_PROGRESS", "CREATE_FAILED", "ROLLBACK_FAILED", "DELETE_FAILED"])
def test_what_cannot_be_updated_is_removed_first(account: Account, status: str) -> None:
    account.formation.put(status, account.name)
    steps = account.deploy()
    assert words(steps)[0] == ("remove", "AWS::CloudFormation::Stack")
    assert account.formation.stacks[account.name].status == "CREATE_COMPLETE"
    assert account.live == "1"


def test_what_cannot_be_removed_is_told(account: Account) -> None:
    account.formation.put("DELETE_FAILED", account.name)
    account.formation.fails = ["delete"]
    with pytest.raises(Fatal, match=r"could not be removed \(DELETE_FAILED\): EventQueue"):
        account.deploy()


def test_what_is_under_way_is_waited_for(account: Account) -> None:
    account.deploy()
    stack = account.formation.stacks[account.name]
    stack.status, stack.then = "UPDATE_IN_PROGRESS", ["UPDATE_IN_PROGRESS"] * 3 + ["UPDATE_COMPLETE"]
    assert account.deploy() == []
    assert any("waiting until it is done" in each for each in account.told)


def test_a_removal_under_way_is_waited_for(account: Account) -> None:
    account.formation.put("DELETE_IN_PROGRESS", account.name, "DELETE_IN_PROGRESS", "DELETE_COMPLETE")
    account.deploy()
    assert account.formation.stacks[account.name].status == "CREATE_COMPLETE"


def test_a_state_that_is_none_of_ours_is_left_alone(account: Account) -> None:
    account.formation.put("IMPORT_ROLLBACK_FAILED", account.name)
    with pytest.raises(Fatal, match=r"IMPORT_ROLLBACK_FAILED, which no deployment leaves behind"):
        account.deploy()


def test_the_bucket_of_somebody_else_is_not_used(account: Account) -> None:
    def theirs(name: str, call: object) -> object:
        if name == "s3:HeadBucket":
            raise refusal(name, "403", "Forbidden", 403)
        return call()  # type: ignore[operator]

    account.fault = theirs  # type: ignore[assignment]
    with pytest.raises(Fatal, match=r"belongs to another account or region; set deploy.artifacts_bucket"):
        account.deploy()


def test_the_bucket_keeps_what_others_have_set(account: Account) -> None:
    account.deploy()
    bucket = account.wanted().artifacts
    account.s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "a"}]})
    (step,) = [step for step in account.deploy() if step.what == "bucket of packages"]
    assert (step.action, step.why) == ("change", "its tags are those of the deployment")
    tags = {each["Key"]: each["Value"] for each in account.s3.get_bucket_tagging(Bucket=bucket)["TagSet"]}
    assert tags == {"team": "a", "tailrace:component": "tailrace", "tailrace:environment": account.environment}
    assert account.deploy() == []


def test_another_control_object_is_sent_while_the_notification_is_new(account: Account) -> None:
    account.lost = 3
    account.deploy()
    assert (account.live, account.control_objects()) == ("1", [])
    assert account.calls.count("s3:DeleteObject") == 4
    assert any("the bucket's notification is new" in each for each in account.told)
