"""A deployment: looked at, planned, applied, each time from what is there; so whatever a run has left is taken up by the next.

bucket of packages ─▶ package ─▶ stack ─▶ notification ─▶ version ─▶ alias ─▶ control object ─▶ load balancers
                                                                      └── back, if it does not come through
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from tailrace.changes import Change, Setup
from tailrace.deploy.cloud import Cloud
from tailrace.deploy.ledger import Book, Kept, Ledger, Release
from tailrace.deploy.naming import LATEST
from tailrace.deploy.stack.artifacts import Artifacts
from tailrace.deploy.stack.changing import Asked, Changing, parameters_of
from tailrace.deploy.stack.condition import Stack, stack_of
from tailrace.deploy.stack.events import Following, Moved, failed
from tailrace.deploy.stack.kept import refuse_kept
from tailrace.deploy.stack.releases import Function, Releases
from tailrace.deploy.stack.repair import repair, repairs, rest
from tailrace.deploy.stack.smoke import Smoke, Unproven
from tailrace.deploy.stack.upload import Package, Upload
from tailrace.deploy.stack.words import Step, changed, created, settings_changed
from tailrace.deploy.wanted import Wanted
from tailrace.errors import Fatal, Retryable, TailraceError, UsageError

_FUNCTION: Final = "AWS::Lambda::Function"
_NOTIFICATIONS: Final = "notifications of bucket"
_NOTIFYING: Final = ("AWS::S3::Bucket", "AWS::SQS::QueuePolicy", "AWS::Lambda::Permission", "AWS::Events::Rule")
"""Resources without which no event comes; a change of one that is there says nothing of its notification."""
_RELEASE, _PROOF = "release", "proof"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be there.

    `template`: None to change the code only. `before`: what is set up before the function is proved, such as the notification of
    an existing bucket; `after`: what is switched on when it is, such as logs of load balancers. `parameters`: of the template, beside
    those that have defaults, and the code.
    """

    wanted: Wanted
    template: Mapping[str, Any] | None
    package: Package
    label: str
    artifacts: Artifacts
    before: Sequence[Setup] = ()
    after: Sequence[Setup] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The stack's name."""
        return self.wanted.names.stack

    @property
    def again(self) -> str:
        """The command that takes up what was left."""
        return f"tailrace deploy {self.wanted.environment}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is there. `uploaded`: the package is in its bucket."""

    stack: Stack | None
    bucket: Sequence[Change]
    uploaded: bool
    function: Function | None
    kept: Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done. `repair`: something must be brought in order first, and then looked at again. `change_set`: of the stack."""

    found: Found
    steps: Sequence[Step]
    repair: bool = False
    change_set: str = ""

    @property
    def proves(self) -> bool:
        """Whether a control object is sent, through another version or the one that is live."""
        return any(step.what in (_RELEASE, _PROOF) for step in self.steps)

    @property
    def fresh(self) -> bool:
        """Whether the bucket is asked only now to tell of objects."""
        made = any(step.what in _NOTIFYING and step.action in ("create", "replace") for step in self.steps)
        return made or self.found.stack is None or any(step.what == _NOTIFICATIONS for step in self.steps)


@dataclass(slots=True)
class Deployment:
    """Brings an order about. `moved`: is told of events of the stack; `said`: of everything else, in sentences.

    `where`: what state things are in now, for who is interrupted.
    """

    cloud: Cloud
    order: Order
    moved: Moved
    said: Callable[[str], None]
    where: str = "nothing was changed"
    _planned: str = ""

    def look(self) -> Found:
        """What is there; waits for what CloudFormation is doing. Raises Fatal, Retryable, UsageError."""
        order = self.order
        bucket = order.artifacts.look()
        stack = stack_of(self.cloud, order.name)
        if stack and stack.busy:
            self.said(f"CloudFormation is at work on {order.name} ({stack.status}); waiting until it is done")
            stack = rest(self.cloud, stack, self.moved)
        return Found(
            stack=stack,
            bucket=order.artifacts.plan(bucket),
            uploaded=bucket.there and self._upload.is_there(),
            function=self._releases.look() if stack else None,
            kept=self._book.read() if bucket.there else Kept(Ledger()),
        )

    @contextmanager
    def planned(self, found: Found) -> Iterator[Plan]:
        """What is to be done, in this order; nothing is left of it if it is not applied. Raises UsageError, Fatal, Retryable."""
        try:
            yield self._plan(found)
        finally:
            if self._planned:
                with suppress(TailraceError):  # the next plan of this kind removes it
                    self._changing.discard(self._planned)

    def apply(self, plan: Plan) -> None:
        """Do it. Raises Fatal, Retryable; then, as after an interruption, the next run goes on from there."""
        found = plan.found
        if plan.repair and found.stack:
            with self._at(f"the stack {self.order.name} is being brought in order"):
                repair(self.cloud, found.stack, self.moved)
            return
        with self._at("the package is being put into its bucket; nothing else was changed"):
            for change in found.bucket:
                self.order.artifacts.apply(change)
            if not found.uploaded:
                self._upload.put()
        with self._at(f"CloudFormation may go on changing {self.order.name} by itself; {self._still(found)}"):
            self._apply_stack(plan)
        with self._at(f"the stack is done; {self._still(found)}"):
            self._set_up(self.order.before)
        if plan.proves:
            self._release(found, fresh=plan.fresh)
        with self._at("the new version is live and proved; load balancers may not be switched yet"):
            self._set_up(self.order.after)

    # What is planned

    def _plan(self, found: Found) -> Plan:
        if first := repairs(found.stack):
            return Plan(found=found, steps=first, repair=True)
        if found.stack is None and self.order.template is None:
            message = (
                f"there is no stack {self.order.name} whose code could be changed; make it with `{self.order.again}`"
            )
            raise UsageError(message)
        if found.stack is None:
            refuse_kept(self.cloud, self.order.wanted)
        before, after = self._of_setups(self.order.before), self._of_setups(self.order.after)
        steps, change_set = self._of_stack(found)
        release = self._of_release(found, steps, proves=bool(steps or before))
        return Plan(
            found=found, steps=[*self._of_bucket(found), *steps, *before, *release, *after], change_set=change_set
        )

    def _of_bucket(self, found: Found) -> Iterator[Step]:
        artifacts = self.order.artifacts
        if any(change.call == "CreateBucket" for change in found.bucket):
            yield Step("create", "bucket of packages", artifacts.name, found.bucket[0].why)
        elif found.bucket:
            yield Step("change", "bucket of packages", artifacts.name, "; ".join(change.why for change in found.bucket))
        if not found.uploaded:
            yield Step("create", "package", self._upload.key, self.order.label)

    def _of_stack(self, found: Found) -> tuple[Sequence[Step], str]:
        """The steps of the stack, and its change set."""
        if found.stack is None:
            assert self.order.template
            return created(self.order.template), ""
        self._planned = self._changing.asked.change_set
        made = self._changing.prepare(found.stack)
        if made is None:
            return [], ""
        steps = changed(made.changes) or [
            Step("change", "AWS::CloudFormation::Stack", self.order.name, "outputs or tags")
        ]
        return steps, made.name

    def _of_setups(self, setups: Sequence[Setup]) -> Sequence[Step]:
        changes = (change for setup in setups for change in setup.plan(setup.look()))
        return [Step("change", *_concerned(change), change.why) for change in changes]

    def _of_release(self, found: Found, stack_steps: Sequence[Step], *, proves: bool) -> Iterator[Step]:
        function, code = found.function, self.order.package.code_sha256
        touched = any(step.what == _FUNCTION for step in stack_steps)
        if function is None:
            yield Step(
                "do",
                "release",
                "version 1",
                f"publish {self.order.label}, let the alias name it, prove it by a control object",
            )
            return
        strange = function.code != code and not touched
        if touched or strange or not function.released:
            why = [*settings_changed(function.live_settings, self._settings() or function.settings)]
            why += ["its code is not that of the stack: it is brought back"] if strange else []
            yield Step(
                "do", _RELEASE, f"a version after {function.live}", "; ".join([f"publish {self.order.label}", *why])
            )
        elif proves or not self._is_good(found, function.live):
            yield Step("do", _PROOF, f"version {function.live}", "send a control object through it")

    def _settings(self) -> str:
        """TAILRACE_CONFIG as the template has it; empty if only the code changes."""
        for it in (self.order.template or {"Resources": {}})["Resources"].values():
            if it["Type"] == _FUNCTION:
                told = it["Properties"].get("Environment", {}).get("Variables", {}).get("TAILRACE_CONFIG", "")
                text = told.get("Fn::Sub", "") if isinstance(told, dict) else told
                return self._filled(str(text))
        return ""

    def _filled(self, text: str) -> str:
        place = self.order.artifacts.place
        for name, value in (("Partition", place.partition), ("Region", place.region), ("AccountId", place.account)):
            text = text.replace(f"${{AWS::{name}}}", value)
        return text

    def _is_good(self, found: Found, version: str) -> bool:
        known = found.kept.ledger.release(version)
        return bool(known and known.good)

    # What is done

    def _apply_stack(self, plan: Plan) -> None:
        following, stack = Following(self.cloud, self.moved), plan.found.stack
        if stack is None:
            stack_id = self._changing.create()
        elif plan.change_set:
            following.begin(stack.id)
            self._changing.execute(plan.change_set)
            self._planned, stack_id = "", stack.id
        else:
            return
        done = following.until_at_rest(stack_id)
        if done.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            return
        what = "could not be made" if stack is None else "could not be updated, and is as it was before"
        raise failed(done, what, following.reasons)

    def _set_up(self, setups: Sequence[Setup]) -> None:
        for setup in setups:
            for change in setup.plan(setup.look()):
                self.said(change.why)
                setup.apply(change)

    def _release(self, found: Found, *, fresh: bool) -> None:
        """Publish, switch, prove; and switch back if it is not proved."""
        releases, package = self._releases, self.order.package
        with self._at(f"the stack is done; {self._still(found)}"):
            if (now := releases.look()) is None:
                message = f"the stack {self.order.name} has no function {self.order.wanted.names.function}"
                raise Fatal(message)
            if now.code != package.code_sha256:
                self.said("the function's code is not that of the stack; it is brought back")
                releases.bring_back(self.order.artifacts.name, self._upload.key)
                now = releases.look() or now
            before = now.live
            version = before if now.released else releases.publish(package.code_sha256, self.order.label)
            kept = self._remember(found.kept, version, good=None)
        with self._at(f"version {version} may be live, but is not proved; version {before} was live before"):
            if version != before:
                self.said(f"version {version} ({self.order.label}) becomes live")
            releases.switch(version, over=before)
            self._prove(kept, version, before, fresh=fresh)

    def _prove(self, kept: Kept, version: str, before: str, *, fresh: bool) -> None:
        more = "; the bucket's notification is new, which may take five minutes" if fresh else ""
        self.said(f"a control object takes the way of logs through version {version}{more}")
        try:
            Smoke(cloud=self.cloud, wanted=self.order.wanted, mark=uuid4().hex, fresh=fresh).prove()
        except TailraceError as error:
            message = f"{error}; {self._back(version, before)}"
            if not isinstance(error, Unproven):
                raise Fatal(message) from error
            self._remember(kept, version, good=False)
            raise Unproven(message) from error
        self._remember(kept, version, good=True)

    def _back(self, version: str, before: str) -> str:
        """Let everything call the version that was live before; what came of it."""
        if before in (version, LATEST):
            return f"version {version} stays live, for there is none before it to go back to"
        try:
            self._releases.switch(before, over=version)
        except TailraceError as error:
            again = f"tailrace rollback {self.order.wanted.environment} --to {before}"
            return f"version {version} is still live ({error}): `{again}` puts the one before back"
        return f"version {before} is live again"

    def _remember(self, kept: Kept, version: str, *, good: bool | None) -> Kept:
        known = kept.ledger.release(version)
        if good is None and known and known.good:
            return kept
        now = self._book.read()  # for setups write it as well
        if now.ledger.releases != kept.ledger.releases:
            message = f"somebody else is deploying {self.order.name}: the ledger has other releases than before; run this again when that is done"
            raise Fatal(message)
        release = Release(
            version=version,
            package=self.order.package.sha256,
            label=self.order.label,
            time=self.cloud.clock.now(),
            good=good,
        )
        return self._book.write(now.ledger.with_release(release), now)

    @contextmanager
    def _at(self, where: str) -> Iterator[None]:
        """Something is done; if it fails or is broken off, that is where things are then."""
        self.where = where
        try:
            yield
        except Unproven:  # says by itself where things are
            raise
        except TailraceError as error:
            message = f"{error}; {where}, `{self.order.again}` takes it up again"
            raise type(error)(message) if type(error) in (UsageError, Retryable) else Fatal(message) from error

    def _still(self, found: Found) -> str:
        live = found.function.live if found.function else ""
        return f"version {live} is live as before" if live else "nothing is live yet"

    # What it works with

    @property
    def _upload(self) -> Upload:
        return Upload(self.cloud, self.order.artifacts.name, self.order.package)

    @property
    def _book(self) -> Book:
        return Book(self.cloud, self.order.artifacts.name, self.order.name)

    @property
    def _releases(self) -> Releases:
        return Releases(self.cloud, self.order.wanted.names.function)

    @property
    def _changing(self) -> Changing:
        order, bucket, key = self.order, self.order.artifacts.name, self._upload.key
        code = {"CodeBucket": bucket, "CodeKey": key}
        parameters = parameters_of(order.template, **order.parameters, **code) if order.template else code
        asked = Asked(
            name=order.name, template=order.template, parameters=parameters, tags=order.wanted.tags, bucket=bucket
        )
        return Changing(self.cloud, asked)


def _concerned(change: Change) -> tuple[str, str]:
    """What kind of thing a change of a setup is for, and which one."""
    told: Mapping[str, Any] = change.arguments
    if bucket := told.get("Bucket"):
        return _NOTIFICATIONS, str(bucket)
    return "load balancer", str(
        told.get("LoadBalancerName") or str(told.get("LoadBalancerArn", "")).partition(":loadbalancer/")[2]
    )
