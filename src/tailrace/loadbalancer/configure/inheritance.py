"""What holds for a frontend of HAProxy: its own statements, those of its defaults, and the log targets of `global`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tailrace.errors import UsageError
from tailrace.loadbalancer.configure.syntax import Section, Statement

_FORMATS: Final = frozenset(("httplog", "tcplog", "httpslog"))
_TOLD: Final = {
    "logasap": "`option logasap` has requests logged before their end: sizes and durations are not the whole ones",
    "dontlog-normal": "`option dontlog-normal` keeps requests without an error out of the log",
}


@dataclass(frozen=True, slots=True)
class Target:
    """A `log` line. `format`: of the syslog header. `where`: its section and line, as people read it."""

    address: str
    format: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What holds for a frontend. `formatted`: its lines have another form than HAProxy's default. `sd`: where a log-format-sd stands."""

    mode: str = "tcp"
    targets: tuple[Target, ...] = ()
    formatted: bool = False
    sd: str = ""
    options: frozenset[str] = frozenset()
    doubtful: str = ""

    @property
    def warnings(self) -> list[str]:
        """What a person should know who wants all requests in the log."""
        return [text for option, text in _TOLD.items() if option in self.options]


def holding(section: Section, everything: Sequence[Section]) -> Holding:
    """What holds for a frontend. Raises UsageError where nobody can tell."""
    before = [each for each in everything if each.kind == "defaults"]
    start = _of_defaults(section, before, everything)
    found = _gone_through(section, start, everything)
    if found.doubtful:
        message = (
            f"{section.file}: {section.title}: {found.doubtful}, so it cannot be known beforehand; nothing was changed"
        )
        raise UsageError(message)
    return found


def _of_defaults(section: Section, defaults: Sequence[Section], everything: Sequence[Section]) -> Holding:
    """What a section begins with: the defaults that it names, or else the last before it."""
    order = {id(each): number for number, each in enumerate(everything)}
    earlier = [each for each in defaults if order[id(each)] < order[id(section)]]
    if section.base:
        named = [each for each in earlier if each.name == section.base]
        if not named:
            message = (
                f"{section.file}, line {section.line + 1}: no defaults {section.base!r} before it; nothing was changed"
            )
            raise UsageError(message)
        earlier = named
    elif section.kind == "defaults":
        # Defaults are made from others only where they say so.
        return Holding()
    if not earlier:
        return Holding()
    last = earlier[-1]
    return _gone_through(last, _of_defaults(last, defaults, everything), everything)


def _gone_through(section: Section, found: Holding, everything: Sequence[Section]) -> Holding:
    for statement in section.statements:
        found = _with(found, statement, section, everything)
    return found


def _with(found: Holding, said: Statement, section: Section, everything: Sequence[Section]) -> Holding:
    """What holds after one more statement. One that stands in an `.if` may hold or not."""
    sure = said.depth == section.depth
    second = set(said.words[1:2])
    if said.starts("no", "log"):
        return replace(found, targets=()) if sure else found
    if said.starts("log"):
        return replace(found, targets=found.targets + tuple(_targets(said, section, everything)))
    if said.starts("mode") and second:
        return _in_mode(found, said, sure=sure)
    changes: dict[str, Any] = {}
    if said.starts("log-format") or (said.starts("option") and second & _FORMATS):
        changes["formatted"] = True
    elif said.starts("log-format-sd"):
        changes["sd"] = _where(section, said)
    elif said.starts("option"):
        changes["options"] = found.options | second
    elif said.starts("no", "option"):
        changes["options"] = found.options - set(said.words[2:3])
    return replace(found, **changes)


def _in_mode(found: Holding, said: Statement, *, sure: bool) -> Holding:
    mode = said.words[1]
    if sure or mode == found.mode:
        return replace(found, mode=mode)
    return replace(found, doubtful=found.doubtful or f"its mode depends on the .if before line {said.line + 1}")


def _targets(said: Statement, section: Section, everything: Sequence[Section]) -> list[Target]:
    if said.words[1:2] == ("global",):
        return [
            _target(each, whole)
            for whole in everything
            if whole.kind == "global"
            for each in whole.statements
            if each.starts("log") and len(each.words) > 1
        ]
    return [_target(said, section)] if len(said.words) > 1 else []


def _target(said: Statement, section: Section) -> Target:
    words = said.words
    at = words.index("format", 2) + 1 if "format" in words[2:] else len(words)
    return Target(words[1], words[at] if at < len(words) else "local", _where(section, said))


def _where(section: Section, said: Statement) -> str:
    return f"{section.title} in line {said.line + 1} of {section.file}"
