"""A plan of changes to an account, shown before anything is changed; and how its carrying out goes on."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final

import click
import msgspec
from rich.table import Table
from rich.text import Text

from tailrace.cli._cells import visible
from tailrace.cli._console import output, people
from tailrace.deploy.stack.events import Event
from tailrace.deploy.stack.words import Action, Step
from tailrace.errors import EXIT_INTERRUPTED, EXIT_TERMINATED, UsageError

_SIGNS: Final[dict[Action, tuple[str, str]]] = {
    "create": ("+", "green"),
    "change": ("~", "yellow"),
    "replace": ("±", "bold red"),
    "remove": ("-", "bold red"),
    "let go": ("·", "yellow"),
    "do": (">", "cyan"),
}
_COUNTED: Final[dict[Action, str]] = {
    "create": "to create", "change": "to change", "replace": "to replace", "remove": "to remove", "let go": "to let go of",
}  # fmt: skip


def show(steps: Sequence[Step], *, as_json: bool) -> None:
    """Write a plan to standard output."""
    if as_json:
        for step in steps:
            told = {"action": step.action, "what": step.what, "name": step.name, "why": step.why}
            click.echo(msgspec.json.encode(told))
        return
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for step in steps:
        sign, style = _SIGNS[step.action]
        cells = (f"{sign} {step.action}", step.what, step.name, step.why)
        table.add_row(*(Text(visible(cell)) for cell in cells), style=style if step.grave else "")
    console = output()
    console.print(table)
    counts = Counter(step.action for step in steps)
    figures = [(f"{counts[action]} {words}", _SIGNS[action][1]) for action, words in _COUNTED.items() if counts[action]]
    console.print(
        Text(", ").join(Text(words, style="bold red" if "red" in style else "bold") for words, style in figures)
    )


def confirmed(*, yes: bool, question: str) -> bool:
    """Whether people want it. Raises UsageError where nobody can be asked."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(
            "nothing was changed, for nobody can be asked here; say --yes, or --dry-run to see the plan only"
        )
    return click.confirm(question, err=True)


class Interrupted(BaseException):
    """A signal to end. `code`: the exit code."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = EXIT_INTERRUPTED if number == signal.SIGINT else EXIT_TERMINATED


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGINT and SIGTERM break off what is under way, by Interrupted."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def telling(total: int) -> Callable[[Event], None]:
    """Tells of the events of a stack, with how many of its changes are done."""
    console, done = people(), set[str]()

    def moved(event: Event) -> None:
        if event.what == "AWS::CloudFormation::Stack":
            return
        if event.done:
            done.add(event.name)
        if event.done or event.status.endswith("_FAILED"):
            figure = f"[{len(done)}/{max(total, len(done))}]"
            style = "red" if event.status.endswith("_FAILED") or "ROLLBACK" in event.status else ""
            why = f": {event.reason}" if event.reason and not event.done else ""
            console.print(Text(visible(f"{figure} {event.status} {event.name} ({event.what}){why}"), style=style))

    return moved
