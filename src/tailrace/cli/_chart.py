"""Columns over time, drawn with blocks of an eighth of a line: as legible without colours as with them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

_BLOCKS = " ▁▂▃▄▅▆▇█"
_EIGHTHS = 8


def columns(values: Sequence[float | None], height: int, width: int) -> list[str]:
    """The lines of a chart, from the top; a value above zero is seen, however small it is."""
    widths = spread(len(values), width)
    highest = max((value for value in values if value), default=0)
    eighths = [_eighths(value, highest, height) for value in values]
    return [
        "".join(
            _BLOCKS[min(_EIGHTHS, max(0, each - row * _EIGHTHS))] * wide
            for each, wide in zip(eighths, widths, strict=True)
        )
        for row in reversed(range(height))
    ]


def _eighths(value: float | None, highest: float, height: int) -> int:
    return max(1, round(value / highest * height * _EIGHTHS)) if value else 0


def spread(count: int, width: int) -> list[int]:
    """How wide each of so many columns is, so that together they fill the width: they differ by one at most."""
    edges = [round(width * number / count) for number in range(count + 1)] if count else []
    return [right - left for left, right in pairwise(edges)]


def axis(labels: Sequence[str], width: int) -> str:
    """Labels under a chart: the first at its left end, the last at its right end, others between as they fit."""
    line = [" "] * width
    longest = max(map(len, labels), default=0)
    shown = max(2, min(len(labels), width // (longest + 6) or 1))
    for number in range(shown):
        label = labels[round(number * (len(labels) - 1) / (shown - 1))] if labels else ""
        at = round(number * (width - len(label)) / (shown - 1))
        line[at : at + len(label)] = label
    return "".join(line)[:width]
