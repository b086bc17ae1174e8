"""Running the service for `tailrace run`, and looking whether it could run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

from rich.table import Table
from rich.text import Text

from tailrace.cli import _summary
from tailrace.cli._cells import visible
from tailrace.cli._console import output, people, say, surroundings
from tailrace.cli._running import job_of
from tailrace.errors import EXIT_FAILED_CHECK, EXIT_OK, UsageError
from tailrace.hosts import memory
from tailrace.hosts.asking import Asked, asked_for, target_of
from tailrace.hosts.checking import Finding, of_sinks, of_sources, of_state
from tailrace.hosts.depot import Depot
from tailrace.hosts.service import Service
from tailrace.kinds import Surroundings
from tailrace.serving import place_of
from tailrace.settings import Resolved


def serve(resolved: Resolved) -> int:
    """Carry until the stop; the exit code."""
    settings = resolved.settings
    given = surroundings(settings)
    asked = _asked(resolved, given)
    job = job_of(settings, given, again=False)
    memory.keep()
    with closing(Depot(resolved, asked.sinks, given)) as depot:
        service = Service(
            sources=asked.opened(
                replace(given, known=depot.known, notice=lambda text: say(f"warning: {text}"), stays=True)
            ),
            crew=depot.crew,
            job=job,
            say=say,
            kept=bool(depot.kept_in),
            listen=settings.listen,
            token=given.vault.read(settings.listen_token),
        )
        summary = service.run(settings.workers)
    console = people()
    console.print(_summary.table(summary))
    return _summary.exit_code(summary, strict=False)


def _asked(resolved: Resolved, given: Surroundings) -> Asked:
    """The stations of the service. Raises UsageError for what it cannot begin with."""
    settings = resolved.settings
    if not settings.from_:
        raise UsageError('there is nothing to carry: name sources in the settings, from = ["sqs:NAME"], or by --from')
    if settings.listen:
        place_of(settings.listen, given.vault.read(settings.listen_token), "listen")
    return asked_for(resolved, settings.from_)


def check(resolved: Resolved) -> int:
    """Tell of each station whether it is in place; the exit code."""
    given = surroundings(resolved.settings)
    shown = Table(box=None, pad_edge=False, show_header=False)
    bad = 0
    for finding in _looked_at(resolved, given):
        bad += not finding.good
        mark = Text("✓", style="green") if finding.good else Text("✗", style="red")
        shown.add_row(mark, Text(visible(finding.station)), Text(visible(finding.text)))
    output().print(shown)
    return EXIT_FAILED_CHECK if bad else EXIT_OK


def _looked_at(resolved: Resolved, given: Surroundings) -> Iterator[Finding]:
    settings = resolved.settings
    job_of(settings, given, again=False)
    asked = _asked(resolved, given)
    dead = target_of(settings.dead_letters, settings) if settings.dead_letters else None
    yield from of_sources(asked.sources, given)
    yield from of_sinks((*asked.sinks, *((dead,) if dead and not dead.kind.home else ())), given)
    yield from of_state(given)
