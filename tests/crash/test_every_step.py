"""An item's way, cut at any step, again and again: what the loop has by then must lead to the whole in the end.

As fast as no process can be killed, so that every order of steps occurs: sinks that fall behind one another, stops that cut
where no checkpoint is, receipts of some sinks without those of others.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from threading import Event

import pytest

from making import StillClock, alb
from tailrace.deadletters import DeadFolder
from tailrace.errors import Retryable, SourceError
from tailrace.homes import Home, Job
from tailrace.hosts.reading import parsers
from tailrace.model import Batch, Flushed, Identity, Item, Refusal, Rendering, StoredFile
from tailrace.receipts import Receipt, imbalances
from tailrace.retry import Patience
from tailrace.run import deliver
from tailrace.settings import Retry, Settings
from tailrace.state.memory import MemoryState

LINES = 4000
IDENTITY = Identity("s3", "logs", "a.log", "1")


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Fate:
    """What happens at the next steps: nothing, a kill, a stop, a sink that gives up."""

    dice: Random
    stop: Event = field(default_factory=Event)
    left: int = 0

    def begin(self) -> None:
        """A new process, which lives for so many steps."""
        self.stop.clear()
        self.left = self.dice.choice([self.dice.randint(1, 12), self.dice.randint(1, 60), 10_000])

    def step(self) -> None:
        self.left -= 1
        if self.left <= 0:
            raise Killed
        if self.dice.random() < 0.05:
            self.stop.set()


@dataclass
class Sink:
    """Keeps lines by offset; refuses some for good, and for now."""

    name: str
    fate: Fate
    kept: Counter[int] = field(default_factory=Counter)
    keeps_receipts: bool = True
    rendering: Rendering | None = None
    waiting: list[int] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    def write(self, _item: Item, batch: Batch, _part: int) -> None:
        self.fate.step()
        if self.fate.dice.random() < 0.02:
            raise Retryable("not now")
        raw, begin = batch.records.raw(), 0
        for end, offset in zip(raw.ends, raw.offsets, strict=True):
            line, begin = bytes(memoryview(raw.data)[begin:end]), end
            if f"refused-{self.name}".encode() in line:
                self.refusals.append(Refusal(offset, "refused", line))
            else:
                self.waiting.append(offset)

    def flush(self) -> Flushed:
        self.fate.step()
        if self.fate.dice.random() < 0.05:
            raise Retryable("not now")
        self.kept.update(self.waiting)
        told, self.refusals, self.waiting = Flushed(refusals=self.refusals), [], []
        self.fate.step()
        return told

    def abandon(self) -> None:
        self.refusals, self.waiting = [], []

    def close(self) -> None:
        pass


class State(MemoryState):
    """Receipts that a kill may come before or after."""

    fate: Fate

    def commit(self, receipt: Receipt, files: Sequence[StoredFile], replaced: Sequence[str] = ()) -> None:
        self.fate.step()
        if self.fate.dice.random() < 0.03:
            raise Retryable("no answer")
        super().commit(receipt, files, replaced)
        self.fate.step()


class Watch:
    def reading(self, *, now: bool) -> None:
        pass

    def moved(self, item: Item, position: int, lines: int) -> None:
        pass


def content(dice: Random) -> bytes:
    def line(number: int) -> bytes:
        made = alb("2026-11-20", number)
        match dice.randrange(40):
            case 0:
                return b"no record %d\n" % number
            case 1:
                return made.replace(b"/search", b"/refused-a")
            case 2:
                return made.replace(b"/search", b"/refused-b")
        return made

    return b"".join(map(line, range(LINES)))


@pytest.mark.parametrize("seed", range(40))
def test_cut_at_any_step_the_whole_is_there_in_the_end(tmp_path: Path, seed: int, clock: StillClock) -> None:
    dice = Random(seed)
    data = content(dice)
    fate, state = Fate(dice), State(clock)
    state.fate = fate
    sinks = [Sink(name, fate) for name in "ab"]
    item = Item(IDENTITY, partial(io.BytesIO, data), len(data), 0.0)
    job = Job(
        parser=parsers(Settings(), lambda _: None),
        patience=Patience(Retry(), clock, lambda _: dice.random() < 0.5),  # it gives up as for a deadline
        clock=clock,
        checkpoint=200_000,
        stop=fate.stop,
    )
    status = ""
    while status not in ("delivered", "skipped"):
        fate.begin()
        for sink in sinks:
            sink.abandon()  # the memory of a process ends with it
        home = Home(state, DeadFolder(tmp_path), sinks)
        try:
            status = deliver(item, [home], replace(job, owner=str(dice.random())), Watch()).status
        except Killed:
            state._leases.clear()
        except (Retryable, SourceError):
            status = "given back"
    judge(tmp_path, data, sinks, state)


def judge(folder: Path, data: bytes, sinks: Sequence[Sink], state: State) -> None:
    found = [json.loads(line) for path in (folder / "dead").glob("*.ndjson") for line in path.read_bytes().splitlines()]
    letters = Counter((letter.get("sink", ""), letter["offset"]) for letter in found)
    expected: Counter[tuple[str, int]] = Counter()
    good: dict[str, set[int]] = {sink.name: set() for sink in sinks}
    at = 0
    for line in data.splitlines(keepends=True):
        if line.startswith(b"no"):
            expected["", at] += 1
        else:
            for name, kept in good.items():
                if f"refused-{name}".encode() in line:
                    expected[name, at] += 1
                else:
                    kept.add(at)
        at += len(line)
    assert letters == expected
    for sink in sinks:
        assert sink.kept.keys() == good[sink.name]
    for receipt in state.receipts_of(IDENTITY).values():
        assert (receipt.state, list(imbalances(receipt))) == ("complete", [])
        assert receipt.counts.lines == LINES
