"""Sending the letters of one object to the sinks, and what became of each.

A record that its sink had refused goes to that sink; or, if the user named other sinks and that is none of them, to all
of these. A reject that reads as records now goes to every sink of the run, but not to one that has had its object only up
to a place before: that will read it there. A sink that cannot be reached keeps no other from having the record: the letter
then stays for that sink alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NoReturn

from tailrace.errors import Retryable, SourceError
from tailrace.homes import Job
from tailrace.letters import Letter, of_refusal, of_reject
from tailrace.model import Flushed, Item, Refusal, Totals, View
from tailrace.ports import Sink
from tailrace.receipts import Receipt
from tailrace.replay.accounts import Part, Where, apart, apart_of, besides, passed_on, reread, taken, where
from tailrace.replay.ledger import Ledger
from tailrace.replay.reading import Reader, Reading, Stays
from tailrace.transforms import Seen

NOT_DELIVERED = "not_delivered"
"""Why a letter stays for a sink that could not be reached while others took its record."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a letter: the letters that are left of it, and why. Of one that has gone through nothing is left.

    `records`: what sinks have taken of it, the same record at two sinks being two.
    """

    letter: Letter
    left: tuple[Letter, ...] = ()
    why: str = ""
    records: int = 0


@dataclass(slots=True)
class Lane:
    """A sink, and why it is not served any more."""

    sink: Sink
    error: Retryable | None = None


@dataclass(slots=True)
class _Delivery:
    """Letters on their way to a sink, and what it said; `is_apart`: they are not counted with their object there."""

    lane: Lane
    is_apart: bool
    readings: list[Reading] = field(default_factory=list)
    flushed: Flushed | None = None
    refused: dict[int, Refusal] = field(default_factory=dict)
    already: dict[int, int] = field(default_factory=dict)
    """How many records of each letter were there before, by the letter's offset."""

    @property
    def sink(self) -> Sink:
        return self.lane.sink

    def answered(self, flushed: Flushed) -> None:
        """Take in what the sink said. It tells how many it had before, but not which: they are given out in order."""
        self.flushed = flushed
        self.refused = {refusal.offset: refusal for refusal in flushed.refusals}
        rest = flushed.already
        for reading in self.readings:
            number = self.shown(reading) - len(self.refusals(reading))
            self.already[reading.letter.offset] = min(rest, number)
            rest -= min(rest, number)

    def shown(self, reading: Reading) -> int:
        """How many records of a letter are for this sink."""
        view = _view(self.sink)
        return sum(len(batch.records.select(view)) for batch in reading.batches) if view else len(reading.offsets)

    def refusals(self, reading: Reading) -> list[Refusal]:
        """What the sink will never take of a letter."""
        return [self.refused[offset] for offset in reading.offsets if offset in self.refused]

    def part(self, reading: Reading) -> Part:
        """What became of a letter's records; all that are for it are dead where the sink gave no answer."""
        number, view = self.shown(reading), _view(self.sink)
        dead = len(self.refusals(reading)) if self.flushed else number
        already = self.already.get(reading.letter.offset, 0)
        filtered = 0
        if view and not view.counted:
            filtered = sum(batch.records.select(view).filtered for batch in reading.batches)
        totals = Totals(routed=number, accepted=number - dead - already, already=already, dead=dead)
        return Part(totals, filtered, len(reading.offsets) - number - filtered)


def _view(sink: Sink) -> View | None:
    return sink.view if isinstance(sink, Seen) else None


_Sent = tuple[Reading, list[_Delivery]]


