"""The worker, killed and started again and again, and what is found in the end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from crash.corpus import marks
from crash.figures import Told, figures
from crash.landings import Known, Verdict, dead, in_bucket
from crash.world import World
from tailrace.clock import SystemClock
from tailrace.errors import EXIT_TERMINATED, EXIT_UNUSABLE, UsageError
from tailrace.receipts import FILE
from tailrace.state.sqlite import SqliteState

STREAMING = ("cloudwatch", "elasticsearch", "logstash", "s3")
STORE = ("store", "elasticsearch")
SETTINGS = """\
from = ["queue"]
to = [{to}]
store = "{store}"
workers = 3
checkpoint = "256KiB"
listen = ""

[retry]
deadline = "60s"
first_pause = "50ms"
longest_pause = "500ms"

[sources.queue]
url = "sqs:{queue}"
visibility = "2s"
wait = "1s"
first_pause = "1s"
longest_pause = "2s"
max_receives = 1000
dead_letter_queue = "{dead}"
"""


@dataclass
class Worker:
    """`tailrace run` in a world, with these sinks."""

    world: World
    to: Sequence[str]
    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    """How often it was killed, by what it was doing."""
    ends: Counter[str] = field(default_factory=Counter)
    """How it ended otherwise."""
    known: Known = field(default_factory=Known)

    def __post_init__(self) -> None:
        self._dice = Random(f"worker {self.seed}")
        self.store, self._config = self.world.folder / "store", self.world.folder / "worker.toml"
        self.log = self.world.folder / "worker.log"
        self._config.write_text(
            SETTINGS.format(
                to=", ".join(f'"{word}"' for word in self.to), store=self.store, queue=self.world.queue, dead=self.world.dead,
            )
            + self.world.sinks,
            encoding="utf-8",
        )  # fmt: skip

    def start(self) -> subprocess.Popen[bytes]:
        self.known.began.append(time.monotonic())
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tailrace", "run", self._config], stdout=log, stderr=log,
                env=dict(self.world.environ), cwd=self.world.folder,
            )  # fmt: skip

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill it at a random moment: while it starts, while it works, or while it stops."""
        way = self._dice.choices(["starting", "working", "stopping"], [2, 6, 2])[0]
        if way == "starting":
            time.sleep(self._dice.uniform(0.01, 1.5))
        else:
            self._wait_for_work(process)
            time.sleep(self._dice.uniform(0, 2.5))
        if way == "stopping":
            process.terminate()
            time.sleep(self._dice.uniform(0, 0.8))
        process.kill()
        code = process.wait()
        if code == -signal.SIGKILL:
            self.kills[way] += 1
        else:
            self.ends[f"exit {code}"] += 1
            assert code in (EXIT_TERMINATED, EXIT_UNUSABLE), self.told()
            assert self.ends.total() < 10 + 2 * self.kills.total(), self.told()

    def _wait_for_work(self, process: subprocess.Popen[bytes]) -> None:
        """Until something asks for objects: it has started."""
        front = self.world.fronts["aws"]
        before, patience = front.requests, time.monotonic() + 20
        while front.requests < before + 3 and process.poll() is None and time.monotonic() < patience:
            time.sleep(0.01)

    def campaign(self, kills: int, backlog: int) -> None:
        """Kill it so often, with faults all the time."""
        self.world.break_things(on=True)
        self.world.feed(backlog)
        while self.kills.total() < kills:
            self.kill(self.start())
            self._look()
            (self.world.folder / "kills").write_text(f"{self.kills.total()}\n")
        self.world.enough()
        self.world.break_things(on=False)

    def _look(self) -> None:
        """Take in what has arrived, and what is confirmed."""
        self.world.receivers.harvest()
        if not (self.store / FILE).exists():
            return
        with suppress(UsageError):  # killed before it had made its tables
            state = SqliteState.open(self.store, read_only=True, clock=SystemClock())
            with closing(state):
                self.known.confirm(state.receipts(), self.world.corpus)

    def finish(self, seconds: float) -> None:
        """Let it carry what is left, and end it."""
        process, patience = self.start(), time.monotonic() + seconds
        while self.world.left():
            assert process.poll() is None, self.told()
            assert time.monotonic() < patience, f"{self.world.left()} messages are left\n{self.told()}"
            time.sleep(0.05)
        process.terminate()
        code = process.wait(30)
        assert code == EXIT_TERMINATED, (code, self.told())
        self.world.receivers.harvest()

    @property
    def told_of(self) -> Told:
        given_back = self.log.read_text(encoding="utf-8").count("it is given back")
        return [("kills", self.kills), ("other ends", self.ends), ("given back", Counter(objects=given_back))]

    def told(self) -> str:
        """The end of what it has written."""
        return self.log.read_text(encoding="utf-8")[-3000:]

    def verdict(self) -> Verdict:
        """What is wrong, as it is seen from outside."""
        verdict, world = Verdict(), self.world
        self.known.given_back = "it is given back" in self.log.read_text(encoding="utf-8")
        receivers, corpus, letters = world.receivers, world.corpus, dead(self.store / "dead")
        for sink in self.to:
            found = receivers.found[sink]
            if sink == "s3":
                found = in_bucket(world.s3, world.out)
            elif sink == "store":
                found = self._stored()
            verdict.compare(sink, found, letters.get(sink, Counter()), corpus)
            if sink in ("cloudwatch", "logstash"):
                front = world.fronts["logs" if sink == "cloudwatch" else sink]
                verdict.explain(sink, found, front, self.known)
        verdict.rejects(letters.get("", Counter()), corpus)
        verdict.wrongs += receivers.complaints
        verdict.wrongs += [f"{world.left(world.dead)} messages in the dead-letter queue"] * bool(world.left(world.dead))
        verdict.wrongs += self._asked("receipts", "--check")
        verdict.wrongs += self._asked("receipts", "--missing", f"s3://{world.logs}/")
        verdict.wrongs += [
            line
            for line in self.log.read_text("utf-8").splitlines()
            if line.startswith(("Traceback", "internal error"))
        ]
        return verdict

    def _stored(self) -> Counter[int]:
        found: Counter[int] = Counter()
        answer = self._tailrace("query", "--json", "SELECT request_url FROM alb UNION ALL SELECT request_url FROM clb")
        assert answer.returncode == 0, answer.stderr
        for row in json.loads(answer.stdout):
            found.update(marks(row["request_url"]) or [-1])
        return found

    def _asked(self, *words: str) -> list[str]:
        answer = self._tailrace(*words)
        return [f"{' '.join(words)}: {answer.stdout}{answer.stderr}"] if answer.returncode else []

    def _tailrace(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tailrace", *words, "--store", self.store], env=dict(self.world.environ),
            cwd=self.world.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip


def killed_worker(folder: Path, cloud: str, to: Sequence[str], *, kills: int, seed: int, scale: float = 1.0) -> str:
    """The whole campaign; its figures. Raises AssertionError with what is wrong."""
    started = time.monotonic()
    world = World(folder, cloud, seed, scale)
    try:
        worker = Worker(world, to, seed)
        worker.campaign(kills, backlog=8)
        worker.finish(120 + kills)
        verdict = worker.verdict()
        told = figures(f"worker to {', '.join(to)}", world, worker.told_of, verdict, time.monotonic() - started)
        assert not verdict.wrongs, "\n".join([*verdict.wrongs, told])
    finally:
        world.close()
    return told
