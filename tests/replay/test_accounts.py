"""Whatever a replay does, an account that balanced balances afterwards, and has as many lines as before."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from making import item
from tailrace.model import Counts, Totals
from tailrace.receipts import Receipt, Tail, imbalances
from tailrace.replay.accounts import (
    Change,
    Part,
    Where,
    apart,
    apart_of,
    besides,
    changed,
    passed_on,
    reread,
    taken,
    where,
)

N = st.integers(0, 5)


@st.composite
def counts(draw: st.DrawFn, lines: int | None = None) -> Counts:
    """Counts that balance; of so many lines, if that is given."""
    if lines is None:
        records, rejects, control, blank = (draw(N) for _ in range(4))
        record_lines, reject_lines = records + draw(N) * bool(records), rejects + draw(N) * bool(rejects)
    else:
        cuts = sorted(draw(st.lists(st.integers(0, lines), min_size=3, max_size=3)))
        record_lines, reject_lines, control, blank = (
            cuts[0], cuts[1] - cuts[0], cuts[2] - cuts[1], lines - cuts[2],
        )  # fmt: skip
        records, rejects = (draw(st.integers(min(1, each), each)) for each in (record_lines, reject_lines))
    return Counts(
        lines=record_lines + reject_lines + control + blank, records=records, record_lines=record_lines,
        rejects=rejects, reject_lines=reject_lines, control=control, blank=blank,
    )  # fmt: skip


@st.composite
def totals(draw: st.DrawFn, routed: int) -> Totals:
    cuts = sorted(draw(st.lists(st.integers(0, routed), min_size=2, max_size=2)))
    return Totals(routed, cuts[0], cuts[1] - cuts[0], routed - cuts[1])


@st.composite
def receipts(draw: st.DrawFn) -> Receipt:
    """Receipts that balance, some with an unfinished last line."""
    body, tail = draw(counts()), draw(counts())
    filtered, nowhere = draw(st.integers(0, body.records)), 0
    truncated = draw(st.sampled_from(["", "it ends before its end"]))
    made = Receipt(
        item=item().identity, sink="s", state="complete", offset=1000, counts=body, filtered=filtered, nowhere=nowhere,
        totals=draw(totals(body.records - filtered)), dead_rejects=body.rejects + bool(truncated), truncated=truncated,
    )  # fmt: skip
    if draw(st.booleans()):
        made = replace(made, tail=Tail(counts=tail, totals=draw(totals(tail.records)), dead_rejects=tail.rejects))
    assert list(imbalances(made)) == []
    return made


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """What may become of one letter, whether the account knows of it or not."""
    kind = draw(st.sampled_from(["taken", "passed on", "reread"]))
    if kind == "taken":
        number = draw(st.integers(1, 3))
        return taken(number, draw(st.integers(0, number)))
    if kind == "passed on":
        return passed_on(draw(st.integers(1, 3)))
    lines = draw(st.integers(1, 6))
    now = draw(counts(lines))
    return reread(lines, now, draw(st.none() | parts(now.records)))


@st.composite
def parts(draw: st.DrawFn, records: int) -> Part:
    """What may become of so many records at a sink."""
    routed = draw(st.integers(0, records))
    filtered = draw(st.integers(0, records - routed))
    return Part(draw(totals(routed)), filtered, records - routed - filtered)


@given(receipts(), st.lists(changes(), max_size=8), st.sampled_from(["body", "tail"]))
def test_a_balanced_account_stays_so(receipt: Receipt, some: list[Change], place: Where) -> None:
    lines = receipt.whole.counts.lines
    for change in some:
        revised = changed(receipt, change, place, 5.0)
        if revised is None:
            continue
        receipt = revised
        assert list(imbalances(receipt)) == []
        assert receipt.whole.counts.lines == lines
        assert receipt.finished == 5.0
        part = receipt if place == "body" else receipt.tail
        assert part is not None
        assert min(part.counts.rejects, part.counts.reject_lines, part.totals.dead, part.dead_rejects) >= 0


@given(receipts(), counts(), st.data())
def test_records_that_are_counted_apart_balance(receipt: Receipt, some: Counts, data: st.DataObject) -> None:
    part = data.draw(parts(some.records))
    account = Receipt(item=apart_of(receipt.item), sink="s", state="complete")
    for before, change, number in (
        (receipt, besides(some, part), some.records),
        (account, apart(some, part.totals), part.totals.accepted + part.totals.already),
    ):
        revised = changed(before, change, "body", 0.0)
        assert revised is not None
        assert list(imbalances(revised)) == []
        assert revised.counts.records == before.counts.records + number


def test_what_the_figures_mean() -> None:
    account = Receipt(
        item=item().identity, sink="s", state="complete", counts=Counts(lines=10, records=6, record_lines=6, rejects=3,
        reject_lines=4), totals=Totals(6, 4, 0, 2), dead_rejects=3,
    )  # fmt: skip
    delivered = changed(account, taken(2, 1), "body", 0.0)
    assert delivered is not None
    assert delivered.totals == Totals(6, 5, 1, 0)
    elsewhere = changed(account, passed_on(1), "body", 0.0)
    assert elsewhere is not None
    assert (elsewhere.totals, elsewhere.nowhere) == (Totals(5, 4, 0, 1), 1)
    now = Counts(lines=2, records=1, record_lines=1, rejects=1, reject_lines=1)
    read = changed(account, reread(2, now, Part(Totals(1, 1))), "body", 0.0)
    assert read is not None
    assert read.counts == Counts(lines=10, records=7, record_lines=7, rejects=3, reject_lines=3)
    assert (read.totals, read.dead_rejects, read.nowhere) == (Totals(7, 5, 0, 2), 3, 0)
    beside = changed(account, reread(2, now, None), "body", 0.0)
    assert beside is not None
    assert (beside.totals, beside.nowhere) == (account.totals, 1)


def test_a_letter_that_the_account_does_not_know_changes_nothing() -> None:
    account = Receipt(item=item().identity, sink="s", state="complete")
    for change in (taken(1), passed_on(1), reread(1, Counts(lines=1, control=1), None)):
        assert changed(account, change, "body", 0.0) is None
    assert changed(account, Change(), "tail", 0.0) is None


def test_where_a_letter_belongs() -> None:
    behind = Receipt(item=item().identity, sink="a", state="partial", offset=10, tail=Tail())
    ahead = Receipt(item=item().identity, sink="b", state="complete", offset=20)
    grown = replace(ahead, sink="c", tail=Tail())
    both, all_three = {"a": behind, "b": ahead}, {"a": behind, "b": ahead, "c": grown}
    assert [where(9, each, both) for each in both.values()] == ["body", "body"]
    assert [where(10, each, both) for each in both.values()] == [None, "body"]
    assert [where(20, each, all_three) for each in all_three.values()] == [None, None, "tail"]
