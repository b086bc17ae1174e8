"""What a letter is by today's formats and settings: records, or why it stays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from tailrace.errors import SourceError
from tailrace.homes import Job
from tailrace.letters import Letter
from tailrace.model import Batch, Counts, Item, Reject
from tailrace.replay.rereading import Rereading


@dataclass(frozen=True, slots=True)
class Reading:
    """A letter's records, each with its offset, and the account of all its lines."""

    letter: Letter
    batches: list[Batch]
    offsets: list[int]
    rejects: list[Reject]
    counts: Counts

    @property
    def is_its_record(self) -> bool:
        """Whether it is the one record that was refused."""
        return self.offsets == [self.letter.offset] and not self.rejects


@dataclass(frozen=True, slots=True)
class Stays:
    """A letter that cannot be sent: why, in a few words; `reason` if it is rejected for another one now."""

    letter: Letter
    why: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads letters, by their payload or, where that is not whole or so asked, by reference.

    Records have the ids that they would have had, because they are read as of the same object and offset. `now` stands for
    the time of an object whose letter does not tell it.
    """

    job: Job
    again: Rereading
    by_reference: bool
    now: float

    def read(self, letter: Letter, *, anew: bool = False) -> Reading | Stays:
        """What the letter is now; `anew`: read from its object, whatever the letter holds."""
        own = letter.is_whole and not self.by_reference and not anew
        try:
            return self._refused(letter, own=own) if letter.sink else self._rejected(letter, own=own)
        except SourceError as error:
            return Stays(letter, str(error))

    def _rejected(self, letter: Letter, *, own: bool) -> Reading | Stays:
        if letter.reason == "truncated":
            return Stays(letter, "the data of its object breaks off there")
        reading = self._parsed(letter, [(letter.payload if own else self.again.content(letter)) + b"\n"])
        if own and letter.lines > 1 and any(offset != letter.offset for offset in reading.offsets):
            # A payload of several lines has lost their carriage returns, so later offsets would not be right.
            reading = self._parsed(letter, [self.again.content(letter) + b"\n"])
        if reading.rejects and not reading.offsets:
            return Stays(letter, "it is still no record", reading.rejects[0].reason)
        if reading.counts.lines != letter.lines:
            return Stays(letter, "its lines cannot be told apart without those around them")
        return reading

    def _refused(self, letter: Letter, *, own: bool) -> Reading | Stays:
        if own:
            reading = self._parsed(letter, [letter.payload + b"\n"])
            if reading.is_its_record:
                return reading
        reading = self._parsed(letter, self.again.lines(letter))
        return reading if reading.is_its_record else Stays(letter, "it is no record by these settings")

    def _parsed(self, letter: Letter, pieces: Iterable[bytes]) -> Reading:
        """Read pieces until they have become something."""
        modified = self.now if letter.modified is None else letter.modified
        parser = self.job.parser(Item(letter.item, _unopened, None, modified), letter.offset, None)
        reading = Reading(letter, [], [], [], Counts())
        for piece in pieces:
            _take(reading, parser.feed(piece))
            if reading.offsets or reading.rejects:
                break
        _take(reading, parser.finish())
        return reading


def _take(reading: Reading, batch: Batch) -> None:
    reading.counts.add(batch.counts)
    reading.rejects.extend(batch.rejects)
    if len(batch.records):
        reading.batches.append(batch)
        reading.offsets.extend(batch.records.raw().offsets)


def _unopened() -> NoReturn:
    raise SourceError("a letter has no object to read")
