"""Which objects of a bucket are wanted: by the time that they are of, and by their keys."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import translate
from typing import Final, Literal

from tailrace.keys import time_of

_LEVELS: Final = ("account", "service", "region", "year", "month", "day")
"""Below AWSLogs, where load balancers write."""
ROOT: Final = "AWSLogs"
_SERVICE: Final = "elasticloadbalancing"
_ONE_DAY: Final = timedelta(days=1).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What makes an object wanted; everything is, by default.

    `since`, `until`: seconds since 1970, the second one not included. `after`: keys behind this one only. `include`,
    `exclude`: of these patterns one must fit, and none may.
    """

    since: float = -math.inf
    until: float = math.inf
    after: str = ""
    include: Sequence[re.Pattern[str]] = ()
    exclude: Sequence[re.Pattern[str]] = ()

    @property
    def timed(self) -> bool:
        """Whether the time matters."""
        return self.since > -math.inf or self.until < math.inf

    def takes(self, key: str, modified: float | None) -> bool:
        """Whether an object is wanted. One whose time cannot be told without knowing when it was written, may be."""
        if key <= self.after or any(pattern.match(key) for pattern in self.exclude):
            return False
        if self.include and not any(pattern.match(key) for pattern in self.include):
            return False
        if not self.timed:
            return True
        time = time_of(key, modified)
        return time is None or self.since <= time < self.until

    def look(self, folder: str) -> Literal["pass", "into", "all"]:
        """What to do with a folder: pass it by, look into its folders one by one, or take all that is below."""
        if folder < self.after and not self.after.startswith(folder):
            return "pass"
        level, parts = level_of(folder)
        if not self._meets(parts):
            return "pass"
        return "all" if level in (None, "day") else "into"

    def _meets(self, parts: Sequence[str]) -> bool:
        """Whether a year, month or day can hold what is wanted. A file may lie a day beside the end of its interval."""
        if not parts:
            return True
        year, month, day = (*map(int, parts), 0, 0)[:3]
        try:
            begin = datetime(year, month or 1, day or 1, tzinfo=UTC)
            last = month or 12
            end = begin + timedelta(days=1) if day else datetime(year + last // 12, last % 12 + 1, 1, tzinfo=UTC)
        except (ValueError, OverflowError):
            return True
        return begin.timestamp() - _ONE_DAY < self.until and end.timestamp() + _ONE_DAY > self.since


def patterns(globs: Sequence[str]) -> tuple[re.Pattern[str], ...]:
    """Patterns of whole keys; a star stands for slashes too."""
    return tuple(re.compile(translate(glob)) for glob in globs)


def level_of(folder: str) -> tuple[str | None, Sequence[str]]:
    """Where a folder stands in the layout of load balancers' logs, and its year, month and day; None outside of it."""
    names = folder.rstrip("/").split("/")
    if ROOT not in names:
        return None, ()
    below = names[names.index(ROOT) + 1 :]
    if len(below) > len(_LEVELS) or (len(below) > 1 and below[1] != _SERVICE):
        return None, ()
    date = below[3:]
    if not all(part.isdecimal() and part.isascii() for part in date):
        return None, ()
    return ("root", *_LEVELS)[len(below)], date
