"""The Lambda function, killed in its invocations, and what calls it: an event source mapping as AWS's own.

A mapping receives messages, invokes, deletes what is not told to have failed, and lets the rest come again. Each sandbox
is a process of AWS's runtime client with a Runtime API of its own; who does not answer in time is killed, as Lambda does.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from crash.figures import Told, figures
from crash.landings import Known, Verdict, in_bucket, letters, objects_in
from crash.world import World
from services.lambda_runtime import Invoked, Runtime
from tailrace.clock import SystemClock
from tailrace.state.dynamodb import DynamodbState, definition

SECONDS = 3.0
"""An invocation may take so long."""
HIDDEN_S = 60
TO = ("cloudwatch", "elasticsearch", "logstash", "s3")
SETTINGS = """\
to = ["cloudwatch", "elasticsearch", "logstash", "s3"]
state = "dynamodb:{table}"
dead_letters = "letters"
checkpoint = "256KiB"

[retry]
first_pause = "50ms"
longest_pause = "500ms"

[awslambda]
continuation_queue = "{more}"
margin = "1s"

[sinks.letters]
url = "s3://{letters}/dead"
key = "{{item}}-{{offset}}.{{extension}}"
"""


@dataclass
class Function:
    """The function in a world, and its mappings."""

    world: World
    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    """What became of invocations that were not killed."""
    messages: Counter[str] = field(default_factory=Counter)
    known: Known = field(default_factory=Known)

    def __post_init__(self) -> None:
        world = self.world
        self._lock = threading.Lock()
        self._killing = 0
        self._wrongs: list[str] = []
        self.dynamodb = world.client("dynamodb")
        self.dynamodb.create_table(**definition(world.table))
        told = SETTINGS.format(table=world.table, letters=world.letters, more=world.more)
        (world.folder / "tailrace.toml").write_text(told + world.sinks, encoding="utf-8")

    def campaign(self, kills: int, backlog: int, sandboxes: int) -> None:
        """Kill it so often, with faults all the time."""
        self._killing = kills
        self.world.break_things(on=True)
        self.world.feed(backlog)
        self._work(sandboxes, lambda: self.kills.total() >= kills)
        self.world.enough()
        self.world.break_things(on=False)
        self._killing = 0

    def finish(self, sandboxes: int, seconds: float) -> None:
        """Let it carry what is left."""
        patience = time.monotonic() + seconds

        def over() -> bool:
            assert time.monotonic() < patience, f"messages are left: {self.told()}"
            return not self.world.left() and not self.world.left(self.world.more)

        self._work(sandboxes, over)
        self._look()

    def _work(self, sandboxes: int, over: Callable[[], bool]) -> None:
        begun = self.messages["invocations"]
        threads = [
            threading.Thread(target=self._mapping, args=(f"{begun} {number}", over)) for number in range(sandboxes)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not self._wrongs, self._wrongs

    def _mapping(self, name: str, over: Callable[[], bool]) -> None:
        """One of the threads that AWS polls with, and its sandbox."""
        dice, sandboxes = Random(f"mapping {self.seed} {name}"), list[Runtime]()
        try:
            while not over() and not self._wrongs:
                for queue in (self.world.more, self.world.queue):
                    self._poll(queue, sandboxes, dice)
        except BaseException as error:  # noqa: BLE001 - the main thread tells it
            self._wrongs.append(f"{type(error).__name__}: {error}")
        finally:
            for sandbox in sandboxes:
                sandbox.close()

    def _poll(self, queue: str, sandboxes: list[Runtime], dice: Random) -> None:
        """Receive, and invoke if there is something; `sandboxes`: the one that there is, if it was not killed."""
        received = self.world.sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=3, VisibilityTimeout=HIDDEN_S, WaitTimeSeconds=0,
            AttributeNames=["All"],
        ).get("Messages", [])  # fmt: skip
        if not received:
            time.sleep(0.1)
            return
        if not sandboxes:
            self.known.began.append(time.monotonic())
            sandboxes.append(Runtime("tailrace.hosts.awslambda.handler", self.world.folder, self.world.environ))
        (sandbox,) = sandboxes
        self.messages["invocations"] += 1
        invoked = sandbox.begin(_event(queue, received), seconds=SECONDS)
        if not self._answered(sandbox, invoked, dice):
            sandboxes.pop().close()
            self._look()
            for message in received:  # sooner than by itself; what was killed may still hold leases
                self._hidden(queue, message, dice.randint(0, 2))
            return
        failed = {each["itemIdentifier"] for each in (invoked.answer or {}).get("batchItemFailures", ())}
        for message in received:
            if invoked.error or message["MessageId"] in failed:
                self.messages["failed"] += 1
                self._hidden(queue, message, 1)
            else:
                self.messages["done"] += 1
                self.world.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])

    def _hidden(self, queue: str, message: dict[str, Any], seconds: int) -> None:
        self.world.sqs.change_message_visibility(
            QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=seconds
        )

    def _answered(self, sandbox: Runtime, invoked: Invoked, dice: Random) -> bool:
        """Whether it has answered before it was killed."""
        begun, first = time.monotonic(), self.ends.total() + self.kills.total() == 0
        # The process starts with its first event; that time is not of the invocation.
        patience = SECONDS + 15
        kill_after = dice.uniform(0, SECONDS + 0.5) if dice.random() < 0.7 and not first else patience
        while not invoked.answered.wait(0.01):
            assert sandbox.process is not None
            assert sandbox.failed_to_start is None, sandbox.failed_to_start
            if sandbox.process.poll() is not None:
                self.ends[f"exit {sandbox.process.returncode}"] += 1
                return False
            waited = time.monotonic() - begun
            if waited > patience:
                self.ends["timed out"] += 1
                return False
            if waited > kill_after and self._may_kill():
                sandbox.process.kill()
                return False
        self.ends["raised" if invoked.error else "answered"] += 1
        return True

    def _may_kill(self) -> bool:
        with self._lock:
            if self.kills.total() >= self._killing:
                return False
            self.kills["in an invocation"] += 1
            (self.world.folder / "kills").write_text(f"{self.kills.total()}\n")
            return True

    def _look(self) -> None:
        """Take in what has arrived, and what is confirmed."""
        with self._lock:
            self.world.receivers.harvest()
            with closing(DynamodbState.open(self.world.table, self.dynamodb, SystemClock())) as state:
                self.known.confirm(state.receipts(), self.world.corpus)

    def told(self) -> str:
        """The end of what it has written."""
        return (self.world.folder / "function.log").read_text(encoding="utf-8")[-3000:]

    @property
    def told_of(self) -> Told:
        summaries = self.summaries()
        continued = sum(line["continued"] for line in summaries)
        return [
            ("kills", self.kills), ("invocations", self.ends),
            ("messages", Counter({name: self.messages[name] for name in ("done", "failed")})),
            ("continuations", Counter(continued=continued)),
        ]  # fmt: skip

    def summaries(self) -> list[dict[str, Any]]:
        """The lines in which invocations tell of themselves; a killed one may have written half a line."""
        lines = self.log.splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"tailrace":"summary"') and line.endswith("}")]

    @property
    def log(self) -> str:
        path = self.world.folder / "function.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def verdict(self) -> Verdict:
        """What is wrong, as it is seen from outside."""
        verdict, world = Verdict(), self.world
        receivers, corpus = world.receivers, world.corpus
        dead = letters(objects_in(world.s3, world.letters))
        summaries = self.summaries()
        self.known.given_back = any(line["failures"] for line in summaries)
        for sink in TO:
            found = in_bucket(world.s3, world.out) if sink == "s3" else receivers.found[sink]
            verdict.compare(sink, found, dead.get(sink, Counter()), corpus)
            if sink in ("cloudwatch", "logstash"):
                verdict.explain(sink, found, world.fronts["logs" if sink == "cloudwatch" else sink], self.known)
        verdict.rejects(dead.get("", Counter()), corpus)
        verdict.wrongs += receivers.complaints
        verdict.wrongs += [error for line in summaries for error in line["errors"] if "does not know" in error]
        for words in (("--check",), ("--missing", f"s3://{world.logs}/")):
            answer = self._tailrace("receipts", *words, "--state", f"dynamodb:{world.table}")
            verdict.wrongs += [f"{words}: {answer.stdout}{answer.stderr}"] if answer.returncode else []
        return verdict

    def _tailrace(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tailrace", *words], env=dict(self.world.environ), cwd="/", capture_output=True,
            text=True, check=False,
        )  # fmt: skip


def _event(queue: str, received: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The event that Lambda makes of messages."""
    name = queue.rpartition("/")[2]
    told = {
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:eu-west-1:123456789012:{name}",
        "awsRegion": "eu-west-1",
    }
    return {
        "Records": [
            {
                "messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"],
                "attributes": message["Attributes"], "messageAttributes": {}, "md5OfBody": message["MD5OfBody"], **told,
            }
            for message in received
        ]
    }  # fmt: skip


def killed_function(folder: Path, cloud: str, *, kills: int, seed: int, scale: float = 1.0) -> str:
    """The whole campaign; its figures. Raises AssertionError with what is wrong."""
    started = time.monotonic()
    world = World(folder, cloud, seed, scale)
    try:
        function = Function(world, seed)
        function.campaign(kills, backlog=8, sandboxes=3)
        function.finish(2, 120 + kills)
        verdict = function.verdict()
        told = figures("Lambda", world, function.told_of, verdict, time.monotonic() - started)
        assert not verdict.wrongs, "\n".join([*verdict.wrongs, told])
    finally:
        world.close()
    return told
