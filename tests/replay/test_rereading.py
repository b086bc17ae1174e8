"""By reference: the very bytes of the very version of an object, or the letter stays and says why."""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from making import StillClock, alb, clb
from replaying import NOTHING, Gate, World, ids_of, refusing
from tailrace.deadletters import DeadFolder
from tailrace.letters import of_reject
from tailrace.model import Identity, Item, Refusal, Reject
from tailrace.replay.rereading import Rereading
from tailrace.sources.files import Files

DAY = "2026-09-23"


@pytest.fixture
def world(tmp_path: Path, clock: StillClock) -> World:
    return World(tmp_path / "store", clock, [Gate()])


def file(tmp_path: Path, content: bytes, name: str = "a.log.gz") -> Item:
    path = tmp_path / name
    path.write_bytes(content)
    return next(Files([str(path)]).items())


def long(number: int = 0) -> bytes:
    """A line of more than the 64 KiB that are kept of a reject."""
    return alb(DAY, number).replace(b"/search/", b"/search/" + b"x" * 100_000)


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_lines_that_are_not_kept_whole_are_read_again(
    world: World, tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    content = alb(DAY, 1) + long(2) + b"junk\n" * 1000 + long(3) + long(4)
    of = world.ship(file(tmp_path, pack(content)), NOTHING)
    done = world.replay()
    assert (done.gone, done.stayed) == (4, {"it is still no record": 1000})
    assert world.sinks[0].ids == ids_of(world, [of])
    world.check()


def test_every_line_is_read_again_where_it_is_asked_for(world: World, tmp_path: Path) -> None:
    world.sinks[0].refuses = refusing("too_old", "too_old")
    of = world.ship(file(tmp_path, b"junk\n" + alb(DAY, 1) + alb(DAY, 2)))
    path = Path(of.identity.key)
    moved = path.rename(path.with_name("away"))
    done = world.replay(by_reference=True)
    assert done.stayed == {f"{path} does not exist any more": 3}
    moved.rename(path)
    assert world.replay(by_reference=True).gone == 2
    assert world.sinks[0].ids == ids_of(world, [of])
    world.check()


def test_what_was_redacted_is_read_from_its_object(world: World, tmp_path: Path) -> None:
    of = world.ship(file(tmp_path, alb(DAY, 1)), NOTHING)
    (path,) = (world.folder / "dead").iterdir()
    path.write_bytes(path.read_bytes().replace(b"example.com", b"*******.com"))
    assert not world.letters[0].is_whole
    assert world.replay().gone == 1
    assert world.sinks[0].ids == ids_of(world, [of])


def test_a_refusal_that_does_not_hold_the_line_is_read_from_its_object(world: World, tmp_path: Path) -> None:
    content = alb(DAY, 1) + clb(DAY).replace(b'" "', b'" "Agent\nof two lines ', 1) + alb(DAY, 2)
    of = file(tmp_path, content)
    at_once = World(tmp_path / "other", world.clock, [Gate()])
    at_once.ship(of)
    dead = DeadFolder(world.folder)
    offsets = [0, len(alb(DAY, 1)), len(content) - len(alb(DAY, 2))]
    dead.refuse(of, "gate", [Refusal(offset, "mapping", b'{"time":"x"}') for offset in offsets], 0)
    dead.flush()
    assert world.replay().gone == 3
    assert world.sinks[0].kept == at_once.sinks[0].kept


def test_carriage_returns_within_a_record_do_not_shift_ids(world: World, tmp_path: Path) -> None:
    content = (alb(DAY, 1) + alb(DAY, 2)).replace(b"\n", b"\r\n")
    of = file(tmp_path, content)
    joined = content.replace(b"\r\n", b"\n").removesuffix(b"\n")
    whole = content.removesuffix(b"\r\n")
    dead = DeadFolder(world.folder)
    dead.write(of, [_reject(joined)], 0)
    dead.flush()
    (why,) = world.replay().stayed
    assert why == f"what stands in {of.identity.name} at 0 is not what the letter was written of"
    (path,) = (world.folder / "dead").iterdir()
    path.unlink()
    dead.write(of, [_reject(whole)], 0)
    dead.flush()
    assert world.replay().gone == 1
    assert world.sinks[0].ids == ids_of(world, [of])


def _reject(payload: bytes) -> Reject:
    return Reject(0, 2, "unclosed_quote", payload, len(payload), hashlib.sha256(payload).hexdigest())


@dataclass(frozen=True)
class Spoiled:
    """Something that happens to a file, and what is told of it."""

    how: Callable[[Path], object]
    told: str


@pytest.mark.parametrize(
    "spoiled",
    [
        Spoiled(Path.unlink, "{path} does not exist any more"),
        Spoiled(lambda path: path.write_bytes(b"another"), "{path} was replaced by another file"),
        Spoiled(
            lambda path: path.write_bytes(path.read_bytes()[:1500] + b"?" * 200_000),
            "what stands in {path} at {at} is not what the letter was written of",
        ),
        Spoiled(lambda path: path.write_bytes(path.read_bytes()[:1500]), "what stands in {path} at {at} is not"),
    ],
    ids=["gone", "replaced", "changed", "cut"],
)
def test_an_object_that_is_another_one_now_is_told(world: World, tmp_path: Path, spoiled: Spoiled) -> None:
    of = world.ship(file(tmp_path, alb(DAY, 1) + long(2) + long(3)), NOTHING)
    path = Path(of.identity.key)
    spoiled.how(path)
    done = world.replay()
    assert done.gone == 1
    told = spoiled.told.format(path=path, at=len(alb(DAY, 1)))
    assert any(told in why for why in done.stayed), done.stayed
    assert len(world.letters) == 2
    world.check()


def test_compressed_content_that_breaks_now_is_told(world: World, tmp_path: Path) -> None:
    content = gzip.compress(long(2), 0)
    of = world.ship(file(tmp_path, content), NOTHING)
    Path(of.identity.key).write_bytes(content[:50_000])
    (why,) = world.replay().stayed
    assert why == "it cannot be decompressed any more: the gzip data ends before its end"


def test_what_cannot_be_read_twice_is_told(world: World) -> None:
    dead = DeadFolder(world.folder)
    of = Item(Identity("stdin", "", "", ""), io.BytesIO, None, 0.0)
    dead.write(
        of, [Reject(0, 1, "no_match", b"x", 70_000, "0" * 64), Reject(1, 1, "line_too_long", b"x", 2 << 20, "")], 0
    )
    dead.flush()
    assert set(world.replay().stayed) == {"what came from stdin cannot be read again", "2,097,152 bytes are no line"}


def test_going_back_opens_the_object_anew(world: World, tmp_path: Path) -> None:
    content = b"".join(b"%09d\n" % number for number in range(200_000))
    of = file(tmp_path, gzip.compress(content))
    again = Rereading(world.given())
    for offset in (1_999_990, 0, 0, 10, 1_000_000, 5):
        piece = content[offset : offset + 9]
        reject = _reject(piece)
        letter = of_reject(of.identity, replace(reject, offset=offset))
        assert again.content(letter) == piece
        assert next(iter(again.lines(letter))) == content[offset:].split(b"\n", 1)[0] + b"\n"
    again.close()
    again.close()
