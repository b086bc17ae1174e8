"""Files for rsyslog, logrotate, systemd and cron: shown, or written with `--install`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from tailrace.accesslogging import AccessLogging
from tailrace.cli._console import say
from tailrace.cli._plan import confirmed
from tailrace.cli.lb._changing import show
from tailrace.errors import EXIT_OK, UsageError
from tailrace.loadbalancer.configure import snippets
from tailrace.loadbalancer.configure.installing import SnippetSetup, check
from tailrace.loadbalancer.configure.memory import Memory
from tailrace.loadbalancer.configure.modules import NAMES, Loading, loading, module_for, other
from tailrace.loadbalancer.configure.snippets import Place, Snippet

KINDS: Final = {
    "rsyslog": snippets.rsyslog, "logrotate": snippets.logrotate, "systemd": snippets.systemd, "cron": snippets.cron,
}  # fmt: skip
ROOT: Final = Path("/")


def written(own: AccessLogging, to: str, config: str, how: Mapping[str, Any]) -> int:
    """Show or write the files that are asked for; the exit code. Raises UsageError, Fatal."""
    if how["rsyslog"] and how["systemd"] and not how["undo"]:
        message = (
            f"--rsyslog and --systemd would both receive at {to}: have the agent receive itself (--systemd), or follow what rsyslog writes"
            " (--rsyslog --logrotate --cron)"
        )
        raise UsageError(message)
    modules = _modules(to, how)
    settings = str(Path(config).resolve()) if config else ""
    place = Place(own=own, to=to, program=_program(), config=settings, rules=modules.name, loaded=modules.before)
    wanted = _wanted(place, how)
    if not (how["install"] or how["undo"]):
        return _shown(wanted)
    return _done(wanted, modules, how)


def _modules(to: str, how: Mapping[str, Any]) -> Loading:
    """What rsyslog has loaded, and under which name it finds our file. Raises UsageError."""
    if not how["rsyslog"] or how["undo"]:
        return Loading(NAMES[0])
    modules = loading(ROOT, module_for(to))
    if how["install"] and (old := other(ROOT, modules.name)):
        message = f"{old} would receive the same as {modules.name}, which is the place for it now; take it away first by --rsyslog --undo"
        raise UsageError(message)
    return modules


def _wanted(place: Place, how: Mapping[str, Any]) -> list[Snippet]:
    """All files; to undo, those of rsyslog under each name that they may have."""
    wanted = [snippet for kind, make in KINDS.items() if how[kind] for snippet in make(place)]
    if how["rsyslog"] and how["undo"]:
        wanted += [snippet for name in NAMES[1:] for snippet in snippets.rsyslog(replace(place, rules=name))]
    return wanted


def _done(wanted: list[Snippet], modules: Loading, how: Mapping[str, Any]) -> int:
    setup = SnippetSetup(wanted, Memory(Path(how["kept"])), undo=how["undo"], root=ROOT)
    changes = setup.plan(setup.look())
    if not changes:
        say(
            "nothing to do: "
            + ("none of these files is Tailrace's" if how["undo"] else "everything is as it should be")
        )
        return EXIT_OK
    if not how["undo"]:
        check(wanted, modules.before, modules.after)
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
