"""A journal that a crash has left is finished once, whoever finishes it, and never over what others did since."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from making import StillClock, alb, batch, item, receipt
from tailrace.errors import Fatal
from tailrace.model import Totals
from tailrace.state.memory import MemoryState
from tailrace.store import journal
from tailrace.store.check import check
from tailrace.store.journal import Entry, Journal, Remote
from tailrace.store.opening import open_store

DAY = "2026-09-23"
KEPT, PAGE = "tmp.ndjson", "dead.ndjson"


@pytest.fixture
def state(clock: StillClock) -> MemoryState:
    return MemoryState(clock)


def entry(name: str = "a", *, parts: int = 2) -> Entry:
    return Entry(replace(receipt(item(name), "s", [batch(alb(DAY))]), parts=parts))


def test_receipts_and_page_change_together(tmp_path: Path, state: MemoryState) -> None:
    (tmp_path / PAGE).write_text("two letters")
    (tmp_path / KEPT).write_text("one letter")
    journal.write(tmp_path, Journal(entries=(entry(),), page=PAGE, kept=KEPT))
    for _ in range(2):
        journal.finish(tmp_path, state)
        assert list(state.receipts()) == [entry().receipt]
        assert (tmp_path / PAGE).read_text() == "one letter"
        assert sorted(path.name for path in tmp_path.iterdir()) == [PAGE, "tmp"]


@pytest.mark.parametrize("page", ["inside", "absolute", "gone"])
def test_a_page_of_which_nothing_is_left_is_removed(tmp_path: Path, state: MemoryState, page: str) -> None:
    path = tmp_path / "dead" / "x.ndjson"
    if page != "gone":
        path.parent.mkdir()
        path.write_text("letter")
    told = str(path) if page == "absolute" else "dead/x.ndjson"
    journal.write(tmp_path, Journal(page=told))
    journal.finish(tmp_path, state)
    assert not path.exists()
    assert journal.read(tmp_path) is None


def test_a_crash_after_the_page_was_replaced_is_no_second_replacement(tmp_path: Path, state: MemoryState) -> None:
    told = Journal(entries=(entry(),), page=PAGE, kept=KEPT)
    (tmp_path / PAGE).write_text("one letter")  # KEPT has been renamed to it
    journal.write(tmp_path, told)
    journal.finish(tmp_path, state)
    assert (tmp_path / PAGE).read_text() == "one letter"
    assert journal.read(tmp_path) is None


def test_what_others_did_since_stays(tmp_path: Path, state: MemoryState) -> None:
    later = replace(entry(parts=3).receipt, totals=Totals(1, 0, 1))
    state.commit(later, ())
    journal.write(tmp_path, Journal(entries=(entry(parts=2),), page=PAGE))
    journal.finish(tmp_path, state)
    assert list(state.receipts()) == [later]


def test_what_is_in_a_bucket_is_left_to_the_next_replay(tmp_path: Path, state: MemoryState) -> None:
    remote = Remote(bucket="b", key="k\udcff", etag="e", headers={"Metadata": {"a": "b"}})
    journal.write(tmp_path, Journal(entries=(entry("\udcfe"),), kept=journal.KEPT, remote=remote))
    journal.finish(tmp_path, state)
    assert [each.item.key for each in state.receipts()] == ["\udcfe"]
    assert journal.read(tmp_path) == Journal(kept=journal.KEPT, remote=remote)
    journal.remove(tmp_path)
    assert journal.read(tmp_path) is None


def test_one_that_cannot_be_read_is_told(tmp_path: Path, state: MemoryState) -> None:
    (tmp_path / journal.JOURNAL).write_text("{")
    with pytest.raises(Fatal, match=r"replay.json cannot be read: .*; restore it from a backup"):
        journal.finish(tmp_path, state)


def test_opening_a_store_saves_the_files_that_only_the_journal_lists(tmp_path: Path, clock: StillClock) -> None:
    of, made = item(), batch(alb(DAY))
    with open_store(tmp_path, clock) as store:
        sink = store.sink()
        sink.write(of, made, 1)
        files = sink.flush().files
        whole = replace(receipt(of, sink.name, [made]), parts=2)
        journal.write(tmp_path, Journal(entries=(Entry(whole, tuple(files)),), page="dead/x.ndjson"))
    assert journal.read(tmp_path) is not None
    with open_store(tmp_path, clock) as store:
        assert list(store.state.receipts()) == [whole]
    assert (tmp_path / files[0].path).exists()
    assert check(tmp_path, clock) == []
