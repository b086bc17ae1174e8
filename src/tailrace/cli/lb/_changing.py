"""Changes of files on this machine: shown as a diff, confirmed, and made."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Final

import click

from tailrace.cli._cells import visible
from tailrace.loadbalancer.configure.files import Edit

_SECRETS: Final = re.compile(
    r"""
    ( \b(?:insecure-)?password\s+ ) (?: (?: "(?:[^"\\]|\\.)*" | '[^']*' | \\. | \S )+ )
    | ( \bstats\s+auth\s+[^:]*: ) .+
    | ( authorization\b[:"')\\]* ) \s* [^\s"')\\].*
    | ( \b(?:set|add|replace)-(?:header|value)\s+(?:"[^"]*|\S*?)(?:key|token|secret|password|auth)[^\s"]*"? ) \s+ \S.*
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""What configurations hold that is nobody else's business."""
_COLOURS: Final = {"+": "green", "-": "red", "@": "cyan"}
_CONTEXT: Final = 2


def show(edits: Iterable[Edit]) -> None:
    """Write to standard output how files change."""
    for edit in edits:
        for line in diff(edit):
            colour = _COLOURS.get(line[:1]) if not line.startswith(("+++", "---")) else None
            click.echo(click.style(visible(line.expandtabs(4)), fg=colour, bold=line.startswith(("+++", "---"))))


def diff(edit: Edit) -> list[str]:
    """A unified diff, without secrets."""
    old, new = _lines(edit.old), _lines(edit.new)
    names = ("/dev/null" if edit.old is None else str(edit.path), "/dev/null" if edit.new is None else str(edit.path))
    return [_SECRETS.sub(_masked, line) for line in difflib.unified_diff(old, new, *names, n=_CONTEXT, lineterm="")]


def _masked(found: re.Match[str]) -> str:
    """What names a secret, without it."""
    before = found[found.lastindex or 0]
    return f"{before}***" if before[-1] in " \t:" else f"{before} ***"


def _lines(content: bytes | None) -> Sequence[str]:
    return (content or b"").decode("utf-8", "surrogateescape").rstrip("\n").split("\n") if content else []
