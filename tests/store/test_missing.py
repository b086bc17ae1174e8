"""An object is missing unless its receipts are complete and balance."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from making import StillClock, alb, batch, receipt
from tailrace.model import Identity, Item
from tailrace.receipts import Receipt
from tailrace.state.memory import MemoryState
from tailrace.store.missing import Period, Seen, missing, time_of

KEY = "AWSLogs/123456789012/elasticloadbalancing/us-east-1/2026/09/23/123456789012_elasticloadbalancing_us-east-1_app.shop.50dc6c495c0c9188_20260923T0005Z_10.0.0.1_2abc.log.gz"
NOON = datetime(2026, 9, 23, 12, tzinfo=UTC).timestamp()


def thing(key: str = "a.log.gz", *, modified: float = NOON, size: int = 10, etag: str = "e") -> Item:
    return Item(Identity("s3", "logs", key, etag), io.BytesIO, size, modified)


def told(items: list[Item], receipts: list[Receipt], clock: StillClock, sink: str = "", **period: float) -> list[str]:
    state = MemoryState(clock)
    for each in receipts:
        state.commit(each, ())
    return [found.why for found in missing(items, state, Period(**period), sink, Seen())]


def test_what_has_no_balanced_receipt_is_missing(clock: StillClock) -> None:
    of = thing()
    whole = receipt(of, "cloudwatch:g#1", [batch(alb("2026-09-23"), of)])
    assert told([of], [whole], clock) == []
    assert told([of], [], clock) == ["no receipt"]
    assert told([of], [replace(whole, state="partial")], clock) == ["partial at cloudwatch:g#1"]
    assert told([of], [replace(whole, state="gone")], clock) == ["gone at cloudwatch:g#1"]
    (why,) = told([of], [replace(whole, filtered=1)], clock)
    assert why == "out of balance at cloudwatch:g#1: 1 records, but 1 filtered + 0 routed nowhere + 1 routed"
    other = replace(whole, item=replace(of.identity, etag="older"))
    assert told([of], [other], clock) == ["no receipt; another version of it has one"]


def test_a_sink_may_be_asked_for(clock: StillClock) -> None:
    of = thing()
    both = [receipt(of, "cloudwatch:g#1"), replace(receipt(of, "s3://out#2"), state="partial")]
    assert told([of], both, clock) == ["partial at s3://out#2"]
    assert told([of], both, clock, "cloudwatch") == []
    assert told([of], both, clock, "*out*") == ["partial at s3://out#2"]
    assert told([of], both, clock, "elasticsearch") == ["no receipt at elasticsearch"]


@pytest.mark.parametrize("item", [thing(size=0), thing("x/AWSLogs/1/ELBAccessLogTestFile")])
def test_what_holds_nothing_is_not_missing(item: Item, clock: StillClock) -> None:
    assert told([item], [], clock) == []


def test_the_time_is_that_of_the_key(clock: StillClock) -> None:
    in_key = datetime(2026, 9, 23, 0, 5, tzinfo=UTC).timestamp()
    named, other = thing(KEY), thing()
    assert [time_of(named), time_of(other)] == [in_key, NOON]
    for period, expected in (
        ({"since": in_key, "until": NOON}, 1),
        ({"since": in_key + 1, "until": NOON + 1}, 1),
        ({"since": in_key, "until": NOON + 1}, 2),
        ({"until": in_key}, 0),
        ({"since": NOON + 1}, 0),
    ):
        assert len(told([named, other], [], clock, **period)) == expected


def test_many_are_looked_up_page_by_page_and_in_order(clock: StillClock) -> None:
    items, state, seen = [thing(f"{number:05}") for number in range(3500)], MemoryState(clock), Seen()
    for of in items[::7]:
        state.commit(receipt(of, "s"), ())
    found = [each.item for each in missing(iter(items), state, Period(), "", seen)]
    assert found == [of for number, of in enumerate(items) if number % 7]
    assert seen.objects == 3500
