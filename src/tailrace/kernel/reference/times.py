"""Times of day: read from what load balancers and syslog write, kept as µs since 1970 and digits of the second.

Three notations are known: ISO 8601 (RFC 3339 with an optional zone), Apache's `20/Nov/2026:19:54:26.480 +0000`, and
whole seconds since 1970. Syslog's `Nov 20 19:54:26` (RFC 3164) has neither year nor zone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from tailrace.kernel.zones import UTC_ZONE, Zone

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
_EPOCH = date(1970, 1, 1).toordinal()
_FIRST_US = (date(1, 1, 1).toordinal() - _EPOCH) * DAY_US
_END_US = (date(9999, 12, 31).toordinal() + 1 - _EPOCH) * DAY_US
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_FRACTION = rb"(?:\.([0-9]{1,9}))?"
_ISO = re.compile(
    rb"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})" + _FRACTION + rb"(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_APACHE = re.compile(
    rb"([0-9]{2})/([A-Za-z]{3})/([0-9]{4}):([0-9]{2}):([0-9]{2}):([0-9]{2})" + _FRACTION + rb"(?: ([+-][0-9]{4}))?"
)
_SECONDS = re.compile(rb"[0-9]{1,11}")
_SYSLOG = re.compile(rb"([A-Z][a-z]{2}) ([ 0-9][0-9]) ([0-9]{2}):([0-9]{2}):([0-9]{2})")
_YEARS_BACK = 8  # 29 February comes at least every eight years


@dataclass(frozen=True, slots=True)
class Moment:
    """A time in µs since 1970 UTC, the digits of its second's fraction as they were written, and its length."""

    us: int
    fraction: str
    length: int

    @property
    def text(self) -> str:
        """RFC 3339 in UTC, as precise as it was written."""
        seconds, _ = divmod(self.us, SECOND_US)
        days, second = divmod(seconds, 86_400)
        day = date.fromordinal(_EPOCH + days)
        hour, minute = second // 3600, second // 60 % 60
        fraction = f".{self.fraction}" if self.fraction else ""
        return f"{day.isoformat()}T{hour:02}:{minute:02}:{second % 60:02}{fraction}Z"


def read(text: bytes, zone: Zone = UTC_ZONE, at: int = 0) -> Moment | None:
    """The time that begins at `at`, or None; `zone` is for those that name none."""
    if match := _ISO.match(text, at):
        year, month, day, hour, minute, second, fraction, offset = match.groups()
        numbers = (int(year), int(month), int(day), int(hour), int(minute), int(second))
        return _moment(numbers, fraction, offset, zone, match.end() - at)
    if match := _APACHE.match(text, at):
        day, name, year, hour, minute, second, fraction, offset = match.groups()
        numbers = (int(year), _month(name), int(day), int(hour), int(minute), int(second))
        return _moment(numbers, fraction, offset, zone, match.end() - at)
    if match := _SECONDS.match(text, at):
        us = int(match[0]) * SECOND_US
        return Moment(us, "", len(match[0])) if us < _END_US else None
    return None


def read_whole(text: bytes, zone: Zone = UTC_ZONE) -> Moment | None:
    """The time that is all of `text`, or None."""
    moment = read(text, zone)
    return moment if moment and moment.length == len(text) else None


def read_syslog(text: bytes, at: int, reference_us: int, zone: Zone) -> Moment | None:
    """RFC 3164's time: its year is the latest that is not more than a day after the reference."""
    match = _SYSLOG.match(text, at)
    if match is None:
        return None
    name, day, hour, minute, second = match.groups()
    latest = date.fromordinal(_EPOCH + min(max(reference_us, 0), _END_US - 2 * DAY_US) // DAY_US).year + 1
    for year in range(latest, latest - _YEARS_BACK - 2, -1):
        numbers = (year, _month(name), int(day), int(hour), int(minute), int(second))
        moment = _moment(numbers, b"", b"", zone, match.end() - at)
        if moment and moment.us <= reference_us + DAY_US:
            return moment
    return None


def _moment(
    numbers: tuple[int, int, int, int, int, int], fraction: bytes | None, offset: bytes | None, zone: Zone, length: int
) -> Moment | None:
    year, month, day, hour, minute, second = numbers
    if hour > 23 or minute > 59 or second > 60:  # noqa: PLR2004 - 60 is a leap second
        return None
    try:
        days = date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        return None
    digits = (fraction or b"").decode()
    us = days * DAY_US + (hour * 3600 + minute * 60 + second) * SECOND_US + int((digits + "000000")[:6])
    us = us - _offset_us(offset) if offset else zone.to_utc(us)
    return Moment(us, digits, length) if _FIRST_US <= us < _END_US else None


def _offset_us(text: bytes) -> int:
    if text == b"Z":
        return 0
    sign = -1 if text[:1] == b"-" else 1
    return sign * (int(text[1:3]) * 3600 + int(text[-2:]) * 60) * SECOND_US


def _month(name: bytes) -> int:
    return _MONTHS.index(name) + 1 if name in _MONTHS else 0
