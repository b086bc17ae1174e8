"""Running the loop for `parse` and `ship`: settings become stations, and people are told how it went."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from rich.text import Text

from tailrace.cli import _summary
from tailrace.cli._cells import visible
from tailrace.cli._console import people, regular, say, surroundings, warn
from tailrace.cli._progress import display
from tailrace.deadletters import DeadCount, DeadFile
from tailrace.disk import writing
from tailrace.errors import UsageError
from tailrace.homes import Home, Job
from tailrace.hosts import memory
from tailrace.hosts.asking import Asked, Target, asked_for, asked_sources
from tailrace.hosts.depot import Depot
from tailrace.hosts.intake import OneByOne
from tailrace.hosts.reading import parsers
from tailrace.hosts.workers import Crew, Summary, Workers
from tailrace.kinds import Surroundings
from tailrace.notices import Notices
from tailrace.ports import DeadLetters
from tailrace.retry import Patience
from tailrace.settings import Resolved, Settings
from tailrace.sinks.stdout import StdoutSink
from tailrace.state.memory import MemoryState


def parse(words: Sequence[str], resolved: Resolved, rejects: str | None, *, strict: bool) -> int:
    """Write records to standard output; the exit code."""
    settings = resolved.settings
    given = surroundings(settings)
    if not words and sys.stdin.isatty():
        raise UsageError("nothing to read: give files, folders or s3://BUCKET/PREFIX, or pipe a log in")
    asked = asked_sources(resolved, words or ("-",))
    for origin in asked.sources:
        if origin.kind.takes_away:
            message = f"{origin.asked}: what is read there is gone; use `tailrace run` or `tailrace ship`, which keep receipts"
            raise UsageError(message)
    with _dead_letters(rejects, words) as (dead, *written):
        given = replace(given, outputs=regular(given.stdout, *written))
        home = Home(MemoryState(given.clock), dead, [StdoutSink(given.stdout, settings.schema)])
        job = job_of(settings, given, again=False)
        summary = _run(asked, given, job, lambda: [home], workers=1)
    console = people()
    _summary.tell(console, summary, kept=False)
    console.print(_summary.line(summary), style="dim")
    return _summary.exit_code(summary, strict=strict)


def ship(words: Sequence[str], resolved: Resolved, *, again: bool, strict: bool, **flags: Any) -> int:
    """Carry everything to the sinks; the exit code. `flags`: settings of the sources."""
    settings = resolved.settings
    asked = asked_for(resolved, words, **flags)
    given = surroundings(msgspec.structs.replace(settings, from_=tuple(words)))
    job = job_of(settings, given, again=again)
    with closing(Depot(resolved, asked.sinks, given)) as depot:
        summary = _run(asked, replace(given, known=depot.known), job, depot.crew, workers=settings.workers)
    console = people()
    _summary.tell(console, summary, kept=bool(depot.kept_in))
    console.print(_summary.table(summary))
    console.print(Text(visible(_places(asked.sinks, depot, settings.dead_letters, summary))), style="dim")
    return _summary.exit_code(summary, strict=strict)


def _places(asked: Sequence[Target], depot: Depot, letters: str, summary: Summary) -> str:
    """Where everything is; `letters`: where dead ones go, if not beside the receipts."""
    folders = [_relative(folder) for folder in depot.folders]
    sinks, kept = ", ".join(target.asked for target in asked), ", ".join(map(_relative, depot.kept_in))
    told = [f"receipts in {depot.shared_at or kept}" if kept else "no receipts are kept"]
    if summary.counts.rejects or summary.truncated or summary.refused:
        told.append(f"dead letters in {letters or ', '.join(f'{folder}/dead' for folder in folders)}")
    return f"to {sinks}; {', '.join(told)}"


def _relative(folder: Path) -> str:
    here = Path.cwd()
    return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)


def job_of(settings: Settings, given: Surroundings, *, again: bool) -> Job:
    """What is the same for all items. Raises UsageError."""
    notices = Notices(given.notice, given.clock)
    return Job(
        parser=parsers(settings, warn),
        patience=Patience(
            settings.retry, given.clock, given.stop.wait, lasting=lambda sentence: notices.tell(sentence, sentence)
        ),
        clock=given.clock,
        checkpoint=settings.checkpoint,
        again=again,
        stop=given.stop,
    )


def _run(asked: Asked, given: Surroundings, job: Job, crew: Crew, *, workers: int) -> Summary:
    sources = asked.opened(given)
    memory.keep()
    with display(people(), partial(asked.opened, given)) as shown:
        return Workers(OneByOne(sources), crew, job, shown, say=say).run(workers)


@contextmanager
def _dead_letters(path: str | None, words: Sequence[str]) -> Iterator[tuple[DeadLetters, *tuple[int, ...]]]:
    """Where rejects go, and the descriptor of their file. Raises UsageError if that is something to be read, before it is overwritten."""
    if path is None:
        yield (DeadCount(),)
        return
    if path == "-":
        raise UsageError("--rejects -: standard output takes the records; name a file for the rejects")
    for word in words:
        with suppress(OSError):  # one of them is not there yet, or cannot be looked at
            if Path(word).samefile(path):
                message = f"--rejects {path}: {word} is to be read; name another file for the rejects"
                raise UsageError(message)
    with writing(path):
        file = Path(path).open("wb")  # noqa: SIM115 - closed below, where the disk may refuse the rest
    try:
        yield DeadFile(file), file.fileno()
    finally:
        with writing(path):
            file.close()
