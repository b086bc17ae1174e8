"""A deployment that is disturbed at each of its calls, one after the other: it goes on, or the next run takes it up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deploy.stack.account import (
    Account, answer_lost, at, expired, interrupted, interrupted_behind, refusal, since, template, throttled,
)  # fmt: skip
from tailrace.deploy.stack.deploying import Deployment
from tailrace.errors import Fatal

OTHER = template(TAILRACE_CONFIG='toml:to=["cloudwatch:/b"]')
MOST = 80
"""More calls than a deployment makes."""
SOME = range(0, MOST, 9)


def carried_out(account: Account, *, update: bool) -> None:
    """What is disturbed."""
    account.deploy("2", made=OTHER) if update else account.deploy()


def settle(account: Account, *, update: bool) -> None:
    """The next run, undisturbed, ends where the disturbed one would have; and after it nothing is to do."""
    account.fault = lambda _name, call: call()
    account.clock.sleep(3600)
    before = account.control_objects()
    carried_out(account, update=update)
    assert account.deploy(*(("2",) if update else ()), **({"made": OTHER} if update else {})) == []
    package = account.deployment("2" if update else "1").order.package
    assert account.live_code == package.code_sha256
    assert account.live != "$LATEST"
    known = account.deployment()._book.read().ledger.release(account.live)
    assert known
    assert known.good
    assert not account.control_objects() or account.control_objects() == before
    assert not account.formation.sets


def begun(account: Account, *, update: bool) -> None:
    if update:
        account.deploy()


@pytest.mark.parametrize("update", [False, True])
@pytest.mark.parametrize("number", SOME)
def test_throttling_is_waited_out(account: Account, number: int, *, update: bool) -> None:
    begun(account, update=update)
    account.fault = at(number, throttled)
    carried_out(account, update=update)
    settle(account, update=update)


@pytest.mark.parametrize("update", [False, True])
@pytest.mark.parametrize("number", SOME)
def test_a_lost_answer_is_asked_for_again(account: Account, number: int, *, update: bool) -> None:
    begun(account, update=update)
    account.fault = at(number, answer_lost)
    try:
        carried_out(account, update=update)
    except Fatal as error:
        assert "somebody else" in str(error)  # it was this one, which cannot be told; the next run finds out
    settle(account, update=update)


@pytest.mark.parametrize("how", [interrupted, interrupted_behind])
@pytest.mark.parametrize("update", [False, True])
@pytest.mark.parametrize("number", SOME)
def test_an_interruption_is_taken_up(account: Account, number: int, how: Callable[..., Any], *, update: bool) -> None:
    begun(account, update=update)
    account.fault = at(number, how)
    try:
        carried_out(account, update=update)
    except KeyboardInterrupt:
        pass
    settle(account, update=update)


@pytest.mark.parametrize("update", [False, True])
@pytest.mark.parametrize("number", SOME)
def test_credentials_that_expire_are_told_and_taken_up(account: Account, number: int, *, update: bool) -> None:
    begun(account, update=update)
    account.fault = since(number, expired)
    try:
        carried_out(account, update=update)
    except Fatal as error:
        assert "credentials are not accepted" in str(error)
    settle(account, update=update)


@pytest.mark.long
@pytest.mark.parametrize("update", [False, True])
@pytest.mark.parametrize("how", [throttled, answer_lost, interrupted, interrupted_behind, expired])
def test_at_every_call(account: Account, how: Callable[..., Any], *, update: bool) -> None:
    """Each call in its turn, in one account; each time from a stack that another deployment has left."""
    for number in range(MOST):
        account.environment, account.calls = f"{account.environment[:2]}x{number}{how.__name__[0]}{int(update)}", []
        begun(account, update=update)
        made = len(account.calls)
        account.fault = (since if how is expired else at)(number, how)
        try:
            carried_out(account, update=update)
        except (Fatal, KeyboardInterrupt):
            pass
        reached = len(account.calls) - made > number
        settle(account, update=update)
        if not reached:
            return
    raise AssertionError("there are more calls than that")
