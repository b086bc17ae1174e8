"""Sinks that see records through a view have them through it also when they are replayed."""

from __future__ import annotations

from pathlib import Path

import pytest

from making import StillClock, alb, clb
from replaying import DOWN, NOTHING, Gate, World, refusing
from tailrace.model import Condition, Item, Totals, View
from tailrace.sources.files import Files
from tailrace.transforms import Seen

DAY = "2026-09-23"
FIRST = View(exclude=((Condition("request_url", "~", "/search/1"),),))
NO_ALB = View(formats=("clb",))


@pytest.fixture
def world(tmp_path: Path, clock: StillClock) -> World:
    return World(tmp_path / "store", clock, [Gate()])


def file(tmp_path: Path, content: bytes) -> Item:
    path = tmp_path / "a.log"
    path.write_bytes(content)
    return next(Files([str(path)]).items())


def seen(world: World, view: View) -> tuple[Gate, str]:
    gate = Gate("other")
    sink = Seen(gate, view)
    world.sinks.append(sink)  # type: ignore[arg-type]
    return gate, sink.name


@pytest.mark.parametrize("down", [False, True])
def test_a_record_that_a_filter_keeps_out_is_counted_so(world: World, tmp_path: Path, *, down: bool) -> None:
    other, name = seen(world, FIRST)
    formats, routed = seen(world, NO_ALB)
    content = alb(DAY, 1) + alb(DAY, 2) + clb(DAY)
    of = world.ship(file(tmp_path, content), NOTHING)
    other.error = DOWN if down else None
    assert world.replay().gone == 3 - 2 * down
    world.check()
    if down:
        other.error = None
        assert world.replay().gone == 2
    at_once = World(tmp_path / "at-once", world.clock, world.sinks)
    at_once.ship(of)
    for sink in ("gate", name, routed):
        receipt, expected = world.receipt(of, sink), at_once.receipt(of, sink)
        assert (receipt.totals, receipt.filtered, receipt.nowhere) == (
            expected.totals, expected.filtered, expected.nowhere,
        )  # fmt: skip
    assert (world.receipt(of, name).filtered, world.receipt(of, routed).nowhere) == (1, 2)
    assert [len(gate.kept) for gate in (other, formats)] == [4, 2]
    world.check()


def test_what_is_not_for_the_sink_that_is_named_stays(world: World) -> None:
    world.sinks[0].refuses = refusing("mapping", "mapping")
    of = world.ship(alb(DAY, 1) + alb(DAY, 2))
    other = Gate("other")
    done = world.replay(to=[Seen(other, FIRST)], elsewhere=True)
    assert (done.gone, done.stayed) == (1, {"by its filter it is not for that sink": 1})
    assert world.receipt(of).totals == Totals(1, 0, 0, 1)
    assert len(other.kept) == 1
    world.check()


def test_what_a_sink_was_not_shown_is_read_from_the_object(world: World, tmp_path: Path) -> None:
    gate, name = seen(world, View(redact=(("client_ip", "hash"),), key=b"k"))
    gate.refuses = refusing("too_old")
    of = world.ship(file(tmp_path, alb(DAY, 1)))
    (letter,) = world.letters
    assert (letter.sink, letter.payload == alb(DAY, 1).rstrip()) == (name, False)
    away = Path(of.identity.key).rename(tmp_path / "away")
    assert list(world.replay().stayed) == [f"{of.identity.key} does not exist any more"]
    away.rename(of.identity.key)
    assert world.replay().gone == 1
    at_once = World(tmp_path / "at-once", world.clock, [])
    shown, _name = seen(at_once, View(redact=(("client_ip", "hash"),), key=b"k"))
    at_once.ship(of)
    assert gate.kept == shown.kept
    assert "client_ip" in gate.kept[0]
    world.check()
