"""A check: what is looked at, and what is thought of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from tailrace.deploy.doctor.finding import Finding, aws, unknown
from tailrace.deploy.doctor.looking import Looking, Unseen
from tailrace.deploy.wanted import Wanted

REMOVED: Final = ": somebody has removed it from the stack; destroy the deployment and deploy it again"
FOREIGN: Final = "000000000000"
"""Stands for an account that is not ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check. `look`: changes nothing, and raises Unseen; `judge`: only thinks of what was found.

    `of`: what must be there for it: a deployment, the bucket of logs, or nothing.
    """

    subject: str
    look: Callable[[Wanted, Looking], Any]
    judge: Callable[[Wanted, Any], Iterable[Finding]]
    of: Literal["deployment", "bucket", "nothing"] = "deployment"

    def possible(self, wanted: Wanted, *, deployed: bool) -> bool:
        """Whether there is something to look at."""
        return deployed or self.of == "nothing" or (self.of == "bucket" and bool(wanted.own.bucket))

    def findings(self, wanted: Wanted, looking: Looking) -> Iterator[Finding]:
        """What is found; unknown, with the reason, if it cannot be looked at."""
        try:
            found = self.look(wanted, looking)
        except Unseen as error:
            remedy = f"tailrace policy doctor {wanted.environment}" if error.missing else ""
            yield unknown(self.subject, str(error), remedy)
            return
        yield from self.judge(wanted, found)


def gone(wanted: Wanted) -> str:
    """The command that shows what was removed from a stack by somebody: CloudFormation does not make it again by itself."""
    return aws("cloudformation", "detect-stack-drift", "--stack-name", wanted.names.stack)


def again(wanted: Wanted) -> str:
    """The command that brings the deployment into the state that is wanted."""
    return f"tailrace deploy {wanted.environment}"
