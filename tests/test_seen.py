"""Sinks that see only a part of the records: what passes them by is accounted for."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from making import StillClock, alb, clb
from tailrace.homes import Home, Job
from tailrace.hosts.reading import parsers, plan_of
from tailrace.model import Item, Rendering, Totals, View
from tailrace.receipts import imbalances
from tailrace.retry import Patience
from tailrace.run import deliver
from tailrace.settings import Retry, Settings
from tailrace.state.memory import MemoryState
from tailrace.transforms import Discreet, Seen, Transforms, view_of
from tailrace.transforms.settings import Pairs, Texts
from test_run import DAY, JUNK, Letters, Shelf, Watcher, item, lines, numbers


def view(**told: object) -> View:
    return view_of(Transforms(**told), plan_of(Settings()).formats)  # type: ignore[arg-type]


def job(clock: StillClock) -> Job:
    parser = parsers(Settings(kernel="reference"), lambda _notice: None)
    return Job(parser=parser, patience=Patience(Retry(), clock, lambda _s: False), clock=clock, checkpoint=1 << 40)


MIXED = item(b"".join(alb(DAY, number) for number in range(10)) + clb(DAY) + JUNK)


def test_each_sink_gets_what_is_for_it_and_every_record_is_accounted_for(clock: StillClock) -> None:
    state, all_of_it, few, others, dry = MemoryState(clock), Shelf("all"), Shelf("few"), Shelf("clb"), Shelf("dry")
    odd = view(include=Texts(("request_url ~ /search/[135]", "request_url ~ /search/7")), formats=("alb",))
    sinks = [
        all_of_it, Seen(few, odd), Seen(others, view(formats=("clb",))),
        Seen(dry, view(exclude=Texts(("request_url ~ /search/[0-3]",)), filter_mode="count")),
    ]  # fmt: skip
    outcome = deliver(MIXED, [Home(state, Letters(), sinks)], job(clock), Watcher())
    assert sorted(numbers(few)) == [1, 3, 5, 7]
    assert (len(all_of_it.lines), len(others.lines), len(dry.lines)) == (11, 1, 11)
    names = {sink.name.partition("+")[0]: sink.name for sink in sinks}
    receipts = state.receipts_of(MIXED.identity)
    assert all(list(imbalances(receipt)) == [] for receipt in receipts.values())
    told = receipts[names["few"]]
    assert (told.filtered, told.nowhere, told.totals) == (6, 1, Totals(4, 4))
    assert (receipts[names["clb"]].nowhere, receipts[names["clb"]].totals) == (10, Totals(1, 1))
    assert (receipts[names["dry"]].filtered, receipts[names["dry"]].totals) == (0, Totals(11, 11))
    assert outcome.noted == {
        (names["few"], "filtered"): 6, (names["few"], "of other formats"): 1,
        (names["clb"], "of other formats"): 10, (names["dry"], "would be filtered"): 4,
    }  # fmt: skip


def test_the_name_tells_views_apart_that_change_what_a_sink_gets() -> None:
    plain, few, dry = Shelf("s"), view(formats=("alb",)), view(include=Texts(("not elb",)), filter_mode="count")
    names = [Seen(plain, each).name for each in (View(), few, replace(few, formats=("clb",)), dry)]
    assert (names[0], names[3]) == ("s", "s")
    assert len({*names}) == 3


def test_what_is_asked_for_in_one_form_is_seen_through_the_view(clock: StillClock) -> None:
    shelf = Shelf("s", rendering=Rendering("aws", ids=True))
    seen = Seen(shelf, view(rename=Pairs({"client_ip": "ip"}), constants=Pairs({"team": "web"})))
    deliver(item(lines(1)), [Home(MemoryState(clock), Letters(), [seen])], job(clock), Watcher())
    assert b'"ip":"' in shelf.lines[0]
    assert shelf.lines[0].endswith(b'"team":"web"}')


def test_a_reject_keeps_its_structure_only_where_something_is_hidden(clock: StillClock) -> None:
    letters, of = Letters(), item(lines(1) + b"user 42 was here\n")
    deliver(of, [Home(MemoryState(clock), Discreet(letters), [Shelf()])], job(clock), Watcher())
    ((kept,),) = letters.kept.values()
    assert (kept.payload, kept.length) == (b"xxxx 00 xxx xxxx", 16)


def test_what_was_abandoned_is_not_counted(clock: StillClock) -> None:
    shelf = Shelf("s")
    seen = Seen(shelf, view(formats=("clb",)))
    of: Item = MIXED
    state = MemoryState(clock)
    home = Home(state, Letters(), [seen])
    shelf.refusals = [OSError("broken")]
    with suppress(OSError):
        deliver(of, [home], job(clock), Watcher())
    deliver(of, [home], job(clock), Watcher())
    (receipt,) = state.receipts_of(of.identity).values()
    assert (receipt.nowhere, receipt.totals) == (10, Totals(1, 1))
