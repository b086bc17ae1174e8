"""Merging and pruning change which files there are, never which records a query finds, nor the balance."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from threading import Event, Thread

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from making import StillClock, alb, batch, clb, item, receipt
from tailrace.errors import Fatal, UsageError
from tailrace.model import StoredFile, Totals
from tailrace.receipts import Tail
from tailrace.state.sqlite import SqliteState
from tailrace.store import maintenance
from tailrace.store.check import check
from tailrace.store.maintenance import compact, groups, prune
from tailrace.store.opening import GRACE_S, Store, open_store

DAY, NEXT = "2026-09-23", "2026-09-24"


def deliver(store: Store, key: str, content: bytes, *, tail: bool = False) -> None:
    sink = store.sink()
    of = item(key)
    made = batch(content, of)
    sink.write(of, made, 0)
    files = sink.flush().files
    account = receipt(of, sink.name, [made])
    if tail:
        own = Tail(counts=made.counts, totals=account.totals, files=tuple(file.path for file in files))
        account = replace(receipt(of, sink.name), tail=own)
    store.state.commit(account, files)


@pytest.fixture
def directory(tmp_path: Path, clock: StillClock) -> Path:
    """A store of ten items, each with lines of two days and two formats."""
    with open_store(tmp_path, clock) as store:
        for number in range(10):
            deliver(store, str(number), alb(DAY, number) + alb(NEXT, number) + clb(DAY))
    return tmp_path


def listed(directory: Path) -> list[StoredFile]:
    state = SqliteState.open(directory, read_only=True, clock=StillClock())
    try:
        return list(state.catalog.files())
    finally:
        state.close()


def content(directory: Path, files: Sequence[StoredFile] | None = None) -> Counter[str]:
    """Every row of the files that count, as text."""
    found: Counter[str] = Counter()
    for file in listed(directory) if files is None else files:
        found.update(
            str(sorted((name, value) for name, value in row.items() if value is not None))
            for row in pq.ParquetFile(directory / file.path).read().to_pylist()
        )
    return found


def test_small_files_of_a_day_become_one_with_the_same_rows(directory: Path, clock: StillClock) -> None:
    before, sizes = content(directory), sum(file.size for file in listed(directory))
    done = compact(directory, clock)
    after = listed(directory)
    assert (done.files_before, done.files_after, done.rows) == (30, 3, 30)
    assert (done.bytes_before, done.bytes_after) == (sizes, sum(file.size for file in after))
    assert [(file.day, file.format, file.rows) for file in after] == [
        (DAY, "alb", 10),
        (DAY, "clb", 10),
        (NEXT, "alb", 10),
    ]
    assert content(directory) == before
    assert check(directory, clock) == []
    assert list((directory / "tmp").iterdir()) == []


def test_merging_again_changes_nothing(directory: Path, clock: StillClock) -> None:
    compact(directory, clock)
    before = listed(directory)
    assert compact(directory, clock).files_before == 0
    assert listed(directory) == before


def test_the_old_files_stay_for_queries_under_way_and_go_later(directory: Path, clock: StillClock) -> None:
    old, before = listed(directory), content(directory)
    compact(directory, clock)
    assert content(directory, old) == before
    clock.sleep(GRACE_S)
    compact(directory, clock)
    assert not any((directory / file.path).exists() for file in old)
    assert content(directory) == before


def test_a_file_that_may_still_be_replaced_is_not_merged(directory: Path, clock: StillClock) -> None:
    with open_store(directory, clock) as store:
        deliver(store, "growing", alb(DAY, 99), tail=True)
    compact(directory, clock)
    assert sorted(file.rows for file in listed(directory) if (file.day, file.format) == (DAY, "alb")) == [1, 10]
    assert check(directory, clock) == []


def add(store: Store, key: str, table: pa.Table) -> None:
    """Store a file of other columns, as another version would have written it."""
    of = item(key)
    path = f"data/format=alb/day={DAY}/{of.identity.digest}-0.parquet"
    pq.write_table(table, store.directory / path)
    size = (store.directory / path).stat().st_size
    account = replace(receipt(of, store.sink().name), totals=Totals(table.num_rows, table.num_rows))
    account = replace(account, counts=replace(account.counts, records=table.num_rows, record_lines=table.num_rows))
    account.counts.lines = table.num_rows
    store.state.commit(account, [StoredFile(path, "alb", DAY, table.num_rows, size)])


def test_files_of_other_columns_are_merged_by_name(directory: Path, clock: StillClock) -> None:
    with open_store(directory, clock) as store:
        add(store, "old", pa.table({"elb": ["app/old"], "gone": [7]}))
    before = content(directory)
    compact(directory, clock)
    assert content(directory) == before
    (merged,) = (file for file in listed(directory) if (file.day, file.format) == (DAY, "alb"))
    assert pq.read_schema(directory / merged.path).names[-1] == "gone"


def test_columns_of_another_type_keep_their_own_files(directory: Path, clock: StillClock) -> None:
    with open_store(directory, clock) as store:
        add(store, "odd", pa.table({"elb": [1.5]}))
        add(store, "odd too", pa.table({"elb": [2.5, 3.5]}))
    before = content(directory)
    compact(directory, clock)
    assert content(directory) == before
    assert sorted(file.rows for file in listed(directory) if (file.day, file.format) == (DAY, "alb")) == [3, 10]
    assert check(directory, clock) == []


def test_a_missing_file_stops_the_merge_before_anything_is_lost(directory: Path, clock: StillClock) -> None:
    before = listed(directory)
    (directory / before[0].path).unlink()
    with pytest.raises(Fatal, match=r"cannot merge files of .*see `tailrace receipts --check`"):
        compact(directory, clock)
    assert listed(directory) == before


def test_a_file_with_other_rows_than_its_receipts_is_not_merged(directory: Path, clock: StillClock) -> None:
    before = listed(directory)
    pq.write_table(pa.table({"elb": ["a", "b"]}), directory / before[0].path)
    with pytest.raises(Fatal, match=r"holds 11 rows, but the receipts of what it was made of 10"):
        compact(directory, clock)
    assert listed(directory) == before


def test_queries_find_every_row_once_while_files_are_merged_and_removed(directory: Path, clock: StillClock) -> None:
    """A reader takes the list, waits a little, and reads: over and over, while the writer merges."""
    done = Event()
    wrong: list[object] = []
    reads = 0

    def read() -> None:
        nonlocal reads
        state = SqliteState.open(directory, read_only=True, clock=clock)
        with duckdb.connect() as database:
            while not done.is_set() or not reads:
                paths = [str(directory / file.path) for file in state.catalog.files() if file.format == "alb"]
                time.sleep(0.002)
                query = "SELECT count(*), count(DISTINCT _id) FROM read_parquet($paths, union_by_name = true)"
                row = database.execute(query, {"paths": paths}).fetchone()
                if row != (20, 20):
                    wrong.append((row, paths))
                reads += 1
        state.close()

    readers = [Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for target in (2, 4, 8, 16):
        compact(directory, clock, target_rows=target)
        time.sleep(0.05)
    done.set()
    for reader in readers:
        reader.join(20)
    assert not wrong
    assert reads > 4
    assert len(listed(directory)) < 30
    assert check(directory, clock) == []


@pytest.mark.parametrize("work", ["compact", "prune"])
def test_another_writer_or_no_store_is_told(directory: Path, clock: StillClock, tmp_path: Path, work: str) -> None:
    def run(where: Path) -> None:
        if work == "compact":
            compact(where, clock)
        else:
            prune(where, date(2026, 1, 1), clock)

    with open_store(directory, clock), pytest.raises(UsageError, match="another tailrace process is writing"):
        run(directory)
    with pytest.raises(UsageError, match=r"no store at .*/none: run `tailrace ship"):
        run(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_merge_that_dies_before_its_commit_leaves_the_old_list(
    directory: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(directory)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr("tailrace.state.catalog.Catalog.merge", die)
        compact(directory, clock)
    assert list(directory.rglob("compact-*.parquet"))
    assert content(directory) == before
    open_store(directory, clock).close()
    assert not list(directory.rglob("compact-*.parquet"))


def test_pruning_removes_whole_days_and_keeps_the_balance(directory: Path, clock: StillClock) -> None:
    old = [file for file in listed(directory) if file.day == DAY]
    done = prune(directory, date(2026, 9, 24), clock)
    assert (done.days, done.files, done.rows, done.bytes) == (1, 20, 20, sum(file.size for file in old))
    assert {file.day for file in listed(directory)} == {NEXT}
    assert not (directory / "data" / "format=clb" / f"day={DAY}").exists()
    assert check(directory, clock) == []
    assert prune(directory, date(2026, 9, 24), clock).files == 0


def test_pruning_removes_merged_days_and_what_they_were_merged_from(directory: Path, clock: StillClock) -> None:
    compact(directory, clock)
    done = prune(directory, date(2027, 1, 1), clock)
    assert done.rows == 30
    assert list((directory / "data").rglob("*.parquet")) == []
    assert check(directory, clock) == []


def test_pruning_keeps_records_without_a_time(tmp_path: Path, clock: StillClock) -> None:
    with open_store(tmp_path, clock) as store:
        of = item()
        store.state.commit(
            replace(receipt(of, store.sink().name), totals=Totals(1, 1)),
            [StoredFile("data/format=alb/day=__none__/x.parquet", "alb", "__none__", 1, 1)],
        )
    assert prune(tmp_path, date(9999, 12, 31), clock).files == 0


FILES = st.lists(
    st.builds(
        StoredFile, st.uuids().map(str), st.sampled_from(["alb", "clb"]), st.sampled_from(["a", "b"]),
        st.integers(0, 120), st.integers(0, 1200),
    ),
    max_size=30,
)  # fmt: skip


@given(files=FILES)
def test_the_groups_are_small_files_of_one_day_and_format_up_to_the_target(files: list[StoredFile]) -> None:
    ordered = sorted(files, key=lambda file: (file.day, file.format))
    found = list(groups(ordered, 100, 1000))
    grouped = [file for group in found for file in group]
    assert len(grouped) == len(set(grouped))
    for group in found:
        assert len(group) > 1
        assert len({(file.day, file.format) for file in group}) == 1
        assert sum(file.rows for file in group[:-1]) < 100
        assert sum(file.size for file in group[:-1]) < 1000
    left = Counter(
        (file.day, file.format) for file in ordered if file not in grouped and file.rows < 50 and file.size < 500
    )
    assert all(count == 1 for count in left.values())


def test_a_group_ends_when_a_target_is_reached() -> None:
    files = [StoredFile(str(number), "alb", "a", 40, 10) for number in range(7)]
    assert [[file.path for file in group] for group in groups(files, 100, 1000)] == [["0", "1", "2"], ["3", "4", "5"]]
    assert (maintenance.TARGET_ROWS, maintenance.TARGET_BYTES) == (1_000_000, 128 << 20)
