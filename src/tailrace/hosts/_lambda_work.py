"""One invocation: carries what its messages tell of, as far as there is time, and sees to it that the rest is carried later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO, cast

import msgspec

from tailrace.clouds import failures
from tailrace.deadsink import DeadSink
from tailrace.errors import Retryable, SourceError, Superseded, TailraceError
from tailrace.homes import Home, Job
from tailrace.hosts._lambda_container import Container
from tailrace.hosts._lambda_deadline import Deadline, Progress, Punctual, leasing
from tailrace.hosts._lambda_messages import HOPS, Continuation, Message, Part, parts
from tailrace.hosts._lambda_report import Report
from tailrace.model import Identity, Item, Refusal, Reject
from tailrace.permissions import Need
from tailrace.ports import DeadLetters
from tailrace.retry import Patience
from tailrace.run import deliver
from tailrace.state.memory import MemoryState
from tailrace.subscriptions import KIND
from tailrace.transforms import Discreet


def needs(queue: str) -> list[Need]:
    """What is called to continue an object through a queue, by its ARN."""
    return [Need("sqs:SendMessage", queue)]


class NoDeadLetters:
    """Where dead letters cannot be kept: an item that has one is given back, because nothing may be lost."""

    def write(self, item: Item, rejects: Sequence[Reject], start: int) -> None:  # noqa: ARG002 - as all dead letters
        """Raise SourceError if there is any reject."""
        if rejects:
            self._refuse(item, f"a line that is no record ({rejects[0].reason})")

    def refuse(self, item: Item, sink: str, refusals: Sequence[Refusal], start: int) -> None:  # noqa: ARG002
        """Raise SourceError if there is any refusal."""
        if refusals:
            self._refuse(item, f"a record that {sink} will never take ({refusals[0].reason})")

    def _refuse(self, item: Item, what: str) -> None:
        message = f"{item.identity.name} has {what}, and there is no place for it: name a sink by dead_letters"
        raise SourceError(message)

    def flush(self) -> None:
        """Nothing to do: nothing was taken."""

    def abandon(self) -> None:
        """Nothing to do: nothing was taken."""

    def keep_only(self, item: Item, start: int) -> None:
        """Nothing to do: nothing is kept."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What one invocation works with. `request`: its id, which stays the same when Lambda tries an event again."""

    container: Container
    deadline: Deadline
    report: Report
    request: str

    def carry(self, message: Message) -> None:
        """Carry everything that a message tells of. Raises SourceError if anything of it must come again."""
        self.report.messages += 1
        undone: list[TailraceError] = []
        for part in parts(message, self.container.objects, self.container.form):
            if self._is_own(part.item.identity):
                continue
            try:
                self._carry(part)
            except TailraceError as error:
                undone.append(error)
                self.report.failed(str(error), item=True)
                self.report.lasting |= not isinstance(error, SourceError | Retryable)
        if undone:
            more = f" (and {len(undone) - 1} more)" if len(undone) > 1 else ""
            told = f"{undone[0]}{more}"
            raise Undelivered(told)

    def _is_own(self, item: Identity) -> bool:
        """Whether these are events of this function's own log group, which are not carried: that would write more of them.

        An error would too, each time that Lambda tries the event again; so it is told once.
        """
        if item.kind != KIND or not item.container or item.container != self.container.own_group:
            return False
        self.container.notice(
            f"{item.container} is the log group of this function itself: its events are not carried, or there would be"
            " more of them without end; remove its subscription filter"
        )
        self.report.passed_over()
        return True

    def _carry(self, part: Part) -> None:
        name = part.item.identity.name
        if self.deadline.stop.is_set():
            message = f"{name}: there was no time left in this invocation to begin it; it comes again"
            raise SourceError(message)
        seen: list[Superseded] = []
        progress = Progress()
        item = replace(part.item, open=partial(self._opened, part.item, progress, seen))
        home = self._home()
        outcome = deliver(item, [home], self._job(), progress)
        if outcome.status == "held":
            message = f"{name} is being delivered by another invocation; its message comes again"
            raise SourceError(message)
        if seen:
            self.report.superseded()
            return
        self.report.ended(outcome, self.container.clock.now() - item.modified)
        if outcome.status == "stopped":
            self._continue(part, home)

    def _opened(self, item: Item, progress: Progress, seen: list[Superseded]) -> BinaryIO:
        try:
            return cast("BinaryIO", Punctual(item.open(), self.deadline, progress, item.identity.name))
        except Superseded as error:
            seen.append(error)
            raise

    def _job(self) -> Job:
        container = self.container
        policy, clock, tally = container.settings.retry, container.clock, self.report.tally
        return Job(
            parser=container.parser,
            patience=Patience(policy, clock, self.deadline.wait, retried=tally.retried),
            clock=clock,
            checkpoint=container.settings.checkpoint,
            stop=self.deadline.stop,
            owner=self.request,
        )

    def _home(self) -> Home:
        container = self.container
        state = leasing(container.state, self.deadline) if container.state else MemoryState(container.clock)
        return Home(state, self._dead(), container.sinks)

    def _dead(self) -> DeadLetters:
        container = self.container
        if container.dead is None:
            return NoDeadLetters()
        patience = Patience(container.settings.retry, container.clock, self.deadline.wait)
        dead = DeadSink(container.dead, container.clock, patience.trying)
        return Discreet(dead) if container.discreet else dead

    def _continue(self, part: Part, home: Home) -> None:
        """Send what is left to the continuation queue. Raises SourceError if it cannot be continued."""
        container, name = self.container, part.item.identity.name
        queue = container.settings.awslambda.continuation_queue
        if part.told is None:
            message = f"{name} takes longer than one invocation; give the function more time"
            raise SourceError(message)
        if container.state is None or not queue:
            message = (
                f"{name} takes longer than one invocation: set state to dynamodb:TABLE and awslambda.continuation_queue,"
                " or give the function more time"
            )
            raise SourceError(message)
        offsets = self._confirmed(part.item.identity, home)
        if not any(offset > part.offsets.get(sink, 0) for sink, offset in offsets.items()):
            message = f"{name}: an invocation has brought it no further than {offsets}; give the function more time"
            raise SourceError(message)
        if part.hop >= HOPS:
            message = f"{name} is not delivered after {HOPS} continuations; give the function more time or memory"
            raise SourceError(message)
        self._send(queue, Continuation.of(part, part.told, offsets), name)
        self.report.continued += 1

    def _confirmed(self, item: Identity, home: Home) -> dict[str, int]:
        known = home.state.receipts_of(item)
        return {sink.name: known[sink.name].offset for sink in home.sinks if sink.name in known}

    def _send(self, queue: str, continuation: Continuation, name: str) -> None:
        client = self.container.client("sqs")
        try:
            client.send_message(QueueUrl=queue, MessageBody=msgspec.json.encode(continuation).decode())
        except failures.raised() as error:
            message = f"{name} cannot be continued through {queue} ({failures.code_of(error)}); check awslambda.continuation_queue"
            raise SourceError(message) from error


class Undelivered(SourceError):
    """Something of a message was not delivered; what it was has been told already."""
