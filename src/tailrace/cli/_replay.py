"""Replaying for `tailrace replay`: where letters are, where they go, and what people are told of it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from itertools import islice
from pathlib import Path
from threading import Event
from types import FrameType

from rich.table import Table
from rich.text import Text

from tailrace.cli._cells import visible
from tailrace.cli._console import people, surroundings
from tailrace.cli._running import job_of
from tailrace.cli._summary import counted
from tailrace.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_PARTIAL, EXIT_TERMINATED, TailraceError, UsageError
from tailrace.homes import Home
from tailrace.hosts.asking import asked_for, target_of
from tailrace.hosts.depot import Depot
from tailrace.hosts.states import SQLITE
from tailrace.kinds import Surroundings
from tailrace.model import Item
from tailrace.receipts import FILE
from tailrace.registry import source_of, sources
from tailrace.replay.pages import Objects
from tailrace.replay.reading import Reader
from tailrace.replay.replaying import Desk, Replay, Replayed, Wanted
from tailrace.replay.rereading import Rereading
from tailrace.replay.sending import Sending
from tailrace.settings import Resolved, Settings
from tailrace.store.letters import FOLDER

_SHOWN = 20
"""So many whys are told one by one."""


def replay(places: Sequence[str], resolved: Resolved, wanted: Wanted, *, by_reference: bool, dry_run: bool) -> int:
    """Replay the letters of the places; the exit code."""
    settings, asked = resolved.settings, asked_for(resolved, ()).sinks
    given = surroundings(settings)
    words = places or _configured(settings)
    shared = settings.state not in ("", SQLITE)
    if (
        not words
        and not shared
        and not any((Depot.place(target, resolved, asked) / FILE).is_file() for target in asked)
    ):
        message = f"no store at {settings.store}: name one by --store, or files of dead letters"
        raise UsageError(message)
    job, objects, done = job_of(settings, given, again=False), _objects(given), Replayed()
    with _signals(given.stop) as stopped, closing(Rereading(given)) as again, _telling(done, dry=dry_run):
        reader = Reader(job, again, by_reference, given.clock.now())
        with closing(Depot(resolved, asked, given)) as depot:
            for folder, home, where in _homes(words, depot):
                sending = Sending(home.sinks, job, reader, elsewhere=resolved.origins.get("to") == "--to")
                desk = Desk(
                    home=home, folder=folder, job=job, sending=sending, wanted=wanted, objects=objects, dry=dry_run
                )
                Replay(desk, done).run(_pages(where, given))
    return _exit_code(done, stopped)


def _configured(settings: Settings) -> Sequence[str]:
    """Where dead letters go by the settings, to be read; nothing if that is beside the receipts. Raises UsageError."""
    if not settings.dead_letters:
        return ()
    target = target_of(settings.dead_letters, settings)
    if target.kind.home:
        return (str(target.kind.home(target.address, settings) / FOLDER),)
    if target.name == "s3":
        return (f"s3:{target.address}",)
    message = (
        f"dead letters go to {settings.dead_letters}, from where they cannot be read; name files or s3://BUCKET/PREFIX"
    )
    raise UsageError(message)


def _objects(given: Surroundings) -> Callable[[], Objects]:
    return cache(lambda: Objects(given.client("s3")))


def _homes(words: Sequence[str], depot: Depot) -> Iterator[tuple[Path, Home, Sequence[str]]]:
    """Where accounts are kept, in which folder, and the places of letters that concern them."""
    homes = list(zip(depot.folders, depot.crew(), strict=True))
    if words and len(homes) > 1:
        raise UsageError("letters of a place are replayed into one store at a time; name one by --to")
    try:
        for folder, home in homes:
            own = folder / FOLDER
            if words or any(True for _ in own.glob("*.ndjson")):
                yield folder, home, words or (str(own),)
    finally:
        for _folder, home in homes:
            for sink in home.sinks:
                sink.close()


def _pages(words: Sequence[str], given: Surroundings) -> Iterator[Item]:
    """The files and objects at some places. Raises UsageError for what cannot be replaced."""
    kinds = sources()
    for word in words:
        if source_of(word) not in (kinds["files"], kinds["s3"]):
            raise UsageError(_no_place(word))
    for source in asked_for(Resolved(settings=given.settings, origins={}), words).opened(given):
        with closing(source):
            for item in source.items():
                if not item.durable:
                    raise UsageError(_no_place(item.identity.name))
                yield item


def _no_place(word: str) -> str:
    return f"{word}: letters are replayed from files and from s3://BUCKET/PREFIX"


@contextmanager
def _signals(stop: Event) -> Iterator[list[int]]:
    """Let SIGINT and SIGTERM end the replay when what is under way is written down; a second one ends it at once."""
    came: list[int] = []

    def stopped(number: int, _frame: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)
        stop.set()

    before = {number: signal.signal(number, stopped) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _telling(done: Replayed, *, dry: bool) -> Iterator[None]:
    """Tell what was done, also if something was when an error came."""
    try:
        yield
    except TailraceError:
        if done.letters:
            _tell(done, dry=dry)
        raise
    _tell(done, dry=dry)


def _tell(done: Replayed, *, dry: bool) -> None:
    console = people()
    for error in islice(done.errors, _SHOWN):
        console.print(Text(visible(f"error: {error}")))
    console.print(_table(done, dry=dry))


def _table(done: Replayed, *, dry: bool) -> Table:
    shown = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    shown.add_column(style="bold")
    shown.add_column(justify="right")
    shown.add_column(style="dim", overflow="fold")
    would = "would be " if dry else ""
    whys = done.stayed.most_common(_SHOWN)
    rows = [
        ("letters", done.letters, "nothing to do" if not done.letters else ""),
        (f"{would}sent" if dry else "gone through", done.gone, f"{counted(done.records, 'record')} to sinks"),
        (f"{would}kept" if dry else "stayed", done.stayed.total(), ""),
        *(("", number, why) for why, number in whys),
        ("passed over", done.passed, "not asked for"),
        ("no letters", done.strange, "lines that are something else; they stay"),
    ]
    for name, figure, note in rows:
        if figure or name == "letters":
            shown.add_row(name, f"{figure:,}", Text(visible(note)))
    return shown


def _exit_code(done: Replayed, stopped: Sequence[int]) -> int:
    if stopped:
        return EXIT_INTERRUPTED if stopped[0] == signal.SIGINT else EXIT_TERMINATED
    return EXIT_PARTIAL if done.stayed or done.errors or done.strange else EXIT_OK
