"""The report for people, and as JSON."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from tailrace.cli import _chart
from tailrace.cli._cells import json_of, visible
from tailrace.cli._summary import size
from tailrace.clock import Clock, SystemClock
from tailrace.quantities import period
from tailrace.store.query import Queries
from tailrace.store.report import Bucket, Figures, Named, Report, Scope, load_balancers, report

_HEIGHT = 5
_MARGIN = 10
"""Room for the numbers at the left of a chart."""
_NARROWEST, _WIDEST = 80, 160
_DAY = 86400


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of the command, as written."""

    since: str
    until: str
    load_balancer: str
    top: int


def run(store: str, asked: Asked, *, as_json: bool, clock: Clock | None = None) -> None:
    """Make a report and show it. Raises UsageError and Fatal."""
    clock = clock or SystemClock()
    scope = scope_of(asked, clock.now())
    console = _console()
    if not as_json:
        scope = Scope(
            since=scope.since, until=scope.until, load_balancer=scope.load_balancer, top=scope.top,
            buckets=console.width - _MARGIN,
        )  # fmt: skip
    queries = Queries(Path(store), clock, keep=scope.keeps)
    found = report(queries, scope)
    if as_json:
        sys.stdout.buffer.write(json_of(msgspec.to_builtins(found)) + b"\n")
    elif found.total.requests:
        console.print(drawn(found, console.width))
    else:
        console.print(Text(nothing(scope, store, queries)))


def _console() -> Console:
    """A console as wide as the terminal; where there is none, COLUMNS or 100."""
    width = shutil.get_terminal_size((100, 24)).columns
    return Console(highlight=False, width=max(_NARROWEST, min(width, _WIDEST)))


def scope_of(asked: Asked, now: float) -> Scope:
    """What the options ask for. Raises UsageError."""
    told = period(asked.since, asked.until, now, "--")
    return Scope(since=told.get("since"), until=told.get("until"), load_balancer=asked.load_balancer, top=asked.top)


def nothing(scope: Scope, store: str, queries: Queries) -> str:
    """Why there is nothing to show."""
    if scope.load_balancer:
        names = ", ".join(map(visible, load_balancers(queries))) or "none"
        return f"no requests of {visible(scope.load_balancer)}; there are: {names}"
    if scope.since is not None or scope.until is not None:
        return "no requests in this time; `tailrace query` without SQL tells the days that there are"
    return f"no requests in the store at {store}; `tailrace ship` brings some"


def drawn(found: Report, width: int) -> Group:
    """The whole report."""
    parts: list[RenderableType] = [_overall(found.total), Text()]
    parts += [_balancers(found), Text()]
    parts += [*_charts(found, width), Text()]
    for title, rows in (("path", found.paths), ("client", found.clients), ("status", found.statuses)):
        parts += [_ranking(title, rows, found.total.requests), Text()]
    if not found.exact:
        parts.append(Text("latencies are estimated (t-digest)", style="dim"))
    return Group(*parts[:-1] if found.exact else parts)


def _overall(total: Figures) -> Text:
    text = Text()
    text.append(f"{total.requests:,} {'request' if total.requests == 1 else 'requests'}", style="bold")
    text.append(f"   4xx {_share(total.client_errors, total.requests)}")
    text.append(f"   5xx {_share(total.server_errors, total.requests)}", style="red" if total.server_errors else "")
    if total.failures:
        text.append(f"   failed {_share(total.failures, total.requests)}", style="red")
    text.append(f"   p95 {latency(total.p95)}\n")
    span = f"{_when(total.first)} to {_when(total.last)} UTC" if total.first and total.last else "without times"
    text.append(f"{span}   in {size(total.bytes_in)}, out {size(total.bytes_out)}", style="dim")
    return text


def _balancers(found: Report) -> Table:
    failures = any(row.figures.failures for row in found.load_balancers)
    numbers = ["requests", "4xx", "5xx", "by target", *(["failed"] if failures else []), "p50", "p95", "p99"]
    table = _table("load balancer", numbers)
    for row in found.load_balancers:
        own = row.figures
        table.add_row(
            _name(row.name), f"{own.requests:,}", _count(own.client_errors), _count(own.server_errors, "red"),
            _count(own.target_errors, "red"), *([_count(own.failures, "red")] if failures else []),
            latency(own.p50), latency(own.p95), latency(own.p99),
        )  # fmt: skip
    return table