class Sending:
    """Sends letters. `elsewhere`: the user named the sinks, so they may take what others have refused."""

    def __init__(self, sinks: Iterable[Sink], job: Job, reader: Reader, *, elsewhere: bool) -> None:
        self.lanes = [Lane(sink) for sink in sinks]
        self._job = job
        self._reader = reader
        self._elsewhere = elsewhere

    @property
    def is_over(self) -> bool:
        """Whether there is no sink left to send to."""
        return all(lane.error for lane in self.lanes)

    def look(self, letters: Sequence[Letter]) -> Iterator[Fate]:
        """What would become of letters if every sink took them."""
        for letter in letters:
            found = self._reader.read(letter, anew=self._shows_less(letter))
            if isinstance(found, Stays):
                yield _staying(found)
            elif lanes := self._lanes(found, {}, "body"):
                yield Fate(letter, records=len(found.offsets) * len(lanes))
            else:
                yield _unsent(letter)

    def send(self, letters: Sequence[Letter], ledger: Ledger) -> Iterator[Fate]:
        """Send letters of one object, each of them once. Raises SourceError if another process is at work on it."""
        receipts = ledger.of(letters[0].item)
        parts: dict[Where, list[Letter]] = {}
        for letter in letters:
            if place := _where(letter, receipts):
                parts.setdefault(place, []).append(letter)
            else:
                yield Fate(letter, (letter,), "its object has not been delivered up to there; deliver it first")
        for place, some in parts.items():  # what may be replaced with a last line stands in files of its own
            yield from self._send(some, place, ledger)

    def _send(self, letters: Sequence[Letter], place: Where, ledger: Ledger) -> Iterator[Fate]:
        sent: list[_Sent] = []
        deliveries: dict[tuple[str, bool], _Delivery] = {}
        for letter in letters:
            found = self._reader.read(letter, anew=self._shows_less(letter))
            if isinstance(found, Stays):
                yield _staying(found)
                continue
            lanes = self._lanes(found, ledger.of(letter.item), place)
            if found.offsets and not lanes:
                yield _unsent(letter)
                continue
            its_own: list[_Delivery] = []
            for lane, is_apart in lanes if found.offsets else ():
                delivery = deliveries.setdefault((lane.sink.name, is_apart), _Delivery(lane, is_apart))
                delivery.readings.append(found)
                its_own.append(delivery)
            sent.append((found, its_own))
        for delivery in deliveries.values():
            self._deliver(delivery, ledger)
        yield from [_settled(reading, its_own, place, ledger) for reading, its_own in sent]
        for delivery in deliveries.values():
            _file(delivery, place, ledger)

    def _lanes(self, reading: Reading, receipts: Mapping[str, Receipt], place: Where) -> list[tuple[Lane, bool]]:
        """Where records go, and whether they are counted apart there."""
        letter = reading.letter
        if letter.sink:
            exact = [(lane, letter.sink not in receipts) for lane in self.lanes if lane.sink.name == letter.sink]
            return exact or [(lane, True) for lane in self.lanes if self._elsewhere]
        found = []
        for lane in self.lanes:
            receipt = receipts.get(lane.sink.name)
            if receipt is None or where(letter.offset, receipt, receipts) == place:
                found.append((lane, receipt is None))
        return found

    def _shows_less(self, letter: Letter) -> bool:
        """Whether the sink that refused it does not see everything: then the letter does not tell everything either."""
        views = (_view(lane.sink) for lane in self.lanes if lane.sink.name == letter.sink)
        return any(view and view.redact for view in views)

    def _deliver(self, delivery: _Delivery, ledger: Ledger) -> None:
        sink, trying = delivery.sink, self._job.patience.trying
        if delivery.lane.error:
            return
        item = delivery.readings[0].letter.item
        identity = apart_of(item) if delivery.is_apart else item
        part = ledger.part(identity, sink.name)
        try:
            for reading in delivery.readings:
                of = Item(identity, _unopened, None, reading.letter.modified or 0.0)
                for batch in reading.batches:
                    trying(partial(sink.write, of, batch, part))
            delivery.answered(trying(sink.flush))
        except Retryable as error:
            delivery.lane.error = error
            sink.abandon()
        except BaseException:
            sink.abandon()
            raise


def _where(letter: Letter, receipts: Mapping[str, Receipt]) -> Where | None:
    """The part of the accounts that a letter belongs to; None beyond them. Without any account, as if it were within."""
    if not receipts:
        return "body"
    own = receipts.get(letter.sink)
    places = {where(letter.offset, receipt, receipts) for receipt in ([own] if own else receipts.values())}
    return "body" if "body" in places else "tail" if "tail" in places else None


def _settled(reading: Reading, deliveries: Sequence[_Delivery], place: Where, ledger: Ledger) -> Fate:
    """Account for what became of a letter, and tell it."""
    of_kind = _settled_refusal if reading.letter.sink else _settled_reject
    return of_kind(reading, deliveries, place, ledger)


