"""Letters in a bucket, when the replay is cut off between what it has delivered and what it has put back."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from breaking import client_of
from cloud import cloud
from making import StillClock, alb
from replaying import Gate, World, ids_of, refusing, stored
from tailrace.deadletters import encode_refusal
from tailrace.errors import Fatal, SourceError
from tailrace.model import Item, Refusal, Totals
from tailrace.replay.pages import Objects
from tailrace.store import journal

DAY = "2026-09-23"
KEY = "dead/1.ndjson"
_numbers = itertools.count()


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with cloud() as endpoint, closing(client_of(endpoint)) as made:
        yield made


@pytest.fixture
def bucket(client: Any) -> str:
    name = f"pages-of-letters-{next(_numbers)}"
    client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def world(tmp_path: Path, clock: StillClock) -> World:
    return World(tmp_path, clock, [Gate()])


def filled(world: World, client: Any, bucket: str, *, also: bytes = b"") -> Item:
    """An object of which a record was refused, the letter in the bucket."""
    world.sinks[0].refuses = refusing("too_old")
    of = world.ship(alb(DAY, 1) + alb(DAY, 2))
    (path,) = (world.folder / "dead").iterdir()
    client.put_object(Bucket=bucket, Key=KEY, Body=path.read_bytes() + also)
    path.unlink()
    return of


def keys(client: Any, bucket: str) -> list[str]:
    return [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket).get("Contents", ())]


@pytest.mark.parametrize("kept", [False, True])
def test_what_could_not_be_put_back_is_put_back_by_the_next_replay(
    world: World, client: Any, bucket: str, monkeypatch: pytest.MonkeyPatch, *, kept: bool
) -> None:
    other = encode_refusal(stored(b"").identity, "another", Refusal(0, "old", alb(DAY).rstrip()))
    of = filled(world, client, bucket, also=other if kept else b"")
    place = f"s3://{bucket}/dead"

    def refuse(*_: object) -> bool:
        raise SourceError("it cannot be replaced")

    with monkeypatch.context() as patch:
        patch.setattr(Objects, "put", refuse)
        with pytest.raises(Fatal, match="it cannot be replaced"):
            world.replay(place, client=lambda _: client)
    assert world.receipt(of).totals == Totals(2, 2)
    assert keys(client, bucket) == [KEY]
    journal.finish(world.folder, world.state)  # as whoever opens the store next: it has no bucket at hand
    left = journal.read(world.folder)
    assert left is not None
    assert left.remote is not None
    client.put_object(Bucket=bucket, Key="dead/2.ndjson", Body=other)
    done = world.replay(place, client=lambda _: client)
    assert (done.gone, done.letters) == (0, 1 + kept)
    assert keys(client, bucket) == [KEY, "dead/2.ndjson"][not kept :]
    assert sorted(world.sinks[0].ids) == ids_of(world, [of])
    assert not (world.folder / journal.KEPT).exists()


def test_an_object_that_was_replaced_meanwhile_stays_as_it_is(
    world: World, client: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(world, client, bucket)
    put = Objects.put

    def late(*told: Any) -> bool:
        client.put_object(Bucket=bucket, Key=KEY, Body=b"something new\n")
        return put(*told)

    monkeypatch.setattr(Objects, "put", late)
    done = world.replay(f"s3://{bucket}/dead", client=lambda _: client)
    assert done.errors == [f"{bucket}/{KEY} was replaced while it was replayed"]
    assert client.get_object(Bucket=bucket, Key=KEY)["Body"].read() == b"something new\n"


def test_a_bucket_that_refuses_is_told(world: World, client: Any, bucket: str) -> None:
    of = filled(world, client, bucket)

    class Refusing:
        meta = client.meta

        def __getattr__(self, name: str) -> Any:
            return getattr(client, name)

        def head_object(self, **_: Any) -> Any:
            return client.get_object(Bucket="no-such-bucket-here", Key="x")

    with pytest.raises(Fatal, match="there is no bucket"):
        world.replay(f"s3://{bucket}/dead", client=lambda _: Refusing())
    assert world.receipt(of).totals == Totals(2, 1, 0, 1)
    assert keys(client, bucket) == [KEY]
