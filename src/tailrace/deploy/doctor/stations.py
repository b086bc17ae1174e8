"""Sources, sinks and dead letters as this machine reaches them: by the same look that `tailrace run --check` takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from tailrace.deploy.doctor.checking import again
from tailrace.deploy.doctor.finding import Finding, ok, wrong
from tailrace.deploy.template.own import function_settings, targets
from tailrace.deploy.wanted import Wanted
from tailrace.errors import TailraceError
from tailrace.hosts.asking import Target, asked_for, target_of
from tailrace.hosts.checking import Finding as Found
from tailrace.hosts.checking import of_sinks, of_sources
from tailrace.kinds import Surroundings
from tailrace.settings import Resolved

_HERE: Final = "seen from this machine"


def of_worker(resolved: Resolved, given: Surroundings) -> Iterator[Finding]:
    """Of all stations of a run on this machine."""
    settings = resolved.settings
    try:
        asked = asked_for(resolved, settings.from_)
        dead = [target_of(settings.dead_letters, settings)] if settings.dead_letters else []
    except TailraceError as error:
        yield wrong("settings", str(error), "tailrace settings")
        return
    yield from _told("source", of_sources(asked.sources, given), "tailrace run --check")
    yield from _of_sinks(asked.sinks, dead, given, "tailrace run --check")


def of_function(wanted: Wanted, given: Surroundings, *, deployed: bool) -> Iterator[Finding]:
    """Of the sinks of a function; what the deployment itself makes is looked at only when there is one."""
    there, settings = replace(given, settings=wanted.settings), wanted.settings
    try:
        function_settings(wanted)
        sinks = targets(wanted)
    except TailraceError as error:
        yield wrong("settings", str(error), "tailrace settings")
        return
    dead = [target_of(settings.dead_letters, settings)] if deployed else []
    yield from _of_sinks(sinks, dead, there, again(wanted))


def _of_sinks(sinks: Iterable[Target], dead: Iterable[Target], given: Surroundings, remedy: str) -> Iterator[Finding]:
    for subject, some in (("sink", sinks), ("dead letters", dead)):
        for each in some:
            if each.kind.home:  # a folder of this disk, which a look would lock or make
                yield ok(subject, f"{each.asked} is on this machine")
                continue
            prepared = f"tailrace sink setup {each.asked}" if each.kind.setup else remedy
            yield from _told(subject, of_sinks([each], given), prepared)


def _told(subject: str, found: Iterable[Found], remedy: str) -> Iterator[Finding]:
    for each in found:
        text = f"{each.station}: {each.text}"
        if each.good:
            yield ok(subject, f"{text} ({_HERE})")
        else:
            yield wrong(subject, f"{text} ({_HERE})", remedy)
