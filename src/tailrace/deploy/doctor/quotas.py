"""What an account has no more of: concurrency and storage of functions, and messages that are under way.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tailrace.deploy.doctor.checking import Check, again
from tailrace.deploy.doctor.finding import Finding, aws, ok, wrong
from tailrace.deploy.doctor.looking import Looking
from tailrace.deploy.doctor.queues import Queue, look_at_queue
from tailrace.deploy.listing import NO_RESOURCE
from tailrace.deploy.wanted import Wanted

_CONCURRENCY: Final = "concurrency"
_STORAGE: Final = "function storage"
_UNDER_WAY: Final = "messages under way"
_KEPT: Final = 100
"""So much concurrency an account keeps that is reserved for no function."""
_FULL: Final = 0.9
_MOST_UNDER_WAY: Final = 120_000
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""
_CODES: Final = {"concurrency": "L-B99A9384", "storage": "L-2ACBD22F"}
"""Of the quotas, in Service Quotas."""


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many calls at a time the account may make, how many of them nobody has reserved, and what is reserved for the function."""

    most: int
    free: int
    reserved: int | None


def _look_at_concurrency(wanted: Wanted, looking: Looking) -> Concurrency:
    limits = looking("lambda:GetAccountSettings")["AccountLimit"]
    name = wanted.names.function
    told = looking("lambda:GetFunctionConcurrency", *NO_RESOURCE, FunctionName=name) or {}
    reserved = told.get("ReservedConcurrentExecutions")
    return Concurrency(limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"], reserved)


def concurrent(wanted: Wanted, found: Concurrency) -> Iterator[Finding]:
    """Whether the function can be called as often at a time as it is to be."""
    more, wished = wanted.own.reserved_concurrency, found.reserved
    if wished == 0:
        remedy = aws("lambda", "delete-function-concurrency", "--function-name", wanted.names.function)
        yield wrong(
            _CONCURRENCY,
            f"nobody can call {wanted.names.function}: its reserved concurrency is 0",
            again(wanted) if more else remedy,
        )
    elif more > (wished or 0) + max(0, found.free - _KEPT):
        able = (wished or 0) + max(0, found.free - _KEPT)
        text = f"deploy.reserved_concurrency={more:,} is more than the {able:,} that the account of {found.most:,} can give; {_KEPT} must stay free"
        yield wrong(_CONCURRENCY, text, _raising("concurrency", found.most + more))
    elif not more and found.free <= 0:
        text = f"all {found.most:,} calls at a time are reserved by other functions"
        yield wrong(_CONCURRENCY, text, _raising("concurrency", found.most + 1000))
    else:
        own = f", {wished:,} reserved for {wanted.names.function}" if wished else ""
        yield ok(_CONCURRENCY, f"{found.free:,} of {found.most:,} calls at a time are free{own}")


def _look_at_storage(_wanted: Wanted, looking: Looking) -> Mapping[str, Any]:
    found: Mapping[str, Any] = looking("lambda:GetAccountSettings")
    return found


def stored(wanted: Wanted, found: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether there is room for versions yet."""
    used, most = found["AccountUsage"]["TotalCodeSize"], found["AccountLimit"]["TotalCodeSize"]
    told = f"functions and their versions fill {used / 1e9:,.1f} of {most / 1e9:,.0f} GB"
    if used < _FULL * most:
        yield ok(_STORAGE, told)
    else:
        versions = aws("lambda", "list-versions-by-function", "--function-name", wanted.names.function)
        yield wrong(_STORAGE, f"{told}; remove old versions (delete-function --qualifier)", versions)


def under_way(wanted: Wanted, queue: Queue | None) -> Iterator[Finding]:
    """Whether the queue gives more messages yet."""
    if queue is None:
        return
    count = queue.seconds("ApproximateNumberOfMessagesNotVisible")
    told = f"{count:,} of {_MOST_UNDER_WAY:,} messages are being worked on"
    if count < _FULL * _MOST_UNDER_WAY:
        yield ok(_UNDER_WAY, told)
    else:
        tail = aws("logs", "tail", wanted.names.function_log, "--since", "1h")
        yield wrong(_UNDER_WAY, f"{told}, and the queue gives no more of them", tail)


def _raising(which: str, to: int) -> str:
    return aws("service-quotas", "request-service-quota-increase", "--service-code", "lambda", "--quota-code", _CODES[which],
               "--desired-value", str(to))  # fmt: skip


CHECKS: Final = (
    Check(subject=_CONCURRENCY, look=_look_at_concurrency, judge=concurrent, of="nothing"),
    Check(subject=_STORAGE, look=_look_at_storage, judge=stored, of="nothing"),
    Check(subject=_UNDER_WAY, look=look_at_queue, judge=under_way),
)
