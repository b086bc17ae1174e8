"""One process writes a store at a time, and clears away what a crash has left; nothing else is ever deleted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from making import StillClock, alb, batch, item, receipt, small_disk
from tailrace.errors import Fatal, UsageError
from tailrace.model import Item
from tailrace.state.sqlite import SqliteState
from tailrace.store.check import check
from tailrace.store.opening import GRACE_S, Store, open_store

DAY = "2026-09-23"


def deliver(store: Store, of: Item, content: bytes, part: int = 0, replaced: tuple[str, ...] = ()) -> str:
    """Store the content of an item; the path of its file."""
    sink = store.sink()
    made = batch(content, of)
    sink.write(of, made, part)
    (file,) = sink.flush().files
    store.state.commit(receipt(of, sink.name, [made]), [file], replaced)
    return file.path


def test_a_new_store_can_be_written_and_read(tmp_path: Path, clock: StillClock) -> None:
    with open_store(tmp_path / "a" / "store", clock) as store:
        path = deliver(store, item(), alb(DAY) + b"junk\n")
        dead = store.dead_letters()
        dead.write(item(), batch(alb(DAY) + b"junk\n").rejects, 0)
        dead.flush()
    directory = tmp_path / "a" / "store"
    assert {found.name for found in directory.iterdir()} == {"data", "dead", "lock", "receipts.sqlite", "tmp"}
    assert (directory / path).is_file()
    assert check(directory, clock) == []


def test_records_without_the_receipts_that_list_them_are_not_removed(tmp_path: Path, clock: StillClock) -> None:
    with open_store(tmp_path, clock) as store:
        path = deliver(store, item(), alb(DAY))
    (tmp_path / "receipts.sqlite").write_bytes(b"")
    with pytest.raises(UsageError, match=r"holds records, but receipts\.sqlite is empty; restore it"):
        open_store(tmp_path, clock)
    assert (tmp_path / path).is_file()


def test_a_second_writer_is_told_which_folder_is_taken(tmp_path: Path, clock: StillClock) -> None:
    taken = f"another tailrace process is writing to {tmp_path}; wait until it ends, or use another --store"
    with open_store(tmp_path, clock) as store:
        with pytest.raises(UsageError, match=taken):
            open_store(tmp_path, clock)
        deliver(store, item(), alb(DAY))
    open_store(tmp_path, clock).close()


def test_the_lock_is_between_processes_and_ends_with_a_kill(tmp_path: Path, clock: StillClock) -> None:
    script = (
        "import sys, time; from pathlib import Path; from making import StillClock;"
        "from tailrace.store.opening import open_store;"
        "store = open_store(Path(sys.argv[1]), StillClock()); print('open', flush=True); time.sleep(60)"
    )
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths}
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(UsageError, match="another tailrace process"):
            open_store(tmp_path, clock)
        reader = SqliteState.open(tmp_path, read_only=True, clock=clock)
        assert list(reader.receipts()) == []
        reader.close()
        other.send_signal(signal.SIGKILL)
    open_store(tmp_path, clock).close()


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path: Path, clock: StillClock) -> None:
    for name in ("tmp", "data/format=alb/day=2026-09-23"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "precious.parquet").touch()
    with pytest.raises(UsageError, match=f"{tmp_path} is no store and not empty; choose a new or empty folder"):
        open_store(tmp_path, clock)
    assert len(list(tmp_path.rglob("precious.parquet"))) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"tmp", "data"}


def test_a_file_is_no_folder(tmp_path: Path, clock: StillClock) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file is a file; choose a folder"):
        open_store(tmp_path / "file", clock)
    with pytest.raises(Fatal, match="a part of this path is a file"):
        open_store(tmp_path / "file" / "store", clock)


def test_a_read_only_disk_is_told_in_one_sentence(tmp_path: Path, clock: StillClock) -> None:
    with small_disk(tmp_path / "disk") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(Fatal, match=f"cannot write to {disk}: the disk is mounted read-only"):
            open_store(disk, clock)


def test_a_failed_opening_holds_nothing(tmp_path: Path, clock: StillClock) -> None:
    (tmp_path / "receipts.sqlite").write_bytes(b"no database" * 1000)
    for _ in range(2):
        with pytest.raises(Fatal, match="it is no database"):
            open_store(tmp_path, clock)


def test_a_start_that_was_killed_early_does_not_lock_the_folder_out(tmp_path: Path, clock: StillClock) -> None:
    (tmp_path / "lock").touch()
    open_store(tmp_path, clock).close()


def test_what_a_crash_left_is_removed_and_nothing_else(tmp_path: Path, clock: StillClock) -> None:
    with open_store(tmp_path, clock) as store:
        listed = deliver(store, item(), alb(DAY))
        uncommitted = store.sink()
        uncommitted.write(item("b"), batch(alb(DAY) + alb("2026-01-01"), item("b")), 0)
        leftovers = [file.path for file in uncommitted.flush().files]
        store.state.claim(item("b").identity, "dead", 1e9)
    (tmp_path / "tmp" / "half.parquet").touch()
    (tmp_path / "tmp" / "theirs").mkdir()
    (tmp_path / "data" / "format=alb" / f"day={DAY}" / "notes.txt").touch()
    with open_store(tmp_path, clock) as store:
        assert store.state.claim(item("b").identity, "alive", 60)
    assert not any((tmp_path / path).exists() for path in leftovers)
    assert sorted(str(path.relative_to(tmp_path / "data")) for path in (tmp_path / "data").rglob("*")) == [
        "format=alb", f"format=alb/day={DAY}", listed.removeprefix("data/"), f"format=alb/day={DAY}/notes.txt",
    ]  # fmt: skip
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == ["theirs"]


def test_a_disk_that_a_crash_left_full_can_be_opened_again(tmp_path: Path, clock: StillClock) -> None:
    with small_disk(tmp_path / "disk") as disk:
        open_store(disk, clock).close()
        (disk / "tmp").mkdir()
        with suppress(OSError), (disk / "tmp" / "half.parquet").open("wb", buffering=0) as half:
            while True:
                half.write(bytes(512))
        with open_store(disk, clock) as store:
            deliver(store, item(), alb(DAY))
        assert check(disk, clock) == []


def test_what_was_replaced_stays_for_an_hour_for_queries_under_way(tmp_path: Path, clock: StillClock) -> None:
    with open_store(tmp_path, clock) as store:
        old = deliver(store, item(), alb(DAY))
        new = deliver(store, item(), alb(DAY) * 2, 1, (old,))
    clock.sleep(GRACE_S - 1)
    open_store(tmp_path, clock).close()
    assert (tmp_path / old).is_file()
    clock.sleep(1)
    open_store(tmp_path, clock).close()
    assert not (tmp_path / old).exists()
    assert (tmp_path / new).is_file()
    assert check(tmp_path, clock) == []


def test_the_receipts_follow_a_moved_store(tmp_path: Path, clock: StillClock) -> None:
    with open_store(tmp_path / "old", clock) as store:
        deliver(store, item(), alb(DAY))
    (tmp_path / "old").rename(tmp_path / "new")
    with open_store(tmp_path / "new", clock) as store:
        kept = store.state.receipts_of(item().identity).get(store.sink().name)
    assert kept is not None
    assert kept.sink == f"store:{tmp_path}/new"
    assert check(tmp_path / "new", clock) == []


def test_a_store_may_be_closed_twice(tmp_path: Path, clock: StillClock) -> None:
    store = open_store(tmp_path, clock)
    store.close()
    store.close()


def test_what_killed_queries_have_left_is_removed_and_that_of_living_ones_is_not(
    tmp_path: Path, clock: StillClock
) -> None:
    open_store(tmp_path, clock).close()
    left, living = tmp_path / "spill-999999999", tmp_path / f"spill-{os.getpid()}"
    for folder in (left, living):
        folder.mkdir()
        (folder / "part.tmp").write_bytes(b"x")
    open_store(tmp_path, clock).close()
    assert not left.exists()
    assert living.exists()
