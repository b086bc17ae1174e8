"""The check finds every way in which a store can be wrong, and nothing in one that is right."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from making import StillClock, alb, batch, item, receipt
from tailrace.deadletters import encode, encode_refusal
from tailrace.errors import UsageError
from tailrace.model import Refusal, Reject, Totals
from tailrace.receipts import Tail
from tailrace.store.check import check
from tailrace.store.maintenance import prune
from tailrace.store.opening import open_store

DAY = "2026-09-23"
Damage = Callable[[Path], object]


@pytest.fixture
def directory(tmp_path: Path, clock: StillClock) -> Path:
    """A store with one item of two days, one of them with rejects."""
    with open_store(tmp_path, clock) as store:
        sink = store.sink()
        made = batch(alb(DAY) + b"junk\n" + alb("2026-09-24"))
        dead = store.dead_letters()
        sink.write(item(), made, 0)
        dead.write(item(), made.rejects, 0)
        dead.flush()
        store.state.commit(receipt(item(), sink.name, [made]), sink.flush().files)
    return tmp_path


def change(statement: str) -> Damage:
    def run(directory: Path) -> None:
        connection = sqlite3.connect(directory / "receipts.sqlite")
        with connection:
            connection.execute(statement)
        connection.close()

    return run


def file_of(directory: Path) -> Path:
    return next(directory.glob(f"data/format=alb/day={DAY}/*.parquet"))


def test_a_sound_store_has_no_problems(directory: Path, clock: StillClock) -> None:
    assert check(directory, clock) == []


def test_without_a_store_it_says_what_to_do(tmp_path: Path, clock: StillClock) -> None:
    with pytest.raises(UsageError, match=f"no store at {tmp_path}"):
        check(tmp_path, clock)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (change("UPDATE receipts SET blank = 1"), "/logs/a.log at store:.*: 3 lines, but 2 in records"),
        (change("UPDATE receipts SET filtered = 1"), "2 records, but 1 filtered"),
        (change("UPDATE receipts SET accepted = 3, routed = 3, records = 3"), "3 records accepted, but 2 in files"),
        (change("UPDATE receipts SET accepted = 1"), "2 routed, but 1 accepted"),
        (change("UPDATE receipts SET dead_rejects = 0"), "1 rejects, but 0 dead-lettered"),
        (change("UPDATE receipts SET pruned = 1"), r"2 records accepted, but 2 in files \+ 1 pruned"),
        (change(f"DELETE FROM files WHERE day = '{DAY}'"), "2 records accepted, but 1 in files"),
        (change(f"UPDATE files SET \"rows\" = 7 WHERE day = '{DAY}'"), "7 rows, but the receipts have 1 in it"),
        (lambda directory: file_of(directory).unlink(), f"day={DAY}/.*-0.parquet: it is listed, but missing"),
        (lambda directory: file_of(directory).write_bytes(b"PAR1junkPAR1"), "it cannot be read: "),
        (lambda directory: file_of(directory).write_bytes(b""), "it cannot be read: "),
        (lambda directory: pq.write_table(pa.table({"a": [1, 2]}), file_of(directory)), "it has 2 rows in"),
        (lambda directory: pq.write_table(pa.table({"a": [1]}), file_of(directory)), "but was written with 1 rows in"),
    ],
)
def test_every_damage_is_found(directory: Path, clock: StillClock, damage: Damage, problem: str) -> None:
    damage(directory)
    problems = check(directory, clock)
    assert problems
    assert any(re.search(problem, found) for found in problems), problems


def letters_of(directory: Path) -> Path:
    return next(directory.glob("dead/*.ndjson"))


def append(data: bytes) -> Damage:
    def run(directory: Path) -> None:
        with letters_of(directory).open("ab") as file:
            file.write(data)

    return run


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (
            lambda directory: letters_of(directory).unlink(),
            "/logs/a.log: 1 rejects by its receipts, but 0 among the dead",
        ),
        (lambda directory: letters_of(directory).write_bytes(b""), "1 rejects by its receipts, but 0 among"),
        (
            append(encode(item().identity, Reject(0, 1, "no_match", b"x", 1, ""))),
            "1 rejects by its receipts, but 2 among",
        ),
        (append(encode_refusal(item().identity, "store:gone", Refusal(0, "old", b"x"))), ""),
        (append(encode(item().identity, Reject(1 << 20, 1, "no_match", b"x", 1, ""))), ""),
        (append(b"{}\n"), "dead/.*-0.ndjson holds a line that is no dead letter: "),
        (append(b"\xff\n"), "holds a line that is no dead letter: "),
    ],
)
def test_letters_and_receipts_are_compared(directory: Path, clock: StillClock, damage: Damage, problem: str) -> None:
    damage(directory)
    problems = check(directory, clock)
    assert len(problems) == bool(problem), problems
    assert all(re.search(problem, found) for found in problems), problems
    assert check(directory, clock, letters=False) == []


def test_refusals_are_compared_sink_by_sink(tmp_path: Path, clock: StillClock) -> None:
    made = batch(alb(DAY) + alb(DAY, 1))
    with open_store(tmp_path, clock) as store:
        for sink, dead in (("one", 1), ("two", 2), ("three", 0)):
            account = replace(receipt(item(), sink, [made]), totals=Totals(2, 2 - dead, 0, dead))
            store.state.commit(account, [])
        letters = store.dead_letters()
        letters.refuse(item(), "one", [Refusal(0, "too_old", b"x")], 0)
        letters.refuse(item(), "two", [Refusal(0, "too_old", b"x"), Refusal(5, "too_old", b"x")], 0)
        letters.flush()
    assert check(tmp_path, clock) == []
    for path in (tmp_path / "dead").iterdir():
        path.unlink()
    told = [problem.partition(";")[0] for problem in check(tmp_path, clock)]
    assert told == [
        f"/logs/a.log at {sink}: {dead} refused by its receipt, but 0 among the dead letters"
        for sink, dead in (("one", 1), ("two", 2))
    ]


def test_letters_without_a_receipt_are_no_difference(tmp_path: Path, clock: StillClock) -> None:
    with open_store(tmp_path, clock) as store:
        letters = store.dead_letters()
        letters.write(item(), batch(b"junk\n").rejects, 0)
        letters.flush()
    assert check(tmp_path, clock) == []


def test_other_sinks_need_no_files(tmp_path: Path, clock: StillClock) -> None:
    with open_store(tmp_path, clock) as store:
        store.state.commit(receipt(item(), "cloudwatch:group", [batch(alb(DAY))]), [])
    assert check(tmp_path, clock) == []


def test_an_unfinished_last_line_is_counted(tmp_path: Path, clock: StillClock) -> None:
    with open_store(tmp_path, clock) as store:
        sink = store.sink()
        made = batch(alb(DAY))
        sink.write(item(), made, 0)
        files = sink.flush().files
        tail = Tail(counts=made.counts, totals=Totals(1, 1), files=(files[0].path,))
        store.state.commit(replace(receipt(item(), sink.name), tail=tail), files)
    assert check(tmp_path, clock) == []
    prune(tmp_path, date(2030, 1, 1), clock)
    assert check(tmp_path, clock) == []
    change("UPDATE receipts SET tail = NULL, pruned = 0")(tmp_path)
    change("UPDATE receipts SET accepted = 1, routed = 1, records = 1, record_lines = 1, lines = 1")(tmp_path)
    assert ["1 records accepted, but 0 in files" in found for found in check(tmp_path, clock)] == [True]
