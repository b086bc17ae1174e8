"""What was merged can be taken apart again, and only that."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from making import StillClock, alb, batch, item, receipt
from tailrace.store.check import check
from tailrace.store.isolating import isolate
from tailrace.store.maintenance import compact
from tailrace.store.opening import Store, open_store

DAYS = ("2026-09-23", "2026-09-24")
ITEMS = ("a", "b", "c", "d")


def deliver(store: Store, key: str, number: int) -> None:
    """An item with three records, of two days."""
    of, sink = item(key), store.sink()
    made = batch(b"".join(alb(day, number * 10 + each) for each, day in enumerate((*DAYS, DAYS[0]))), of)
    sink.write(of, made, 0)
    store.state.commit(receipt(of, sink.name, [made]), sink.flush().files)


def urls(directory: Path, paths: list[str]) -> list[str]:
    return sorted(url for path in paths for url in pq.read_table(directory / path)["request_url"].to_pylist())


@pytest.fixture
def merged(tmp_path: Path, clock: StillClock) -> Path:
    with open_store(tmp_path, clock) as store:
        for number, key in enumerate(ITEMS):
            deliver(store, key, number)
    compact(tmp_path, clock)
    with open_store(tmp_path, clock) as store:
        for number, key in enumerate(("e", "f"), len(ITEMS)):
            deliver(store, key, number)
    compact(tmp_path, clock)  # merged files are merged again
    return tmp_path


@pytest.mark.parametrize("key", [*ITEMS, "e", "f"])
def test_an_items_records_get_files_of_their_own(merged: Path, clock: StillClock, key: str) -> None:
    with open_store(merged, clock) as store:
        sink = store.sink().name
        everything = urls(merged, [file.path for file in store.state.catalog.files()])
        before = store.state.catalog.files_of(item(key).identity, sink)
        isolate(store, item(key).identity, sink)
        files = store.state.catalog.files_of(item(key).identity, sink)
        number = [*ITEMS, "e", "f"].index(key)
        assert [file.rows for file in files] == [2, 1]
        own = urls(merged, [file.path for file in files])
        assert [url.partition("/search/")[2].partition("?")[0] for url in own] == [
            f"{number}{each}".lstrip("0") or "0" for each in range(3)
        ]
        assert urls(merged, [file.path for file in store.state.catalog.files()]) == everything
        assert not {file.path for file in before} & {file.path for file in files}
        isolate(store, item(key).identity, sink)
        assert store.state.catalog.files_of(item(key).identity, sink) == files
    assert check(merged, clock) == []


def test_all_of_them_one_after_the_other_and_together_again(merged: Path, clock: StillClock) -> None:
    with open_store(merged, clock) as store:
        for key in ITEMS:
            isolate(store, item(key).identity, store.sink().name)
    assert check(merged, clock) == []
    assert compact(merged, clock).rows == 18
    assert check(merged, clock) == []


def test_one_that_is_alone_is_left_alone(tmp_path: Path, clock: StillClock) -> None:
    with open_store(tmp_path, clock) as store:
        deliver(store, "a", 0)
        before = list(store.state.catalog.files())
        isolate(store, item("a").identity, store.sink().name)
        assert list(store.state.catalog.files()) == before


def test_a_crash_before_the_list_changes_leaves_the_old_files(
    merged: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with open_store(merged, clock) as store:
        monkeypatch.setattr(type(store.state.catalog), "split", crash)
        with pytest.raises(KeyboardInterrupt):
            isolate(store, item("b").identity, store.sink().name)
    open_store(merged, clock).close()
    assert check(merged, clock) == []
    left = [path.name for path in (merged / "data").rglob(f"{item('b').identity.digest}-*.parquet")]
    assert [name for name in left if len(name) > len("0123456789abcdef-0.parquet")] == []
