"""Values as people write them in settings: sizes (`64MiB`), durations (`5m`), and secrets, or where they are."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tailrace.errors import UsageError

_QUANTITY: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
_BYTES: Final = {
    "": 1, "B": 1, "K": 1 << 10, "KiB": 1 << 10, "M": 1 << 20, "MiB": 1 << 20, "G": 1 << 30, "GiB": 1 << 30,
    "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9,
}  # fmt: skip
_SECONDS: Final = {"ms": 0.001, "": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class Size(int):
    """A number of bytes, written as a number or with a unit: `64MiB`, `100kB`."""

    @classmethod
    def parse(cls, value: Any) -> Size:
        """The size that a setting tells. Raises ValueError with a sentence."""
        return cls(_parsed(value, _BYTES, "a size such as 64MiB or 100kB"))

    def __str__(self) -> str:
        """As people write it."""
        return _written(self, {unit: _BYTES[unit] for unit in ("GiB", "MiB", "KiB")}, "B")


class Duration(float):
    """A number of seconds, written as a number or with a unit: `90s`, `5m`, `2h`, `14d`."""

    @classmethod
    def parse(cls, value: Any) -> Duration:
        """The duration that a setting tells. Raises ValueError with a sentence."""
        return cls(_parsed(value, _SECONDS, "a duration such as 90s, 5m, 2h or 14d"))

    def __str__(self) -> str:
        """As people write it."""
        return _written(self, {unit: _SECONDS[unit] for unit in ("d", "h", "m")}, "s")


def moment(text: str) -> float:
    """A time of RFC 3339, or a date, in seconds since 1970; UTC if it names no zone. Raises ValueError."""
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except OverflowError as error:
        raise ValueError(text) from error


def period(since: str, until: str, now: float, dashes: str = "") -> dict[str, float]:
    """`since` and `until` as people write them, in seconds since 1970; those that are given.

    Each is RFC 3339, UTC if it names no zone; a date; or how long ago. `dashes`: before their names, where these are options.
    Raises UsageError.
    """
    found = {
        name: _instant(text, f"{dashes}{name}", now) for name, text in (("since", since), ("until", until)) if text
    }
    if since and until and found["since"] >= found["until"]:
        message = f"{dashes}since {since} is not before {dashes}until {until}"
        raise UsageError(message)
    return found


def _instant(text: str, name: str, now: float) -> float:
    try:
        return moment(text)
    except ValueError:
        pass
    try:
        return datetime.fromtimestamp(now - Duration.parse(text), UTC).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        message = (
            f"{name} {text}: write a time such as 2026-11-21 or 2026-11-21T08:00:00Z, or an age such as 14d or 12h"
        )
        raise UsageError(message) from error


class Secret:
    """A text that is never shown: itself, or where it is.

    `env:NAME`, `file:PATH`, `ssm:NAME` (Systems Manager's parameter) or `secretsmanager:ID`, of which `#KEY` takes one value if
    the secret is a JSON object.
    """

    __slots__ = ("told",)

    def __init__(self, told: str) -> None:
        self.told = told

    @classmethod
    def parse(cls, value: Any) -> Secret:
        """The secret that a setting tells. Raises ValueError with a sentence."""
        if not isinstance(value, str):
            raise ValueError("expected a text")  # noqa: TRY004 - as every setting that cannot be read
        return cls(value)

    def __bool__(self) -> bool:
        """Whether anything is told."""
        return bool(self.told)

    def __eq__(self, other: object) -> bool:
        """Whether both tell the same."""
        return isinstance(other, Secret) and other.told == self.told

    def __hash__(self) -> int:
        """Of what is told."""
        return hash(self.told)

    def __repr__(self) -> str:
        """As it is shown wherever it is shown."""
        return "***" if self.told else ""


def _parsed(value: Any, units: Mapping[str, float], wanted: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
        return float(value)
    match = _QUANTITY.fullmatch(str(value).strip())
    if match is None or match[2] not in units or isinstance(value, bool):
        message = f"expected {wanted}, not {value!r}"
        raise ValueError(message)
    return float(match[1]) * units[match[2]]


def _written(value: float, units: Mapping[str, float], unit: str) -> str:
    """In the largest unit of which it is a whole number."""
    fitting = ((name, size) for name, size in units.items() if value and value % size == 0)
    name, size = next(fitting, (unit, 1))
    return f"{value / size:g}{name}"
