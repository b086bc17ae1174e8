"""Time zones as a table, so that the kernel needs no zone data of its own.

HAProxy writes local time without a zone. `Zone` holds for each period the offset to UTC, found by the local time at
which it begins; an hour that comes twice is taken as its first occurrence, one that never was as if the clock had not
been set yet (PEP 495, fold=0).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tailrace.errors import UsageError

SECOND_US = 1_000_000
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_STEP = timedelta(days=7)  # no zone has changed its offset twice within a week since 1970


@dataclass(frozen=True, slots=True)
class Zone:
    """Offsets to UTC in µs: `offsets[n]` holds for local times before `begins[n]`, `offsets[-1]` after the last."""

    begins: tuple[int, ...] = ()
    offsets: tuple[int, ...] = (0,)

    def to_utc(self, local_us: int) -> int:
        """UTC in µs since 1970 of a local time in the same unit."""
        return local_us - self.offsets[bisect_right(self.begins, local_us)]


UTC_ZONE = Zone()


@lru_cache(maxsize=8)
def zone(name: str) -> Zone:
    """The table of an IANA zone. Raises UsageError if this machine does not know the name."""
    if name == "UTC":
        return UTC_ZONE
    try:
        info = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"timezone {name!r} is not known here; write an IANA name such as Europe/Zurich or UTC"
        raise UsageError(message) from error
    begins: list[int] = []
    offsets = [_offset(info, _FIRST)]
    at = _FIRST
    while at < _LAST:
        after = min(at + _STEP, _LAST)
        if _offset(info, after) != offsets[-1]:
            change = _change(info, at, after)
            begins.append(_us(change) + max(offsets[-1], _offset(info, change)))
            offsets.append(_offset(info, change))
        at = after
    return Zone(tuple(begins), tuple(offsets))


def _change(info: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first second at which the offset is no longer that of `before`."""
    old = _offset(info, before)
    low, high = _us(before) // SECOND_US, _us(after) // SECOND_US
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(info, datetime.fromtimestamp(middle, UTC)) == old:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def _offset(info: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(info).utcoffset() or timedelta()
    return offset // timedelta(microseconds=1)


def _us(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
