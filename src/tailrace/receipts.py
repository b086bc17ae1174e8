"""Receipts: the account of one item at one sink, and the equations that it must satisfy.

    lines    = lines of records + lines of rejects + control + blank
    records  = filtered + routed nowhere + routed
    routed   = accepted + already there + dead-lettered + pending
    rejects  = dead-lettered rejects            (the `truncated` reject of an unreadable tail stands beside it)

A receipt is complete when nothing is pending.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from tailrace.model import Counts, Identity, Totals

State = Literal["partial", "complete", "gone"]
"""`partial`: confirmed up to `offset`, the rest is still to come. `gone`: the object had vanished after its event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """What came of a last line without a newline, in a file that may still grow: it is read again if it does."""

    counts: Counts = field(default_factory=Counts)
    totals: Totals = field(default_factory=Totals)
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


def imbalances(receipt: Receipt) -> Iterator[str]:
    """Each equation that the receipt does not satisfy, with its figures."""
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