def _settled_refusal(reading: Reading, deliveries: Sequence[_Delivery], place: Where, ledger: Ledger) -> Fate:
    letter, item = reading.letter, reading.letter.item
    records = 0
    for delivery in deliveries:
        part = delivery.part(reading)
        records += part.totals.accepted
        if delivery.is_apart:
            _count_apart(delivery, reading, ledger)
        elif part.totals.routed and not part.totals.dead:
            change, instead = taken(1, part.totals.already), besides(reading.counts, part)
            ledger.change(item, delivery.sink.name, change, place, instead)
    for delivery in deliveries:
        if delivery.flushed is None:
            return Fate(letter, (letter,), str(delivery.lane.error), records)
        if refusals := delivery.refusals(reading):
            again = replace(letter, reason=refusals[0].reason, detail=refusals[0].detail)
            return Fate(letter, (again,), f"refused again: {again.reason}", records)
    if not any(delivery.shown(reading) for delivery in deliveries):
        return Fate(letter, (letter,), "by its filter it is not for that sink")
    if deliveries[0].sink.name != letter.sink and letter.sink in ledger.of(item):
        ledger.change(item, letter.sink, passed_on(1), place)
    return Fate(letter, records=records)


def _settled_reject(reading: Reading, deliveries: Sequence[_Delivery], place: Where, ledger: Ledger) -> Fate:
    letter, item = reading.letter, reading.letter.item
    if deliveries and not any(delivery.flushed for delivery in deliveries):
        return Fate(letter, (letter,), str(deliveries[0].lane.error))
    left = [of_reject(item, reject, letter.modified) for reject in reading.rejects]
    its_own = {delivery.sink.name: delivery.part(reading) for delivery in deliveries if not delivery.is_apart}
    for delivery in deliveries:
        left += [of_refusal(item, delivery.sink.name, each, letter.modified) for each in _refusals(delivery, reading)]
        if delivery.is_apart:
            _count_apart(delivery, reading, ledger)
    receipts = dict(ledger.of(item))
    for sink, receipt in receipts.items():
        if where(letter.offset, receipt, receipts) == place:
            part = its_own.get(sink)
            instead = besides(reading.counts, part) if part else None
            ledger.change(item, sink, reread(letter.lines, reading.counts, part), place, instead)
    why = ", ".join(dict.fromkeys(f"{'refused' if each.sink else 'rejected'}: {each.reason}" for each in left))
    return Fate(letter, tuple(left), why, sum(delivery.part(reading).totals.accepted for delivery in deliveries))


def _refusals(delivery: _Delivery, reading: Reading) -> list[Refusal]:
    """What stays for a sink of a letter that has become records."""
    if delivery.flushed:
        return delivery.refusals(reading)
    told, view = str(delivery.lane.error), _view(delivery.sink)
    found = []
    for batch in reading.batches:
        raw = (batch.records.select(view) if view else batch.records).raw()
        for begin, end, offset in zip([0, *raw.ends], raw.ends, raw.offsets, strict=False):
            found.append(Refusal(offset, NOT_DELIVERED, bytes(raw.data[begin:end]), told))
    return found


def _count_apart(delivery: _Delivery, reading: Reading, ledger: Ledger) -> None:
    """Count what a sink has taken that has no account of the object."""
    totals = delivery.part(reading).totals
    if totals.accepted + totals.already and delivery.sink.keeps_receipts:
        ledger.add_apart(reading.letter.item, delivery.sink.name, apart(reading.counts, totals))


def _file(delivery: _Delivery, place: Where, ledger: Ledger) -> None:
    """Let the files count that a sink has written."""
    item = delivery.readings[0].letter.item
    identity = apart_of(item) if delivery.is_apart else item
    if delivery.flushed and delivery.sink.name in ledger.of(identity):
        where_ = "body" if delivery.is_apart else place
        ledger.add_files(identity, delivery.sink.name, delivery.flushed.files, where_)


def _staying(found: Stays) -> Fate:
    letter = replace(found.letter, reason=found.reason or found.letter.reason)
    return Fate(found.letter, (letter,), found.why)


def _unsent(letter: Letter) -> Fate:
    if letter.sink:
        return Fate(
            letter, (letter,), f"none of the sinks is {letter.sink}, which refused it; name it by --to, or another"
        )
    return Fate(letter, (letter,), "no sink of the run has its object up to there; deliver it first")


def _unopened() -> NoReturn:
    raise SourceError("what is replayed has no object to read")
