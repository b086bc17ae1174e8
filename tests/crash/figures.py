"""What happened in a campaign, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from crash.landings import Verdict
from crash.world import World

Told = Sequence[tuple[str, Counter[str]]]
"""Rows: their names, and what is counted there."""


def figures(title: str, world: World, told: Told, verdict: Verdict, seconds: float) -> str:
    """The table."""
    requests = Counter({name: front.requests for name, front in world.fronts.items()})
    rows = [
        *((name, counts.total(), _parts(counts)) for name, counts in told),
        ("faults", world.faults.total(), _parts(world.faults)),
        ("requests", requests.total(), _parts(requests)),
        ("objects", len(world.corpus.at), ""),
        ("lines", len(world.corpus.kinds), ""),
        *((f"in {sink}", verdict.lines[sink], _doubles(verdict, sink)) for sink in verdict.lines),
        ("seconds", round(seconds), ""),
    ]
    return "\n".join([title, *(f"  {name:<18}{figure:>9,}  {note}".rstrip() for name, figure, note in rows)])


def _doubles(verdict: Verdict, sink: str) -> str:
    doubles = +verdict.doubles[sink]
    return f"{doubles.total():,} twice ({_parts(doubles)})" if doubles else "none twice"


def _parts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counts.most_common() if number)
