"""Files for rsyslog, logrotate, systemd and cron: shown, or written with `--install`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from tailrace.accesslogging import AccessLogging
from tailrace.cli._console import say
from tailrace.cli._plan import confirmed
from tailrace.cli.lb._changing import show
from tailrace.errors import EXIT_OK
from tailrace.loadbalancer.configure import snippets
from tailrace.loadbalancer.configure.installing import SnippetSetup, check
from tailrace.loadbalancer.configure.memory import Memory
from tailrace.loadbalancer.configure.snippets import Place, Snippet

KINDS: Final = {
    "rsyslog": snippets.rsyslog, "logrotate": snippets.logrotate, "systemd": snippets.systemd, "cron": snippets.cron,
}  # fmt: skip
_ROOT: Final = Path("/")


def written(own: AccessLogging, to: str, config: str, how: Mapping[str, Any]) -> int:
    """Show or write the files that are asked for; the exit code. Raises UsageError, Fatal."""
    modules = snippets.loaded(_ROOT)
    place = Place(
        own=own, to=to, program=_program(), config=str(Path(config).resolve()) if config else "", loaded=modules
    )
    wanted = [snippet for kind, make in KINDS.items() if how[kind] for snippet in make(place)]
    if not (how["install"] or how["undo"]):
        return _shown(wanted)
    setup = SnippetSetup(wanted, Memory(Path(how["kept"])), undo=how["undo"])
    changes = setup.plan(setup.look())
    if not changes:
        say(
            "nothing to do: "
            + ("none of these files is Tailrace's" if how["undo"] else "everything is as it should be")
        )
        return EXIT_OK
    if not how["undo"]:
        check(wanted, modules & {"imudp", "imuxsock"})
    show(change.arguments for change in changes)
    if how["dry_run"]:
        say("nothing was changed: this is a dry run")
        return EXIT_OK
    if not confirmed(yes=how["yes"], question="Change these files like this?"):
        say("nothing was changed")
        return EXIT_OK
    for change in changes:
        setup.apply(change)
        say(f"{change.call}: {change.why}")
    done = {change.arguments.path for change in changes}
    _say_next([each for each in wanted if not how["undo"] or setup.path(each) in done], undo=how["undo"])
    return EXIT_OK


def _shown(wanted: list[Snippet]) -> int:
    for snippet in wanted:
        click.echo(f"# {snippet.path}\n{snippet.text}")
    _say_next(wanted)
    return EXIT_OK


def _say_next(wanted: list[Snippet], *, undo: bool = False) -> None:
    for snippet in wanted:
        if then := snippet.undone if undo else snippet.then:
            say(f"then: {then}")


def _program() -> str:
    """This program, as others can start it."""
    own = Path(sys.argv[0])
    return str(own.absolute()) if own.name == "tailrace" else shutil.which("tailrace") or "/usr/local/bin/tailrace"
