"""One item on its way: what is resumed, what is retried, what is confirmed, and what is left alone."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from making import StillClock, alb
from tailrace.errors import Fatal, Gone, Retryable, SourceError
from tailrace.framing import chunks
from tailrace.homes import Home, Job
from tailrace.hosts.reading import parsers
from tailrace.kernel.load import Parser
from tailrace.model import Batch, Counts, Flushed, Identity, Item, Refusal, Reject, Rendering, Totals
from tailrace.receipts import Receipt, imbalances
from tailrace.retry import Patience
from tailrace.run import Outcome, deliver
from tailrace.settings import Retry, Settings
from tailrace.state.memory import MemoryState

DAY = "2026-09-23"
JUNK = b"no log line\n"


@dataclass
class Shelf:
    """A sink that keeps in memory what was flushed, and refuses as it is told to."""

    name: str = "shelf"
    keeps_receipts: bool = True
    rendering: Rendering | None = None
    kept: list[tuple[int, bytes]] = field(default_factory=list)
    refusals: list[Exception | None] = field(default_factory=list)
    refuse_flush: list[Exception | None] = field(default_factory=list)
    open: list[tuple[int, bytes]] = field(default_factory=list)
    outcomes: list[Flushed] = field(default_factory=list)

    def write(self, _item: Item, batch: Batch, part: int) -> None:
        if self.refusals and (error := self.refusals.pop(0)):
            raise error
        if len(batch.records):
            self.open.append((part, bytes(batch.records.ndjson("aws", ids=True))))

    def flush(self) -> Flushed:
        if self.refuse_flush and (error := self.refuse_flush.pop(0)):
            raise error
        self.kept += self.open
        self.open = []
        return self.outcomes.pop(0) if self.outcomes else Flushed()

    def abandon(self) -> None:
        self.open = []

    def close(self) -> None:
        pass

    @property
    def lines(self) -> list[bytes]:
        return b"".join(data for _part, data in self.kept).splitlines()


@dataclass
class Letters:
    """Dead letters by the offset of their commit."""

    kept: dict[int, list[Reject]] = field(default_factory=dict)
    open: dict[int, list[Reject]] = field(default_factory=dict)
    refused: dict[tuple[str, int], list[Refusal]] = field(default_factory=dict)

    def write(self, _item: Item, rejects: Sequence[Reject], start: int) -> None:
        self.open.setdefault(start, []).extend(rejects)

    def refuse(self, _item: Item, sink: str, refusals: Sequence[Refusal], start: int) -> None:
        self.refused[sink, start] = list(refusals)

    def flush(self) -> None:
        self.kept |= self.open
        self.open = {}

    def abandon(self) -> None:
        self.open = {}

    def keep_only(self, _item: Item, start: int) -> None:
        self.kept = {at: rejects for at, rejects in self.kept.items() if at == start}

    @property
    def offsets(self) -> list[int]:
        return sorted(reject.offset for rejects in self.kept.values() for reject in rejects)


class Watcher:
    """Notes how far the item has been read."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.positions: list[int] = []
        self.lines = 0
        self._then = then

    def reading(self, *, now: bool) -> None:
        pass

    def moved(self, _item: Item, position: int, lines: int) -> None:
        self.positions.append(position)
        self.lines += lines
        self._then()


@dataclass
class Bench:
    """A state, sinks and dead letters, and the job that joins them."""

    clock: StillClock
    sinks: list[Shelf]
    state: MemoryState
    letters: Letters
    checkpoint: int = 1 << 40
    again: bool = False

    def job(self) -> Job:
        parser = parsers(Settings(kernel="reference"), lambda _notice: None)
        patience = Patience(Retry(), self.clock, self._wait, lambda: 1.0)
        return Job(parser=parser, patience=patience, clock=self.clock, checkpoint=self.checkpoint, again=self.again)

    def _wait(self, seconds: float) -> bool:
        self.clock.sleep(seconds)
        return False

    def deliver(self, of: Item, job: Job | None = None, watch: Watcher | None = None) -> Outcome:
        home = Home(self.state, self.letters, self.sinks)
        outcome = deliver(of, [home], job or self.job(), watch or Watcher())
        self.check(of)
        return outcome

    def check(self, of: Item) -> None:
        """Every account balances, and nobody holds the item any more."""
        for receipt in self.state.receipts_of(of.identity).values():
            assert list(imbalances(receipt)) == []
        assert self.state.claim(of.identity, "another", 1)
        self.state.release(of.identity, "another")

    def receipt(self, of: Item, sink: str = "shelf") -> Receipt:
        return self.state.receipts_of(of.identity)[sink]


