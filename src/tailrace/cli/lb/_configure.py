"""Configuring for `tailrace lb configure`: the plan is shown and, if people want it, carried out."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, Final, Literal

from tailrace.accesslogging import AccessLogging
from tailrace.cli._console import say, warn
from tailrace.cli._plan import confirmed
from tailrace.cli.lb._changing import show
from tailrace.cli.lb._snippets import KINDS, written
from tailrace.clock import SystemClock
from tailrace.errors import EXIT_OK, UsageError
from tailrace.loadbalancer.configure.haproxy import Doing, HaproxySetup, Replacement
from tailrace.loadbalancer.configure.lines import Wish
from tailrace.loadbalancer.configure.memory import Memory

RECEIVED: Final = "udp:127.0.0.1:5514"
"""Where HAProxy's log goes if nobody tells. Not a unix socket: the kernel lets no more lines wait there than the sender's buffer has, some 170."""


def configure(own: AccessLogging, config: str, **how: Any) -> int:
    """Configure HAProxy, or other programs; the exit code. `config`: of Tailrace. `how`: the options of the command."""
    if how["own_format"] and how["their_format"]:
        raise UsageError("--own-format and --their-format exclude each other; give one of them")
    to = how["to"] or next(iter(own.receive), RECEIVED)
    if any(how[kind] for kind in KINDS):
        return written(own, to, config, how)
    if how["install"]:
        raise UsageError("--install writes what --rsyslog, --logrotate, --systemd or --cron show; give one of them")
    setup = _setup(to, how)
    changes = setup.plan(setup.look())
    replacement = next((each.arguments for each in changes if isinstance(each.arguments, Replacement)), None)
    if replacement is None:
        say("nothing to do: " + ("no line of Tailrace's is there" if how["undo"] else "everything is as it should be"))
        return EXIT_OK
    if to.startswith("unix:") and not how["undo"] and not Path(to[5:].partition(",")[0]).is_socket():
        warn(f"nobody receives at {to} yet: have the agent run first, or its lines until then are lost")
    _tell(replacement, how, reloads=[each.why for each in changes if each.call == "reload"])
    if how["dry_run"]:
        say("nothing was changed: this is a dry run")
        return EXIT_OK
    if not confirmed(yes=how["yes"], question="Change HAProxy's configuration like this?"):
        say("nothing was changed")
        return EXIT_OK
    for change in changes:
        setup.apply(change)
    say("HAProxy's configuration is as it was before" if how["undo"] else f"HAProxy logs to {to}")
    return EXIT_OK


def _setup(to: str, how: dict[str, Any]) -> HaproxySetup:
    way: Literal["own", "theirs"] | None = "own" if how["own_format"] else "theirs" if how["their_format"] else None
    return HaproxySetup(
        given=tuple(map(Path, how["files"])),
        wish=None if how["undo"] else Wish(to=to, frontends=how["frontends"], way=way),
        doing=Doing(
            haproxy=how["haproxy"],
            reload=not how["no_reload"],
            command=_words(how["reload_command"]),
            generated=how["generated"],
        ),
        memory=Memory(Path(how["kept"])),
        clock=SystemClock(),
        say=say,
    )


def _words(command: str) -> tuple[str, ...]:
    """A command's words, as a shell takes them. Raises UsageError."""
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        message = f"--reload-command {command}: a quotation mark, or what a backslash is for, is missing; write the words as for a shell"
        raise UsageError(message) from error


def _tell(replacement: Replacement, how: dict[str, Any], reloads: list[str]) -> None:
    show(replacement.edits)
    for each in replacement.told:
        say(each)
    for each in replacement.warnings:
        warn(each)
    if reloads:
        say(f"then: {'; '.join(reloads)}")
    elif how["no_reload"]:
        say("HAProxy takes it when it is reloaded")
    else:
        say("no HAProxy runs with this configuration; it takes it when it is started")
