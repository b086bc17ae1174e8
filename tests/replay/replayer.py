"""Replays the letters of a store until it is killed: run by test_replay_crash, as store/crasher.py is by its test.

When and how it is killed, `killing` tells.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from killing import serve
from making import alb
from tailrace.clock import SystemClock
from tailrace.homes import Home, Job
from tailrace.hosts.reading import parsers
from tailrace.model import Batch, Flushed, Item, Refusal, Rendering
from tailrace.replay.reading import Reader
from tailrace.replay.replaying import Desk, Replay, Replayed, Wanted
from tailrace.replay.rereading import Rereading
from tailrace.replay.sending import Sending
from tailrace.retry import Patience
from tailrace.run import deliver
from tailrace.settings import Retry, Settings
from tailrace.sources.files import Files
from tailrace.store.isolating import isolate
from tailrace.store.opening import Store, open_store

ITEMS, LINES = 40, 9
DAYS = ("2026-09-23", "2026-09-24")
BEFORE, NOW = Settings(format="haproxy_error"), Settings()


class Ids:
    """A sink that knows ids: a file of them, appended when it is flushed. It refuses every third record at first."""

    keeps_receipts = True
    rendering: Rendering | None = None
    name = "ids"

    def __init__(self, path: Path, *, refuses: bool) -> None:
        self._path, self._refuses = path, refuses
        self._open: list[tuple[int, bytes, str]] = []

    def write(self, _item: Item, batch: Batch, _part: int) -> None:
        """Take records."""
        raw = batch.records.raw()
        for begin, end, offset, line in zip(
            [0, *raw.ends], raw.ends, raw.offsets, bytes(batch.records.ndjson(ids=True)).splitlines(), strict=False
        ):
            self._open.append((offset, bytes(raw.data[begin:end]), json.loads(line)["_id"]))

    def flush(self) -> Flushed:
        """Write them down."""
        known = set(self._path.read_text().split()) if self._path.exists() else set()
        refusals, already, new = [], 0, []
        for number, (offset, line, identity) in enumerate(self._open):
            if self._refuses and number % 3 == 0:
                refusals.append(Refusal(offset, "too_old", line))
            elif identity in known:
                already += 1
            else:
                new.append(identity + "\n")
        with self._path.open("a") as file:
            file.write("".join(new))
        self._open = []
        return Flushed(refusals=refusals, already=already)

    def abandon(self) -> None:
        """Forget what came."""
        self._open = []

    def close(self) -> None:
        """Nothing to close."""


class Quiet:
    """Watches nothing."""

    def reading(self, *, now: bool) -> None:
        """Nothing."""

    def moved(self, item: Item, position: int, lines: int) -> None:
        """Nothing."""


def content(number: int) -> bytes:
    """Lines of two days, and one that is never a record."""
    return b"".join(alb(DAYS[line % 2], number * 100 + line) for line in range(LINES)) + b"no log line\n"


def logs(directory: Path) -> list[Item]:
    """The files."""
    return list(Files([str(directory / "logs")]).items())


def job(settings: Settings) -> Job:
    """As the program makes it."""
    clock = SystemClock()
    patience = Patience(Retry(), clock, lambda _seconds: True)
    return Job(parser=parsers(settings, lambda _: None), patience=patience, clock=clock, checkpoint=1 << 30)


def home(store: Store, sinks: Sequence[Ids]) -> Home:
    """The store with its own sink and others."""
    return Home(store.state, store.dead_letters(), [store.sink(), *sinks], partial(isolate, store))


def ship(directory: Path) -> None:
    """Deliver everything: half of the files as what they are, half by a format that makes all of it rejects."""
    with open_store(directory / "store", SystemClock()) as store:
        for number, of in enumerate(logs(directory)):
            sinks = [Ids(directory / "ids", refuses=True)]
            deliver(of, [home(store, sinks)], job(NOW if number % 2 else BEFORE), Quiet())


def replay(directory: Path) -> Replayed:
    """Replay the letters of the store."""
    with open_store(directory / "store", SystemClock()) as store, closing(Rereading(None)) as again:  # type: ignore[arg-type]
        its_own = home(store, [Ids(directory / "ids", refuses=False)])
        sending = Sending(
            its_own.sinks, job(NOW), Reader(job(NOW), again, by_reference=False, now=0.0), elsewhere=False
        )
        desk = Desk(
            home=its_own, folder=store.directory, job=job(NOW), sending=sending, wanted=Wanted(), objects=None  # type: ignore[arg-type]
        )  # fmt: skip
        done = Replayed()
        Replay(desk, done).run(Files([str(store.directory / "dead")]).items())
        return done


def main() -> None:
    """Kill, again and again."""
    directory = Path(sys.argv[1])
    with open_store(
        directory / "warm", SystemClock()
    ) as store:  # what takes time to load is loaded before the first child
        deliver(logs(directory)[0], [home(store, [])], job(NOW), Quiet())
    serve(partial(replay, directory))


if __name__ == "__main__":
    main()
