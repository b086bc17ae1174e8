"""What every state promises."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud import served
from making import StillClock
from tailrace.errors import Fatal
from tailrace.model import Counts, Identity, StoredFile, Totals
from tailrace.ports import State
from tailrace.receipts import Receipt, Tail
from tailrace.state.dynamodb import DynamodbState, definition
from tailrace.state.memory import MemoryState
from tailrace.state.sqlite import SqliteState

ITEM = Identity("s3", "bucket", "a/b.log.gz", "e1")
OTHER = Identity("s3", "bucket", "a/c.log.gz", "e1")
SINK = "store:/tmp/x"


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[Any]:
    """A client of a real server."""
    with served("dynamodb") as client:
        yield client


def _made(kind: str, request: pytest.FixtureRequest, clock: StillClock) -> State:
    match kind:
        case "memory":
            return MemoryState(clock)
        case "sqlite":
            return SqliteState.open(request.getfixturevalue("tmp_path"), read_only=False, clock=clock)
    client = request.getfixturevalue("dynamodb")
    return DynamodbState.open(_table(client), client, clock)


def _table(client: Any) -> str:
    name = f"receipts-{uuid4()}"
    client.create_table(**definition(name))
    return name


@pytest.fixture(params=["memory", "sqlite", "dynamodb"])
def state(request: pytest.FixtureRequest, clock: StillClock) -> Iterator[State]:
    made = _made(request.param, request, clock)
    yield made
    made.close()


@pytest.fixture(params=["memory", "sqlite"])
def local(request: pytest.FixtureRequest, clock: StillClock) -> Iterator[State]:
    """A state that can list the files of a local store."""
    made = _made(request.param, request, clock)
    yield made
    made.close()


def listed(state: State) -> dict[str, int]:
    """The files that count, and their rows."""
    assert isinstance(state, MemoryState | SqliteState)
    files = state.files() if isinstance(state, MemoryState) else state.catalog.files()
    return {file.path: file.rows for file in files}


def receipt(item: Identity = ITEM, sink: str = SINK, *, finished: float = 1.0, accepted: int = 0) -> Receipt:
    return Receipt(
        item=item, sink=sink, state="complete", finished=finished, totals=Totals(routed=accepted, accepted=accepted)
    )


def file(path: str, rows: int = 1) -> StoredFile:
    return StoredFile(path, "alb", "2026-09-23", rows, 1000)


def test_there_is_no_receipt_before_the_commit_and_one_after_it(state: State) -> None:
    assert state.receipts_of(ITEM).get(SINK) is None
    state.commit(receipt(), [])
    assert state.receipts_of(ITEM).get(SINK) == receipt()


def test_a_receipt_is_of_one_item_and_one_sink(state: State) -> None:
    state.commit(receipt(accepted=3), [])
    assert state.receipts_of(OTHER).get(SINK) is None
    assert state.receipts_of(Identity("s3", "bucket", "a/b.log.gz", "e2")).get(SINK) is None
    assert state.receipts_of(ITEM).get("stdout") is None
    state.commit(receipt(sink="stdout"), [])
    assert state.receipts_of(ITEM).get(SINK) == receipt(accepted=3)
    assert len(list(state.receipts())) == 2


def test_a_later_commit_replaces_the_receipt(state: State) -> None:
    state.commit(receipt(accepted=3), [])
    state.commit(receipt(accepted=5, finished=2.0), [])
    assert list(state.receipts()) == [receipt(accepted=5, finished=2.0)]


COUNT = st.integers(0, 2**62 - 1)  # the sum of two is a number that SQLite can hold
NAME = st.text(st.characters(exclude_categories=["Cs"])) | st.binary().map(
    lambda b: b.decode("utf-8", "surrogateescape")
)
SECONDS = st.just(0.0) | st.floats(1e-6, 1e10)  # no clock is finer, and DynamoDB knows no numbers below 1e-130
COUNTS = st.builds(Counts, *[COUNT] * 11)
TOTALS = st.builds(Totals, *[COUNT] * 4)
TAILS = st.builds(Tail, counts=COUNTS, totals=TOTALS, dead_rejects=COUNT, files=st.lists(st.text("ab/")).map(tuple))
RECEIPTS = st.builds(
    Receipt, item=st.builds(Identity, NAME, NAME, NAME, NAME), sink=NAME,
    state=st.sampled_from(["partial", "complete", "gone"]), offset=COUNT, parts=COUNT, size=st.none() | COUNT,
    counts=COUNTS, totals=TOTALS, filtered=COUNT, nowhere=COUNT, dead_rejects=COUNT, truncated=NAME,
    unconfirmed=st.booleans(), tail=st.none() | TAILS, started=SECONDS, finished=SECONDS,
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=RECEIPTS)
def test_every_field_of_a_receipt_comes_back(local: State, made: Receipt) -> None:
    _comes_back(local, made)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=RECEIPTS)
def test_every_field_of_a_receipt_comes_back_from_afar(dynamodb: Any, made: Receipt, clock: StillClock) -> None:
    _comes_back(DynamodbState.open(_table(dynamodb), dynamodb, clock), made)


def _comes_back(state: State, made: Receipt) -> None:
    state.commit(made, [])
    assert state.receipts_of(made.item).get(made.sink) == made
    assert made in list(state.receipts())
    assert made.item.etag in state.etags(made.item.kind, made.item.container, made.item.key)


def test_receipts_come_oldest_first(state: State) -> None:
    for number, finished in enumerate([5.0, 1.0, 3.0, 3.0]):
        state.commit(receipt(Identity("s3", "b", str(number), ""), finished=finished), [])
    assert [found.item.key for found in state.receipts()] == ["1", "2", "3", "0"]


def test_receipts_may_be_committed_while_they_are_listed(state: State) -> None:
    for number in range(10):
        state.commit(receipt(Identity("s3", "b", str(number), "")), [])
    seen = []
    for found in state.receipts():
        seen.append(found.item.key)
        state.commit(receipt(found.item, finished=2.0), [])
    assert seen == [str(number) for number in range(10)]


def test_etags_are_those_of_the_object_the_latest_first(state: State) -> None:
    for etag, finished in (("e2", 2.0), ("e9", 9.0), ("e1", 1.0)):
        state.commit(receipt(Identity("s3", "b", "k", etag), finished=finished), [])
        state.commit(receipt(Identity("s3", "b", "other", f"x{etag}"), finished=finished), [])
    state.commit(receipt(Identity("s3", "b", "k", "e9"), "stdout", finished=9.5), [])
    assert list(state.etags("s3", "b", "k")) == ["e9", "e2", "e1"]
    assert list(state.etags("file", "b", "k")) == []


def test_a_commit_lists_its_files_and_drops_those_it_replaces(local: State) -> None:
    local.commit(receipt(accepted=5), [file("data/1", 2), file("data/2", 3)])
    assert listed(local) == {"data/1": 2, "data/2": 3}
    local.commit(receipt(accepted=6), [file("data/3", 4)], ["data/1"])
    assert listed(local) == {"data/2": 3, "data/3": 4}


def test_a_file_written_again_counts_once(local: State) -> None:
    local.commit(receipt(accepted=2), [file("data/1", 2)])
    local.commit(receipt(accepted=3), [file("data/1", 3)])
    assert listed(local) == {"data/1": 3}


def test_a_replaced_file_may_come_again_in_the_same_commit(local: State) -> None:
    local.commit(receipt(accepted=2), [file("data/1", 2)])
    local.commit(receipt(accepted=3), [file("data/1", 3)], ["data/1"])
    assert listed(local) == {"data/1": 3}


def test_replacing_what_is_not_listed_any_more_changes_nothing(local: State) -> None:
    local.commit(receipt(accepted=2), [file("data/1", 2)], ["data/0"])
    assert listed(local) == {"data/1": 2}


@pytest.mark.parametrize(("files", "replaced"), [(["data/2", "data/1"], []), (["data/2"], ["data/1"])])
def test_a_commit_that_touches_another_items_file_changes_nothing(
    local: State, files: list[str], replaced: list[str]
) -> None:
    local.commit(receipt(accepted=2), [file("data/1", 2)])
    with pytest.raises(Fatal, match=r"data/1.*object"):
        local.commit(receipt(OTHER, accepted=7), [file(path, 7) for path in files], replaced)
    assert listed(local) == {"data/1": 2}
    assert list(local.receipts()) == [receipt(accepted=2)]


def test_a_lease_keeps_others_away_until_it_is_given_back(state: State) -> None:
    assert state.claim(ITEM, "one", 60)
    assert not state.claim(ITEM, "two", 60)
    assert state.claim(OTHER, "two", 60)
    state.release(ITEM, "one")
    assert state.claim(ITEM, "two", 60)


def test_only_the_owner_gives_a_lease_back(state: State) -> None:
    state.claim(ITEM, "one", 60)
    state.release(ITEM, "two")
    assert not state.claim(ITEM, "two", 60)


def test_a_lease_expires(state: State, clock: StillClock) -> None:
    state.claim(ITEM, "one", 60)
    clock.sleep(59)
    assert not state.claim(ITEM, "two", 60)
    clock.sleep(1)
    assert state.claim(ITEM, "two", 60)
    assert not state.claim(ITEM, "one", 60)


def test_the_owner_may_extend_its_lease(state: State, clock: StillClock) -> None:
    state.claim(ITEM, "one", 60)
    clock.sleep(30)
    assert state.claim(ITEM, "one", 60)
    clock.sleep(59)
    assert not state.claim(ITEM, "two", 60)


def test_of_many_threads_one_gets_the_lease(state: State) -> None:
    barrier = Barrier(8)

    def claim(owner: int) -> bool:
        barrier.wait()
        return state.claim(ITEM, str(owner), 60)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(8))) == 1


def test_many_threads_commit_and_read_at_once(state: State) -> None:
    far = isinstance(state, DynamodbState)
    rounds = 4 if far else 25

    def work(worker: int) -> None:
        for number in range(rounds):
            item = Identity("s3", "b", f"{worker}/{number}", "")
            assert state.claim(item, str(worker), 60)
            state.commit(receipt(item, accepted=number), [] if far else [file(f"data/{worker}/{number}", number)])
            assert state.receipts_of(item).get(SINK) == receipt(item, accepted=number)
            state.release(item, str(worker))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(list(state.receipts())) == 8 * rounds
    assert far or sum(listed(state).values()) == 8 * sum(range(rounds))


def test_it_may_be_closed_twice(state: State) -> None:
    state.commit(receipt(), [])
    state.close()
    state.close()
