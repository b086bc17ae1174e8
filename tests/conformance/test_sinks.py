"""What every sink promises, against what receives from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from threading import Barrier
from typing import Any, get_type_hints

import pytest

from carrying import Carrier, carry, item, lines, seen, wide
from entries import HIDDEN, Servers, is_sentence, only
from making import batch
from receiving import ABLE, ENTRIES, Entry, Factory, Own
from tailrace.errors import Fatal, Retryable, TailraceError
from tailrace.model import Condition, Flushed, Totals, View
from tailrace.ports import Checkable, Sink
from tailrace.quantities import Secret
from tailrace.registry import sinks

NUMBERS = range(10_000, 10_005)
"""Marks of records that are never taken."""
Opening = Callable[..., Sink]


@pytest.fixture(params=list(ENTRIES))
def entry(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Entry]:
    with ENTRIES[request.param](servers, tmp_path) as made:
        yield made


@pytest.fixture
def to(entry: Entry) -> Iterator[Opening]:
    """Opens sinks of an entry, which are closed in the end."""
    with ExitStack() as closing:

        def opened(made: Factory | None = None, **own: Any) -> Sink:
            sink = (made or entry.opened(**own))()
            closing.callback(sink.close)
            return sink

        yield opened


def all_of(*carriers: Carrier) -> Totals:
    """What became of all that was offered, which balances."""
    total = sum((each.totals for each in carriers), Totals())
    assert total.pending == 0
    assert min(total.routed, total.accepted, total.already, total.dead) >= 0
    return total


def told_of_nothing(flushed: Flushed) -> None:
    """Nothing is told but that records were accepted."""
    plain = Flushed(files=flushed.files, unconfirmed=flushed.unconfirmed)
    assert replace(flushed, refusals=tuple(flushed.refusals)) == plain


def test_every_kind_is_tested(servers: Servers, tmp_path: Path) -> None:
    tested = set()
    for number, made in enumerate(ENTRIES.values()):
        (folder := tmp_path / str(number)).mkdir()
        with made(servers, folder) as one:
            tested.add(one.kind)
    assert tested == set(sinks()), "a new sink needs an entry in receiving.py"


def test_what_it_has_is_tested(entry: Entry, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.params["entry"]
    found = {what for what in ABLE if getattr(entry, what)}
    assert found == {what for what, names in ABLE.items() if name in names}, "ABLE tells which tests there are for it"


def test_every_record_arrives_once(entry: Entry, to: Opening) -> None:
    """Batches per flush, flushes per item, items: nothing missing, nothing twice."""
    sink = to()
    carriers = []
    for number in range(3):
        carrier = Carrier(sink, item(f"AWSLogs/{number}.log"))
        for part in range(3):
            for each in range(3):
                carrier.write(*lines(number * 900 + part * 90 + each * 10))
            carrier.flush()
        carriers.append(carrier)
    expected = sorted(
        carrier * 900 + part * 90 + mark for carrier in range(3) for part in range(3) for mark in range(30)
    )
    assert entry.arrived(270) == expected
    assert all_of(*carriers) == Totals(routed=270, accepted=270)
    assert sum(each.again for each in carriers) == 0


@only(ABLE["held"])
def test_what_is_held_is_not_seen_before_the_flush(entry: Entry, to: Opening) -> None:
    carrier = Carrier(to())
    for number in range(0, 56, 28):
        carrier.write(*map(wide, range(number, number + 28)))
        assert entry.arrived(0) == []
    carrier.flush()
    assert entry.arrived(56) == list(range(56))
    assert not entry.left()


def test_nothing_is_as_good_as_something(entry: Entry, to: Opening) -> None:
    """An empty batch, one of rejects only, a flush without writes."""
    sink = to()
    told_of_nothing(sink.flush())
    carrier = Carrier(sink)
    carrier.write()
    carrier.flush()
    carrier.write(b"this is no record\n")
    carrier.write(*lines(0))
    carrier.write()
    carrier.flush()
    carrier.flush()
    assert entry.arrived(10) == list(range(10))
    assert all_of(carrier) == Totals(routed=10, accepted=10)


@only(ABLE["unfit"])
def test_only_what_is_flushed_is_told(entry: Entry, to: Opening) -> None:
    """What one flush has told, the next one does not tell again."""
    assert entry.unfit
    carrier = Carrier(to())
    carrier.write(*lines(0), entry.unfit(NUMBERS[0]))
    assert len(carrier.flush().refusals) == 1
    carrier.write(*lines(10))
    told_of_nothing(carrier.flush())


@only(ABLE["refuse"])
def test_a_write_that_raised_has_not_taken_its_batch(entry: Entry, to: Opening) -> None:
    """Batches larger than any request, so that writes send; each call that failed is made again."""
    assert entry.refuse
    carrier = Carrier(to())
    carrier.write(*map(wide, range(28)))
    for number in range(28, 112, 28):
        entry.refuse()
        carrier.write(*map(wide, range(number, number + 28)))
    carrier.flush()
    assert carrier.again >= 1
    assert entry.arrived(112) == list(range(112))
    assert all_of(carrier) == Totals(routed=112, accepted=112)


@only(ABLE["refuse"])
def test_a_flush_that_raised_goes_on(entry: Entry, to: Opening) -> None:
    assert entry.refuse
    carrier = Carrier(to())
    for number in range(3):
        carrier.write(*lines(number * 10))
        entry.refuse()
    carrier.flush()
    assert carrier.again >= 1
    assert entry.arrived(30) == list(range(30))
    assert all_of(carrier) == Totals(routed=30, accepted=30)


@only(ABLE["lose"])
def test_a_lost_answer_loses_no_record(entry: Entry, to: Opening) -> None:
    """Where names or ids follow from content nothing is twice; elsewhere it may be, and what is not told is not."""
    assert entry.lose
    carrier = Carrier(to())
    carrier.write(*lines(0))
    carrier.flush()
    carrier.write(*lines(10))
    entry.lose()
    told = carrier.flush()
    assert carrier.again == 1
    arrived = Counter(entry.arrived(20))
    assert arrived == Counter([*range(10), *(1 if entry.once else 2) * [*range(10, 20)]])
    total = all_of(carrier)
    assert total.accepted + total.already == 20
    assert (told.repeated > 0) == (entry.kind == "cloudwatch"), "what may be there twice is counted"


def test_what_is_abandoned_comes_again(entry: Entry, to: Opening) -> None:
    carrier = Carrier(to())
    carrier.write(*lines(0))
    carrier.flush()
    carrier.write(*map(wide, range(10, 38)))
    carrier.write(*lines(38))
    carrier.begin_again()
    carrier.write(*lines(48))
    carrier.flush()
    arrived = Counter(entry.arrived(58))
    assert set(arrived) == set(range(58))
    assert {arrived[mark] for mark in range(10)} == {1}
    if entry.once:
        assert set(arrived.values()) == {1}
    assert not entry.left()
    assert all_of(carrier).routed == 58


@only(ABLE["refuse"])
def test_what_is_abandoned_after_a_failure_comes_again(entry: Entry, to: Opening) -> None:
    assert entry.refuse
    sink = to()
    carrier = Carrier(sink)
    carrier.write(*lines(0))
    entry.refuse()
    with pytest.raises(Retryable):
        sink.flush()
    carrier.begin_again()
    carrier.flush()
    assert entry.arrived(10) == list(range(10))
    assert all_of(carrier) == Totals(routed=10, accepted=10)
    assert not entry.left()


@only(ABLE["unfit"])
def test_what_is_abandoned_is_not_told_of(entry: Entry, to: Opening) -> None:
    """Neither what was refused of it, nor how many had no time: they are told of when they come again."""
    assert entry.unfit
    sink = to()
    carrier = Carrier(sink)
    carrier.write(*lines(0), *map(entry.unfit, NUMBERS))
    sink.abandon()
    told_of_nothing(sink.flush())
    other = carry(to(), [*lines(100), *map(entry.unfit, NUMBERS)], of=item("AWSLogs/b.log"))
    assert all_of(other).dead == len(NUMBERS)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_in_whatever_order(entry: Entry, to: Opening, seed: int) -> None:
    dice = Random(seed)
    sink, first, carriers = to(), 0, []
    may_double = set[int]()
    for number in range(4):
        carrier = Carrier(sink, item(f"AWSLogs/{number}.log"))
        carriers.append(carrier)
        for _ in range(dice.randint(1, 3)):
            since = first
            for _ in range(dice.randint(0, 3)):
                many = dice.choice([0, 1, 10])
                carrier.write(*lines(first, many))
                first += many
                _disturb(entry, dice)
            if dice.random() < 0.3:
                carrier.begin_again()
                may_double |= set(range(since, first))
            if entry.lose and dice.random() < 0.3:
                entry.lose()
                may_double |= set(range(since, first))
            carrier.flush()
            assert not entry.left()
    arrived = Counter(entry.arrived(first))
    assert set(arrived) == set(range(first))
    twice = {mark for mark, times in arrived.items() if times > 1}
    assert twice <= (set() if entry.once else may_double)
    assert all_of(*carriers).routed == first


def _disturb(entry: Entry, dice: Random) -> None:
    if entry.refuse and dice.random() < 0.3:
        entry.refuse()


@only(ABLE["unfit"])
def test_what_is_refused_is_told_with_its_line(entry: Entry, to: Opening) -> None:
    assert entry.unfit
    bad = [entry.unfit(number) for number in NUMBERS]
    content = [*lines(0, 5), bad[0], *lines(5, 5), *bad[1:3], bad[3], *lines(10, 5), bad[4]]
    carrier = carry(to(), content[:8], content[8:])
    assert entry.arrived(15) == list(range(15))
    refusals = sorted(carrier.flushes[0].refusals, key=lambda refusal: refusal.offset)
    assert [refusal.payload + b"\n" for refusal in refusals] == bad
    whole = b"".join(content)
    assert [refusal.offset for refusal in refusals] == [whole.index(line) for line in bad]
    assert all(refusal.reason.isidentifier() and refusal.reason.islower() for refusal in refusals)
    assert all_of(carrier) == Totals(routed=20, accepted=15, dead=5)


def test_what_is_delivered_again_is_told_or_not_twice(entry: Entry, to: Opening) -> None:
    """Another process delivers the same item: where names or ids follow from content nothing is twice."""
    carry(to(), lines(0), lines(10))
    again = carry(to(), lines(0), lines(10), lines(20))
    arrived = Counter(entry.arrived(30))
    assert set(arrived) == set(range(30))
    if entry.once:
        assert set(arrived.values()) == {1}
    assert all_of(again).routed == 30


EVEN = Condition("request_url", "~", r"/search/\d*[02468]\?")


@pytest.mark.parametrize("counted", [False, True])
def test_a_view_before_it_keeps_the_account(entry: Entry, to: Opening, *, counted: bool) -> None:
    view = View(formats=("alb",), exclude=((EVEN,),), counted=counted)
    sink = seen(to(), view)
    assert sink.name.startswith(to().name)
    carrier = Carrier(sink)
    carrier.write(*lines(0))
    carrier.begin_again()
    carrier.write(*lines(10))
    if entry.refuse:
        entry.refuse()
    told = carrier.flush()
    shown = [mark for mark in range(20) if counted or mark % 2]
    arrived = entry.arrived(len(shown))
    assert sorted(set(arrived)) == shown
    assert (told.filtered, told.counted, told.elsewhere) == ((0, 10, 0) if counted else (10, 0, 0))
    assert all_of(carrier).routed == len(shown)


@only(ABLE["unfit"])
def test_what_is_refused_behind_a_view_is_told(entry: Entry, to: Opening) -> None:
    assert entry.unfit
    bad = [entry.unfit(number) for number in NUMBERS]
    carrier = carry(seen(to(), View(exclude=((EVEN,),))), [*lines(0), *bad, *lines(10)])
    assert entry.arrived(10) == list(range(1, 20, 2))
    odd = [line for number, line in zip(NUMBERS, bad, strict=True) if number % 2]
    assert sorted(refusal.payload + b"\n" for refusal in carrier.flushes[0].refusals) == odd
    assert all_of(carrier) == Totals(routed=12, accepted=10, dead=2)


def test_it_may_be_closed_twice_and_at_any_time(entry: Entry, to: Opening) -> None:
    failed = to()
    if entry.refuse:
        failed.write(item("AWSLogs/c.log"), batch(b"".join(lines(200)), item("AWSLogs/c.log")), 0)
        entry.refuse()
        with pytest.raises(Retryable):
            failed.flush()
    unused = to()
    written = to()  # after the refusal: what it sends by itself must not meet that
    written.write(item(), batch(b"".join(map(wide, range(28))), item()), 0)
    flushed = to()
    carry(flushed, lines(100), of=item("AWSLogs/b.log"))
    for sink in (unused, written, flushed, failed):
        sink.close()
        sink.close()
        sink.abandon()
        sink.close()
    assert not entry.left()
    assert set(range(100, 110)) <= set(entry.arrived(10))


def test_two_threads_use_two_sinks_of_one_factory(entry: Entry, to: Opening) -> None:
    made, barrier = entry.opened(), Barrier(2)
    pair = [to(made), to(made)]

    def work(worker: int) -> Carrier:
        carrier = Carrier(pair[worker], item(f"AWSLogs/{worker}.log"))
        barrier.wait()
        for part in range(4):
            for number in range(3):
                carrier.write(*lines(worker * 1000 + part * 30 + number * 10))
            carrier.flush()
        return carrier

    with ThreadPoolExecutor(2) as pool:
        carriers = list(pool.map(work, range(2)))
    assert entry.arrived(240) == [*range(120), *range(1000, 1120)]
    assert all_of(*carriers) == Totals(routed=240, accepted=240)


def test_a_sink_that_closes_leaves_the_others_at_work(entry: Entry, to: Opening) -> None:
    made = entry.opened()
    one, other = to(made), to(made)
    carry(one, lines(0), of=item("AWSLogs/a.log"))
    one.close()
    carry(other, lines(10), of=item("AWSLogs/b.log"))
    assert entry.arrived(20) == list(range(20))


def test_its_name_tells_what_changes_bytes_and_no_more(entry: Entry, to: Opening) -> None:
    plain = to().name
    assert plain == to().name
    assert plain.startswith(entry.kind)
    assert [own for own in entry.equal if to(**own).name != plain] == []
    names = [to(**own).name for own in entry.changing]
    assert len({plain, *names}) == len(names) + 1, list(zip(entry.changing, names, strict=True))


def test_no_kind_keeps_its_secrets_from_this_test(servers: Servers, tmp_path: Path) -> None:
    known: dict[str, set[str]] = {}
    for number, made in enumerate(ENTRIES.values()):
        (folder := tmp_path / str(number)).mkdir()
        with made(servers, folder) as one:
            known.setdefault(one.kind, set()).update(*_secrets(one.secret))
    for name, kind in sinks().items():
        assert known[name] == {key for key, type_ in get_type_hints(kind.settings).items() if type_ is Secret}


def _secrets(told: Sequence[Own]) -> list[set[str]]:
    return [{name for name, value in own.items() if value == HIDDEN} for own in told] or [set()]


def test_it_shows_no_secret(entry: Entry, to: Opening) -> None:
    for own in entry.secret:
        sink = to(**own)
        parts = [sink, *vars(sink).values()]
        assert HIDDEN not in " ".join([sink.name, *map(repr, parts), *map(str, parts)])
        assert sink.name == to().name, "another password is no other sink"


def test_what_cannot_work_is_told_in_a_sentence(entry: Entry, to: Opening) -> None:
    for what, made in entry.broken.items():
        sink = to(made)
        with pytest.raises(TailraceError) as caught:
            carry_once(sink)
        is_sentence(str(caught.value))
        if what != "nobody there":
            assert isinstance(caught.value, Fatal), what
        sink.close()
        sink.close()
        with suppress(TailraceError):
            sink.flush()


def carry_once(sink: Sink) -> None:
    sink.write(item(), batch(b"".join(lines(0)), item()), 0)
    sink.flush()


def test_a_check_says_something_and_moves_nothing(entry: Entry, to: Opening) -> None:
    sink = to()
    if isinstance(sink, Checkable):
        is_sentence(f"this sink says: {sink.check()}")
        assert entry.arrived(0) == []
        assert not entry.left()
    carry(sink, lines(0))
    assert entry.arrived(10) == list(range(10))


def test_a_check_finds_what_cannot_work(entry: Entry, to: Opening) -> None:
    for what, made in entry.broken.items():
        sink = to(made)
        if isinstance(sink, Checkable) and (entry.kind, what) != ("logstash", "credentials"):
            with pytest.raises(TailraceError) as caught:
                sink.check()
            is_sentence(str(caught.value))


@pytest.mark.long
@pytest.mark.timeout(600)
def test_what_is_written_without_a_flush_does_not_stay_in_memory(
    entry: Entry, to: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the first 100 MB it grows no more, but for what the receivers of this process take."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_KEY_BUFFER_SIZE", "1024")
    carrier, size = Carrier(to()), 0
    made = carrier.batch([*map(wide, range(8))])
    most = {False: 0, True: 0}
    while size < 250 << 20:
        carrier.offer(made)
        entry.forget()
        size += len(made.records.raw().data if not carrier.sink.rendering else made.records.ndjson())
        most[size > 100 << 20] = max(most[size > 100 << 20], resident())
    assert most[True] - most[False] < 50 << 20, [each >> 20 for each in most.values()]


def resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
