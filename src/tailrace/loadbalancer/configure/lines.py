"""Which lines HAProxy's configuration needs for the access log, and where they stand: all of this only thinks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from tailrace.errors import UsageError
from tailrace.loadbalancer import logformat
from tailrace.loadbalancer.configure.inheritance import Holding, holding
from tailrace.loadbalancer.configure.marks import block
from tailrace.loadbalancer.configure.syntax import Section

Way = Literal["profile", "beside", "own", "theirs"]
"""How our target is sent our fields: by a log-profile; in log-format-sd beside the lines of others; by the frontend's log-format,
which is then ours; or not at all: it is sent the lines that others have asked for."""

Version = tuple[int, int]
OLDEST: Final[Version] = (2, 4)
"""HAProxy's versions from here on know all that is written."""
PROFILES: Final[Version] = (3, 1)
"""From here on a log line may name a log-profile."""
_UDP: Final = 65_000
"""So long a message may be that still fits into one datagram of UDP."""
_RULES: Final = frozenset((
    "http-request", "http-response", "http-after-response", "redirect", "use_backend", "default_backend", "use-server",
    "server", "server-template", "default-server", "http-check", "stick",
))  # fmt: skip
"""Rules of HTTP stand before the first of these, and so behind those of TCP, which HAProxy wants first."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@%+=,\[\]-]+")
_WAYS: Final[dict[Way, str]] = {
    "profile": "other log targets are not changed: ours has a log-profile of its own",
    "beside": "other log targets are not changed: our fields are in log-format-sd, which only ours is sent",
    "own": "nobody else is sent its log, so it has our log-format",
    "theirs": "our target is sent the lines that others are: AWS's fields that they do not tell will be dashes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for. `to`: where the log goes, unix:PATH or udp:HOST:PORT. `frontends`: none for all. `way`: if it is told."""

    to: str
    frontends: tuple[str, ...] = ()
    way: Literal["own", "theirs"] | None = None


@dataclass(slots=True)
class Plan:
    """The new lines of each file, with what people should know of it."""

    lines: dict[Path, list[str]]
    told: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Insertion:
    file: Path
    line: int
    lines: tuple[str, ...]
    indent: str


def planned(files: dict[Path, list[str]], everything: Sequence[Section], version: Version, wish: Wish) -> Plan:
    """What files become that hold none of our lines yet. Raises UsageError."""
    if version < OLDEST:
        message = (
            f"this is HAProxy {version[0]}.{version[1]}, and what is needed came with {OLDEST[0]}.{OLDEST[1]}: let rsyslog receive its"
            " log (--rsyslog), and have the agent follow that file"
        )
        raise UsageError(message)
    address = _address(wish.to, everything)
    found = Plan({file: list(lines) for file, lines in files.items()})
    insertions: list[_Insertion] = []
    profiles: dict[str, Path] = {}
    for section in _chosen(everything, wish.frontends):
        holds = holding(section, everything)
        way = _way(section, holds, version, wish)
        _not_twice(section, holds, address)
        insertions += _insertions(section, holds, way, _target(address, holds, way), files[section.file])
        found.told.append(f"{section.title}: {_WAYS[way]}")
        found.warnings += [f"{section.title}: {text}" for text in holds.warnings]
        if way == "profile":
            profiles.setdefault(_profile(holds), section.file)
    for each in sorted(insertions, key=lambda each: each.line, reverse=True):
        lines = found.lines[each.file]
        lines[each.line : each.line] = block(each.lines, each.indent, _newline(lines))
    for name, file in profiles.items():
        found.lines[file] += block(_profile_lines(name), newline=_newline(found.lines[file]))
    return found


def _chosen(everything: Sequence[Section], names: Sequence[str]) -> list[Section]:
    """The frontends that are meant: those named, or all that carry requests to servers. Raises UsageError."""
    known = [each for each in everything if each.kind in ("frontend", "listen")]
    missing = [name for name in names if name not in {each.name for each in known}]
    if missing:
        there = ", ".join(each.name for each in known) or "none"
        message = f"there is no frontend {missing[0]!r}; there are: {there}. Nothing was changed"
        raise UsageError(message)
    if names:
        return [each for each in known if each.name in names]
    found = [each for each in known if not _is_inner(each)]
    if not found:
        raise UsageError("there is no frontend in this configuration; name the file that has them with -f")
    return found


def _is_inner(section: Section) -> bool:
    """Whether it only serves HAProxy's own pages."""
    words = {statement.words[0] for statement in section.statements}
    return "stats" in words and not words & {"server", "server-template", "default_backend", "use_backend"}


