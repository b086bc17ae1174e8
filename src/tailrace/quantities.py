"""Sizes and durations as people write them in settings: `64MiB`, `5m`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

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
