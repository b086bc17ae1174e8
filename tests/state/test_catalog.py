"""The list of files keeps the rows of every receipt in sight, whatever is merged, replaced or pruned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from making import StillClock, item, receipt
from tailrace.errors import Fatal
from tailrace.model import Item, StoredFile, Totals
from tailrace.receipts import Receipt, Tail
from tailrace.state.catalog import Account
from tailrace.state.sqlite import SqliteState

SINK = "store:/s"


@pytest.fixture
def state(tmp_path: Path, clock: StillClock) -> Iterator[SqliteState]:
    made = SqliteState.open(tmp_path, read_only=False, clock=clock)
    yield made
    made.close()


def file(name: str, rows: int, day: str = "2026-09-23") -> StoredFile:
    return StoredFile(f"data/{name}", "alb", day, rows, rows * 10)


def accepted(of: Item, rows: int, tail: Tail | None = None) -> Receipt:
    return replace(receipt(of, SINK), totals=Totals(routed=rows, accepted=rows), tail=tail)


def account(state: SqliteState, of: Item) -> tuple[int, int]:
    """The rows of an item in files, and those pruned."""
    return next((a.stored, a.pruned) for a in state.catalog.accounts() if a.receipt.item == of.identity)


def paths(state: SqliteState) -> list[str]:
    return [found.path for found in state.catalog.files()]


A, B = item("a"), item("b")


def test_a_merged_file_counts_for_all_its_receipts(state: SqliteState) -> None:
    state.commit(accepted(A, 5), [file("1", 2), file("2", 3)])
    state.commit(accepted(B, 4), [file("3", 4)])
    state.catalog.merge(file("m", 9), ["data/1", "data/2", "data/3"])
    assert paths(state) == ["data/m"]
    assert (account(state, A), account(state, B)) == ((5, 0), (4, 0))
    assert list(state.catalog.shared_rows()) == [(file("m", 9), 9)]
    assert list(state.catalog.files_of(A.identity, SINK)) == [replace(file("m", 9), rows=5)]


def test_a_merge_that_loses_rows_is_refused(state: SqliteState) -> None:
    state.commit(accepted(A, 5), [file("1", 2), file("2", 3)])
    with pytest.raises(Fatal, match="data/m holds 4 rows, but the receipts of what it was made of 5"):
        state.catalog.merge(file("m", 4), ["data/1", "data/2"])
    assert paths(state) == ["data/1", "data/2"]


def test_a_file_of_several_items_is_not_replaced(state: SqliteState) -> None:
    state.commit(accepted(A, 2), [file("1", 2)])
    state.commit(accepted(B, 4), [file("2", 4)])
    state.catalog.merge(file("m", 6), ["data/1", "data/2"])
    with pytest.raises(Fatal, match="data/m holds records of other objects too"):
        state.commit(accepted(A, 3), [file("9", 3)], ["data/m"])
    assert paths(state) == ["data/m"]


def test_what_was_replaced_is_kept_in_mind_until_it_is_deleted(state: SqliteState, clock: StillClock) -> None:
    state.commit(accepted(A, 2), [file("1", 2)])
    state.commit(accepted(A, 2), [file("2", 2)], ["data/1"])
    retired = clock.now()
    assert paths(state) == ["data/2"]
    assert state.catalog.known("alb", "2026-09-23") == {"data/1", "data/2"}
    assert not state.catalog.is_listed("data/1")
    assert state.catalog.is_listed("data/2")
    assert state.catalog.forget_retired(retired - 1) == []
    assert state.catalog.forget_retired(retired) == ["data/1"]
    assert state.catalog.known("alb", "2026-09-23") == {"data/2"}


def test_pruning_takes_the_days_before_and_accounts_for_their_rows(state: SqliteState) -> None:
    days = ["2026-09-22", "2026-09-23", "__none__", "1999-01-01"]
    state.commit(accepted(A, 10), [file(day, number + 1, day) for number, day in enumerate(days)])
    pruned = state.catalog.prune_days("2026-09-23")
    assert sorted(found.day for found in pruned) == ["1999-01-01", "2026-09-22"]
    assert paths(state) == ["data/2026-09-23", "data/__none__"]
    assert account(state, A) == (5, 5)
    assert state.catalog.prune_days("2026-09-23") == []
    assert account(state, A) == (5, 5)


def test_pruning_a_merged_file_accounts_to_each_receipt(state: SqliteState) -> None:
    state.commit(accepted(A, 5), [file("1", 2), file("2", 3)])
    state.commit(accepted(B, 5), [file("3", 4), file("4", 1, "2026-10-01")])
    state.catalog.merge(file("m", 9), ["data/1", "data/2", "data/3"])
    pruned = state.catalog.prune_days("2026-09-24")
    assert sum(found.rows for found in pruned) == 9
    assert {found.path for found in pruned} == {"data/m", "data/1", "data/2", "data/3"}
    assert (account(state, A), account(state, B)) == ((0, 5), (1, 4))


def test_more_of_an_item_leaves_what_was_pruned_of_it(state: SqliteState) -> None:
    state.commit(accepted(A, 5), [file("1", 5)])
    state.catalog.prune_days("2030-01-01")
    state.commit(accepted(A, 8), [file("2", 3)])
    assert account(state, A) == (3, 5)


def test_an_item_delivered_anew_has_nothing_pruned(state: SqliteState) -> None:
    state.commit(accepted(A, 5), [file("1", 5)])
    state.catalog.prune_days("2030-01-01")
    state.commit(accepted(A, 5), [file("2", 5)])
    assert account(state, A) == (5, 0)


def test_a_pruned_tail_that_is_read_again_counts_once(state: SqliteState) -> None:
    tail = Tail(totals=Totals(routed=1, accepted=1), files=("data/t",))
    state.commit(accepted(A, 5, tail), [file("1", 5), file("t", 1)])
    assert state.catalog.tails() == {"data/t"}
    state.catalog.prune_days("2030-01-01")
    assert account(state, A) == (0, 6)
    state.commit(accepted(A, 7), [file("2", 2)], ["data/t"])
    assert account(state, A) == (2, 5)
    assert state.catalog.tails() == frozenset()


class Balance(RuleBasedStateMachine):
    """Whatever is done in whatever order, every receipt's rows are in files or pruned, and every file's are shared."""

    folder: Path

    @initialize()
    def begin(self) -> None:
        number = len(list(self.folder.iterdir()))
        self.state = SqliteState.open(self.folder / str(number), read_only=False, clock=StillClock())
        self.accepted: dict[str, int] = {}
        self.serial = 0

    def _name(self) -> str:
        self.serial += 1
        return str(self.serial)

    @rule(key=st.sampled_from("ab"), rows=st.lists(st.integers(1, 9), max_size=3), day=st.sampled_from("123"))
    def deliver(self, key: str, rows: list[int], day: str) -> None:
        self.accepted[key] = self.accepted.get(key, 0) + sum(rows)
        files = [file(self._name(), count, f"2026-01-0{day}") for count in rows]
        self.state.commit(accepted(item(key), self.accepted[key]), files)

    @rule(day=st.sampled_from("1234"))
    def prune(self, day: str) -> None:
        self.state.catalog.prune_days(f"2026-01-0{day}")

    @rule(day=st.sampled_from("123"))
    def merge(self, day: str) -> None:
        found = [each for each in self.state.catalog.files() if each.day == f"2026-01-0{day}"]
        if found:
            merged = file(self._name(), sum(each.rows for each in found), found[0].day)
            self.state.catalog.merge(merged, [each.path for each in found])

    @rule(key=st.sampled_from("ab"))
    def again(self, key: str) -> None:
        """Deliver an item anew; refused where its rows are merged with another's."""
        own = self.state.catalog.files_of(item(key).identity, SINK)
        try:
            self.state.commit(accepted(item(key), 1), [file(self._name(), 1)], [each.path for each in own])
        except Fatal:
            return
        self.accepted[key] = 1

    @invariant()
    def everything_balances(self) -> None:
        if not hasattr(self, "state"):
            return
        accounts: list[Account] = list(self.state.catalog.accounts())
        assert {a.receipt.item.key: a.stored + a.pruned for a in accounts} == self.accepted
        assert all(found.rows == shared for found, shared in self.state.catalog.shared_rows())
        assert sum(found.rows for found in self.state.catalog.files()) == sum(a.stored for a in accounts)

    def teardown(self) -> None:
        if hasattr(self, "state"):
            self.state.close()


def test_the_balance_holds_in_any_order(tmp_path: Path) -> None:
    from hypothesis.stateful import run_state_machine_as_test  # noqa: PLC0415

    class InFolder(Balance):
        folder = tmp_path

    run_state_machine_as_test(InFolder, settings=settings(max_examples=25, stateful_step_count=20, deadline=None))
