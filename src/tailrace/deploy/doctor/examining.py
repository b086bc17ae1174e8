"""The examination: this machine, then the deployment from where logs come in to where they go, then what it lives in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from tailrace.deploy.cloud import Cloud, Place
from tailrace.deploy.doctor import (
    alarms,
    balancers,
    bucket,
    function,
    groups,
    here,
    keys,
    network,
    notifications,
    permissions,
    queues,
    quotas,
    recursion,
    stacks,
    stations,
    tables,
)
from tailrace.deploy.doctor.checking import Check
from tailrace.deploy.doctor.finding import Finding, unknown, wrong
from tailrace.deploy.doctor.looking import Looking, Unseen
from tailrace.deploy.wanted import Wanted, wanted
from tailrace.errors import MissingExtra, TailraceError
from tailrace.kinds import Surroundings
from tailrace.quantities import Duration
from tailrace.settings import Resolved, Retry

CHECKS: Final[Sequence[Check]] = (
    *stacks.CHECKS,
    *bucket.CHECKS,
    *balancers.CHECKS,
    *groups.CHECKS,
    *notifications.CHECKS,
    *tables.CHECKS,
    *queues.CHECKS,
    *function.CHECKS,
    *network.CHECKS,
    *keys.CHECKS,
    *permissions.CHECKS,
    *recursion.CHECKS,
    *quotas.CHECKS,
    *alarms.CHECKS,
)
_PATIENCE: Final = Retry(deadline=Duration(10))
"""Who looks is waited for: what is not answered soon is told so."""


@dataclass(frozen=True, slots=True)
class Examination:
    """Looks at this machine, and at an environment's deployment if one is named. Changes nothing."""

    resolved: Resolved
    environment: str
    given: Surroundings
    requires: Sequence[str] = field(default_factory=here.required)

    def findings(self) -> Iterator[Finding]:
        """What is found, in this order; nothing that cannot be seen ends it."""
        yield from here.extras(here.libraries(self.requires))
        answer = None
        try:
            answer = self._asked()
        except MissingExtra as error:
            yield wrong("cloud", str(error), "pip install 'tailrace[aws]'")
        except TailraceError as error:
            yield wrong("region", str(error), "export AWS_REGION=eu-west-1")
        if answer:
            yield from self._of_answer(answer)
        if not self.environment:
            yield from stations.of_worker(self.resolved, self.given)
            yield from tables.of_worker(self.resolved.settings, self._looking)
        elif answer and answer.who.get("Arn"):
            yield from self._of_deployment(answer)
        else:
            yield unknown("deployment", f"{self.environment} is not looked at, for nobody can be asked")

    def _asked(self) -> here.Answer:
        call = "s3:ListBuckets" if self._private else "sts:GetCallerIdentity"
        return here.asked(self.given.client(call.partition(":")[0]), call)

    def _of_answer(self, answer: here.Answer) -> Iterator[Finding]:
        yield here.region(answer, private=self._private, needed=bool(self.environment))
        yield here.reachable(answer)
        clock = here.clock(answer, self.given.clock.now())
        yield clock
        yield here.accepted(answer, self.resolved.settings.profile, timely=clock.mark != "wrong")

    def _of_deployment(self, answer: here.Answer) -> Iterator[Finding]:
        _, partition, _, _, account, _ = str(answer.who["Arn"]).split(":", 5)
        place = Place(partition, answer.region, account)
        try:
            asked = wanted(
                self.resolved, self.environment, partition=place.partition, region=place.region, account=place.account
            )
        except TailraceError as error:
            yield wrong("settings", str(error), "tailrace settings")
            return
        looking = self._looking
        deployed = _is_deployed(asked, looking)
        for check in CHECKS:
            if check.possible(asked, deployed=deployed):
                yield from _guarded(check, asked, looking)
        yield from stations.of_function(asked, self.given, deployed=deployed)

    @property
    def _looking(self) -> Looking:
        return Looking(Cloud(self.given.client, self.given.clock, _PATIENCE))

    @property
    def _private(self) -> bool:
        return bool(self.resolved.settings.endpoint_url) and not self.environment


def _guarded(check: Check, asked: Wanted, looking: Looking) -> Iterator[Finding]:
    """What a check finds; settings with which there can be no function are told, and end nothing."""
    try:
        yield from check.findings(asked, looking)
    except TailraceError as error:
        yield unknown(check.subject, str(error), "tailrace settings")


def _is_deployed(asked: Wanted, looking: Looking) -> bool:
    """Whether there is a stack; if that cannot be seen, it is looked for what it would hold."""
    try:
        return stacks.holds(stacks.stack_of(asked, looking))
    except Unseen:
        return True
