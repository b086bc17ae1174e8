"""What an invocation tells of itself on standard output: one line of JSON for people, and its metrics for CloudWatch.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from tailrace.metrics import LINES, OBJECTS, RECORDS, REFUSALS, REJECTS, RETRIES, Tally
from tailrace.model import Counts
from tailrace.run import Outcome

_ERRORS: Final = 5
"""So many of the last errors are told, each up to so many characters."""
_LONGEST: Final = 1000


@dataclass(slots=True)
class Report:
    """Takes in how an invocation goes. `lasting`: something failed for a reason that may lie in what the container keeps."""

    tally: Tally = field(default_factory=Tally)
    counts: Counts = field(default_factory=Counts)
    messages: int = 0
    continued: int = 0
    errors: deque[str] = field(default_factory=lambda: deque(maxlen=_ERRORS))
    failures: int = 0
    lasting: bool = False

    def ended(self, outcome: Outcome, lag: float) -> None:
        """An object has been carried, or as much of it as could be."""
        self.tally.delivered(outcome, lag)
        self.tally.add(LINES, outcome.counts.lines)
        self.counts.add(outcome.counts)

    def superseded(self) -> None:
        """Another object is where the announced one was."""
        self.tally.add(OBJECTS, 1, "superseded")

    def passed_over(self) -> None:
        """Events of the function's own log group."""
        self.tally.add(OBJECTS, 1, "own")

    def failed(self, error: str, *, item: bool) -> None:
        """An object, or a message, could not be carried."""
        self.failures += 1
        self.errors.append(error[:_LONGEST])
        if item:
            self.tally.add(OBJECTS, 1, "failed")

    def summary(self, about: Mapping[str, Any]) -> bytes:
        """The account of the invocation, in one line."""
        figures = _figures(self.tally)
        told = {
            "tailrace": "summary",
            **about,
            "messages": self.messages,
            "objects": {labels[0]: number for labels, number in figures[OBJECTS.name].items()},
            "continued": self.continued,
            "lines": self.counts.lines,
            "records": self.counts.records,
            "rejects": {labels[0]: number for labels, number in figures[REJECTS.name].items()},
            "sinks": _by_sink(figures[RECORDS.name]),
            "refusals": _by_sink(figures[REFUSALS.name]),
            "retries": sum(figures[RETRIES.name].values()),
            "failures": self.failures,
            "errors": list(self.errors),
            "max_memory_mb": _peak_kb() >> 10,
        }
        return _line(told)

    def metrics(self, namespace: str, function: str, now: float) -> Iterator[bytes]:
        """The same figures for CloudWatch: a line for each sink, of which the first one also holds what concerns no sink."""
        common = dict(self._common())
        sinks = sorted(self._of_sinks().items())
        for number, (sink, values) in enumerate(sinks or [("", {})]):
            own = {} if number else common
            directives = [_directive(namespace, ["FunctionName"], own)] if own else []
            directives += [_directive(namespace, ["FunctionName", "Sink"], values)] if values else []
            about = {"Timestamp": int(now * 1000), "CloudWatchMetrics": directives}
            names = {"FunctionName": function, **({"Sink": sink} if values else {})}
            yield _line({"_aws": about, **names, **own, **values})

    def _common(self) -> Iterator[tuple[str, float]]:
        figures = _figures(self.tally)
        objects = {
            "delivered": 0,
            "failed": 0,
            **{labels[0]: number for labels, number in figures[OBJECTS.name].items()},
        }
        for outcome, number in objects.items():
            yield f"Objects{outcome.capitalize()}", number
        yield "Lines", sum(figures[LINES.name].values())
        yield "RecordsRead", self.counts.records
        yield "Rejects", sum(figures[REJECTS.name].values())
        yield "Retries", sum(figures[RETRIES.name].values())
        yield "Failures", self.failures
        if objects["delivered"]:
            yield "Lag", round(self.tally.lags.largest, 3)

    def _of_sinks(self) -> dict[str, dict[str, float]]:
        found: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for sink, outcomes in _by_sink(_figures(self.tally)[RECORDS.name]).items():
            for outcome, number in outcomes.items():
                found[sink][f"Records{outcome.capitalize()}"] = number
        return found


def _peak_kb() -> int:
    """The most memory that this process has had: getrusage would tell its parent's, where that is more."""
    with suppress(OSError, ValueError, IndexError):
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.partition("VmHWM:")[2].split()[0])
    return 0


def _figures(tally: Tally) -> Mapping[str, Mapping[tuple[str, ...], int]]:
    found: defaultdict[str, dict[tuple[str, ...], int]] = defaultdict(dict)
    for metric, labels, number in tally.figures():
        found[metric.name][labels] = int(number)
    return found


def _by_sink(figures: Mapping[tuple[str, ...], int]) -> dict[str, dict[str, int]]:
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for (sink, what), number in figures.items():
        found[sink][what] = number
    return found


def _directive(namespace: str, dimensions: list[str], values: Mapping[str, float]) -> dict[str, Any]:
    metrics = [{"Name": name, "Unit": "Seconds" if name == "Lag" else "Count"} for name in values]
    return {"Namespace": namespace, "Dimensions": [dimensions], "Metrics": metrics}


def _line(document: Mapping[str, Any]) -> bytes:
    """JSON on one line; names that are no UTF-8 with their bytes written out."""
    try:
        return msgspec.json.encode(document) + b"\n"
    except UnicodeEncodeError:
        return msgspec.json.encode(_printable(document)) + b"\n"


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_printable(key): _printable(each) for key, each in value.items()}
    return [_printable(each) for each in value] if isinstance(value, list) else value
