"""Lines that Tailrace writes into files of others stand between two marks, by which they are found again."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tailrace.errors import UsageError

BEGIN: Final = "# tailrace: begin (written by `tailrace lb configure`, taken out by --undo)"
END: Final = "# tailrace: end"
_BEGINS: Final = "# tailrace: begin"


def block(lines: Sequence[str], indent: str = "", newline: str = "\n") -> list[str]:
    """Lines between marks, each ended."""
    return [f"{indent}{line}".rstrip() + newline for line in (BEGIN, *lines, END)]


@dataclass(slots=True)
class Cleared:
    """A file without our lines. `ours`: the lines that stood between marks. `kept`: those of them that others have written."""

    lines: list[str] = field(default_factory=list)
    ours: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def cleared(file: Path, lines: Sequence[str], written: AbstractSet[str] | None = None) -> Cleared:
    """Take our lines out. `written`: those we know to have written; others between the marks are kept. Raises UsageError."""
    found, begun = Cleared(), 0
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text.startswith(_BEGINS):
            if begun:
                break
            begun = number
        elif text == END and begun:
            begun = 0
        elif not begun:
            found.lines.append(line)
        elif written is None or text in written:
            found.ours.append(text)
        else:
            found.kept.append(text)
            found.lines.append(line)
    if begun:
        message = f"{file}, line {begun}: {END!r} is missing behind this mark; put it behind the last of Tailrace's lines, nothing was changed"
        raise UsageError(message)
    return found
