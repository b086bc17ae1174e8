"""The database file: durable, guarded, written by one thread."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread

import pytest

from making import StillClock, item, receipt, small_disk
from tailrace.errors import Fatal, UsageError
from tailrace.model import StoredFile
from tailrace.receipts import FILE
from tailrace.state.sqlite import SqliteState

SINK = "store:/s"


@pytest.fixture
def state(tmp_path: Path, clock: StillClock) -> Iterator[SqliteState]:
    made = SqliteState.open(tmp_path / "s", read_only=False, clock=clock)
    yield made
    made.close()


def reader(directory: Path) -> SqliteState:
    return SqliteState.open(directory, read_only=True, clock=StillClock())


def test_what_was_committed_is_there_after_reopening(tmp_path: Path, clock: StillClock, state: SqliteState) -> None:
    state.commit(receipt(item(), SINK), [])
    state.close()
    again = SqliteState.open(tmp_path / "s", read_only=False, clock=clock)
    assert again.receipts_of(item().identity).get(SINK) == receipt(item(), SINK)
    again.close()


def test_reading_where_there_is_no_store_says_what_to_do_and_makes_nothing(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(UsageError, match=f"no store at {folder}: run `tailrace ship ... --store {folder}` first"):
            reader(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_was_never_finished_is_no_store(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    with pytest.raises(UsageError, match="no store at"):
        reader(tmp_path)


def test_a_reader_sees_what_the_writer_commits(tmp_path: Path, state: SqliteState) -> None:
    other = reader(tmp_path / "s")
    assert list(other.receipts()) == []
    state.commit(receipt(item(), SINK), [])
    assert list(other.receipts()) == [receipt(item(), SINK)]
    other.close()


def test_a_reader_cannot_write(tmp_path: Path, state: SqliteState) -> None:
    state.commit(receipt(item(), SINK), [])
    other = reader(tmp_path / "s")
    with pytest.raises(ValueError, match="reading only"):
        other.commit(receipt(item(), SINK), [])
    with pytest.raises(ValueError, match="reading only"):
        other.catalog.prune_days("2026-01-01")
    other.close()


@pytest.mark.parametrize("read_only", [True, False])
def test_a_newer_schema_is_refused(tmp_path: Path, state: SqliteState, *, read_only: bool) -> None:
    state.close()
    connection = sqlite3.connect(tmp_path / "s" / FILE)
    connection.execute("PRAGMA user_version=2")
    connection.close()
    with pytest.raises(UsageError, match=r"written by a newer Tailrace: its schema is 2, this one knows 1; upgrade"):
        SqliteState.open(tmp_path / "s", read_only=read_only, clock=StillClock())


@pytest.mark.parametrize("read_only", [True, False])
def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path, *, read_only: bool) -> None:
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(UsageError, match="not made by Tailrace"):
        SqliteState.open(tmp_path, read_only=read_only, clock=StillClock())
    assert (tmp_path / FILE).read_bytes() == before


@pytest.mark.parametrize("read_only", [True, False])
def test_a_damaged_file_is_told_in_one_sentence(tmp_path: Path, *, read_only: bool) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all" * 1000)
    with pytest.raises(Fatal, match=rf"{FILE}: it is no database; restore it"):
        SqliteState.open(tmp_path, read_only=read_only, clock=StillClock())


def test_a_folder_that_cannot_be_made_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Fatal, match=r"file/store: Not a directory; choose another folder"):
        SqliteState.open(tmp_path / "file" / "store", read_only=False, clock=StillClock())


def test_a_commit_is_synced_and_a_lease_is_not(state: SqliteState) -> None:
    def level(connection: sqlite3.Connection) -> int:
        found: int = connection.execute("PRAGMA synchronous").fetchone()[0]
        return found

    assert state._writing.apply(level) == 2
    assert state._writing.apply(level, durable=False) == 1
    assert state._writing.apply(level) == 2
    with state._readers.connection() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_a_reader_works_on_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        made = SqliteState.open(disk, read_only=False, clock=StillClock())
        made.commit(receipt(item(), SINK), [])
        made.close()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        other = reader(disk)
        assert list(other.receipts()) == [receipt(item(), SINK)]
        other.close()


def test_a_full_disk_is_fatal_and_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        made = SqliteState.open(disk, read_only=False, clock=StillClock())
        committed = []

        def fill() -> None:
            for number in range(10_000):
                made.commit(receipt(item("x" * 10_000, str(number)), SINK), [])
                committed.append(str(number))

        with pytest.raises(Fatal, match=r"the disk is full; make room"):
            fill()
        assert committed
        found = [kept.item.etag for kept in made.receipts()]
        made.close()
        again = SqliteState.open(disk, read_only=True, clock=StillClock())
        assert [kept.item.etag for kept in again.receipts()] == found == committed
        again.close()


def test_a_change_that_fails_takes_no_other_along(state: SqliteState) -> None:
    """All of them wait behind one change, so that they share a transaction."""
    begun, go = Event(), Event()

    def slow(_connection: sqlite3.Connection) -> None:
        begun.set()
        go.wait(10)

    def bad(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM receipts")
        connection.execute("INSERT INTO no_such_table VALUES (1)")

    transactions: list[str] = []
    state._writer._connection.set_trace_callback(transactions.append)  # type: ignore[union-attr]
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(state._writing.apply, slow)
        begun.wait(10)
        waiting: list[Future[None]] = []
        for number in range(6):
            change = bad if number == 3 else None
            waiting.append(
                pool.submit(state._writing.apply, change)
                if change
                else pool.submit(state.commit, receipt(item(str(number)), SINK), [])
            )
        while state._writing._jobs.qsize() < 6:
            pass
        go.set()
        first.result()
    errors = [future.exception() for future in waiting]
    assert [type(error) for error in errors] == [type(None)] * 3 + [Fatal] + [type(None)] * 2
    assert sorted(found.item.key for found in state.receipts()) == ["0", "1", "2", "4", "5"]
    assert transactions.count("COMMIT") == 2


def test_what_waits_when_the_state_is_closed_is_still_committed(tmp_path: Path, state: SqliteState) -> None:
    begun, go = Event(), Event()

    def slow(_connection: sqlite3.Connection) -> None:
        begun.set()
        go.wait(10)

    threads = [
        Thread(target=state._writing.apply, args=(slow,)),
        Thread(target=state.commit, args=(receipt(item(), SINK), [])),
    ]
    for number, thread in enumerate(threads):
        thread.start()
        begun.wait(10)
        while number and state._writing._jobs.qsize() < 1:
            pass
    closing = Thread(target=state.close)
    closing.start()
    go.set()
    for thread in (*threads, closing):
        thread.join(10)
    other = reader(tmp_path / "s")
    assert list(other.receipts()) == [receipt(item(), SINK)]
    other.close()


def test_after_the_close_nothing_is_taken(state: SqliteState) -> None:
    state.close()
    with pytest.raises(ValueError, match="closed"):
        state.commit(receipt(item(), SINK), [])
    with pytest.raises(ValueError, match="closed"):
        state.receipts_of(item().identity).get(SINK)


def test_a_kill_loses_no_commit(tmp_path: Path) -> None:
    """The process dies by SIGKILL in the middle of its commits; what it had told is there."""
    script = textwrap.dedent(f"""
        import os
        from pathlib import Path
        from making import StillClock, item, receipt
        from tailrace.state.sqlite import SqliteState
        state = SqliteState.open(Path({str(tmp_path)!r}), read_only=False, clock=StillClock())
        for number in range(100_000):
            state.commit(receipt(item(str(number)), "s"), [])
            os.write(1, b"%d\\n" % number)
    """)
    paths = [str(Path(__file__).parents[1]), *sys.path]
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    ) as process:
        assert process.stdout is not None
        for _ in range(40):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        told = 40 + process.stdout.read().count(b"\n")
    other = reader(tmp_path)
    found = [kept.item.key for kept in other.receipts()]
    other.close()
    assert len(found) in (told, told + 1)
    assert found == [str(number) for number in range(len(found))]


def test_old_receipts_are_pruned_unless_their_records_are_stored_or_still_to_come(state: SqliteState) -> None:
    def old(name: str, **changes: object) -> None:
        made = receipt(item(name), SINK, finished=10.0)
        values = {field: getattr(made, field) for field in made.__dataclass_fields__}
        files = [StoredFile("data/1", "alb", "2026-01-01", 0, 1)] if name == "stored" else []
        state.commit(type(made)(**(values | changes)), files)

    old("complete")
    old("gone", state="gone")
    old("partial", state="partial")
    old("stored")
    old("new", finished=20.0)
    assert state.prune_receipts(20.0) == 2
    assert sorted(found.item.key for found in state.receipts()) == ["new", "partial", "stored"]


def test_a_state_that_knows_it_is_alone_forgets_the_leases_of_the_dead(state: SqliteState) -> None:
    state.claim(item().identity, "dead", 1e9)
    state.clear_leases()
    assert state.claim(item().identity, "alive", 60)


def test_the_receipts_of_a_moved_store_follow_it(state: SqliteState) -> None:
    state.settle("store:/old")
    state.commit(receipt(item(), "store:/old"), [])
    state.commit(receipt(item(), "store:/old+0123abcd"), [])
    state.commit(receipt(item(), "store:/older"), [])
    state.commit(receipt(item(), "stdout"), [])
    state.settle("store:/new")
    moved = {"store:/new", "store:/new+0123abcd", "store:/older", "stdout"}
    assert state.receipts_of(item().identity).keys() == moved
    assert state.receipts_of(item().identity).get("store:/old") is None
    assert state.receipts_of(item().identity).get("store:/new") == receipt(item(), "store:/new")
    assert state.receipts_of(item().identity).get("stdout") == receipt(item(), "stdout")
    state.settle("store:/new")
    assert len(list(state.receipts())) == 4


def test_a_listing_that_is_given_up_halfway_holds_nothing_back(state: SqliteState) -> None:
    for number in range(10):
        state.commit(receipt(item(str(number)), SINK), [])
    for _ in range(5):
        listing = state.receipts()
        next(listing)
        listing.close()  # type: ignore[attr-defined]
    assert len(state._readers._all) == 1
