"""A small world for tests of replays: sinks that refuse as they are told to, a delivery, and the replay of its letters."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec

from making import StillClock
from tailrace.deadletters import DeadFolder
from tailrace.errors import Fatal, Retryable
from tailrace.homes import Home, Job
from tailrace.hosts.asking import asked_for
from tailrace.hosts.reading import parsers
from tailrace.kinds import Surroundings
from tailrace.letters import Letter, decoded
from tailrace.model import Batch, Flushed, Identity, Item, Refusal, Rendering
from tailrace.ports import State
from tailrace.receipts import Receipt, imbalances
from tailrace.replay.pages import Objects
from tailrace.replay.reading import Reader
from tailrace.replay.replaying import Desk, Replay, Replayed, Wanted
from tailrace.replay.rereading import Rereading
from tailrace.replay.sending import Sending
from tailrace.retry import Patience
from tailrace.run import deliver
from tailrace.settings import Resolved, Retry, Settings
from tailrace.state.memory import MemoryState
from tailrace.store import journal
from tailrace.store.letters import differences
from test_run import Watcher

NOTHING = Settings(kernel="reference", format="haproxy_error")
"""Settings by which no line of a load balancer of AWS is a record."""
AUTO = Settings(kernel="reference")


@dataclass
class Gate:
    """A sink that takes or refuses records by their offset; `known`: it has these ids already."""

    name: str = "gate"
    keeps_receipts: bool = True
    rendering: Rendering | None = None
    refuses: Callable[[int], str] = lambda _offset: ""
    error: Exception | None = None
    knows_ids: bool = False
    kept: list[dict[str, Any]] = field(default_factory=list)
    open: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    parts: list[tuple[Identity, int]] = field(default_factory=list)

    def write(self, item: Item, batch: Batch, part: int) -> None:
        raw, objects = batch.records.raw(), bytes(batch.records.ndjson(ids=True)).splitlines()
        begins = [0, *raw.ends]
        lines = [bytes(raw.data[begin:end]) for begin, end in zip(begins, raw.ends, strict=False)]
        self.open += zip(raw.offsets, lines, objects, strict=True)
        if len(batch.records):
            self.parts.append((item.identity, part))

    def flush(self) -> Flushed:
        if self.error:
            raise self.error
        refusals, already = [], 0
        for offset, line, told in self.open:
            record = msgspec.json.decode(told)
            if reason := self.refuses(offset):
                refusals.append(Refusal(offset, reason, line, "told so"))
            elif self.knows_ids and record["_id"] in self.ids:
                already += 1
            else:
                self.kept.append(record)
        self.open = []
        return Flushed(refusals=refusals, already=already)

    def abandon(self) -> None:
        self.open = []

    def close(self) -> None:
        pass

    @property
    def ids(self) -> list[str]:
        return sorted(record["_id"] for record in self.kept)


def refusing(*reasons: str) -> Callable[[int], str]:
    """Refuses the first records that come, for these reasons."""
    rest = list(reasons)
    return lambda _offset: rest.pop(0) if rest else ""


DOWN = Retryable("it does not answer")
FULL = Fatal("the disk is full")


@dataclass
class World:
    """A folder with dead letters, a state, and sinks."""

    folder: Path
    clock: StillClock
    sinks: list[Gate]
    state: State = field(init=False)

    def __post_init__(self) -> None:
        self.state = MemoryState(self.clock)
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)

    def job(self, settings: Settings) -> Job:
        patience = Patience(Retry(), self.clock, self._wait, lambda: 1.0)
        return Job(parser=parsers(settings, lambda _: None), patience=patience, clock=self.clock, checkpoint=1 << 40)

    def _wait(self, seconds: float) -> bool:
        self.clock.sleep(seconds)
        return False

    def ship(self, content: bytes | Item, settings: Settings = AUTO) -> Item:
        of = content if isinstance(content, Item) else stored(content)
        deliver(of, [Home(self.state, DeadFolder(self.folder), self.sinks)], self.job(settings), Watcher())
        self.check()
        return of

    def given(self, **told: Any) -> Surroundings:
        return Surroundings(
            settings=AUTO, clock=self.clock, stdin=io.BytesIO(), stdout=1, vault=cast("Any", None),
            client=told.pop("client", lambda _service: None), **told,
        )  # fmt: skip

    def replay(self, *places: str, settings: Settings = AUTO, **told: Any) -> Replayed:
        """Replay what is in the folder, or in some places. `told`: of the desk, the letters wanted, and the reader."""
        given, job, done = self.given(client=told.pop("client", lambda _service: None)), self.job(settings), Replayed()
        again = Rereading(given)
        reader = Reader(job, again, told.pop("by_reference", False), self.clock.now())
        sending = Sending(told.pop("to", self.sinks), job, reader, elsewhere=told.pop("elsewhere", False))
        home, dry = Home(self.state, DeadFolder(self.folder), self.sinks), told.pop("dry", False)
        objects = lambda: Objects(given.client("s3"))  # noqa: E731 - as the program has it
        desk = Desk(
            home=home, folder=self.folder, job=job, sending=sending, wanted=Wanted(**told), objects=objects, dry=dry
        )
        try:
            words = places or (str(self.folder / "dead"),)
            pages = (
                item
                for source in asked_for(Resolved(settings=AUTO, origins={}), words).opened(given)
                for item in source.items()
            )
            Replay(desk, done).run(pages)
        finally:
            again.close()
        assert journal.read(self.folder) is None
        return done

    def check(self) -> None:
        """Every account balances, the letters are those that the accounts tell of, and nobody holds an object."""
        for receipt in self.state.receipts():
            assert list(imbalances(receipt)) == []
            assert self.state.claim(receipt.item, "another", 1)
            self.state.release(receipt.item, "another")
        assert list(differences(self.folder, cast("Any", self.state))) == []

    @property
    def letters(self) -> list[Letter]:
        paths = sorted((self.folder / "dead").glob("*"))
        return [decoded(line) for path in paths for line in path.read_bytes().splitlines()]

    def receipt(self, of: Item, sink: str = "gate") -> Receipt:
        return self.state.receipts_of(of.identity)[sink]


def stored(content: bytes, key: str = "/logs/a.log", *, grows: bool = False) -> Item:
    identity = Identity("file", "", key, "1")
    return Item(identity, lambda: io.BytesIO(content), len(content), 1_790_000_000.0, may_grow=grows)


def ids_of(world: World, contents: Sequence[Item]) -> list[str]:
    """The ids that the records have, if they are delivered at once."""
    gate = Gate()
    for of in contents:
        other = World(world.folder / "other", world.clock, [gate])
        other.ship(of)
    return gate.ids
