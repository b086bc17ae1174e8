"""How a run goes on, on a terminal: bytes read of all there are, lines a second, time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from tailrace.cli._cells import visible
from tailrace.errors import TailraceError
from tailrace.hosts.workers import Display
from tailrace.model import Item
from tailrace.ports import Measured, Source
from tailrace.run import Outcome

_REFRESHES_PER_S = 8


class Silent:
    """Shows nothing: where standard error is no terminal."""

    def began(self, item: Item) -> None:
        """Nothing."""

    def moved(self, item: Item, position: int, lines: int) -> None:
        """Nothing."""

    def ended(self, item: Item, outcome: Outcome | None, error: Exception | None) -> None:
        """Nothing."""


class Bar:
    """Adds up what the workers tell, and shows it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None, lines=0)
        self._lock = Lock()
        self._positions: dict[Item, int] = {}
        self._bytes = self._lines = 0

    def began(self, item: Item) -> None:
        """Work on an item begins."""
        with self._lock:
            self._positions[item] = 0
        self._show(item)

    def moved(self, item: Item, position: int, lines: int) -> None:
        """The item has been read up to a position, in its own bytes, and so many more lines came of it."""
        with self._lock:
            self._bytes += position - self._positions[item]
            self._positions[item] = position
            self._lines += lines
        self._show(item)

    def ended(self, item: Item, outcome: Outcome | None, error: Exception | None) -> None:  # noqa: ARG002 - as Display
        """Work on an item has ended: what is left of it will not be read."""
        with self._lock:
            self._bytes += (item.size or self._positions[item]) - self._positions.pop(item)
        self._show(item)

    def total(self, size: int) -> None:
        """So many bytes there are to read."""
        self._progress.update(self._task, total=size)

    def _show(self, item: Item) -> None:
        name = visible(item.identity.key.rpartition("/")[2])
        self._progress.update(self._task, completed=self._bytes, lines=self._lines, description=name)


class _Lines(ProgressColumn):
    """Lines a second since the beginning."""

    def render(self, task: Task) -> Text:
        """The figure."""
        elapsed = task.elapsed or 0.0
        return Text(f"{task.fields['lines'] / elapsed:,.0f} lines/s" if elapsed else "", style="progress.data.speed")


@contextmanager
def display(console: Console, listed: Callable[[], Sequence[Source]]) -> Iterator[Display]:
    """Shows a run on a terminal, and nothing elsewhere. `listed` gives the sources once more, to add up their sizes."""
    if not console.is_terminal:
        yield Silent()
        return
    columns = (
        SpinnerColumn(), BarColumn(bar_width=None), DownloadColumn(binary_units=True), _Lines(), TimeRemainingColumn(),
        TextColumn("{task.description}", style="dim", markup=False),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True, refresh_per_second=_REFRESHES_PER_S) as progress:
        bar, over = Bar(progress), Event()
        Thread(target=_add_up, args=(listed, bar, over), daemon=True).start()
        yield bar
        over.set()


def _add_up(listed: Callable[[], Sequence[Source]], bar: Bar, over: Event) -> None:
    total = 0
    with suppress(TailraceError):  # the run itself will tell
        for source in listed():
            for size in source.sizes() if isinstance(source, Measured) else (None,):
                if over.is_set() or size is None:
                    return
                total += size
        bar.total(total)
