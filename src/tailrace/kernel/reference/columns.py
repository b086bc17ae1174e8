r"""Fields by position: how a line of AWS's load balancers is cut.

A field that begins with a quote ends at the quote which closes it; any other is a run of non-spaces. Which quote closes
is plain nearly always: the first one, if it stands before a space or at the end of the line and behind no backslash.
Otherwise the quotes up to the first such *clean* one are weighed in order (`_closing`):

1. a quote behind which another character stands closes if what begins there fits the next field beyond doubt: a
   space is missing (`"-"1 2018-…`);
2. the clean quote closes, unless a quote behind a backslash was passed (an ALB does not say whether it escapes a
   backslash) and what follows the clean one does not look like the rest of the layout;
3. then the first quote behind a backslash closes that is followed by what looks like the rest of the layout;
4. then the clean quote after all; without one the field is never closed.

Where the vendor escapes quotes by a backslash (`backslash_escapes`) a quote behind one never closes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tailrace.kernel.layout import Columns, Field
from tailrace.kernel.reference.values import decimal, integer
from tailrace.kernel.reference.words import looks_like, separator

_GLUED = 64
"""A field that follows without a space is looked for in so many bytes."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the fields of a line stand; `closed` is False if the last one was opened by a quote that nothing closes."""

    fields: tuple[tuple[int, int], ...]
    closed: bool


def cut(line: bytes, layout: Columns) -> Cut:
    """All fields of a line, those without a name too."""
    if separator(line) == b"\t":
        return Cut(tuple(_tabbed(line)), closed=True)
    fields: list[tuple[int, int]] = []
    at = 0
    while at < len(line):
        if line[at : at + 1] == b'"' and not _known_bare(layout, len(fields)):
            end = _closing(line, at, layout, len(fields))
            if end is None:
                return Cut((*fields, (at, len(line))), closed=False)
            fields.append((at + 1, end))
            at = end + 1
            at += line[at : at + 1] == b" "
        else:
            end = _run(line, at)
            fields.append((at, end))
            at = end + 1
    return Cut(tuple(fields), closed=True)


def _tabbed(line: bytes) -> Iterator[tuple[int, int]]:
    """Fields between tabs, without their quotes."""
    at = 0
    for field in line.split(b"\t"):
        quoted = len(field) > 1 and field[:1] == field[-1:] == b'"'
        yield at + quoted, at + len(field) - quoted
        at += len(field) + 1


def _known_bare(layout: Columns, number: int) -> bool:
    return number < len(layout.fields) and layout.fields[number].bare


def _run(line: bytes, at: int) -> int:
    """Where the run of non-spaces at `at` ends."""
    end = line.find(b" ", at)
    return len(line) if end < 0 else end


def _closing(line: bytes, start: int, layout: Columns, number: int) -> int | None:
    """The quote that closes the field `number`, which is opened by the quote at `start`."""
    clean, behind_backslash = None, []
    at = line.find(b'"', start + 1)
    while at >= 0:
        followed = at + 1 == len(line) or line[at + 1 : at + 2] == b" "
        if _backslashes(line, start, at) % 2 == 1:
            if followed:
                behind_backslash.append(at)
        elif followed:
            clean = at
            break
        elif _fits_glued(line, at + 1, layout, number + 1):
            return at
        at = line.find(b'"', at + 1)
    if layout.backslash_escapes or not behind_backslash:
        return clean
    if clean is not None and _followed_by_rest(line, clean + 1, layout, number + 1):
        return clean
    return next((at for at in behind_backslash if _followed_by_rest(line, at + 1, layout, number + 1)), clean)


def _backslashes(line: bytes, start: int, quote: int) -> int:
    """How many backslashes stand directly before the quote, inside the field."""
    first = quote
    while first - 1 > start and line[first - 1 : first] == b"\\":
        first -= 1
    return quote - first


def _fits_glued(line: bytes, at: int, layout: Columns, number: int) -> bool:
    """Whether the field `number` begins at `at` beyond doubt, although no space is before it."""
    if number >= len(layout.fields):
        return False
    field = layout.fields[number]
    if field.quoted:
        return line[at : at + 1] == b'"'
    word = line[at : min(_run(line, at), at + _GLUED)]
    return _fits(field, word)


def _fits(field: Field, word: bytes) -> bool:
    """Whether a word fits a field whose kind says something about it."""
    if field.kind == "int":
        return integer(word) is not None
    if field.kind == "float":
        return decimal(word) is not None
    if field.kind in ("time", "endpoint"):
        return looks_like("time" if field.kind == "time" else "endpoint", word)
    return False


def _followed_by_rest(line: bytes, at: int, layout: Columns, number: int) -> bool:
    """Whether what stands at `at` looks like the fields from `number` on: up to the next quoted one, or the end."""
    for field in layout.fields[number:]:
        if at == len(line):
            return True
        if line[at : at + 1] != b" ":
            return False
        begins_quoted = line[at + 1 : at + 2] == b'"'
        if field.quoted or (begins_quoted and not field.bare):
            return begins_quoted and field.quoted
        end = _run(line, at + 1)
        word = line[at + 1 : end]
        if not word or not (
            word == b"-" or field.kind not in ("int", "float", "time", "endpoint") or _fits(field, word)
        ):
            return False
        at = end
    return True
