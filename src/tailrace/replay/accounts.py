"""What a replay changes in receipts: pure arithmetic, after which every balance holds that held before.

A refused record that its sink has taken now was dead-lettered and is accepted. A reject that can be read now becomes
records, in the account of every sink that has had its object so far; a sink that the records did not go to has them as
routed nowhere. The lines of an object stay the same number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from tailrace.model import Counts, Identity, Totals
from tailrace.receipts import Receipt, Tail

Where = Literal["body", "tail"]
"""Which part of an account a letter belongs to: what is confirmed for good, or a last line that is read again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is added to an account; figures may be negative."""

    counts: Counts = field(default_factory=Counts)
    totals: Totals = field(default_factory=Totals)
    filtered: int = 0
    nowhere: int = 0
    dead_rejects: int = 0


def taken(number: int, already: int = 0) -> Change:
    """Refused records that their sink has taken now, some of which it had already."""
    return Change(totals=Totals(accepted=number - already, already=already, dead=-number))


def passed_on(number: int) -> Change:
    """Refused records that another sink has taken in the place of theirs."""
    return Change(totals=Totals(routed=-number, dead=-number), nowhere=number)


@dataclass(frozen=True, slots=True)
class Part:
    """What became of a letter's records at a sink: those that were for it, and those that were not."""

    totals: Totals
    filtered: int = 0
    nowhere: int = 0


def reread(lines: int, now: Counts, part: Part | None) -> Change:
    """A reject of so many lines that reads otherwise now.

    `now`: the account of its lines; those that are still rejects are kept as such. `part`: what became of the records at
    the sink; None if they did not go there.
    """
    before = Counts(lines=-lines, rejects=-1, reject_lines=-lines)
    part = part or Part(Totals(), nowhere=now.records)
    return Change(
        counts=now + before,
        totals=part.totals,
        filtered=part.filtered,
        nowhere=part.nowhere,
        dead_rejects=now.rejects - 1,
    )


def besides(counts: Counts, part: Part) -> Change:
    """The records of a letter that an account does not know, as lines of their own."""
    records = replace(counts, lines=counts.record_lines, rejects=0, reject_lines=0, control=0, blank=0)
    return Change(counts=records, totals=part.totals, filtered=part.filtered, nowhere=part.nowhere)


def apart(counts: Counts, totals: Totals) -> Change:
    """What a sink has taken of a letter's records, where it has no account of their object."""
    number = totals.accepted + totals.already
    lines = counts.record_lines if number == counts.records else number
    taken = replace(counts, records=number, record_lines=lines)
    return besides(taken, Part(replace(totals, routed=number, dead=0)))


def apart_of(item: Identity) -> Identity:
    """What stands for the letters of an object where their records are accounted for apart from it."""
    return replace(item, etag=f"{item.etag}+letters")


def where(offset: int, receipt: Receipt, receipts: Mapping[str, Receipt]) -> Where | None:
    """The part of an account to which a letter at an offset belongs; None if it goes beyond what is confirmed.

    `receipts`: all of the same object. Only the one that reaches furthest tells of a last line that was unfinished.
    """
    if offset < receipt.offset:
        return "body"
    furthest = max(each.offset for each in receipts.values())
    return "tail" if receipt.tail and receipt.offset == furthest else None


def changed(receipt: Receipt, change: Change, where: Where, now: float) -> Receipt | None:
    """The account after a change; None if it does not tell of such letters, because they have been replayed before."""
    part: Receipt | Tail | None = receipt if where == "body" else receipt.tail
    if part is None:
        return None
    counts, totals = part.counts + change.counts, part.totals + change.totals
    dead_rejects = part.dead_rejects + change.dead_rejects
    if min(counts.rejects, counts.reject_lines, totals.dead, totals.routed, dead_rejects) < 0:
        return None
    new = replace(
        part,
        counts=counts,
        totals=totals,
        filtered=part.filtered + change.filtered,
        nowhere=part.nowhere + change.nowhere,
        dead_rejects=dead_rejects,
    )
    return replace(receipt, tail=new, finished=now) if isinstance(new, Tail) else replace(new, finished=now)
