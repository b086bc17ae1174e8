"""Receipts: the account of one item at one sink, and the equations that it must satisfy.

    lines    = lines of records + lines of rejects + control + blank
    records  = filtered + routed nowhere + routed
    routed   = accepted + already there + dead-lettered + pending
    rejects  = dead-lettered rejects            (the `truncated` reject of an unreadable tail stands beside it)

A receipt is complete when nothing is pending.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from tailrace.errors import SourceError
from tailrace.model import Counts, Flushed, Identity, Item, Totals

FILE = "receipts.sqlite"
"""Where receipts are kept in a folder; what lies beside it is Tailrace's own, and no source reads it."""
State = Literal["partial", "complete", "gone"]
"""`partial`: confirmed up to `offset`, the rest is still to come. `gone`: the object had vanished after its event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """What came of a last line without a newline, in a file that may still grow: it is read again if it does."""

    counts: Counts = field(default_factory=Counts)
    totals: Totals = field(default_factory=Totals)
    filtered: int = 0
    nowhere: int = 0
    dead_rejects: int = 0
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The account of one item at one sink, up to `offset` in its decompressed content."""

    item: Identity
    sink: str
    state: State
    offset: int = 0
    parts: int = 0
    """How many commits the item has had: the number of the next one."""
    size: int | None = None
    """The item's size in bytes, compressed as it was, when it was read."""
    counts: Counts = field(default_factory=Counts)
    totals: Totals = field(default_factory=Totals)
    filtered: int = 0
    nowhere: int = 0
    dead_rejects: int = 0
    truncated: str = ""
    """Why the item could not be read to its end; empty if it could. Its tail is one more reject."""
    unconfirmed: bool = False
    """The sink does not confirm: accepted means written to the socket."""
    tail: Tail | None = None
    started: float = 0.0
    finished: float = 0.0

    @property
    def truncated_rejects(self) -> int:
        """The reject of an unreadable tail, which no line belongs to."""
        return 1 if self.truncated else 0

    @property
    def whole(self) -> Receipt:
        """The account with that of an unfinished last line in it."""
        if self.tail is None:
            return self
        return replace(
            self,
            counts=self.counts + self.tail.counts,
            totals=self.totals + self.tail.totals,
            filtered=self.filtered + self.tail.filtered,
            nowhere=self.nowhere + self.tail.nowhere,
            dead_rejects=self.dead_rejects + self.tail.dead_rejects,
            tail=None,
        )


def base_of(item: Item, sink: str, last: Receipt | None, now: float) -> Receipt | None:
    """The account to which this delivery of an item adds, up to where it is confirmed; None if nothing is left to do.

    What came of a last line without a newline is not in it: that is read again. Raises SourceError if the item has
    become shorter than it was.
    """
    if last is None or last.state == "gone":
        return Receipt(item=item.identity, sink=sink, state="partial", size=item.size, started=now)
    if last.state == "complete":
        if last.size == item.size or item.size is None or last.size is None:
            return None
        if item.size < last.size:
            message = (
                f"{item.identity.name} has {item.size} bytes, but had {last.size} when it was delivered: it was written"
                f" anew; deliver it with --again, which replaces what was delivered of it"
            )
            raise SourceError(message)
    return replace(
        last,
        state="partial",
        size=item.size,
        dead_rejects=last.dead_rejects - last.truncated_rejects,
        truncated="",
        tail=None,
    )


@dataclass(frozen=True, slots=True)
class Share:
    """What a sink has had of some records: how many were offered to it, and what became of them."""

    offered: int
    flushed: Flushed

    @property
    def totals(self) -> Totals:
        """The account of the records that were for this sink."""
        told = self.flushed
        routed, dead = self.offered - told.filtered - told.elsewhere, len(told.refusals)
        return Totals(routed=routed, accepted=routed - told.already - dead, already=told.already, dead=dead)


@dataclass(slots=True)
class Pending:
    """What was written since the last commit: it counts when everything is flushed."""

    counts: Counts = field(default_factory=Counts)
    end: int = 0
    truncated: str = ""

    def added_to(self, base: Receipt, state: State, now: float, share: Share) -> Receipt:
        """The account with these lines in it, of which a sink has had its share."""
        return replace(
            base,
            state=state,
            offset=self.end,
            parts=base.parts + 1,
            counts=base.counts + self.counts,
            totals=base.totals + share.totals,
            filtered=base.filtered + share.flushed.filtered,
            nowhere=base.nowhere + share.flushed.elsewhere,
            dead_rejects=base.dead_rejects + self.counts.rejects + bool(self.truncated),
            truncated=self.truncated,
            unconfirmed=base.unconfirmed or share.flushed.unconfirmed,
            finished=now,
        )

    def as_tail_of(self, base: Receipt, now: float, share: Share) -> Receipt:
        """The account with these lines beside it, because they are read again when the item grows."""
        return replace(
            base,
            state="complete",
            parts=base.parts + 1,
            dead_rejects=base.dead_rejects + bool(self.truncated),
            truncated=self.truncated,
            unconfirmed=base.unconfirmed or share.flushed.unconfirmed,
            tail=Tail(
                counts=self.counts,
                totals=share.totals,
                filtered=share.flushed.filtered,
                nowhere=share.flushed.elsewhere,
                dead_rejects=self.counts.rejects,
                files=tuple(file.path for file in share.flushed.files),
            ),
            finished=now,
        )


def imbalances(receipt: Receipt) -> Iterator[str]:
    """Each equation that the receipt does not satisfy, with its figures."""
    receipt = receipt.whole
    counts, totals = receipt.counts, receipt.totals
    if not counts.balanced:
        yield (
            f"{counts.lines} lines, but {counts.record_lines} in records + {counts.reject_lines} in rejects"
            f" + {counts.control} control + {counts.blank} blank"
        )
    if counts.records != receipt.filtered + receipt.nowhere + totals.routed:
        yield (
            f"{counts.records} records, but {receipt.filtered} filtered + {receipt.nowhere} routed nowhere"
            f" + {totals.routed} routed"
        )
    if totals.pending < 0 or (receipt.state == "complete" and totals.pending):
        yield (
            f"{totals.routed} routed, but {totals.accepted} accepted + {totals.already} already there"
            f" + {totals.dead} dead-lettered"
        )
    expected = counts.rejects + receipt.truncated_rejects
    if receipt.dead_rejects != expected:
        yield f"{expected} rejects, but {receipt.dead_rejects} dead-lettered"
