"""A replay that is killed at any moment loses nothing, and doubles nothing where ids are known."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import replayer

from killing import run
from making import StillClock
from tailrace.letters import decoded
from tailrace.state.sqlite import SqliteState
from tailrace.store.check import check
from tailrace.store.opening import open_store

KILLS = 25


def stored(store: Path) -> Counter[str]:
    """The ids in the files that count."""
    state = SqliteState.open(store, read_only=True, clock=StillClock())
    found: Counter[str] = Counter()
    for file in state.catalog.files():
        found.update(pq.ParquetFile(store / file.path).read(columns=["_id"])["_id"].to_pylist())
    state.close()
    return found


def left(store: Path, sink: str) -> set[str]:
    """The ids of the records that are still letters: for a sink, or for all as rejects."""
    lines = [line for path in (store / "dead").glob("*.ndjson") for line in path.read_bytes().splitlines()]
    return {json.loads(line)["_id"] for line in lines if decoded(line).sink in ("", sink)}


def expected(directory: Path) -> tuple[set[str], set[str]]:
    """The ids of all records, and of what is none."""
    target = directory / "at-once"
    with open_store(target / "store", StillClock()) as store:
        for of in replayer.logs(directory):
            sinks = [replayer.Ids(target / "ids", refuses=False)]
            replayer.deliver(of, [replayer.home(store, sinks)], replayer.job(replayer.NOW), replayer.Quiet())
    return set((target / "ids").read_text().split()), left(target / "store", "")


def test_a_kill_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    for number in range(replayer.ITEMS):
        (tmp_path / "logs" / f"{number}.log").write_bytes(replayer.content(number))
    store, ids = tmp_path / "store", tmp_path / "ids"
    replayer.ship(tmp_path)
    records, rejects = expected(tmp_path)
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    dice = random.Random(3)
    with subprocess.Popen(
        [sys.executable, replayer.__file__, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths},
    ) as script:  # fmt: skip
        killed = 0
        for _ in range(KILLS):
            killed += run(script, str(dice.uniform(0.005, 0.15))) == 9
            open_store(store, StillClock()).close()  # as any run does, this finishes what was interrupted
            assert check(store, StillClock()) == []
            in_store, at_sink = stored(store), Counter(ids.read_text().split())
            assert max(in_store.values()) == max(at_sink.values()) == 1, "a record came twice"
            assert in_store.keys() | left(store, "store") == at_sink.keys() | left(store, "ids") == records | rejects
        assert run(script, "-") == 0
    assert killed >= KILLS // 3
    assert check(store, StillClock()) == []
    assert stored(store).keys() == set(ids.read_text().split()) == records
    assert left(store, "ids") == rejects
    assert [path.name for path in (store / "tmp").iterdir()] == []
    assert not list((store / "dead").glob(".*"))
