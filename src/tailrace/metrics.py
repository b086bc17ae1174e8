"""What a run counts for those who watch it: the same figures for Prometheus and for CloudWatch.

https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, Literal

from tailrace.run import Outcome


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure: what it is called, what it tells, and by what it is told apart."""

    name: str
    about: str
    labels: tuple[str, ...] = ()
    kind: Literal["counter", "gauge"] = "counter"


OBJECTS: Final = Metric("tailrace_objects", "Objects by what became of them.", ("outcome",))
BYTES: Final = Metric("tailrace_read_bytes", "Bytes read, decompressed.")
LINES: Final = Metric("tailrace_lines", "Lines read.")
RECORDS: Final = Metric("tailrace_records", "Records by what a sink did with them.", ("sink", "outcome"))
REJECTS: Final = Metric("tailrace_rejects", "Lines that are no record, by the reason.", ("reason",))
REFUSALS: Final = Metric("tailrace_refusals", "Records that a sink will never take, by the reason.", ("sink", "reason"))
NOTED: Final = Metric(
    "tailrace_noted_records", "Records that were filtered, may be there twice, or had no time.", ("sink", "what")
)
MESSAGES: Final = Metric("tailrace_messages", "Messages of a queue by what became of them.", ("source", "outcome"))
RETRIES: Final = Metric("tailrace_retries", "Times that a sink asked to try again.")
IN_FLIGHT: Final = Metric("tailrace_objects_in_flight", "Objects that are being carried.", kind="gauge")
METRICS: Final = (OBJECTS, BYTES, LINES, RECORDS, REJECTS, REFUSALS, NOTED, MESSAGES, RETRIES, IN_FLIGHT)
LAG: Final = Metric("tailrace_lag_seconds", "From when an object was written to when it was delivered.")
LAG_BOUNDS: Final = (1, 5, 15, 60, 300, 900, 3600, 21_600, 86_400)


@dataclass(slots=True)
class Lags:
    """How late objects were delivered: how many within each bound (and beyond the last), their sum and the largest, in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(LAG_BOUNDS) + 1))
    total: float = 0.0
    largest: float = 0.0

    def add(self, seconds: float) -> None:
        """One more object."""
        self.counts[bisect_left(LAG_BOUNDS, seconds)] += 1
        self.total += seconds
        self.largest = max(self.largest, seconds)


class Tally:
    """Adds up. Any thread may add and look."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._figures: dict[Metric, dict[tuple[str, ...], float]] = {metric: {} for metric in METRICS}
        self.lags = Lags()
        self.queues: dict[str, Mapping[str, int]] = {}
        """What sources count of their messages, by the source's name."""

    def add(self, metric: Metric, number: float = 1, *labels: str) -> None:
        """So many more."""
        with self._lock:
            known = self._figures[metric]
            known[labels] = known.get(labels, 0) + number

    def retried(self) -> None:
        """A sink asked to try again."""
        self.add(RETRIES)

    def delivered(self, outcome: Outcome, lag: float) -> None:
        """Take in what became of an object; `lag` in seconds since it was written."""
        self.add(OBJECTS, 1, outcome.status)
        self.add(BYTES, outcome.content)
        for reason, number in outcome.reasons.items():
            self.add(REJECTS, number, reason)
        for (sink, reason), number in outcome.refused.items():
            self.add(REFUSALS, number, sink, reason)
        for (sink, what), number in outcome.noted.items():
            self.add(NOTED, number, sink, what)
        for sink, totals in outcome.totals.items():
            self.add(RECORDS, totals.accepted, sink, "accepted")
            self.add(RECORDS, totals.already, sink, "already")
            self.add(RECORDS, totals.dead, sink, "refused")
        if outcome.status == "delivered":
            with self._lock:
                self.lags.add(max(lag, 0.0))

    def figures(self) -> Iterator[tuple[Metric, tuple[str, ...], float]]:
        """Each figure with its labels' values; one without labels is there from the beginning."""
        for metric in METRICS:
            with self._lock:
                found = dict(self._figures[metric])
            if metric is MESSAGES:
                found = {(name, what): told[what] for name, told in self.queues.items() for what in tuple(told)}
            if not metric.labels:
                found.setdefault((), 0)
            for labels, number in found.items():
                yield metric, labels, number
