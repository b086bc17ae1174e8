"""Events made of records: what is written, with which time, and what is never taken.

CloudWatch Logs refuses what is more than 14 days old, or more than 2 hours ahead of its time. What is so by this machine's
clock, and could be otherwise by no clock whose signatures are accepted, is not sent at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import sub
from typing import Final

import msgspec

from tailrace.model import NO_TIME, RawLines, Records, Refusal
from tailrace.sinks._cloudwatch_batches import MAX_MESSAGE, Event, Lot, Origin

_MARK: Final = " [cut by Tailrace: {} bytes]"
_SLACK_MS: Final = 15 * 60 * 1000
_OLDEST_MS: Final = 14 * 86_400_000 + _SLACK_MS
_NEWEST_MS: Final = 2 * 3_600_000 + _SLACK_MS


@dataclass(frozen=True, slots=True)
class Making:
    """How events are made: `schema` of the JSON that is their message, None for the line as it was logged.

    `cut`: messages that are too long are cut. `retime`: what is too old or too new is sent with the time of delivery.
    """

    schema: str | None = None
    cut: bool = False
    retime: bool = False

    def made(self, records: Records, now_ms: int) -> Made:
        """The events of records at a time."""
        lines = records.raw()
        messages, sizes = _as_logged(lines) if self.schema is None else _as_json(records, self.schema)
        times = list(lines.times)
        oldest, newest = now_ms - _OLDEST_MS, now_ms + _NEWEST_MS
        if min(times) >= oldest and max(times) <= newest and max(sizes) <= MAX_MESSAGE and min(sizes):
            return Made([Lot(lines, range(len(times)), times, messages, sizes)])
        made = Made()
        kept, retimed = Lot(lines), Lot(lines, retimed=True)
        for row, (time, message) in enumerate(zip(times, messages, strict=True)):
            reason = _out_of_range(time, oldest, newest)
            if reason and not self.retime:
                made.refusals.append(refusal((lines, row), reason))
            elif reason:
                self._keep(retimed, now_ms, self._with_time(message, time), row, made)
            else:
                made.timeless += time == NO_TIME
                self._keep(kept, now_ms if time == NO_TIME else time, message, row, made)
        made.lots += [lot for lot in (kept, retimed) if lot.rows]
        return made

    def _keep(self, lot: Lot, time: int, message: str, row: int, made: Made) -> None:
        size = _size(message)
        if size > MAX_MESSAGE and self.cut:
            message = _cut(message, size)
            size = _size(message)
        if not size or size > MAX_MESSAGE:
            made.refusals.append(refusal((lot.lines, row), "too_large" if size else "empty"))
        else:
            lot.add(row, time, message, size)

    def _with_time(self, message: str, time: int) -> str:
        """A message that tells the record's own time, because its event does not; JSON tells it anyway."""
        return message if self.schema is not None else f"{_written(time)} {message}"

    def again(self, refused: Sequence[tuple[Event, Origin]], now_ms: int) -> Made:
        """Events that were refused for their times, with the time of delivery."""
        made = Made()
        for event, (lines, row) in refused:
            lot = Lot(lines, retimed=True)
            self._keep(lot, now_ms, self._with_time(event.message, event.timestamp), row, made)
            made.lots += [lot] if lot.rows else []
        return made


@dataclass(slots=True)
class Made:
    """What came of records: events, how many have no time of their own, and what is never taken."""

    lots: list[Lot] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    timeless: int = 0


def refusal(origin: Origin, reason: str, detail: str = "") -> Refusal:
    """A record that is never taken, as it was logged."""
    lines, row = origin
    begin = lines.ends[row - 1] if row else 0
    return Refusal(lines.offsets[row], reason, bytes(lines.data[begin : lines.ends[row]]), detail)


def _out_of_range(time: int, oldest: int, newest: int) -> str:
    if time == NO_TIME:
        return ""
    return "too_old" if time < oldest else "too_new" if time > newest else ""


def _as_logged(lines: RawLines) -> tuple[list[str], list[int]]:
    """Each line as text, with its bytes; what is no UTF-8 is U+FFFD."""
    ends = list(lines.ends)
    begins = [0, *ends[:-1]]
    try:
        text = str(lines.data, "ascii")
    except UnicodeDecodeError:
        messages = [str(lines.data[begin:end], "utf-8", "replace") for begin, end in zip(begins, ends, strict=True)]
        return messages, list(map(_size, messages))
    return [text[begin:end] for begin, end in zip(begins, ends, strict=True)], list(map(sub, ends, begins))


def _as_json(records: Records, schema: str) -> tuple[list[str], list[int]]:
    text = str(records.ndjson(schema), "utf-8")
    messages = text.split("\n")[:-1]
    return messages, list(map(len if text.isascii() else _size, messages))


def _size(message: str) -> int:
    return len(message.encode())


def _cut(message: str, size: int) -> str:
    """The beginning of a message, up to the end of a character, and how long it was."""
    mark = _MARK.format(size)
    return message.encode()[: MAX_MESSAGE - len(mark)].decode("utf-8", "ignore") + mark


def _written(time: int) -> str:
    """A time in RFC 3339, in ms; one that no calendar has, as a number."""
    try:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time)
    except OverflowError:
        return str(time)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def formats_of(records: Records) -> Iterator[str]:
    """The format of each record, where they are several: only NDJSON tells it record by record.

    It is the first value, whatever name a view gives it.
    """
    for line in bytes(records.ndjson()).splitlines():
        yield str(next(iter(msgspec.json.decode(line, type=dict[str, object]).values())))
