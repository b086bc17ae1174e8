"""Files of sections and options, read with bounds; each value remembers where it was."""

from __future__ import annotations

import configparser
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tailrace.clouds.cloud import Told
from tailrace.clouds.finding.telling import Given
from tailrace.errors import UsageError

MOST_BYTES: Final = 1 << 20
"""Longer files are none of configuration."""

Table = Mapping[str, Mapping[str, Told]]
"""Values by section and option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a program reads its files. `inline`: what begins a comment after a value. `interpolated`: %(OPTION)s stands for another option's value."""

    inline: tuple[str, ...] | None = None
    interpolated: bool = False


def text(path: Path, given: Given, *, needed: str = "") -> str | None:
    """A file's text, None if there is no such file; `needed`: who named it, so that it must be there. Raises UsageError."""
    where = f"{needed}: {given.shown(path)}" if needed else given.shown(path)
    try:
        mode = path.stat().st_mode
        if needed == "" and stat.S_ISDIR(mode):
            return None
        if not stat.S_ISREG(mode) and str(path) != "/dev/null":
            message = f"{where} is no file; name a file there"
            raise UsageError(message)
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        if not needed:
            return None
        message = f"{where} does not exist; write it, or name another file"
        raise UsageError(message) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is none"
        message = f"cannot read {where}: {reason}; make it readable, or name another file"
        raise UsageError(message) from error
    if len(content) > MOST_BYTES:
        message = f"{where} is longer than {MOST_BYTES >> 20} MiB, so it is no configuration; name another file"
        raise UsageError(message)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{where} is no text in UTF-8 (byte {error.start}); write it anew"
        raise UsageError(message) from error


def read(path: Path, given: Given, dialect: Dialect, *, needed: str = "") -> Table:
    """The sections of a file; none if there is no such file. Raises UsageError."""
    content = text(path, given, needed=needed)
    return {} if content is None else parsed(content, given.shown(path), dialect)


def parsed(content: str, origin: str, dialect: Dialect) -> Table:
    """The sections of a text. Raises UsageError."""
    parser = configparser.ConfigParser(
        inline_comment_prefixes=dialect.inline,
        interpolation=configparser.BasicInterpolation() if dialect.interpolated else None,
    )
    try:
        parser.read_string(content)
    except (configparser.Error, RecursionError) as error:
        message = f"{origin}: {_told(error)}"
        raise UsageError(message) from error
    return {section: _options(parser, section, origin) for section in parser.sections()}


def merged(tables: Iterable[Table]) -> Table:
    """All of them: an option that several have is that of the last."""
    found: dict[str, dict[str, Told]] = {}
    for table in tables:
        for section, options in table.items():
            found.setdefault(section, {}).update(options)
    return found


def _options(parser: configparser.ConfigParser, section: str, origin: str) -> dict[str, Told]:
    where = f"{origin} [{section}]"
    return {option: Told(_value(parser, section, option), where) for option in parser.options(section)}


def _value(parser: configparser.ConfigParser, section: str, option: str) -> str:
    """The value of an option; as it stands where its % leads nowhere, for it may be no option of ours."""
    try:
        return parser.get(section, option)
    except configparser.InterpolationError:
        return parser.get(section, option, raw=True)


def _told(error: Exception) -> str:
    """What is wrong, without the line itself: it may hold a secret."""
    match error:
        case configparser.DuplicateSectionError():
            return f"line {error.lineno}: the section [{error.section}] is there twice; make one of them"
        case configparser.DuplicateOptionError():
            return f"line {error.lineno}: {error.option} is twice in [{error.section}]; remove one of them"
        case configparser.MissingSectionHeaderError():
            return f"line {error.lineno} is in no section; write a [section] above it"
        case configparser.ParsingError():
            line = error.errors[0][0] if error.errors else 1
            return f"line {line} is no OPTION = VALUE; correct it"
    return "it is no file of sections and options; write it anew"
