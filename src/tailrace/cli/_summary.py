"""What a run has done, told to people when it is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tailrace.cli._cells import visible
from tailrace.errors import EXIT_FAILED_CHECK, EXIT_INTERRUPTED, EXIT_OK, EXIT_PARTIAL, EXIT_TERMINATED, EXIT_UNUSABLE
from tailrace.hosts.workers import Summary, vanished

_SHOWN = 20
"""So many troubles of one kind are told one by one."""
_SIGINT = 2
_KIB = 1024


def exit_code(summary: Summary, *, strict: bool) -> int:
    """The exit code that a run ends with."""
    if summary.signal:
        return EXIT_INTERRUPTED if summary.signal == _SIGINT else EXIT_TERMINATED
    if summary.items["failed"] or summary.items["held"]:
        return EXIT_PARTIAL if summary.items["delivered"] + summary.items["skipped"] else EXIT_UNUSABLE
    rejected = summary.counts.rejects or summary.truncated or summary.refused
    return EXIT_FAILED_CHECK if strict and rejected else EXIT_OK


def troubles(summary: Summary, *, kept: bool) -> Iterator[str]:
    """Each thing that went wrong, in a sentence; `kept`: there are receipts, which tell the next run where to go on."""
    kinds = (
        ("warning", summary.broken, [f"{name} {_why(cause)}" for name, cause in summary.truncated.items()]),
        ("warning", summary.items["gone"], [vanished(name, kept=kept and had) for name, had in summary.gone.items()]),
        ("error", summary.items["failed"], summary.errors),
    )
    for kind, number, found in kinds:
        told = Counter(found).most_common(_SHOWN)
        yield from (f"{kind}: {text}" if times == 1 else f"{kind}: {text} ({times:,} objects)" for text, times in told)
        if left := number - sum(times for _, times in told):
            yield f"{kind}: … and {left:,} more"
    if summary.items["held"]:
        yield f"error: {counted(summary.items['held'], 'object')} left to another process that is at work on them; run again"
    if summary.signal:
        yield "interrupted" + (": what is confirmed stays so; run again to go on from there" if kept else "")


def _why(cause: str) -> str:
    return f"is truncated: {cause}; what was readable is delivered, the rest is one reject"


def line(summary: Summary) -> str:
    """The account in one line."""
    counts = summary.counts
    several = counts.record_lines != counts.records
    records = (
        f"{counts.record_lines:,} of {counted(counts.records, 'record')}"
        if several
        else counted(counts.records, "record")
    )
    reasons = summary.reasons.copy()
    truncated = f"; {cut:,} truncated" if (cut := reasons.pop("truncated", 0)) else ""  # no line belongs to it
    rejected = f"{counts.reject_lines:,} rejected{_reasons(reasons)}"
    account = f"{records} + {rejected} + {counts.control:,} control + {counts.blank:,} blank"
    return f"{counted(counts.lines, 'line')} = {account}{truncated}"


def table(summary: Summary) -> Table:
    """The account of a run as a table."""
    shown = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    shown.add_column(style="bold")
    shown.add_column(justify="right")
    shown.add_column(style="dim")
    for name, figure, note in _rows(summary):
        shown.add_row(name, figure, Text(note))
    return shown


def _rows(summary: Summary) -> Iterator[tuple[str, str, str]]:
    items, counts = summary.items, summary.counts
    yield "objects", f"{items['delivered']:,}", _others(summary)
    several = counts.record_lines != counts.records
    rejects = counts.rejects + summary.broken
    for name, figure, note in (
        ("lines", counts.lines, _speed(summary)),
        ("records", counts.records, f"of {counts.record_lines:,} lines" if several else ""),
        ("rejects", rejects, _reasons(summary.reasons).strip(" ()")),
        ("already", sum(each.already for each in summary.totals.values()), "were there before"),
        ("refused", summary.refused.total(), f"{_by_sink(summary.refused)}; kept among the dead letters"),
        ("noted", summary.noted.total(), _by_sink(summary.noted)),
        ("control", counts.control, "headers and test files"),
        ("blank", counts.blank, ""),
        ("invalid", counts.invalid, "fields that do not fit their type, kept in `invalid`"),
        ("unknown", counts.unknown, "records with fields that are not known yet, kept in `extra`"),
        ("mismatched", counts.mismatched, "records of another format than their key promises"),
        ("cut", counts.cut, "records that HAProxy cut at its length limit"),
    ):
        if figure or (name in ("lines", "records", "rejects") and items["delivered"]):
            yield name, f"{figure:,}", note


def _others(summary: Summary) -> str:
    return ", ".join(
        f"{summary.items[status]:,} {word}"
        for status, word in (("skipped", "delivered before"), ("failed", "failed"), ("held", "held by another process"),
                             ("stopped", "interrupted"), ("gone", "gone"))
        if summary.items[status]
    )  # fmt: skip


def _reasons(reasons: Counter[str]) -> str:
    told = ", ".join(f"{reason} {number:,}" for reason, number in reasons.most_common())
    return f" ({told})" if told else ""


def _by_sink(counted: Counter[tuple[str, str]]) -> str:
    return ", ".join(f"{reason} {number:,} at {sink}" for (sink, reason), number in counted.most_common())


def _speed(summary: Summary) -> str:
    seconds = max(summary.seconds, 1e-3)
    rate = f", {summary.counts.lines / seconds:,.0f} lines/s" if summary.counts.lines else ""
    return f"{size(summary.content)} in {seconds:,.1f} s{rate}"


def size(number: float) -> str:
    """A number of bytes as people read it."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < _KIB:
            return f"{number:,.0f} {unit}" if unit == "B" else f"{number:,.1f} {unit}"
        number /= _KIB
    return f"{number:,.1f} TiB"


def counted(number: int, noun: str) -> str:
    """A number of things as people write it."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def tell(console: Console, summary: Summary, *, kept: bool) -> None:
    """Say what went wrong; `kept` as above."""
    for trouble in troubles(summary, kept=kept):
        console.print(Text(visible(trouble)))
