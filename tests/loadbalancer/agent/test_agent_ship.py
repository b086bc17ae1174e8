"""What was closed is put whole, once, under one name, and stays until then."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from making import StillClock
from spooling import Ashore, Shelf, Timed, Verbatim
from tailrace import letters
from tailrace.errors import Retryable
from tailrace.loadbalancer.agent.attributes import keep
from tailrace.loadbalancer.agent.ship import LONGEST_PAUSE_S
from tailrace.loadbalancer.agent.spool import CLOSED, segments
from tailrace.loadbalancer.model import Attributes, Slot, Written


def _slots(agent: Ashore, number: int) -> None:
    """So many slots with a line in each."""
    for each in range(number):
        agent.log(b"%d\n" % each)
        agent.pass_time(300)


def test_a_store_that_is_down_for_two_intervals_loses_nothing(tmp_path: Path, clock: StillClock) -> None:
    agent = Ashore(tmp_path, clock)
    (agent.shelf.folder / "down").touch()
    for number in range(3):
        agent.log(b"%d\n" % number)
        for _ in range(10):
            agent.pass_time(30)
            assert agent.put() == []
    assert len(segments(agent.spool, CLOSED)) == 3
    tried = len(agent.shelf.puts)
    assert tried < 45, "pauses become longer"
    (agent.shelf.folder / "down").unlink()
    agent.pass_time(300)
    assert sorted(agent.put()) == [b"0", b"1", b"2"]
    assert len(agent.shelf.objects()) == 3
    assert segments(agent.spool, CLOSED) == []
    assert len(agent.said) <= 12


def test_what_was_stored_although_the_answer_was_lost_is_stored_again_under_its_name(
    tmp_path: Path, clock: StillClock
) -> None:
    agent = Ashore(tmp_path, clock)
    (agent.shelf.folder / "half").touch()
    _slots(agent, 1)
    agent.put()
    assert len(segments(agent.spool, CLOSED)) == 1
    agent.crash()
    agent.put()
    assert list(agent.shelf.objects().values()) == [b"0\n"]
    first, second = agent.shelf.puts
    assert first == second


def test_only_objects_that_were_half_made_are_removed_at_the_start(tmp_path: Path, clock: StillClock) -> None:
    agent = Ashore(tmp_path, clock)
    _slots(agent, 1)
    (agent.shelf.folder / "down").touch()
    agent.put()
    out = agent.spool / "out"
    (made,) = out.iterdir()
    (out / "thesis.tex").touch()
    (out / "folder").mkdir()
    agent.crash()
    assert not made.exists()
    assert sorted(each.name for each in out.iterdir()) == ["folder", "thesis.tex"]


def test_a_store_may_not_ask_for_a_pause_without_end(tmp_path: Path, clock: StillClock) -> None:
    agent = Ashore(tmp_path, clock, shelf=_Patient(tmp_path / "store"))
    _slots(agent, 1)
    assert agent.put() == []
    assert agent.shipper.pause() == LONGEST_PAUSE_S
    agent.pass_time(LONGEST_PAUSE_S)
    assert agent.put() == [b"0"]


class _Patient(Shelf):
    def put(self, bucket: str, key: str, body: BinaryIO, headers: Mapping[str, str]) -> None:
        if not self.puts:
            self.puts.append(key)
            message = "come back next year"
            raise Retryable(message, after=31_536_000.0)
        super().put(bucket, key, body, headers)


def test_a_bucket_that_is_gone_is_waited_for(tmp_path: Path, clock: StillClock) -> None:
    agent = Ashore(tmp_path, clock)
    (agent.shelf.folder / "logs").rmdir()
    _slots(agent, 2)
    agent.put()
    assert any("there is no bucket logs; it stays in the spool" in said for said in agent.said)
    (agent.shelf.folder / "logs").mkdir()
    agent.pass_time(600)
    assert sorted(agent.put()) == [b"0", b"1"]


def test_a_segment_that_cannot_be_put_holds_up_no_other(tmp_path: Path, clock: StillClock) -> None:
    agent = Ashore(tmp_path, clock, shelf=_Picky(tmp_path / "store"))
    _slots(agent, 3)
    agent.put()
    assert len(agent.shelf.objects()) == 2
    assert len(segments(agent.spool, CLOSED)) == 1


class _Picky(Shelf):
    def put(self, bucket: str, key: str, body: BinaryIO, headers: Mapping[str, str]) -> None:
        if not self.puts:
            (self.folder / "down").touch()
        try:
            super().put(bucket, key, body, headers)
        finally:
            (self.folder / "down").unlink(missing_ok=True)


def test_a_form_that_fails_holds_up_no_other_segment(
    tmp_path: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Verbatim.write

    def failing(form: Verbatim, lines: BinaryIO, out: BinaryIO, slot: Slot) -> Written:
        if slot.start % 600:
            raise ZeroDivisionError
        return whole(form, lines, out, slot)

    monkeypatch.setattr(Verbatim, "write", failing)
    agent = Ashore(tmp_path, clock)
    _slots(agent, 4)
    agent.put()
    assert len(agent.shelf.objects()) == 2
    assert len(segments(agent.spool, CLOSED)) == 2
    assert any("internal error: ZeroDivisionError" in said for said in agent.said)


def test_what_is_no_record_is_a_dead_letter_before_the_segment_goes(tmp_path: Path, clock: StillClock) -> None:
    agent = Ashore(tmp_path, clock)
    agent.log(b"good\n", b"reject one\n", b"good too\n", b"reject two\n")
    agent.pass_time(300)
    assert agent.put() == [b"good", b"good too"]
    (file,) = (agent.spool / "dead").iterdir()
    found = [letters.decoded(line) for line in file.read_bytes().splitlines()]
    assert [(each.payload, each.offset, each.lines) for each in found] == [
        (b"reject one", 5, 1),
        (b"reject two", 25, 1),
    ]
    assert all(each.is_whole for each in found)
    assert agent.counters["rejects"] == 2


def test_rejects_that_are_more_than_a_form_can_tell_are_all_kept(
    tmp_path: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:

    whole = Verbatim.write

    def forgetful(form: Verbatim, lines: BinaryIO, out: BinaryIO, slot: Slot) -> Written:
        written = whole(form, lines, out, slot)
        del written.rejects[500:]
        return written

    monkeypatch.setattr(Verbatim, "write", forgetful)
    agent = Ashore(tmp_path, clock)
    agent.log(*(b"%d reject\n" % number for number in range(3000)))
    agent.pass_time(300)
    assert agent.put() == []
    (file,) = (agent.spool / "dead").iterdir()
    found = [letters.decoded(line) for line in file.read_bytes().splitlines()]
    assert [each.payload for each in found] == [b"%d reject" % number for number in range(3000)]
    content = b"".join(b"%d reject\n" % number for number in range(3000))
    assert all(content[each.offset :].startswith(each.payload) for each in found)


def _dead(agent: Ashore) -> list[bytes]:
    files = (agent.spool / "dead").glob("*.ndjson")
    return sorted(letters.decoded(line).payload for file in files for line in file.read_bytes().splitlines())


def test_dead_letters_have_a_limit_and_the_oldest_go(tmp_path: Path, clock: StillClock) -> None:
    agent = Ashore(tmp_path, clock, dead_limit=10_000)
    for number in range(40):
        agent.log(b"%02d reject\n" % number, b"%02d fine\n" % number)
        agent.pass_time(300)
        agent.put()
        (newest,) = [each for each in _dead(agent) if each.startswith(b"%02d" % number)]
        assert newest == b"%02d reject" % number
        assert sum(each.stat().st_size for each in (agent.spool / "dead").iterdir()) <= 10_000
    kept = _dead(agent)
    assert kept == [b"%02d reject" % number for number in range(40 - len(kept), 40)]
    assert 0 < agent.counters["dead_dropped"] == 40 - len(kept)
    assert agent.counters["rejects"] == 40
    assert any("dead letters were dropped so far, the oldest first" in said for said in agent.said)
    assert len(agent.shelf.lines()) == 40


def test_a_segment_of_rejects_is_kept_as_far_as_there_is_room(tmp_path: Path, clock: StillClock) -> None:
    agent = Ashore(tmp_path, clock, dead_limit=10_000)
    agent.log(*(b"%04d reject\n" % number for number in range(1000)))
    agent.pass_time(300)
    agent.put()
    kept = _dead(agent)
    (file,) = (agent.spool / "dead").iterdir()
    assert 9_000 < file.stat().st_size <= 10_000
    assert kept == [b"%04d reject" % number for number in range(len(kept))]
    assert agent.counters["dead_dropped"] == 1000 - len(kept)
    assert (agent.counters["rejects"], segments(agent.spool, CLOSED)) == (1000, [])


def test_only_rejects_are_no_object(tmp_path: Path, clock: StillClock) -> None:
    agent = Ashore(tmp_path, clock)
    agent.log(b"reject\n")
    agent.pass_time(300)
    assert agent.put() == []
    assert agent.shelf.objects() == {}
    assert segments(agent.spool, CLOSED) == []


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.sampled_from(["log", "close", "put", "crash", "half", "down", "up"]), max_size=25))
def test_no_order_of_failures_loses_or_doubles(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        agent = Ashore(Path(name), StillClock(), naming=Timed)
        sent = 0
        for step in steps:
            agent.clock.time += 400 * (step == "put")
            match step:
                case "log":
                    agent.log(b"%d\n" % sent)
                    sent += 1
                case "close":
                    agent.worker.close_segment()
                case "put":
                    agent.put()
                case "crash":
                    agent.crash()
                case "half" | "down":
                    (agent.shelf.folder / step).touch()
                case "up":
                    (agent.shelf.folder / "down").unlink(missing_ok=True)
        (agent.shelf.folder / "down").unlink(missing_ok=True)
        (agent.shelf.folder / "half").unlink(missing_ok=True)
        agent.worker.close_segment()
        agent.clock.time += 400
        assert sorted(map(int, agent.put())) == list(range(sent))


def test_attributes_are_followed(tmp_path: Path, clock: StillClock) -> None:
    agent = Ashore(tmp_path, clock, fixed=None)
    agent.log(b"before it is known\n")
    agent.pass_time(3600)
    assert agent.put() == []
    (agent.shelf.folder / "theirs").mkdir()
    keep(agent.spool, Attributes(enabled=True, bucket="theirs", prefix="p/", interval=600))
    agent.pass_time(400)
    agent.put()
    assert agent.shelf.lines("theirs") == [b"before it is known"]
    agent.log(b"while on\n")
    agent.worker.tick()
    keep(agent.spool, Attributes(enabled=False, bucket=""))
    agent.pass_time(1)
    agent.log(b"while off\n")
    assert agent.counters["discarded"] == 1
    agent.pass_time(3600)
    agent.put()
    assert agent.shelf.lines("theirs") == [b"before it is known", b"while on"]
    assert all(key.startswith("p/") for key in agent.shelf.objects("theirs"))


def test_a_shorter_interval_ends_the_slot_that_is_open(tmp_path: Path) -> None:
    clock = StillClock(1_790_078_400.0 + 100)
    agent = Ashore(tmp_path, clock, fixed=None)
    keep(agent.spool, Attributes(enabled=True, bucket="logs", interval=3600))
    agent.worker.tick()
    agent.log(b"line\n")
    keep(agent.spool, Attributes(enabled=True, bucket="logs", interval=300))
    agent.pass_time(1)
    agent.pass_time(200)
    assert agent.put() == [b"line"]
    (key,) = agent.shelf.objects()
    assert key.startswith(f"{(1_790_078_400 + 300) * 1000}_")
