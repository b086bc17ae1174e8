"""Every line is in one object, however the clock is set; no object is named as another."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from making import StillClock
from spooling import Ashore, Named, Timed
from tailrace.loadbalancer.agent.slots import is_open, last_slot, shortened, slot_at
from tailrace.loadbalancer.agent.spool import CLOSED, segments
from tailrace.loadbalancer.model import Slot

_NOON = 1_790_078_400.0


def test_slots_are_aligned_to_the_clock() -> None:
    assert slot_at(_NOON, 300) == Slot(_NOON, _NOON + 300)
    assert slot_at(_NOON + 299.9, 300) == Slot(_NOON, _NOON + 300)
    assert slot_at(_NOON + 300, 300).start == _NOON + 300
    assert slot_at(_NOON - 1, 3600).end == _NOON
    assert last_slot(_NOON + 1, 300) == Slot(_NOON - 300, _NOON)


def test_a_slot_bears_a_clock_that_is_set_back_a_little() -> None:
    slot = Slot(_NOON, _NOON + 300)
    assert is_open(slot, _NOON - 59)
    assert not is_open(slot, _NOON - 61)
    assert not is_open(slot, _NOON + 300)


def test_a_slot_ends_earlier_when_slots_become_shorter() -> None:
    assert shortened(Slot(_NOON, _NOON + 3600), _NOON + 1000, 300) == Slot(_NOON, _NOON + 1200)
    assert shortened(Slot(_NOON, _NOON + 300), _NOON + 100, 3600) == Slot(_NOON, _NOON + 300)


def test_nothing_logged_is_no_object(tmp_path: Path, clock: StillClock) -> None:
    agent = Ashore(tmp_path, clock)
    agent.log(b"a\n")
    for _ in range(5):
        agent.pass_time(300)
    assert agent.put() == [b"a"]
    assert len(agent.shelf.objects()) == 1


def test_each_slot_has_its_object(tmp_path: Path) -> None:
    clock = StillClock(_NOON + 10)
    agent = Ashore(tmp_path, clock)
    agent.log(b"a\n", b"b\n")
    agent.pass_time(200)
    agent.log(b"c\n")
    assert agent.put() == []
    agent.pass_time(90)
    agent.log(b"d\n")
    assert agent.put() == [b"a", b"b", b"c"]
    (key,) = agent.shelf.objects()
    assert key.startswith(f"{(_NOON + 300) * 1000:.0f}_")


_STEP = st.one_of(
    st.floats(0, 400),
    st.floats(-90, 0),
    st.sampled_from([-86400.0, 86400.0, -3600.0, 3600.0, -300.0, 300.0, -1e8, 1e8]),
)


@pytest.mark.parametrize("naming", [Named, Timed])
@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.tuples(_STEP, st.integers(0, 3), st.booleans()), max_size=25))
def test_clock_steps_lose_and_double_nothing(naming: type[Named], steps: list[tuple[float, int, bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        agent = Ashore(Path(folder), StillClock(_NOON + 100), naming=naming)
        sent = 0
        closed: dict[str, bytes] = {}
        for step, lines, puts in steps:
            agent.clock.time += step
            agent.log(*(b"%d\n" % number for number in range(sent, sent + lines)))
            agent.worker.tick()
            sent += lines
            for segment in segments(agent.spool, CLOSED):
                content = segment.path.read_bytes()
                assert closed.setdefault(segment.path.name, content) == content, "a closed segment has changed"
                assert segment.slot.start % 300 == 0
            if puts:
                agent.put()
        assert sorted(map(int, agent.everything())) == list(range(sent))
        assert len(set(agent.shelf.puts)) == len(agent.shelf.puts)
