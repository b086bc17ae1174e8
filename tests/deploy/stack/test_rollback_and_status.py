"""Going back to what was good, and how a deployment is told to be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from deploy.stack.account import Account, refusal
from tailrace.deploy.stack.needs import deploy_needs, rollback_needs, status_needs
from tailrace.deploy.stack.rollback import Rollback
from tailrace.deploy.stack.status import LAST, Looking, Unknown
from tailrace.errors import UsageError
from tailrace.model import Counts, Identity
from tailrace.receipts import Receipt
from tailrace.state.dynamodb import DynamodbState


def rollback(account: Account) -> Rollback:
    return Rollback(account.cloud(), account.wanted())


def deployed(account: Account, *, good: tuple[bool, ...]) -> None:
    """Versions, of which some did not prove good."""
    for number, proves in enumerate(good):
        account.proves = proves
        try:
            account.deploy(str(number))
        except Exception:  # noqa: BLE001 - it is what is wanted
            assert not proves
    account.proves = True


def test_the_last_good_one_becomes_live(account: Account) -> None:
    deployed(account, good=(True, True, False, True))
    assert account.live == "4"
    for expected in ("2", "1"):
        back = rollback(account).plan("")
        assert back
        assert back.to == expected
        rollback(account).apply(back)
        assert account.live == expected
    with pytest.raises(
        UsageError, match=r"no good release before it is known; known are 1 \(good\), 2 \(good\), 3 \(not good\)"
    ):
        rollback(account).plan("")
    assert rollback(account).plan("1") is None
    with pytest.raises(UsageError, match=r"there is no version 7 of .*; known are"):
        rollback(account).plan("7")
    with pytest.raises(UsageError, match="there is no version"):
        rollback(account).plan("$LATEST")


def test_versions_that_are_gone_are_passed_over(account: Account) -> None:
    deployed(account, good=(True, True, True))
    account.functions.delete_function(FunctionName=f"{account.name}-processor", Qualifier="2")
    back = rollback(account).plan("")
    assert back
    assert back.to == "1"
    assert "0.1.0" in back.label


def test_without_a_deployment_there_is_nothing_to_roll_back(account: Account) -> None:
    with pytest.raises(UsageError, match="nothing to roll back"):
        rollback(account).plan("")


def test_deploying_after_a_rollback_goes_on(account: Account) -> None:
    deployed(account, good=(True, True))
    back = rollback(account).plan("")
    assert back
    rollback(account).apply(back)
    (step,) = account.deploy("1")
    assert step.name == "a version after 1"
    assert account.live_code == account.deployment("1").order.package.code_sha256


def test_how_a_deployment_is(account: Account) -> None:
    assert Looking(account.cloud(), account.wanted()).look().stack is None
    account.deploy()
    asked, table = account.wanted(), DynamodbState(f"{account.name}-receipts", account.dynamodb, account.clock)
    day = datetime.fromtimestamp(account.clock.now(), UTC)
    for number in range(LAST + 2):
        key = f"AWSLogs/123456789012/elasticloadbalancing/eu-west-1/{day:%Y/%m/%d}/{number}.log"
        etag = account.s3.put_object(Bucket=asked.bucket, Key=key, Body=b"x")["ETag"].strip('"')
        item = Identity("s3", asked.bucket, key, etag)
        if number % 2:
            counts = Counts(lines=7, records=7, record_lines=7)
            table.commit(Receipt(item=item, sink="s", state="complete", counts=counts), ())
    account.calls.clear()
    found = Looking(account.cloud(), asked).look()
    assert found.stack
    assert not isinstance(found.function, Unknown)
    assert found.function
    assert (found.stack.status, found.function.live, found.release and found.release.good) == (
        "CREATE_COMPLETE",
        "1",
        True,
    )
    assert (found.queue, found.dead, found.alarms, found.figures) == (None, None, [], (None, None))
    assert not isinstance(found.deliveries, Unknown)
    assert len(found.deliveries) == LAST
    assert {bool(each.receipts) for each in found.deliveries} == {True, False}
    assert account.calls.count("dynamodb:Query") == LAST
    assert "dynamodb:Scan" not in account.calls


def test_what_cannot_be_looked_at_hides_nothing_else(account: Account) -> None:
    account.deploy()

    def fault(name: str, call: Callable[[], Any]) -> Any:
        if name.startswith(("cloudwatch", "sqs")):
            raise refusal(name, "AccessDenied", "no", 403)
        return call()

    account.fault = fault
    found = Looking(account.cloud(), account.wanted()).look()
    assert isinstance(found.alarms, Unknown)
    assert "access to cloudwatch:DescribeAlarms" in found.alarms.why
    assert isinstance(found.queue, Unknown)
    assert found.deliveries == []


def test_what_is_called_is_said_to_be_needed(account: Account) -> None:
    """By all of this; the tests of policies compare both ways."""

    def calls(needs: Any) -> set[str]:
        return {need.call.partition("?")[0] for need in needs}

    account.deploy()
    account.deploy("2")
    asked = account.wanted()
    assert set(account.calls) <= calls(deploy_needs(asked))
    account.calls.clear()
    back = rollback(account).plan("")
    assert back
    rollback(account).apply(back)
    assert set(account.calls) <= calls(rollback_needs(asked))
    account.calls.clear()
    Looking(account.cloud(), asked).look()
    assert set(account.calls) <= calls(status_needs(asked))
