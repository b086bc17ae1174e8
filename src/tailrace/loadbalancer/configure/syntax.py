"""HAProxy's configuration as sections of statements, each with the line that it stands in.

https://docs.haproxy.org/2.6/configuration.html#2
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tailrace.errors import UsageError

SECTIONS: Final = frozenset((
    "global", "defaults", "frontend", "backend", "listen", "peers", "resolvers", "mailers", "program", "ring",
    "log-forward", "log-profile", "http-errors", "userlist", "cache", "fcgi-app", "crt-store", "crt-list", "acme",
    "traces", "dynamic-update",
))  # fmt: skip
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t"}
_OPENS: Final = ".if"
_CLOSES: Final = ".endif"


@dataclass(frozen=True, slots=True)
class Statement:
    """The words of a line. `line`: its number, from 0. `ifs`: the lines of the `.if`s that it stands in."""

    words: tuple[str, ...]
    line: int
    ifs: tuple[int, ...]

    @property
    def depth(self) -> int:
        """In so many `.if`s it stands."""
        return len(self.ifs)

    def top(self, depth: int) -> int:
        """The line before which something may be written that is to stand before it, in so many `.if`s."""
        return self.ifs[depth] if len(self.ifs) > depth else self.line

    def starts(self, *words: str) -> bool:
        """Whether these are its first words."""
        return self.words[: len(words)] == words


@dataclass(slots=True)
class Section:
    """A section. `end`: the line before which something more of it may be written."""

    file: Path
    kind: str
    words: tuple[str, ...]
    line: int
    depth: int
    end: int
    statements: list[Statement] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its name, if it has one."""
        named = self.words[1:2]
        return named[0] if named and not (self.kind == "defaults" and named[0] == "from") else ""

    @property
    def base(self) -> str:
        """The name of the defaults that it says it is made from, if it does."""
        words = self.words
        return words[words.index("from") + 1] if "from" in words[1:-1] else ""

    @property
    def title(self) -> str:
        """What people call it."""
        return f"{self.kind} {self.name}".strip()


def sections(file: Path, lines: Sequence[str]) -> list[Section]:
    """The sections of a file. Raises UsageError, naming the line, for what HAProxy cannot read."""
    found: list[Section] = []
    for statement in _statements(file, lines):
        kind = statement.words[0]
        if kind in SECTIONS:
            found.append(Section(file, kind, statement.words, statement.line, statement.depth, statement.line + 1))
        elif found:
            last = found[-1]
            # Never between an .if and its .endif: what is written there might not hold.
            if statement.depth == last.depth and (kind[0] != "." or kind == _CLOSES):
                last.end = statement.line + 1
            if not kind.startswith("."):
                last.statements.append(statement)
    return found


def _statements(file: Path, lines: Sequence[str]) -> Iterator[Statement]:
    """All lines that say something; a condition's own depth is that of what encloses it."""
    ifs: tuple[int, ...] = ()
    for number, line in enumerate(lines):
        try:
            found = words(line)
        except ValueError as error:
            message = f"{file}, line {number + 1}: {error}; put it right, nothing was changed"
            raise UsageError(message) from None
        if not found:
            continue
        if found[0] == _CLOSES and not ifs:
            message = f"{file}, line {number + 1}: this .endif ends no .if; put it right, nothing was changed"
            raise UsageError(message)
        ifs = ifs[:-1] if found[0] == _CLOSES else ifs
        yield Statement(found, number, ifs)
        ifs += (number,) * (found[0] == _OPENS)
    if ifs:
        message = f"{file}: an .if is never ended by .endif; put it right, nothing was changed"
        raise UsageError(message)


_PART: Final = re.compile(
    r"""(?P<space>[ \t]+)|(?P<comment>\#.*)|'(?P<strong>[^']*)'|"(?P<weak>(?:[^"\\]|\\.)*)"|\\(?P<escaped>.)|(?P<plain>[^\s#'"\\]+)""",
    re.VERBOSE | re.DOTALL,
)


def words(line: str) -> tuple[str, ...]:
    """The words of a line, without its comment; variables stay as they are written. Raises ValueError."""
    found: list[str] = []
    line, at, current = line.rstrip("\r\n"), 0, None
    while at < len(line):
        match = _PART.match(line, at)
        if match is None:
            wrong = (
                "a quote is never closed"
                if line[at] in "'\""
                else f"the character at column {at + 1} stands for nothing"
            )
            raise ValueError(wrong)
        at = match.end()
        kind = match.lastgroup
        if kind in ("space", "comment"):
            found += [] if current is None else [current]
            current = None
        else:
            current = (current or "") + _meant(kind or "", match[kind or 0])
    return (*found, *(() if current is None else (current,)))


def _meant(kind: str, text: str) -> str:
    if kind == "escaped":
        return _ESCAPES.get(text, text)
    if kind == "weak":
        return re.sub(r'\\(["\\$])', r"\1", text)
    return text