def _way(section: Section, holds: Holding, version: Version, wish: Wish) -> Way:
    """How this frontend can give us our fields without a change for others. Raises UsageError if it cannot."""
    if holds.mode not in ("http", "tcp"):
        message = (
            f"{section.title} has the mode {holds.mode}, of which there is no access log; name others with --frontend"
        )
        raise UsageError(message)
    if wish.way:
        return wish.way
    if not holds.targets:
        return "own"
    if not holds.formatted:
        message = (
            f"{section.title} sends its log in HAProxy's default form to {holds.targets[0].address} ({holds.targets[0].where}), beside which"
            " no other can be written"
        )
        message = f"{message}; {_REMEDY}"
        raise UsageError(message)
    if version >= PROFILES:
        return "profile"
    if holds.sd:
        message = f"{holds.sd} has a log-format-sd already, beside which HAProxy writes no other; {_REMEDY}"
        raise UsageError(message)
    modern = [target for target in holds.targets if target.format == "rfc5424"]
    if modern:
        message = f"{modern[0].address} ({modern[0].where}) has the format rfc5424, so it would be sent our fields too"
        message = f"{message}; {_REMEDY}"
        raise UsageError(message)
    return "beside"


_REMEDY: Final = (
    "say --own-format if all its targets may be sent Tailrace's lines, or --their-format to be sent theirs, in which some of AWS's"
    " fields are missing. Nothing was changed"
)


def _not_twice(section: Section, holds: Holding, address: str) -> None:
    plain = address.partition("@")[2]
    for target in holds.targets:
        if target.address in (address, plain):
            message = f"{section.title} is logged to {target.address} already ({target.where}); take that line out, or give another --to"
            raise UsageError(message)


def _address(to: str, everything: Sequence[Section]) -> str:
    """Our target as HAProxy writes it: a socket's path is that which HAProxy sees from its chroot. Raises UsageError."""
    scheme, _, rest = to.partition(":")
    rest = rest.partition(",")[0]
    if scheme not in ("unix", "udp") or not _PLAIN.fullmatch(rest) or (scheme == "unix" and not rest.startswith("/")):
        message = f"--to {to}: write unix:/PATH of plain letters, or udp:127.0.0.1:5514"
        raise UsageError(message)
    if scheme == "udp":
        return f"udp@{rest}"
    jails = [
        each.words[1].rstrip("/")
        for part in everything
        if part.kind == "global"
        for each in part.statements
        if each.starts("chroot")
    ]
    for jail in jails:
        if jail and not rest.startswith(f"{jail}/"):
            message = (
                f"--to {to}: HAProxy sees no files outside of {jail} (its chroot) once it runs; give --to unix:{jail}/{rest.rpartition('/')[2]} and have the"
                " agent receive there"
            )
            raise UsageError(message)
        rest = rest.removeprefix(jail)
    return f"unix@{rest}"


def _target(address: str, holds: Holding, way: Way) -> str:
    """Our log line."""
    length = logformat.LENGTH if address.startswith("unix@") else _UDP
    profile = f" profile {_profile(holds)}" if way == "profile" else ""
    # Structured data of others would stand before our fields.
    header = "local" if holds.sd and way in ("own", "theirs") else "rfc5424"
    return f"log {address} len {length} format {header}{profile} local0"


def _profile(holds: Holding) -> str:
    return f"tailrace-{holds.mode}"


def _profile_lines(name: str) -> list[str]:
    text = logformat.HTTP if name.endswith("http") else logformat.TCP
    return [f"log-profile {name}", f"    on any format '{text}' sd -"]


def _insertions(section: Section, holds: Holding, way: Way, target: str, lines: Sequence[str]) -> list[_Insertion]:
    """Our lines of a frontend: rules before its own, the rest at its end, where no `no log` and no other format follows."""
    text = logformat.HTTP if holds.mode == "http" else logformat.TCP
    last = {
        "own": [f"log-format '{text}'"],
        "beside": [f"log-format-sd '{logformat.beside(text)}'"],
        "profile": [],
        "theirs": [],
    }[way]
    rules = logformat.HTTP_RULES if holds.mode == "http" and way != "theirs" else ()
    first = min(
        (each.top(section.depth) for each in section.statements if each.words[0] in _RULES), default=section.end
    )
    indent = _indent(section, lines)
    whole = (target, *last)
    if not rules or first >= section.end:
        return [_Insertion(section.file, section.end, (*rules, *whole), indent)]
    return [_Insertion(section.file, first, rules, indent), _Insertion(section.file, section.end, whole, indent)]


def _indent(section: Section, lines: Sequence[str]) -> str:
    """As its other statements stand."""
    for each in section.statements:
        line = lines[each.line]
        return line[: len(line) - len(line.lstrip(" \t"))]
    return "    "


def _newline(lines: Sequence[str]) -> str:
    return "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