@pytest.fixture
def bench(clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(
        "tailrace.run.chunks", partial(chunks, size=100_000)
    )  # so that little content is several chunks
    return Bench(clock, [Shelf()], MemoryState(clock), Letters())


def item(content: bytes, *, grows: bool = False, **told: Any) -> Item:
    identity = Identity("file", "", "/logs/a.log", "1")
    return Item(identity, lambda: io.BytesIO(content), len(content), 1_790_000_000.0, may_grow=grows, **told)


def lines(*numbers: int) -> bytes:
    return b"".join(alb(DAY, number) for number in numbers)


def numbers(shelf: Shelf) -> list[int]:
    """The numbers of the records on a shelf, by their URLs."""
    return [int(line.partition(b"/search/")[2].split(b"?")[0].split(b" ")[0].split(b'"')[0]) for line in shelf.lines]


def test_an_item_is_delivered_once(bench: Bench) -> None:
    of = item(lines(1, 2) + JUNK + b"\n#x\n")
    first, second = bench.deliver(of), bench.deliver(of)
    assert (first.status, second.status) == ("delivered", "skipped")
    assert numbers(bench.sinks[0]) == [1, 2]
    assert (first.counts.lines, first.counts.records, first.counts.rejects) == (5, 2, 1)
    assert first.reasons == {"unknown_format": 1}
    receipt = bench.receipt(of)
    assert (receipt.state, receipt.offset, receipt.parts, receipt.dead_rejects) == ("complete", of.size, 1, 1)
    assert receipt.totals.accepted == 2
    assert bench.letters.offsets == [len(lines(1, 2))]


def test_every_line_is_told_of_also_the_last_one_without_a_newline(bench: Bench) -> None:
    watch = Watcher()
    outcome = bench.deliver(item(lines(1, 2).rstrip()), watch=watch)
    assert watch.lines == outcome.counts.lines == 2
    assert watch.positions[-1] == len(lines(1, 2)) - 1


def test_an_empty_item_has_a_receipt(bench: Bench) -> None:
    assert bench.deliver(item(b"")).status == "delivered"
    assert bench.receipt(item(b"")).state == "complete"


def test_again_delivers_again_and_keeps_one_set_of_rejects(bench: Bench) -> None:
    of = item(lines(1) + JUNK)
    bench.deliver(of)
    bench.again = True
    assert bench.deliver(of).status == "delivered"
    assert numbers(bench.sinks[0]) == [1, 1]
    assert bench.receipt(of).totals.accepted == 1
    assert bench.receipt(of).parts == 2
    assert len(bench.letters.offsets) == 1


def big(count: int = 600) -> bytes:
    """Content of several chunks, with a reject every hundred lines."""
    return b"".join(lines(number) + (JUNK if number % 100 == 99 else b"") for number in range(count))


def test_what_was_confirmed_is_not_delivered_again_after_a_failure(bench: Bench) -> None:
    content = big()
    of = item(gzip.compress(content))
    bench.checkpoint = 1
    bench.sinks[0].refusals = [None, None, Fatal("the disk is full")]
    with pytest.raises(Fatal, match="disk is full"):
        bench.deliver(of)
    partial = bench.receipt(of)
    assert (partial.state, partial.parts) == ("partial", 2)
    assert 0 < partial.offset < len(content)
    assert bench.deliver(of).status == "delivered"
    assert numbers(bench.sinks[0]) == list(range(600))
    whole = bench.receipt(of)
    assert (whole.state, whole.totals.accepted, whole.dead_rejects) == ("complete", 600, 6)
    assert len(bench.letters.offsets) == len(set(bench.letters.offsets)) == 6


def test_nothing_is_confirmed_that_is_not_flushed(bench: Bench) -> None:
    of = item(big())
    bench.sinks[0].refusals = [None, None, Fatal("no")]
    with pytest.raises(Fatal):
        bench.deliver(of)
    assert bench.state.receipts_of(of.identity) == {}
    assert (bench.sinks[0].kept, bench.sinks[0].open, bench.letters.kept, bench.letters.open) == ([], [], {}, {})


def test_each_sink_is_resumed_where_it_is(bench: Bench) -> None:
    fast, slow = Shelf("fast"), Shelf("slow")
    bench.sinks, bench.checkpoint = [fast, slow], 1
    slow.refusals = [None, *[Retryable("busy")] * 40]
    of = item(big())
    with pytest.raises(Retryable, match="busy"):
        bench.deliver(of)
    assert numbers(fast) == list(range(600))
    assert bench.receipt(of, "fast").state == "complete"
    behind = bench.receipt(of, "slow")
    assert behind.state == "partial"
    assert 0 < len(slow.lines) < 600
    slow.refusals = []
    assert bench.deliver(of).status == "delivered"
    assert numbers(fast) == numbers(slow) == list(range(600))
    assert bench.receipt(of, "slow").totals == bench.receipt(of, "fast").totals
    assert bench.receipt(of, "slow").dead_rejects == 6
    assert len(bench.letters.offsets) == len(set(bench.letters.offsets)) == 6


def test_a_new_sink_gets_what_another_one_has_long_had(bench: Bench) -> None:
    of = item(big(50))
    bench.deliver(of)
    bench.sinks = [bench.sinks[0], Shelf("second")]
    assert bench.deliver(of).totals == {"second": Totals(50, 50)}
    assert numbers(bench.sinks[1]) == numbers(bench.sinks[0]) == list(range(50))


def test_sinks_that_stand_apart_are_told_of_together(bench: Bench) -> None:
    of = item(big())
    bench.checkpoint, bench.sinks[0].refusals = 1, [None, None, Fatal("no")]
    with pytest.raises(Fatal):
        bench.deliver(of)
    bench.sinks[0].refusals, bench.sinks = [], [*bench.sinks, Shelf("new")]
    outcome = bench.deliver(of)
    assert outcome.counts.records == 600
    had = bench.sinks[0].kept
    assert outcome.totals["new"] == Totals(600, 600)
    assert 0 < outcome.totals["shelf"].accepted < 600
    assert len(had) > 1


def test_what_a_sink_will_never_take_is_dead_lettered_and_accounted_for(bench: Bench) -> None:
    picky, easy = Shelf("picky"), Shelf("easy")
    bench.sinks = [picky, easy]
    refused = [Refusal(0, "too_old", b"one"), Refusal(9, "too_large", b"two")]
    picky.outcomes = [Flushed(already=3, refusals=refused, unconfirmed=True)]
    outcome = bench.deliver(item(lines(*range(10)) + JUNK))
    assert outcome.refused == {("picky", "too_old"): 1, ("picky", "too_large"): 1}
    assert outcome.totals == {"picky": Totals(10, 5, 3, 2), "easy": Totals(10, 10)}
    told, other = bench.receipt(item(b""), "picky"), bench.receipt(item(b""), "easy")
    assert (told.totals, told.state, told.unconfirmed) == (Totals(10, 5, 3, 2), "complete", True)
    assert (other.totals, other.unconfirmed) == (Totals(10, 10), False)
    assert bench.letters.refused == {("picky", 0): refused, ("easy", 0): []}


def test_each_commit_adds_to_the_account(bench: Bench) -> None:
    bench.checkpoint = 1
    bench.sinks[0].outcomes = [Flushed(already=1), Flushed(refusals=[Refusal(200_000, "mapping", b"x")])]
    bench.deliver(item(big()))
    assert bench.receipt(item(b"")).totals == Totals(600, 598, 1, 1)
    starts = sorted(start for _sink, start in bench.letters.refused)
    assert len(starts) == bench.receipt(item(b"")).parts > 2


def test_a_refusal_in_an_unfinished_last_line_stays_beside_the_account(bench: Bench) -> None:
    content = lines(1) + lines(2).rstrip()
    bench.sinks[0].outcomes = [Flushed(), Flushed(refusals=[Refusal(len(lines(1)), "too_old", b"x")])]
    bench.deliver(item(content, grows=True))
    receipt = bench.receipt(item(b""))
    assert (receipt.totals, receipt.tail and receipt.tail.totals) == (Totals(1, 1), Totals(1, dead=1))
    bench.deliver(item(content + b"\n" + lines(3), grows=True))
    assert bench.receipt(item(b"")).totals == Totals(3, 3)


def test_nothing_counts_before_the_letters_are_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise Fatal("the disk is full")

    bench.sinks[0].outcomes = [Flushed(refusals=[Refusal(0, "too_old", b"x")])]
    monkeypatch.setattr(bench.letters, "flush", full)
    with pytest.raises(Fatal):
        bench.deliver(item(lines(1)))
    assert bench.state.receipts_of(item(b"").identity) == {}


def test_a_sink_is_asked_again_with_growing_pauses(bench: Bench, clock: StillClock) -> None:
    bench.sinks[0].refusals = [Retryable("busy")] * 4
    begun = clock.now()
    assert bench.deliver(item(lines(1))).status == "delivered"
    assert clock.now() - begun == 0.5 + 1 + 2 + 4
    assert numbers(bench.sinks[0]) == [1]


def test_a_sink_that_names_a_pause_is_left_alone_so_long(bench: Bench, clock: StillClock) -> None:
    bench.sinks[0].refuse_flush = [Retryable("busy", after=17)]
    begun = clock.now()
    bench.deliver(item(lines(1)))
    assert clock.now() - begun == 17
    assert numbers(bench.sinks[0]) == [1]


def test_nobody_else_takes_an_item_over_while_sinks_are_waited_for(bench: Bench, clock: StillClock) -> None:
    bench.sinks = [Shelf("one"), Shelf("two")]
    for shelf in bench.sinks:
        shelf.refusals = [Retryable("busy", after=29)] * 10
    of, job = item(lines(1)), bench.job()
    stolen: list[bool] = []

    def wait(seconds: float) -> bool:
        clock.sleep(seconds)
        stolen.append(bench.state.claim(of.identity, "thief", 1))
        return False

    assert bench.deliver(of, replace(job, patience=replace(job.patience, wait=wait))).status == "delivered"
    assert (len(stolen), any(stolen)) == (20, False)


def test_a_sink_that_keeps_refusing_gives_the_item_back(bench: Bench, clock: StillClock) -> None:
    bench.sinks[0].refusals = [Retryable("busy")] * 100
    begun = clock.now()
    with pytest.raises(Retryable, match="busy"):
        bench.deliver(item(lines(1)))
    assert clock.now() - begun <= 300
    assert bench.state.receipts_of(item(b"").identity) == {}
    assert bench.letters.kept == {}


def test_an_item_that_is_gone_has_a_receipt_and_may_come_back(bench: Bench) -> None:
    of = item(lines(1))

    def gone() -> BinaryIO:
        raise Gone("it does not exist any more")

    assert bench.deliver(replace(of, open=gone)).status == "gone"
    assert bench.receipt(of).state == "gone"
    assert bench.deliver(of).status == "delivered"
    assert bench.receipt(of).state == "complete"


def test_what_cannot_be_read_is_told_and_has_no_receipt(bench: Bench) -> None:
    class Broken(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 100_000:
                raise OSError(5, "Input/output error")
            return super().read1(size)

    of = replace(item(big()), open=lambda: Broken(big()))
    with pytest.raises(SourceError, match=r"cannot read /logs/a\.log: Input/output error"):
        bench.deliver(of)
    assert bench.state.receipts_of(of.identity) == {}


def test_a_broken_end_is_one_reject_beside_the_lines(bench: Bench) -> None:
    packed = gzip.compress(big())
    of = item(packed[: len(packed) // 2])
    outcome = bench.deliver(of)
    assert "ends before its end" in outcome.truncated
    receipt = bench.receipt(of)
    assert receipt.truncated == outcome.truncated
    assert receipt.dead_rejects == receipt.counts.rejects + 1
    last = max((reject for rejects in bench.letters.kept.values() for reject in rejects), key=lambda each: each.offset)
    assert (last.reason, last.lines) == ("truncated", 0)
    assert bench.deliver(of).status == "skipped"


def test_a_stop_confirms_what_there_is(bench: Bench) -> None:
    of, job = item(big()), bench.job()
    outcome = bench.deliver(of, job, Watcher(job.stop.set))
    assert outcome.status == "stopped"
    assert bench.receipt(of).state == "partial"
    assert 0 < len(bench.sinks[0].lines) < 600
    assert bench.deliver(of).status == "delivered"
    assert numbers(bench.sinks[0]) == list(range(600))


def test_an_item_that_another_works_on_is_left_alone(bench: Bench, clock: StillClock) -> None:
    of = item(lines(1))
    assert bench.state.claim(of.identity, "another", 60)
    home = Home(bench.state, bench.letters, bench.sinks)
    assert deliver(of, [home], bench.job(), Watcher()).status == "held"
    assert not bench.sinks[0].kept
    clock.sleep(61)
    assert bench.deliver(of).status == "delivered"


def test_a_lease_is_renewed_while_work_goes_on(bench: Bench, clock: StillClock) -> None:
    of = item(big())
    tries: list[bool] = []

    def later() -> None:
        clock.sleep(200)
        tries.append(bench.state.claim(of.identity, "another", 60))

    assert bench.deliver(of, None, Watcher(later)).status == "delivered"
    assert tries
    assert not any(tries)


def test_an_item_that_was_taken_over_is_given_up(bench: Bench, clock: StillClock) -> None:
    of = item(big())

    def taken() -> None:
        clock.sleep(301)
        bench.state.claim(of.identity, "another", 1000)

    home = Home(bench.state, bench.letters, bench.sinks)
    with pytest.raises(SourceError, match="taken over by another process"):
        deliver(of, [home], bench.job(), Watcher(taken))
    assert bench.sinks[0].kept == []
    assert not bench.state.claim(of.identity, "third", 1), "the lease of the other one was given away"


@pytest.mark.parametrize("ending", [b"", b"\n"])
def test_a_file_that_grew_is_continued(bench: Bench, ending: bytes) -> None:
    first = lines(1, 2)[:-1] + ending
    bench.deliver(item(first, grows=True))
    assert numbers(bench.sinks[0]) == [1, 2]
    whole = lines(1, 2, 3) + JUNK
    grown = item(whole, grows=True)
    assert bench.deliver(grown).status == "delivered"
    receipt = bench.receipt(grown)
    assert (receipt.state, receipt.tail) == ("complete", None)
    assert (receipt.counts.lines, receipt.totals.accepted, receipt.dead_rejects) == (4, 3, 1)
    # This sink cannot take back the unfinished line, so it has it twice, under one id.
    assert len({line.partition(b'"_id":')[2][:34] for line in bench.sinks[0].lines}) == 3
    assert bench.deliver(grown).status == "skipped"


def test_half_a_line_at_the_end_of_a_growing_file_is_accounted_for_and_read_again(bench: Bench) -> None:
    bench.deliver(item(lines(1) + alb(DAY, 2)[:30], grows=True))
    half = bench.receipt(item(b""))
    assert half.tail is not None
    assert half.offset == len(lines(1))
    assert (half.whole.counts.rejects, half.whole.dead_rejects) == (1, 1)
    bench.deliver(item(lines(1, 2), grows=True))
    assert numbers(bench.sinks[0]) == [1, 2]
    done = bench.receipt(item(b""))
    assert (done.counts.records, done.counts.rejects, done.dead_rejects) == (2, 0, 0)
    assert bench.letters.offsets == []


def test_a_file_that_became_shorter_is_told(bench: Bench) -> None:
    bench.deliver(item(lines(1, 2), grows=True))
    with pytest.raises(SourceError, match=r"written anew.*with --again"):
        bench.deliver(item(lines(3), grows=True))
    bench.again = True
    assert bench.deliver(item(lines(3), grows=True)).status == "delivered"
    assert numbers(bench.sinks[0]) == [1, 2, 3]


def test_the_watch_is_told_the_position_in_the_items_own_bytes(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(big()))
    watch = Watcher()
    bench.deliver(replace(item(b""), open=lambda: path.open("rb", buffering=0)), None, watch)
    assert watch.positions == sorted(watch.positions)
    assert watch.positions[-1] <= path.stat().st_size
    assert watch.lines == 606


def test_a_sink_without_receipts_gets_everything_every_time(bench: Bench) -> None:
    bench.sinks = [Shelf("stdout", keeps_receipts=False)]
    of = item(lines(1))
    assert [bench.deliver(of).status for _ in range(2)] == ["delivered", "delivered"]
    assert numbers(bench.sinks[0]) == [1, 1]
    assert bench.state.receipts_of(of.identity) == {}


def test_an_item_that_is_not_durable_keeps_no_receipt_of_its_past(bench: Bench) -> None:
    of = item(lines(1), durable=False)
    bench.deliver(of)
    assert numbers(bench.sinks[0]) == [1]
    assert bench.receipt(of).state == "complete"


def test_every_count_is_added() -> None:
    one, ten = (Counts(*range(step, 12 * step, step)) for step in (1, 10))
    assert one + ten == Counts(*range(11, 132, 11))
    assert one == Counts(*range(1, 12))


@pytest.mark.parametrize(
    ("renderings", "expected"),
    [
        ([Rendering()], Rendering()),
        ([Rendering("ecs"), Rendering("ecs")], Rendering("ecs")),
        ([Rendering("ecs"), Rendering("otel")], None),
        ([Rendering(), Rendering(ids=True)], None),
        ([Rendering(), None], None),
        ([None], None),
    ],
)
def test_the_parser_is_told_what_all_sinks_ask_for(
    bench: Bench, renderings: list[Rendering | None], expected: Rendering | None
) -> None:
    bench.sinks = [Shelf(f"shelf {number}", rendering=rendering) for number, rendering in enumerate(renderings)]
    job, told = bench.job(), []

    def parser(of: Item, offset: int, rendering: Rendering | None) -> Parser:
        told.append(rendering)
        return job.parser(of, offset, None)

    bench.deliver(item(lines(1)), replace(job, parser=parser))
    assert told == [expected]
