"""A deployment on its way out: looked at, planned in words, and removed; each step begins from what is there, so the next run goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tailrace.changes import Change
from tailrace.deploy.balancers.restoring import FORGET, Restoring
from tailrace.deploy.cloud import Cloud
from tailrace.deploy.destroy import packages
from tailrace.deploy.destroy.buckets import Bucket
from tailrace.deploy.destroy.interfaces import Waiting, is_inside, take_out
from tailrace.deploy.destroy.leftovers import Leftover, leftovers, log_group_is_there, remove_log_group
from tailrace.deploy.destroy.packages import Packages
from tailrace.deploy.destroy.stack import Removal, Resource, check, resources
from tailrace.deploy.ledger import Book
from tailrace.deploy.listing import queue_attributes
from tailrace.deploy.memory import NOTIFICATIONS, Remembered
from tailrace.deploy.naming import ALIAS
from tailrace.deploy.notifications import Notice, Notifications
from tailrace.deploy.stack.condition import Stack, stack_of
from tailrace.deploy.stack.events import Moved
from tailrace.deploy.stack.repair import rest
from tailrace.deploy.stack.words import Step
from tailrace.deploy.wanted import Wanted
from tailrace.errors import Fatal, TailraceError

_SETTLING_S: Final = 90
"""For so long a name may still be told of that is gone: SQS, a minute; and Lambda may make the function's log anew."""
_PAUSE_S: Final = 3
_KINDS: Final = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is there.

    `restored`: what puts load balancers back; `notified`: by bucket, what takes our notification out. `log`: the key of a log in the
    bucket that was made, `bucket`: there is one. `inside`: the function is in a VPC. `messages`: how many wait in the queues.
    """

    stack: Stack | None
    resources: Sequence[Resource] = ()
    restored: Sequence[Change] = ()
    notified: Mapping[str, Sequence[Change]] = field(default_factory=dict)
    bucket: bool = False
    log: str = ""
    inside: bool = False
    messages: int = 0
    log_group: bool = False
    packages: packages.Found


@dataclass(slots=True, kw_only=True)
class Destruction:
    """Takes a deployment away.

    `delete_logs`: logs go too, dead letters among them. `wait`: for interfaces that Lambda holds. `moved`: is told of events of the
    stack; `said`: of everything else. `where`: what state things are in, for who is interrupted.
    """

    cloud: Cloud
    wanted: Wanted
    moved: Moved
    said: Callable[[str], None]
    delete_logs: bool = False
    wait: bool = True
    where: str = "nothing was changed"

    @property
    def again(self) -> str:
        """The command that goes on."""
        return f"tailrace destroy {self.wanted.environment}{' --delete-logs' if self.delete_logs else ''}"

    def look(self) -> Found:
        """What is there; changes nothing. Raises UsageError if something of that name is not Tailrace's, or protected."""
        stack = stack_of(self.cloud, self.wanted.names.stack)
        if stack:
            check(self.cloud, stack, self.wanted.environment)
        bucket = self._bucket.is_there()
        if bucket:
            self._bucket.check(self.wanted.marks)
        return Found(
            stack=stack,
            resources=resources(self.cloud, stack.id) if stack else (),
            restored=self._restoring.plan(self._restoring.look()),
            notified={each.bucket: each.setup.plan(each.setup.look()) for each in self._notified()},
            bucket=bucket,
            log=self._bucket.kept() if bucket else "",
            inside=is_inside(self.cloud, self.wanted.names.function),
            messages=self._messages(),
            log_group=log_group_is_there(self.cloud, self.wanted),
            packages=self._packages.look(),
        )

    def plan(self, found: Found) -> Sequence[Step]:
        """What is to be done, in words and in this order; what stays is let go."""
        return [
            *(
                Step("change", "logs of a load balancer", each.call, each.why)
                for each in found.restored
                if each.call != FORGET
            ),
            *(
                Step("change", "notification", name, each.why)
                for name, changes in found.notified.items()
                for each in changes
            ),
            *self._of_bucket(found),
            *self._of_stack(found),
            *self._packages.steps(found.packages),
        ]

    def apply(self, found: Found) -> Sequence[str]:
        """Do it; the names of buckets that stay. Raises Waiting where something goes only by and by, Fatal, Retryable."""
        with self._at("the stack is as it was"):
            stack = self._settled(found.stack)
        with self._at("load balancers may be switched off already; the stack is as it was"):
            self._put_back()
        with self._at(
            "load balancers are as they were before; the bucket may be empty in part, the stack is as it was"
        ):
            if self.delete_logs and self._bucket.is_there():
                self._say_emptied(self._bucket.name)
        with self._at("CloudFormation may go on removing the stack by itself"):
            if found.inside and stack and stack.status != "DELETE_IN_PROGRESS":
                take_out(self.cloud, self.wanted.names.function, self.said)
            if stack:
                self._removal.remove(stack)
        with self._at("the stack is gone, buckets may be there"):
            kept = self._bucket_removed()
            remove_log_group(self.cloud, self.wanted)
            return [name for name in (kept, self._packages.remove(self._packages.look())) if name]

    def left(self, kept: Sequence[str], *, looks: int = 2) -> Sequence[Leftover]:
        """What is still there: looked at by name until so many looks find nothing, or for a while. Raises Fatal, Retryable."""
        last, quiet = self.cloud.clock.monotonic() + _SETTLING_S, 0
        while True:
            found = leftovers(self.cloud, self.wanted, kept)
            if any(each.what == "log group" for each in found):
                remove_log_group(self.cloud, self.wanted)
            quiet = 0 if found else quiet + 1
            if quiet == looks or self.cloud.clock.monotonic() >= last:
                return found
            self.cloud.clock.sleep(_PAUSE_S)

    # What is planned

    def _of_bucket(self, found: Found) -> Iterator[Step]:
        name = self._bucket.name
        if not found.bucket:
            return
        if self.delete_logs:
            yield Step(
                "remove", "bucket of logs", name, "with everything in it, in all versions, and what comes meanwhile"
            )
        elif found.log:
            yield Step(
                "let go", "bucket of logs", name, f"logs are in it, such as {found.log}: --delete-logs removes them too"
            )
        else:
            yield Step("remove", "bucket of logs", name, "no logs are in it")

    def _of_stack(self, found: Found) -> Iterator[Step]:
        name = self.wanted.names
        if found.inside:
            yield Step(
                "do",
                "function",
                name.function,
                "it leaves its VPC first, so that its network interfaces are given back",
            )
        for each in found.resources:
            if each.id != self._bucket.name:
                yield Step("remove", each.what, each.short)
        if found.stack:
            count = found.messages
            waiting = f"; with what waits in its queues, {count} at last count, which names objects" if count else ""
            yield Step("remove", "stack", name.stack, f"it is {found.stack.status}{waiting}")
        elif found.log_group:
            yield Step("remove", "log group", name.function_log, "Lambda has made it anew")

    def _messages(self) -> int:
        names = self.wanted.names
        told = [queue_attributes(self.cloud, name, _KINDS) for name in (names.queue, names.dead_letter_queue)]
        return sum(int(value) for attributes in told if attributes for value in attributes.values())

    # What is done

    def _settled(self, stack: Stack | None) -> Stack | None:
        """The stack when CloudFormation is at rest; a removal that is under way is gone on with."""
        if stack is None or not stack.busy or stack.status == "DELETE_IN_PROGRESS":
            return stack
        if not self.wait:
            message = (
                f"CloudFormation is at work on {stack.name} ({stack.status}); `{self.again}` goes on when that is done"
            )
            raise Waiting(message)
        self.said(f"CloudFormation is at work on {stack.name} ({stack.status}); waiting until it is done")
        return rest(self.cloud, stack, self.moved)

    def _put_back(self) -> None:
        """Load balancers, and buckets that are somebody else's."""
        restoring = self._restoring
        for change in restoring.plan(restoring.look()):
            self.said(change.why)
            restoring.apply(change)
        for each in self._notified():
            changes = each.setup.plan(each.setup.look())
            for change in changes:
                self.said(f"{each.bucket}: {change.why}")
                each.setup.apply(change)
            each.setup.settle()

    def _bucket_removed(self) -> str:
        """The bucket of logs, if one was made, is removed; its name if it stays."""
        if not self._bucket.is_there():
            return ""
        if self.delete_logs:
            self._bucket.remove()
            return ""
        key = self._bucket.kept() or self._bucket.remove_bare()
        if not key:
            return ""
        names = self.wanted.names
        function = names.arn("lambda", f"function:{names.function}")
        own = (names.arn("sqs", names.queue), function, f"{function}:{ALIAS}")
        setup = Notifications(Notice(bucket=self._bucket.name, id=names.rule, own=own), self.cloud, self._memory)
        for change in setup.plan(setup.look()):
            setup.apply(change)
        return self._bucket.name

    def _say_emptied(self, name: str) -> None:
        count = Bucket(self.cloud, name, self.said).empty()
        self.said(f"{count:,} objects removed from {name}")

    @contextmanager
    def _at(self, where: str) -> Iterator[None]:
        self.where = where
        try:
            yield
        except Waiting:
            raise
        except TailraceError as error:
            message = f"{error}; {where}; `{self.again}` goes on"
            if isinstance(error, Fatal):
                raise Fatal(message) from error
            raise

    # What it works with

    @property
    def _memory(self) -> Remembered:
        return Remembered(Book(self.cloud, self.wanted.artifacts, self.wanted.names.stack))

    @property
    def _restoring(self) -> Restoring:
        return Restoring(cloud=self.cloud, memory=self._memory, notice=self.said)

    def _notified(self) -> Iterator[_Notified]:
        """Buckets of others with our notification, if they are still there."""
        names = {*self._memory.remembered(NOTIFICATIONS), *filter(None, [self.wanted.own.bucket])}
        for name in sorted(names):
            setup = Notifications(Notice(bucket=name, id=self.wanted.names.rule), self.cloud, self._memory)
            if Bucket(self.cloud, name, self.said).is_there():
                yield _Notified(name, setup)

    @property
    def _bucket(self) -> Bucket:
        return Bucket(self.cloud, self.wanted.names.logs_bucket, self.said)

    @property
    def _packages(self) -> Packages:
        return Packages(cloud=self.cloud, wanted=self.wanted, said=self.said, delete_logs=self.delete_logs)

    @property
    def _removal(self) -> Removal:
        keep: Any = () if self.delete_logs else (self._bucket.name,)
        return Removal(
            cloud=self.cloud,
            moved=self.moved,
            said=self.said,
            keep=keep,
            emptied=self._say_emptied,
            again=self.again,
            wait=self.wait,
        )


@dataclass(frozen=True, slots=True)
class _Notified:
    bucket: str
    setup: Notifications
