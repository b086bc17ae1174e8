"""Killed at any moment and started again, the store has lost nothing and doubled nothing."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import crasher
import pyarrow as pa
import pyarrow.parquet as pq

from killing import run
from making import StillClock, item
from tailrace.state.sqlite import SqliteState
from tailrace.store.check import check

KILLS = 25


def stored(directory: Path) -> tuple[Counter[str], int]:
    """The ids in the files that count, and how many receipts there are; each file is whole."""
    state = SqliteState.open(directory, read_only=True, clock=StillClock())
    found: Counter[str] = Counter()
    for file in state.catalog.files():
        ids = pq.ParquetFile(directory / file.path).read(columns=["_id"])["_id"].to_pylist()
        assert len(ids) == file.rows
        found.update(ids)
    receipts = len(list(state.receipts()))
    state.close()
    return found, receipts


def expected_ids() -> Counter[str]:
    found: Counter[str] = Counter()
    for number in range(crasher.ITEMS):
        for made in crasher.parts(item(str(number)), number):
            for name, day, _rows in made.records.partitions():
                found.update(pa.record_batch(made.records.columns(name, day)).column("_id").to_pylist())
    return found


def test_a_kill_at_any_moment_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    expected = expected_ids()
    dice = random.Random(2)
    with subprocess.Popen(
        [sys.executable, crasher.__file__, str(directory)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths},
    ) as script:  # fmt: skip
        killed, before = 0, 0
        for _ in range(KILLS):
            killed += run(script, str(dice.uniform(0.005, 0.12))) == 9
            if (directory / "receipts.sqlite").exists() and (directory / "data").exists():
                ids, receipts = stored(directory)
                assert receipts >= before, "a receipt was lost"
                assert ids <= expected, "a record came twice"
                assert check(directory, StillClock()) == []
                before = receipts
        assert run(script, "-") == 0
    assert killed >= KILLS // 2
    assert stored(directory) == (expected, crasher.ITEMS)
    assert check(directory, StillClock()) == []
    listed = {Path(path) for path in _listed(directory)}
    assert {path.relative_to(directory) for path in (directory / "data").rglob("*.parquet")} == listed
    assert list((directory / "tmp").iterdir()) == []
    letters = [path.read_bytes().splitlines() for path in (directory / "dead").iterdir()]
    assert [len(lines) for lines in letters] == [1] * crasher.ITEMS * crasher.PARTS


def _listed(directory: Path) -> list[str]:
    state = SqliteState.open(directory, read_only=True, clock=StillClock())
    try:
        return [file.path for file in state.catalog.files()]
    finally:
        state.close()