def _ranking(title: str, rows: Sequence[Named], total: int) -> Table:
    table = _table(title, ["requests", "share", "5xx", "p95", "out"])
    for row in rows:
        own = row.figures
        table.add_row(
            _name(row.name), f"{own.requests:,}", _share(own.requests, total), _count(own.server_errors, "red"),
            latency(own.p95), size(own.bytes_out),
        )  # fmt: skip
    return table


def _table(first: str, numbers: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column(first, overflow="fold", ratio=1, min_width=12)
    for number in numbers:
        table.add_column(number, justify="right", no_wrap=True)
    table.expand = True
    return table


def _charts(found: Report, width: int) -> Iterator[Text]:
    """Requests, errors and latency over time, one above the other with the same times."""
    buckets = found.over_time
    if not buckets:
        return
    room = width - _MARGIN
    yield Text(f"requests, every {_lasting(found.step)}", style="bold")
    yield from _chart_of([bucket.requests for bucket in buckets], room, "cyan", number)
    if any(bucket.errors for bucket in buckets):
        yield Text("errors: 4xx, 5xx and failed", style="bold")
        yield from _chart_of([bucket.errors for bucket in buckets], room, "red", number)
    if any(bucket.p95 is not None for bucket in buckets):
        yield Text("p95 latency", style="bold")
        yield from _chart_of([bucket.p95 for bucket in buckets], room, "yellow", latency)
    yield Text(" " * _MARGIN + _chart.axis(list(_times(buckets, found.step)), room), style="dim")


def _chart_of(values: Sequence[float | None], width: int, style: str, show: object) -> Iterator[Text]:
    assert callable(show)
    highest = max((value for value in values if value is not None), default=0)
    for row, line in enumerate(_chart.columns(values, _HEIGHT, width)):
        label = show(highest) if row == 0 else "0" if row == _HEIGHT - 1 else ""
        yield Text.assemble((f"{label:>{_MARGIN - 2}} ", "dim"), ("┤" if label else "│", "dim"), (line.rstrip(), style))


def _times(buckets: Sequence[Bucket], step: int) -> Iterator[str]:
    """When each bucket begins, as precisely as its length asks for."""
    for bucket in buckets:
        day, clock = bucket.start[:10], bucket.start[11:19] if step < 60 else bucket.start[11:16]  # noqa: PLR2004
        yield day if step >= _DAY else f"{day[5:]} {clock}"


def number(value: float | None) -> str:
    """A number in a few characters."""
    if value is None:
        return "–"
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= limit:
            return f"{value / (1e3 if unit == 'k' else limit):.1f}{unit}"
    return f"{value:,.0f}"


def latency(seconds: float | None) -> str:
    """A duration in a few characters."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms" if seconds < 0.9995 else "1 s"  # noqa: PLR2004 - rounds to 1000 ms
    return f"{seconds:.2f} s" if seconds < 100 else f"{seconds:,.0f} s"  # noqa: PLR2004 - four digits are enough


def _share(part: int, whole: int) -> str:
    percent = 100 * part / whole if whole else 0.0
    return "0 %" if not part else "<0.1 %" if percent < 0.1 else f"{percent:.1f} %"  # noqa: PLR2004 - what is shown


def _count(value: int, style: str = "") -> Text:
    return Text(f"{value:,}", style=style if value else "dim")


def _name(name: str | int | None) -> Text:
    return Text("none", style="dim") if name is None else Text(visible(str(name)))


def _when(text: str) -> str:
    return text[:19].replace("T", " ")


def _lasting(seconds: int) -> str:
    for unit, length in (("day", _DAY), ("hour", 3600), ("minute", 60)):
        if seconds % length == 0:
            count = seconds // length
            return unit if count == 1 else f"{count} {unit}s"
    return "second" if seconds == 1 else f"{seconds} seconds"
