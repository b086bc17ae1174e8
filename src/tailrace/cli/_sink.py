"""Preparing sinks: what is to be changed is shown, and then done."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import click
import msgspec

from tailrace.changes import Change
from tailrace.cli._console import surroundings
from tailrace.errors import UsageError
from tailrace.hosts.asking import asked_for
from tailrace.hosts.reading import plan_of
from tailrace.registry import sink_named
from tailrace.settings import Resolved, Settings


def set_up(word: str, resolved: Resolved, *, dry_run: bool) -> None:
    """Look, plan, show, and apply. Raises UsageError, Retryable, Fatal."""
    settings = msgspec.structs.replace(resolved.settings, to=(_meant(word, resolved.settings),))
    (target,) = asked_for(replace(resolved, settings=settings), ()).sinks
    with closing(target.setup(surroundings(settings), plan_of(settings).formats)) as setup:
        changes = setup.plan(setup.look())
        for change in changes:
            click.echo(_shown(change) if dry_run else f"{change.call}: {change.why}")
            if not dry_run:
                setup.apply(change)
    if not changes:
        click.echo("nothing to do: everything is as it should be")


def _meant(word: str, settings: Settings) -> str:
    """The sink that is meant where only its kind is told. Raises UsageError."""
    if ":" in word or word in settings.sinks:
        return word
    kind = sink_named(word)
    known = dict.fromkeys((*settings.to, *settings.sinks))
    found = [name for name in known if _url(name, settings).startswith(f"{word}:")]
    if len(found) > 1:
        message = f"{' and '.join(found)} are of the kind {word}; name one of them"
        raise UsageError(message)
    if not found and kind.setup:
        message = f"which {word}? No sink of this kind is in the settings; write {kind.form}"
        raise UsageError(message)
    return found[0] if found else word


def _url(name: str, settings: Settings) -> str:
    return str(settings.sinks.get(name, {}).get("url", name))


def _shown(change: Change) -> str:
    document = msgspec.json.format(msgspec.json.encode(change.arguments), indent=2).decode()
    return f"{change.call}: {change.why}\n{document}"
