"""The roles for which there are policies, by the name under which they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tailrace.deploy.policies import Document, function_document, run_document
from tailrace.deploy.wanted import Wanted, wanted
from tailrace.errors import UsageError
from tailrace.settings import Resolved


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a policy is made for. `environment`: empty if none is named. `reads`: buckets and prefixes that are named."""

    resolved: Resolved
    environment: str = ""
    reads: Sequence[tuple[str, str]] = ()

    @property
    def wanted(self) -> Wanted:
        """The deployment of the environment. Raises UsageError if none is named."""
        if not self.environment:
            raise UsageError("name the environment, as in `tailrace policy function prod`")
        return wanted(self.resolved, self.environment)


@dataclass(frozen=True, slots=True)
class Role:
    """Who has a policy, in a few words, and how it is made."""

    about: str
    document: Callable[[Subject], Document]


def _run(subject: Subject) -> Document:
    reads = subject.reads
    if not reads and subject.environment:
        reads = [(subject.wanted.bucket, subject.wanted.prefix)]
    return run_document(subject.resolved, reads)


ROLES: Final[Mapping[str, Role]] = {
    "function": Role("the function of a deployment", lambda subject: function_document(subject.wanted)),
    "run": Role("a worker: whoever calls `tailrace run`", _run),
}
