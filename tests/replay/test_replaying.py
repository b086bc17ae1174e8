"""Letters are sent again: what succeeds is gone, what fails stays, and the receipts tell the truth."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import zstandard

from making import StillClock, alb, clb
from replaying import AUTO, DOWN, FULL, NOTHING, Gate, World, ids_of, refusing, stored
from tailrace.deadletters import DeadFolder, encode_refusal
from tailrace.errors import Fatal
from tailrace.letters import Letter
from tailrace.model import Identity, Refusal, Reject, Totals
from tailrace.store import journal

DAY = "2026-09-23"
JUNK = b"no log line\n"


@pytest.fixture
def world(tmp_path: Path, clock: StillClock) -> World:
    return World(tmp_path, clock, [Gate()])


def lines(*numbers: int) -> bytes:
    return b"".join(alb(DAY, number) for number in numbers)


def told(letters: list[Letter]) -> list[tuple[int, str, str]]:
    return [(letter.offset, letter.sink, letter.reason) for letter in letters]


def test_what_a_sink_had_refused_goes_there_again(world: World) -> None:
    (gate,) = world.sinks
    gate.refuses = refusing("too_old", "too_new")
    of = world.ship(lines(1, 2, 3))
    assert told(world.letters) == [(0, "gate", "too_old"), (len(lines(1)), "gate", "too_new")]
    done = world.replay()
    assert (done.letters, done.gone, done.records, done.stayed.total()) == (2, 2, 2, 0)
    assert (world.receipt(of).totals, world.receipt(of).parts) == (Totals(3, 3, 0, 0), 2)
    assert gate.ids == ids_of(world, [of])
    assert gate.parts[1:] == [(of.identity, 1), (of.identity, 1)]
    assert list((world.folder / "dead").iterdir()) == []
    world.check()


def test_what_is_refused_again_stays_with_the_new_reason(world: World) -> None:
    world.sinks[0].refuses = refusing("too_old", "too_old", "", "too_new")
    of = world.ship(lines(1, 2, 3))
    before = world.receipt(of)
    done = world.replay()
    assert (done.gone, done.stayed) == (1, {"refused again: too_new": 1})
    assert told(world.letters) == [(0, "gate", "too_new")]
    assert world.letters[0].detail == "told so"
    assert world.receipt(of).totals == replace(before.totals, accepted=2, dead=1)
    world.check()


def test_what_the_sink_had_already_is_counted_so(world: World) -> None:
    (gate,) = world.sinks
    gate.refuses, gate.knows_ids = refusing("timeout"), True
    of = world.ship(lines(1))
    gate.kept = [{"_id": identity} for identity in ids_of(world, [of])]
    assert world.replay().gone == 1
    assert world.receipt(of).totals == Totals(1, 0, 1, 0)
    world.check()


def test_rejects_that_are_records_now_go_to_every_sink(world: World) -> None:
    world.sinks.append(Gate("other"))
    content = lines(1) + JUNK + b"#Version: 1.0\n" + lines(2)
    of = world.ship(content, NOTHING)
    assert [letter.reason for letter in world.letters] == ["no_match"] * 3
    done = world.replay()
    assert (done.gone, done.records, done.stayed) == (2, 4, {"it is still no record": 1})
    assert told(world.letters) == [(len(lines(1)), "", "unknown_format")]
    at_once = World(world.folder / "at-once", world.clock, [Gate()])
    at_once.ship(of)
    for gate in world.sinks:
        assert gate.kept == at_once.sinks[0].kept
        receipt, expected = world.receipt(of, gate.name), at_once.receipt(of)
        assert (receipt.counts, receipt.totals) == (expected.counts, expected.totals)
    world.check()


def test_a_sink_of_no_run_any_more_has_the_record_as_routed_nowhere(world: World) -> None:
    world.sinks.append(Gate("old"))
    of = world.ship(lines(1), NOTHING)
    world.replay(to=world.sinks[:1])
    old = world.receipt(of, "old")
    assert (old.totals, old.nowhere, old.counts.records) == (Totals(), 1, 1)
    assert world.receipt(of).totals == Totals(1, 1)
    assert not world.letters
    world.check()


def test_a_record_that_was_a_reject_may_be_refused(world: World) -> None:
    of = world.ship(lines(1, 2), NOTHING)
    world.sinks[0].refuses = refusing("too_old")
    done = world.replay()
    assert (done.gone, done.stayed) == (1, {"refused: too_old": 1})
    assert told(world.letters) == [(0, "gate", "too_old")]
    assert world.letters[0].payload == lines(1).rstrip()
    assert world.receipt(of).totals == Totals(2, 1, 0, 1)
    world.check()
    assert world.replay().gone == 1
    assert world.receipt(of).totals == Totals(2, 2, 0, 0)
    assert world.sinks[0].ids == ids_of(world, [of])
    world.check()


def test_a_sink_that_is_down_keeps_no_other_from_it(world: World) -> None:
    world.sinks.append(Gate("other"))
    of = world.ship(lines(1, 2), NOTHING)
    world.sinks[1].error = DOWN
    done = world.replay()
    assert (done.records, done.stayed) == (2, {"refused: not_delivered": 2})
    assert [(letter.sink, letter.reason, letter.detail) for letter in world.letters] == [
        ("other", "not_delivered", "it does not answer")
    ] * 2
    world.check()
    world.sinks[1].error = None
    assert world.replay().gone == 2
    assert world.sinks[0].ids == world.sinks[1].ids == ids_of(world, [of])
    world.check()


@pytest.mark.parametrize("refused", [False, True])
def test_nothing_changes_while_no_sink_answers(world: World, refused: bool) -> None:  # noqa: FBT001
    if refused:
        world.sinks[0].refuses = refusing("too_old")
    of = world.ship(lines(1), AUTO if refused else NOTHING)
    letters, receipt = world.letters, world.receipt(of)
    world.sinks[0].error = DOWN
    done = world.replay()
    assert (done.gone, done.stayed) == (0, {"it does not answer": 1})
    assert (world.letters, world.receipt(of)) == (letters, receipt)


def test_after_a_sink_has_given_up_no_other_letter_waits_for_it(world: World, clock: StillClock) -> None:
    for key in ("a", "b", "c"):
        world.sinks[0].refuses = refusing("too_old")
        world.ship(stored(lines(1), key))
    world.sinks[0].error = DOWN
    before = clock.now()
    assert world.replay().letters == 1
    assert clock.now() - before < 400


def test_other_sinks_take_it_if_they_are_named(world: World) -> None:
    world.sinks[0].refuses = refusing("mapping", "mapping")
    of, other = world.ship(lines(1, 2, 3)), Gate("other")
    stays = world.replay(to=[other])
    assert list(stays.stayed) == ["none of the sinks is gate, which refused it; name it by --to, or another"]
    assert world.replay(to=[other], elsewhere=True).gone == 2
    assert [world.receipt(of).totals, world.receipt(of).nowhere] == [Totals(1, 1), 2]
    (apart,) = (each for each in world.state.receipts() if each.sink == "other")
    assert (apart.item.etag, apart.state, apart.totals, apart.parts) == ("1+letters", "complete", Totals(2, 2), 1)
    assert [identity.etag for identity, _part in other.parts] == ["1+letters"] * 2
    assert set(other.ids) | set(world.sinks[0].ids) == set(ids_of(world, [of]))
    world.check()


def test_named_sinks_that_refuse_it_too_let_it_stay(world: World) -> None:
    world.sinks[0].refuses = refusing("mapping")
    of, other = world.ship(lines(1)), Gate("other", refuses=refusing("too_long"))
    assert world.replay(to=[other], elsewhere=True).stayed == {"refused again: too_long": 1}
    assert told(world.letters) == [(0, "gate", "too_long")]
    assert world.receipt(of).totals == Totals(1, 0, 0, 1)
    world.check()


def test_letters_are_chosen(world: World) -> None:
    world.sinks.append(Gate("s3://bucket#1a2b"))
    world.sinks[0].refuses, world.sinks[1].refuses = refusing("too_old", "too_new"), refusing("", "mapping")
    world.ship(stored(lines(1, 2), "/logs/x/1.log"))
    world.ship(stored(JUNK + lines(3), "/logs/y/2.log"))
    look = partial(world.replay, dry=True)
    assert (look().letters, look().passed) == (4, 0)
    assert (look(reasons=["too_old", "mapping"]).letters, look(reasons=["too_old"]).passed) == (2, 3)
    assert [look(sinks=[name]).letters for name in ("gate", "s3", "s3://bucket#1a2b", "*1a2b", "es")] == [2, 1, 1, 1, 0]
    assert look(items=["*/x/*"]).letters == 3
    assert look(items=["file:///logs/y/*"]).letters == 1
    assert look(limit=3).letters == 3
    assert world.replay(limit=1).gone == 1
    assert len(world.letters) == 3
    world.check()


def test_looking_changes_nothing(world: World) -> None:
    world.sinks[0].refuses = refusing("too_old")
    of = world.ship(lines(1) + JUNK)
    letters, receipt = world.letters, world.receipt(of)
    done = world.replay(dry=True)
    assert (done.letters, done.gone, done.records, done.stayed.total()) == (2, 1, 1, 1)
    assert (world.letters, world.receipt(of), len(world.sinks[0].kept)) == (letters, receipt, 0)


def test_an_unfinished_last_line_is_read_again_when_it_grows(world: World) -> None:
    begun = stored(lines(1) + lines(2).rstrip(), grows=True)
    of = world.ship(begun, NOTHING)
    assert world.replay().gone == 2
    receipt = world.receipt(of)
    assert receipt.tail is not None
    assert (receipt.totals, receipt.tail.totals) == (Totals(1, 1), Totals(1, 1))
    world.check()
    world.ship(stored(lines(1, 2, 3), grows=True))
    assert world.receipt(of).totals == Totals(3, 3)


def test_letters_beyond_what_is_confirmed_wait_for_their_object(world: World) -> None:
    of = world.ship(lines(1), NOTHING)
    world.state.commit(replace(world.receipt(of), state="partial", offset=0), ())
    (stays,) = world.replay().stayed
    assert stays == "its object has not been delivered up to there; deliver it first"
    assert len(world.letters) == 1


def test_an_object_that_another_process_has_is_left_alone(world: World) -> None:
    world.sinks[0].refuses = refusing("too_old")
    of = world.ship(lines(1))
    world.state.claim(of.identity, "another", 1000)
    assert list(world.replay().stayed) == ["/logs/a.log is being delivered by another process; run again"]
    assert len(world.letters) == 1


def test_letters_of_what_has_no_receipt_are_sent_too(world: World) -> None:
    dead = DeadFolder(world.folder)
    of = stored(b"")
    dead.refuse(of, "gate", [Refusal(7, "too_old", lines(1).rstrip())], 0)
    dead.flush()
    assert world.replay().gone == 1
    (apart,) = world.state.receipts()
    assert (apart.item.etag, apart.totals) == ("1+letters", Totals(1, 1))


def test_a_letter_that_had_been_replayed_before_unbalances_nothing(world: World) -> None:
    world.sinks[0].refuses = refusing("too_old")
    of = world.ship(lines(1))
    (path,) = (world.folder / "dead").iterdir()
    copy = world.folder / "copy.ndjson"
    copy.write_bytes(path.read_bytes() * 2)
    assert world.replay().gone == 1
    world.check()
    assert world.replay(str(copy)).letters == 1  # the same letter twice is one
    assert not copy.exists()
    assert world.receipt(of).totals == Totals(2, 2)
    world.check()


def test_what_is_no_letter_stays(world: World) -> None:
    world.sinks[0].refuses = refusing("too_old")
    of = stored(lines(1))
    world.ship(of)
    (path,) = (world.folder / "dead").iterdir()
    page = world.folder / "page.ndjson"
    page.write_bytes(b'{"a":1}\n\n' + path.read_bytes() + b"\xff")
    page.chmod(0o640)
    done = world.replay(str(page))
    assert (done.gone, done.strange) == (1, 2)
    assert page.read_bytes() == b'{"a":1}\n\xff\n'
    assert page.stat().st_mode & 0o777 == 0o640


COMPRESSIONS: list[tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = [
    (gzip.compress, gzip.decompress),
    (bz2.compress, bz2.decompress),
    (lambda data: zstandard.ZstdCompressor().compress(data), lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
]  # fmt: skip


@pytest.mark.parametrize(("compress", "decompress"), COMPRESSIONS, ids=["gzip", "bzip2", "zstandard"])
def test_a_page_stays_compressed(
    world: World, compress: Callable[[bytes], bytes], decompress: Callable[[bytes], bytes]
) -> None:
    identity = Identity("file", "", "/x", "1")
    refused = encode_refusal(identity, "gate", Refusal(0, "too_old", lines(1).rstrip()))
    kept = encode_refusal(identity, "another", Refusal(0, "too_old", lines(1).rstrip()))
    page = world.folder / "page"
    page.write_bytes(compress(refused + kept * 3))
    assert world.replay(str(page)).gone == 1
    assert decompress(page.read_bytes()) == kept
    assert sorted(path.name for path in world.folder.iterdir()) == ["page", "tmp"]


def test_a_page_that_breaks_off_stays_as_it_is(world: World) -> None:
    page = world.folder / "page.gz"
    whole = gzip.compress(
        encode_refusal(Identity("file", "", "/x", "1"), "gate", Refusal(0, "old", lines(1).rstrip())) * 2
    )
    page.write_bytes(whole[:-5])
    (error,) = world.replay(str(page)).errors
    assert error == f"{page} cannot be read to its end: the gzip data ends before its end"
    assert page.read_bytes() == whole[:-5]


def test_what_stops_the_replay_comes_after_what_was_done_is_written(world: World) -> None:
    gate = world.sinks[0]
    page = world.folder / "page.ndjson"
    for key in ("a", "b"):
        gate.refuses = refusing("too_old")
        world.ship(stored(lines(1), key))
    page.write_bytes(b"".join(sorted(path.read_bytes() for path in (world.folder / "dead").iterdir())))
    flush, calls = gate.flush, iter([None, FULL])
    gate.flush = lambda: gate_flush(flush, next(calls))  # type: ignore[method-assign]
    with pytest.raises(Fatal, match="disk is full"):
        world.replay(str(page))
    assert len(page.read_bytes().splitlines()) == 1
    assert len(gate.kept) == 1
    assert sum(receipt.totals.dead for receipt in world.state.receipts()) == 1


def gate_flush(flush: Callable[[], object], error: Exception | None) -> object:
    if error:
        raise error
    return flush()


def test_data_that_breaks_off_is_no_record(world: World) -> None:
    whole = gzip.compress(lines(*range(50)))
    of = stored(whole[: len(whole) // 2])
    world.ship(of)
    assert [letter.reason for letter in world.letters] == ["truncated"]
    assert list(world.replay().stayed) == ["the data of its object breaks off there"]
    world.check()


def test_a_reject_of_several_lines_may_become_several_records(world: World) -> None:
    open_quote = clb(DAY).rstrip().rsplit(b'" "', 1)[0] + b'" "agent\n'
    content = open_quote + b"more\n" + clb(DAY)
    of = world.ship(content)
    assert [(letter.reason, letter.lines) for letter in world.letters] == [("unclosed_quote", 2)]
    assert list(world.replay().stayed) == ["it is still no record"]
    assert [letter.reason for letter in world.letters] == ["unclosed_quote"]
    assert world.receipt(of).counts.reject_lines == 2
    world.check()


@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("step", ["write", "finish", "publish"])
def test_a_crash_at_every_step_leaves_nothing_half_done(
    world: World, step: str, monkeypatch: pytest.MonkeyPatch, *, opened: bool
) -> None:
    world.sinks.append(Gate("other"))
    world.sinks[0].knows_ids = True
    world.ship(lines(1, 2) + JUNK, NOTHING)

    def crash(*_: object) -> None:
        raise Fatal("killed")

    with monkeypatch.context() as patch:
        patch.setattr(journal, step, crash)
        with pytest.raises(Fatal):
            world.replay()
    if opened:  # a store is opened: that finishes it; else the next replay does
        journal.finish(world.folder, world.state)
        assert journal.read(world.folder) is None
        world.check()
    world.replay()
    assert len(set(world.sinks[0].ids)) == len(world.sinks[0].ids) == 2
    assert len(world.letters) == 1
    world.check()


def test_rejects_that_keep_part_of_a_line_are_compared_with_what_is_there(world: World) -> None:
    dead = DeadFolder(world.folder)
    of = stored(b"")
    dead.write(of, [Reject(0, 1, "no_match", b"x" * 65536, 70000, "0" * 64)], 0)
    dead.flush()
    assert list(world.replay().stayed) == ["/logs/a.log does not exist any more"]
