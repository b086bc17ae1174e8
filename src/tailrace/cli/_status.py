"""How a deployment is, as people and programs read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final, TypeVar

import click
import msgspec
from rich.table import Table
from rich.text import Text

from tailrace.cli._cells import utc, visible
from tailrace.cli._console import output
from tailrace.cli._deploying import there
from tailrace.cli._summary import counted
from tailrace.deploy.naming import ALIAS, LATEST
from tailrace.deploy.stack.condition import Stack
from tailrace.deploy.stack.releases import Function
from tailrace.deploy.stack.status import Alarm, Delivery, Looking, Status, Unknown
from tailrace.errors import EXIT_FAILED_CHECK, EXIT_OK
from tailrace.settings import Resolved

T = TypeVar("T")
_PROVED: Final = {True: "proved", False: "did not prove good", None: "not proved yet"}
Row = tuple[str, str, bool]
"""What, how it is, and whether something is wrong."""


def show(environment: str, resolved: Resolved, *, as_json: bool) -> int:
    """Show it; the exit code."""
    cloud, asked = there(resolved, environment)
    found = Looking(cloud, asked).look()
    if as_json:
        click.echo(msgspec.json.encode(_document(found, environment), enc_hook=str))
    else:
        table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, text, wrong in _rows(found, asked.names.stack):
            table.add_row(name, Text(visible(text), style="red" if wrong else ""))
        output().print(table)
    return EXIT_OK if isinstance(found.stack, Stack) and found.stack.steady else EXIT_FAILED_CHECK


def _rows(found: Status, name: str) -> Iterator[Row]:
    yield _of_stack(found.stack, name)
    yield from _of_function(found)
    lag, waiting = (None, None) if isinstance(found.figures, Unknown) else found.figures
    yield _row("lag", found.figures, lambda _: _seconds(lag, "from written to delivered"))
    yield _row("oldest message", found.figures, lambda _: _seconds(waiting, "old"))
    yield _row("queue", found.queue, _depth)
    what, text, wrong = _row("dead letters", found.dead, _depth)
    yield what, text, wrong or bool(found.dead)
    yield from _several("alarms", found.alarms, _alarm)
    yield from _several("last objects", found.deliveries, _delivery)


def _of_stack(stack: Stack | Unknown | None, name: str) -> Row:
    if not isinstance(stack, Stack):
        return "stack", f"there is no stack {name}", True
    why = f": {stack.reason}" if stack.reason and not stack.steady else ""
    return "stack", f"{stack.name}  {stack.status}{why}", not stack.steady


def _of_function(found: Status) -> Iterator[Row]:
    function = found.function
    if not isinstance(function, Function):
        yield _row("live", function, lambda _: "there is no function")
        return
    release = found.release
    label = f" ({release.label})" if release else ""
    yield "live", f"version {function.live}{label}", function.live == LATEST
    behind = "" if function.same else "; the stack has another version, which is not live"
    yield "alias", f"{ALIAS} → {function.live}{behind}", not function.same
    if release:
        yield "released", f"{utc(release.time)}, {_PROVED[release.good]}", not release.good
    elif isinstance(found.releases, Unknown):
        yield "released", found.releases.why, True


def _row(name: str, value: T | Unknown, told: Callable[[T], str]) -> Row:
    return (name, value.why, True) if isinstance(value, Unknown) else (name, told(value), False)


def _several(name: str, values: Sequence[T] | Unknown, told: Callable[[T], tuple[str, bool]]) -> Iterator[Row]:
    if isinstance(values, Unknown):
        yield name, values.why, True
        return
    for place, value in enumerate(values):
        yield name if place == 0 else "", *told(value)
    if not values:
        yield name, "none", False


def _depth(number: int | None) -> str:
    return "there is no such queue" if number is None else counted(number, "message")


def _seconds(value: float | None, what: str) -> str:
    return "nothing was told in the last half hour" if value is None else f"{value:,.0f} s {what}"


def _alarm(alarm: Alarm) -> tuple[str, bool]:
    return f"{alarm.state} {alarm.name} since {utc(alarm.since)}", alarm.state == "ALARM"


def _delivery(delivery: Delivery) -> tuple[str, bool]:
    states: list[str] = sorted({receipt.state for receipt in delivery.receipts}) or ["no receipt yet"]
    lines = max((receipt.whole.counts.lines for receipt in delivery.receipts), default=0)
    told = f"{utc(delivery.written)} {', '.join(states)}, {counted(lines, 'line')}  {delivery.key}"
    return told, states != ["complete"]


def _document(found: Status, environment: str) -> dict[str, Any]:
    """The same for programs: what is not known is {"unknown": WHY}."""
    lag, waiting = (None, None) if isinstance(found.figures, Unknown) else found.figures
    return {
        "environment": environment,
        "stack": _plain(found.stack),
        "live": _plain(found.function) and _plain_function(found.function),
        "release": found.release and msgspec.to_builtins(found.release),
        "lag_s": lag,
        "oldest_message_s": waiting,
        "queue": _plain(found.queue),
        "dead_letters": _plain(found.dead),
        "alarms": _plain(found.alarms),
        "last_objects": found.deliveries
        if isinstance(found.deliveries, Unknown)
        else [_plain_delivery(each) for each in found.deliveries],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Unknown):
        return {"unknown": value.why}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return asdict(value) if hasattr(value, "__dataclass_fields__") else value


def _plain_function(function: Function | Unknown | None) -> Any:
    """Without its settings: those are for plans."""
    if not isinstance(function, Function):
        return _plain(function)
    return {"version": function.live, "alias": ALIAS, "same_as_stack": function.same, "code_sha256": function.code}


def _plain_delivery(delivery: Delivery) -> dict[str, Any]:
    receipts = [
        {"sink": each.sink, "state": each.state, "lines": each.whole.counts.lines, "records": each.whole.counts.records}
        for each in delivery.receipts
    ]
    return {"key": delivery.key, "written": utc(delivery.written), "receipts": receipts}
