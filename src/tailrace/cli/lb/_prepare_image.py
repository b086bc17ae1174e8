"""Preparing for `tailrace lb prepare-image`: the plan is shown and, if people want it, carried out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from tailrace.accesslogging import AccessLogging
from tailrace.changes import Change
from tailrace.cli._cells import visible
from tailrace.cli._console import output, say
from tailrace.cli._plan import confirmed
from tailrace.errors import EXIT_OK, UsageError
from tailrace.loadbalancer.configure.image import ImageSetup

_STYLES = {"remove": "red", "empty": "yellow", "rewrite": "yellow"}


def prepare(own: AccessLogging, *, root: str, this_machine: bool, dry_run: bool, yes: bool) -> int:
    """Prepare an image; the exit code. Raises UsageError, Fatal."""
    folder = _root(root, this_machine=this_machine)
    setup = ImageSetup(folder, own.spool, own.follow)
    changes = setup.plan(setup.look())
    if not changes:
        say(f"nothing to do: {folder} is ready to become an image")
        return EXIT_OK
    _show(changes)
    if dry_run:
        say("nothing was changed: this is a dry run")
        return EXIT_OK
    whose = "this machine" if this_machine else f"the image in {folder}"
    if not confirmed(yes=yes, question=f"Do this to {whose}? It cannot be undone."):
        say("nothing was changed")
        return EXIT_OK
    for change in changes:
        setup.apply(change)
    say(f"{whose} is ready")
    return EXIT_OK


def _root(given: str, *, this_machine: bool) -> Path:
    """The root folder that is meant. Raises UsageError."""
    if bool(given) == this_machine:
        raise UsageError("say --root DIR, where an image is mounted, or --this-machine; nothing was changed")
    if this_machine:
        return Path("/")
    folder = Path(given).resolve()
    if not folder.is_dir():
        message = f"--root {given}: there is no such folder; mount the image first"
        raise UsageError(message)
    if folder.samefile("/"):
        message = (
            f"--root {given} is the machine that this runs on; if it is meant, say --this-machine. Nothing was changed"
        )
        raise UsageError(message)
    if not (folder / "etc").is_dir():
        message = f"--root {given} has no folder etc, so it is not the root of a machine; nothing was changed"
        raise UsageError(message)
    return folder


def _show(changes: Sequence[Change]) -> None:
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for change in changes:
        action = Text(change.call, style=_STYLES[change.call])
        table.add_row(action, Text(visible(str(change.arguments.path))), Text(change.why))
    output().print(table)
    counts = Counter(change.call for change in changes)
    output().print(", ".join(f"{number} to {action}" for action, number in counts.items()))
