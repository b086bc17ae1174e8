"""The roles for which there are policies, by the name under which they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tailrace.deploy import notifications
from tailrace.deploy.balancers import switching
from tailrace.deploy.destroy.needs import destroy_needs
from tailrace.deploy.doctor.needs import doctor_needs
from tailrace.deploy.handlers import grants
from tailrace.deploy.policies import Document, Grant, document, function_document, run_document
from tailrace.deploy.stack import needs
from tailrace.deploy.template import template
from tailrace.deploy.wanted import Wanted, wanted
from tailrace.errors import UsageError
from tailrace.settings import Resolved


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a policy is made for. `environment`: empty if none is named. `reads`: buckets and prefixes that are named.

    `load_balancers`: whether their logs are to be switched on too.
    """

    resolved: Resolved
    environment: str = ""
    reads: Sequence[tuple[str, str]] = ()
    load_balancers: bool = False

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


def _deploy(subject: Subject) -> Document:
    asked = subject.wanted
    own = [*needs.deploy_needs(asked), *notifications.needs(asked)]
    return document([*own, *(switching.needs(asked) if subject.load_balancers else ())], _stack(asked, make=True))


def _destroy(subject: Subject) -> Document:
    asked = subject.wanted
    own = [each for each in destroy_needs(asked) if subject.load_balancers or not each.call.startswith("elb")]
    return document(own, _stack(asked, make=False))


def _stack(asked: Wanted, *, make: bool) -> list[Grant]:
    """What CloudFormation calls in the name of whoever changes the stack."""
    return grants(asked, [each["Type"] for each in template(asked)["Resources"].values()], make=make)


ROLES: Final[Mapping[str, Role]] = {
    "function": Role("the function of a deployment", lambda subject: function_document(subject.wanted)),
    "deploy": Role("whoever calls `tailrace deploy`", _deploy),
    "destroy": Role("whoever calls `tailrace destroy`", _destroy),
    "doctor": Role("whoever calls `tailrace doctor`", lambda subject: document(doctor_needs(subject.wanted))),
    "rollback": Role(
        "whoever calls `tailrace rollback`", lambda subject: document(needs.rollback_needs(subject.wanted))
    ),
    "status": Role("whoever calls `tailrace status`", lambda subject: document(needs.status_needs(subject.wanted))),
    "run": Role("a worker: whoever calls `tailrace run`", _run),
}
