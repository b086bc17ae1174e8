"""The loop: one item on its way from its source to the sinks, and the moment from which it counts as delivered.

    open ─▶ chunks ─▶ parser ─▶ batch ─▶ sinks and dead letters ─▶ flush them all ─▶ receipts

Sinks whose receipts stand at the same offset are served by one reading of the item, the others by another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import BinaryIO, Literal, Protocol, TypeVar

from tailrace.errors import Gone, Retryable, SourceError
from tailrace.framing import Corrupt, chunks
from tailrace.homes import LEASE_S, Home, Job, Lane, Visit
from tailrace.kernel.load import Parser
from tailrace.model import Batch, Counts, Item, Reject, Totals
from tailrace.receipts import Pending, Share

T = TypeVar("T")


class Watch(Protocol):
    """Is told how the work goes on, by the thread that does it."""

    def reading(self, *, now: bool) -> None:
        """Whether the source is being waited for now: such a wait may last for ever."""

    def moved(self, item: Item, position: int, lines: int) -> None:
        """The item has been read up to a position, in its own bytes, and so many more lines came of it."""


@dataclass(slots=True)
class Outcome:
    """What became of an item, and what was read of it now.

    `skipped`: every sink had it already. `held`: somebody else is at work on it. `stopped`: confirmed up to where the
    stop came. `gone`: it does not exist any more. `reasons`: of rejects. `totals`: what became of records, by sink; `refused`: by sink and reason; `noted`: what was not
    for a sink, by sink and why.
    `content`: bytes read, decompressed.
    """

    status: Literal["delivered", "skipped", "held", "stopped", "gone"]
    counts: Counts = field(default_factory=Counts)
    reasons: Counter[str] = field(default_factory=Counter)
    totals: dict[str, Totals] = field(default_factory=dict)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    noted: Counter[tuple[str, str]] = field(default_factory=Counter)
    content: int = 0
    truncated: str = ""

    def add(self, sink: str, share: Share) -> None:
        """Take in what a sink has had."""
        self.totals[sink] = self.totals.get(sink, Totals()) + share.totals
        told = share.flushed
        self.refused.update((sink, refusal.reason) for refusal in told.refusals)
        why = {
            "filtered": told.filtered, "of other formats": told.elsewhere, "would be filtered": told.counted,
            "may be there twice": told.repeated, "without a time": told.timeless,
        }  # fmt: skip
        self.noted.update({(sink, name): number for name, number in why.items() if number})

    def followed_by(self, later: Outcome) -> Outcome:
        """Both readings as one: in the later one is nothing that was not in the first, but for what other sinks had of it."""
        told = later if self.status == "skipped" or later.status != "delivered" else self
        return replace(
            told,
            totals=self.totals | later.totals,
            refused=self.refused + later.refused,
            noted=self.noted + later.noted,
        )


def deliver(item: Item, homes: Sequence[Home], job: Job, watch: Watch) -> Outcome:
    """Deliver what the sinks do not have of an item, and write the receipts.

    Raises SourceError if it cannot be read and Retryable if a sink keeps refusing; what was confirmed by then stays so.
    Raises Fatal if nothing sensible can follow.
    """
    visits: list[Visit] = []
    try:
        for home in homes:
            visits.append(Visit(item, home, job))
            if not visits[-1].held:
                return Outcome("held")
        lanes = sorted((lane for visit in visits for lane in visit.lanes()), key=_offset_of)
        outcome = Outcome("skipped")
        for _offset, together in groupby(lanes, key=_offset_of):
            read = _Reading(item, list(together), visits, job, watch).run()
            outcome = outcome.followed_by(read)
        for lane in lanes:
            if lane.error:
                raise lane.error
        return outcome
    finally:
        for visit in visits:
            visit.leave()


def _offset_of(lane: Lane) -> int:
    return lane.base.offset


class _Reading:
    """One reading of an item, for the sinks that have it up to the same offset."""

    def __init__(self, item: Item, lanes: Sequence[Lane], visits: Sequence[Visit], job: Job, watch: Watch) -> None:
        self._item, self._lanes, self._visits, self._job, self._watch = item, lanes, visits, job, watch
        self._outcome = Outcome("delivered")
        self._begin = self._start = lanes[0].base.offset
        self._pending = Pending(end=self._begin)
        self._unconfirmed = 0
        self._broken: Corrupt | None = None
        self._renewed = job.clock.monotonic()

    def run(self) -> Outcome:
        """Read and deliver. Raises what `deliver` raises; then nothing is left of what was not confirmed."""
        try:
            with closing(self._item.open()) as stream:
                self._carry(stream)
        except Gone:
            self._abandon()
            self._record_gone()
        except BaseException:
            self._abandon()
            raise
        return self._outcome

    def _carry(self, stream: BinaryIO) -> None:
        forms = {lane.sink.rendering for lane in self._lanes}
        parser = self._job.parser(self._item, self._begin, forms.pop() if len(forms) == 1 else None)
        position = stream.tell if stream.seekable() else lambda: self._outcome.content
        for chunk in self._content(stream):
            self._outcome.content += len(chunk)
            self._unconfirmed += len(chunk)
            batch = parser.feed(chunk)
            self._offer(batch)
            self._watch.moved(self._item, position(), batch.counts.lines)
            if self._job.stop.is_set():
                self._outcome.status = "stopped"
                return self._commit("partial")
            if self._unconfirmed >= self._job.checkpoint:
                self._commit("partial")
            self._renew()
        return self._finish(parser, position())

    def _content(self, stream: BinaryIO) -> Iterator[bytes]:
        """The chunks, up to the end or to where the data breaks."""
        pieces = chunks(stream, skip=self._begin)
        while True:
            self._watch.reading(now=True)
            try:
                chunk = next(pieces, None)
            except Corrupt as broken:
                self._broken, chunk = broken, None
            except OSError as error:
                message = f"cannot read {self._item.identity.name}: {error.strerror or error}"
                raise SourceError(message) from error
            finally:
                self._watch.reading(now=False)
            if chunk is None:
                return
            yield chunk

    def _offer(self, batch: Batch) -> None:
        for lane in self._open_lanes():
            self._try(lane, partial(lane.sink.write, self._item, batch, lane.base.parts))
            lane.offered += len(batch.records)
        for visit in self._visits:
            visit.bury(batch, self._start)
        self._pending.counts.add(batch.counts)
        self._pending.end = batch.end
        self._outcome.counts.add(batch.counts)
        if batch.rejects:
            self._outcome.reasons.update(reject.reason for reject in batch.rejects)

    def _finish(self, parser: Parser, position: int) -> None:
        """Deliver what the end of the content tells; in a file that may grow apart, for it may be read again."""
        broken = self._broken
        last = parser.finish(truncated=broken is not None and not broken.length)
        if broken and broken.length:
            behind = Reject(last.end, 0, "truncated", broken.payload, broken.length, broken.sha256)
            last = replace(last, rejects=[*last.rejects, behind])
        apart = self._item.may_grow and (broken is not None or last.counts.lines > 0)
        if apart and self._pending.counts.lines:
            self._commit("partial")
        self._offer(last)
        self._watch.moved(self._item, position, last.counts.lines)
        self._pending.truncated = self._outcome.truncated = str(broken or "")
        self._commit("complete", apart=apart)

    def _commit(self, state: Literal["partial", "complete"], *, apart: bool = False) -> None:
        """Make durable what was written, then write the receipts."""
        now, confirmed = self._job.clock.now(), list[Lane]()
        for lane, share in self._flush():
            if apart:
                lane.base = self._pending.as_tail_of(lane.base, now, share)
            else:
                lane.base = self._pending.added_to(lane.base, state, now, share)
            if lane.sink.keeps_receipts:
                lane.state.commit(lane.base, share.flushed.files, lane.replaced)
                confirmed.append(lane)
            lane.replaced = ()
        for lane in confirmed:
            lane.visit.confirmed(lane.base)
        if self._job.again and self._start == 0:
            for visit in self._visits:
                visit.keep_only(0)
        self._start = self._pending.end
        self._pending, self._unconfirmed = Pending(end=self._start), 0

    def _flush(self) -> list[tuple[Lane, Share]]:
        """Make durable what was written, with what the sinks refused of it; the lanes that have it now, and their shares."""
        shares: list[tuple[Lane, Share]] = []
        for lane in self._open_lanes():
            flushed = self._try(lane, lane.sink.flush)
            if flushed is not None:
                lane.visit.refuse(lane.sink, flushed.refusals, self._start)
                shares.append((lane, Share(lane.offered, flushed)))
                lane.offered = 0
        for visit in self._visits:
            self._patiently(visit.flush)
        for lane, share in shares:
            self._outcome.add(lane.sink.name, share)
        return shares

    def _open_lanes(self) -> list[Lane]:
        """The sinks that have not given up. Raises Retryable if all have."""
        still = [lane for lane in self._lanes if not lane.error]
        if not still and self._lanes[0].error:
            raise self._lanes[0].error
        return still

    def _try(self, lane: Lane, call: Callable[[], T]) -> T | None:
        """What the call returns; if it keeps refusing, the lane carries the error and is served no more."""
        try:
            return self._patiently(call)
        except Retryable as error:
            lane.error = error
            lane.sink.abandon()
            return None

    def _patiently(self, call: Callable[[], T]) -> T:
        """What the call returns, tried again; meanwhile nobody else takes the item over."""

        def holding() -> T:
            self._renew()
            return call()

        return self._job.patience.trying(holding)

    def _renew(self) -> None:
        now = self._job.clock.monotonic()
        if now - self._renewed > LEASE_S / 3:
            self._renewed = now
            if not all(visit.renew() for visit in self._visits):
                message = f"{self._item.identity.name} was taken over by another process"
                raise SourceError(message)

    def _record_gone(self) -> None:
        self._outcome.status = "gone"
        for lane in self._lanes:
            if lane.sink.keeps_receipts and self._item.durable:
                lane.state.commit(replace(lane.base, state="gone", finished=self._job.clock.now()), ())

    def _abandon(self) -> None:
        for lane in self._lanes:
            lane.sink.abandon()
        for visit in self._visits:
            visit.abandon()
