"""A deployment that is disturbed at each of its calls, one after the other: it goes on, or the next run takes it up."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from deploy.stack.account import (
    Account,
    Fault,
    answer_lost,
    at,
    expired,
    interrupted,
    interrupted_behind,
    refusal,
    since,
    template,
    throttled,
)  # fmt: skip
from tailrace.deploy.ledger import Release
from tailrace.errors import Fatal, Retryable

OTHER = template(TAILRACE_CONFIG='toml:to=["cloudwatch:/b"]')
MOST = 80
"""More calls than a deployment makes."""
WORST = (
    "cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet", "lambda:PublishVersion", "lambda:UpdateAlias",
    "dynamodb:Query",
)  # fmt: skip
"""Calls behind which something is half done."""


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


def disturbed(account: Account, *, update: bool) -> str:
    """What is told when it is carried out under a fault; nothing if it succeeds all the same."""
    try:
        carried_out(account, update=update)
    except Fatal as error:
        return str(error)
    except KeyboardInterrupt:
        return "interrupted"
    return ""


@pytest.mark.parametrize("update", [False, True])
def test_throttling_is_waited_out(account: Account, *, update: bool) -> None:
    """Every first attempt is refused."""
    begun(account, update=update)
    numbers = count()
    account.fault = lambda name, call: call() if next(numbers) % 2 else throttled(name, call)
    carried_out(account, update=update)
    settle(account, update=update)


def test_throttling_without_end_is_told(account: Account) -> None:
    account.fault = since(12, throttled)
    with pytest.raises(Retryable, match=r"is not answered now \(Throttling.*takes it up again"):
        account.deploy()
    settle(account, update=False)


@pytest.mark.parametrize("how", [interrupted_behind, expired, answer_lost])
@pytest.mark.parametrize("worst", WORST)
def test_what_is_half_done_is_taken_up(account: Account, worst: str, how: Callable[..., Any]) -> None:
    begun(account, update=True)
    account.calls.clear()

    def fault(name: str, call: Callable[[], Any]) -> Any:
        """At that call, and if credentials expire at all that follow."""
        reached = worst in account.calls[:-1] if how is not expired else worst in account.calls
        return how(name, call) if (name == worst and not reached) or (reached and how is expired) else call()

    account.fault = fault
    told = disturbed(account, update=True)
    if how is expired:
        assert "the credentials are not accepted by" in told
        assert ("takes it up again" in told) != (worst == "cloudformation:CreateChangeSet")  # when nothing was changed
    elif how is answer_lost:
        assert told == "" or "somebody else" in told  # it was this one, which cannot be known; the next run finds out
    else:
        assert told == "interrupted"
    settle(account, update=True)


def test_a_stack_whose_making_was_interrupted_is_waited_for(account: Account) -> None:
    account.fault = lambda name, call: (
        interrupted_behind(name, call) if name == "cloudformation:CreateStack" else call()
    )
    deployment = account.deployment()
    with pytest.raises(KeyboardInterrupt), deployment.planned(deployment.look()) as plan:
        deployment.apply(plan)
    assert deployment.where == f"CloudFormation may go on changing {account.name} by itself; nothing is live yet"
    settle(account, update=False)


def test_somebody_else_begins_to_change_the_stack(account: Account) -> None:
    account.deploy()
    account.fault = lambda name, call: (
        theirs(account) or call() if name == "cloudformation:ExecuteChangeSet" else call()
    )
    with pytest.raises(Fatal, match=r"somebody else is changing the stack .*UPDATE_IN_PROGRESS state"):
        account.deploy("2")
    account.formation.stacks[account.name].status = "UPDATE_COMPLETE"
    settle(account, update=True)


def theirs(account: Account) -> None:
    account.formation.stacks[account.name].status = "UPDATE_IN_PROGRESS"


def test_somebody_else_makes_the_stack(account: Account) -> None:
    def fault(name: str, call: Callable[[], Any]) -> Any:
        if name == "cloudformation:CreateStack":
            account.formation.put("CREATE_COMPLETE", account.name)
        return call()

    account.fault = fault
    with pytest.raises(Fatal, match=r"somebody else is changing the stack .*AlreadyExistsException"):
        account.deploy()


def test_somebody_else_has_released(account: Account) -> None:
    """Another deployment has written the ledger between the look and the release."""
    account.deploy()
    deployment = account.deployment("2")
    with deployment.planned(deployment.look()) as plan:
        book = account.deployment()._book
        kept = book.read()
        book.write(kept.ledger.with_release(Release(version="7", package="", label="", time=0.0)), kept)
        with pytest.raises(Fatal, match=r"somebody else is deploying .*other releases than before"):
            deployment.apply(plan)
    assert account.live == "1"


def test_somebody_else_has_moved_the_alias(account: Account) -> None:
    account.deploy()

    def fault(name: str, call: Callable[[], Any]) -> Any:
        if name == "lambda:UpdateAlias" and account.live == "1":
            account.functions.update_alias(
                FunctionName=f"{account.name}-processor", Name="live", FunctionVersion="$LATEST"
            )
            raise refusal(name, "PreconditionFailedException", "The Revision Id provided does not match", 412)
        return call()

    account.fault = fault
    with pytest.raises(Fatal, match=r"somebody else has moved the alias live"):
        account.deploy("2")
    assert account.live == "$LATEST"


def denied(what: str) -> Fault:
    """Refuses that call for want of a permission."""

    def fault(name: str, call: Callable[[], Any]) -> Any:
        if name == what:
            raise refusal(name, "AccessDeniedException", "not authorized", 403)
        return call()

    return fault


def test_what_is_denied_is_named(account: Account) -> None:
    account.fault = denied("lambda:PublishVersion")
    with pytest.raises(Fatal, match=r"access to lambda:PublishVersion at http.* is denied"):
        account.deploy()
    settle(account, update=False)


def test_a_proof_that_may_not_be_looked_for_is_no_proof(account: Account) -> None:
    account.deploy()
    account.fault = denied("dynamodb:Query")
    with pytest.raises(Fatal, match=r"access to the table .* is denied.*; version 1 is live again"):
        account.deploy("2")
    assert account.live == "1"


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
        disturbed(account, update=update)
        reached = len(account.calls) - made > number
        settle(account, update=update)
        if not reached:
            return
    raise AssertionError("there are more calls than that")
