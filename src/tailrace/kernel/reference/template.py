r"""Templates: how a line of HAProxy is matched against its log-format.

Elements are matched from left to right; nearly every variable knows its own end. Where one does not, because it holds
what a client sent (an unescaped cookie, an expression, a quoted text), each possible end is tried in turn until the
rest of the line matches to its last byte. Since HAProxy encodes quotes and braces in requests and captured headers,
what stands behind the cookies is told apart from what a client put into them.

A line may be cut: HAProxy ends it at its length limit. It is matched so only if it does not match whole, has all
`required` elements, and the line ends where a client's text may end it. The steps of one line are limited
(`STEPS`), so that no line can be made to take long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tailrace.kernel.layout import Shape, Space, Template, Text, Variable
from tailrace.kernel.reference import times
from tailrace.kernel.zones import UTC_ZONE

STEPS = 5_000
"""So many elements are tried for one line; a line that needs more does not match."""
LONGEST = 65_535
"""HAProxy's greatest `log … len`; a longer line is none of its."""

Part = tuple[int, int]
"""Where a text stands in the line: from and to."""
Parts = tuple[Part | None, ...]
_INTEGER = re.compile(rb"[+-]?[0-9]+|-")
_VERSION = re.compile(rb"HTTP/[0-9](?:\.[0-9])?")
_CLIENTS: frozenset[Shape] = frozenset(("quoted", "captures", "listed", "cookies", "request", "loose"))
_OPEN_ENDED: frozenset[Shape] = frozenset(("cookies", "request", "loose"))


@dataclass(frozen=True, slots=True)
class Match:
    """Where the texts of the template's fields stand, and words it did not expect, and whether the line was cut."""

    texts: Parts
    extra: tuple[Part, ...]
    truncated: bool


@dataclass(slots=True)
class _Attempt:
    """One way through the template; `texts` holds what each variable of the path so far has read."""

    line: bytes
    template: Template
    captures: tuple[int, int] | None
    cut: bool
    steps: int = STEPS
    extended: bool = False
    texts: dict[int, Parts] = field(default_factory=dict)
    extra: dict[int, tuple[Part, ...]] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)


def match(line: bytes, template: Template, captures: tuple[int, int] | None, *, cut: bool) -> Match | None:
    """The fields of the line, or None; with `cut` for a line that ends before the template does."""
    if len(line) > LONGEST:
        return None
    attempt = _Attempt(line, template, captures, cut)
    end = _walk(attempt, 0, 0)
    if end is None:
        return None
    if end < len(template.elements):
        _drop_partial(attempt, end)
    texts: list[Part | None] = []
    for number, element in enumerate(template.elements):
        if isinstance(element, Variable):
            found = attempt.texts.get(number) if number <= end else None
            texts += found or (None,) * len(element.fields)
    extra = tuple(word for number in sorted(attempt.extra) if number <= end for word in attempt.extra[number])
    return Match(tuple(texts), extra, truncated=end < len(template.elements))


def _walk(attempt: _Attempt, number: int, at: int) -> int | None:
    """Match the elements from `number` on; how many elements were matched in the end, or None."""
    line, elements = attempt.line, attempt.template.elements
    while number < len(elements):
        attempt.steps -= 1
        if attempt.steps < 0:
            return None
        element = elements[number]
        if isinstance(element, Variable):
            attempt.texts.pop(number, None)
            attempt.extra.pop(number, None)
            ends = _ENDS[element.shape](attempt, number, at)
            if element.shape in _CLIENTS:
                return _first(attempt, element, number, at, ends)
            end = next(ends, None)
        else:
            end = _literal(line, element, at)
        if end is None:
            return number if _cut_at(attempt, number, at) else None
        attempt.ends[number] = at = end
        number += 1
    return number if at == len(line) else None


def _literal(line: bytes, element: Text | Space, at: int) -> int | None:
    """Behind the literal text or the spaces that stand at `at`."""
    if isinstance(element, Text):
        text = element.text.encode()
        return at + len(text) if line.startswith(text, at) else None
    end = at
    while line[end : end + 1] == b" ":
        end += 1
    merged = at in (0, len(line)) or line[at - 1 : at] == b" "
    return end if end > at or merged else None


def _first(attempt: _Attempt, element: Variable, number: int, at: int, ends: Iterator[int]) -> int | None:
    """The first end of a client's variable with which the rest matches; else the line may be cut in it."""
    extended = attempt.extended
    for count, end in enumerate(ends):
        attempt.ends[number] = end
        attempt.extended = extended or (count > 0 and element.shape in _OPEN_ENDED)
        matched = _walk(attempt, number + 1, end)
        if matched is not None or attempt.steps < 0:
            return matched
    attempt.extended = extended
    attempt.ends.pop(number, None)
    return number if _cut_inside(attempt, element, number, at) else None


def _cut_at(attempt: _Attempt, number: int, at: int) -> bool:
    """Whether the line ends before or in the element `number`, which no client wrote."""
    if not attempt.cut or number < attempt.template.required or attempt.extended:
        return False
    rest, element = attempt.line[at:], attempt.template.elements[number]
    if isinstance(element, Text):
        return element.text.encode().startswith(rest)
    if isinstance(element, Variable) and element.shape in ("endpoint", "date"):
        return b" " not in rest
    return rest in (b"", b"+")


def _cut_inside(attempt: _Attempt, element: Variable, number: int, at: int) -> bool:
    """Whether the line ends inside the client's text that begins at `at`; it is kept as far as it goes."""
    if not attempt.cut or number < attempt.template.required:
        return False
    attempt.texts.pop(number, None)
    attempt.extra.pop(number, None)
    rest = attempt.line[at:]
    if not rest:
        return True
    end = len(attempt.line)
    opening, closing = _braces(attempt, number)
    if element.shape == "quoted" and rest[:1] == b'"' and b'"' not in rest[1:]:
        attempt.texts[number] = ((at + 1, end),)
    elif element.shape == "captures" and rest.startswith(opening) and closing not in rest:
        begin = at + len(opening)
        half_closed = element.fields[0].quoted and end > begin and rest.endswith(b"}")
        attempt.texts[number] = ((begin, end - half_closed),)
    elif element.shape == "listed" and rest[:1] == b'"' and rest.count(b'"') % 2 == 1:
        found = _split(rest[1:], b'" "', at + 1)
        attempt.texts[number], attempt.extra[number] = _shared(found, element, attempt.captures)
    elif element.shape == "cookies" and not attempt.extended and rest.count(b" ") <= 1:
        space = at + len(rest.partition(b" ")[0])
        attempt.texts[number] = ((at, space), (space + 1, end) if space + 1 < end else None)
    elif element.shape in ("loose", "request") and not attempt.extended and _text_behind(attempt, number) not in rest:
        attempt.texts[number] = ((at, end),)
    else:
        return False
    return True


def _split(text: bytes, separator: bytes, at: int) -> list[Part]:
    """Where the parts of a text that begins at `at` stand."""
    found = []
    for part in text.split(separator):
        found.append((at, at + len(part)))
        at += len(part) + len(separator)
    return found


def _drop_partial(attempt: _Attempt, end: int) -> None:
    """A number or word at the very end of a cut line may have lost its last characters: it has no value."""
    elements = attempt.template.elements
    for number in range(end - 1, -1, -1):
        element = elements[number]
        if isinstance(element, Variable) and any(text is not None for text in attempt.texts.get(number, ())):
            partial = element.shape in ("integer", "word", "query", "endpoint", "date")
            if partial and attempt.ends[number] == len(attempt.line):
                del attempt.texts[number]
            return


def _text_behind(attempt: _Attempt, number: int) -> bytes:
    """The text that begins what follows an element; empty at the end of the template and before most variables."""
    elements = attempt.template.elements
    following = elements[number + 1] if number + 1 < len(elements) else None
    if isinstance(following, Space):
        return b" "
    if isinstance(following, Variable) and following.shape == "query":
        return b"?"
    return following.text.encode() if isinstance(following, Text) else b""


def _integer(attempt: _Attempt, number: int, at: int) -> Iterator[int]:
    if match := _INTEGER.match(attempt.line, at):
        attempt.texts[number] = ((at, match.end()),)
        yield match.end()


def _date(attempt: _Attempt, number: int, at: int) -> Iterator[int]:
    if moment := times.read(attempt.line, UTC_ZONE, at):
        attempt.texts[number] = ((at, at + moment.length),)
        yield at + moment.length


def _word_end(attempt: _Attempt, number: int, at: int) -> int:
    """Where a word ends: before a space, the text behind it, or the end of the line."""
    line, behind = attempt.line, _text_behind(attempt, number)
    space = line.find(b" ", at)
    limit = len(line) if space < 0 else space
    end = line.find(behind, at, limit) if behind else -1
    return limit if end < 0 else end


def _word(attempt: _Attempt, number: int, at: int) -> Iterator[int]:
    end = _word_end(attempt, number, at)
    if end > at:
        attempt.texts[number] = ((at, end),)
        yield end


def _query(attempt: _Attempt, number: int, at: int) -> Iterator[int]:
    """A word that begins with a question mark, or `<BADREQ>`; HAProxy leaves it out where a URL has no query."""
    end = _word_end(attempt, number, at) if attempt.line[at : at + 1] in (b"?", b"<") else at
    if end > at:
        attempt.texts[number] = ((at, end),)
    yield end


def _endpoint(attempt: _Attempt, number: int, at: int) -> Iterator[int]:
    """An address and, behind the last colon, a port: up to a space or the first text behind that leaves a port."""
    line, behind = attempt.line, _text_behind(attempt, number)
    limit = line.find(b" ", at)
    limit = len(line) if limit < 0 else limit
    end = line.find(behind, at, limit) if behind.strip() else limit
    while end >= 0:
        host, colon, port = line[at:end].rpartition(b":")
        if colon and host and (port == b"-" or port.isdigit()):
            attempt.texts[number] = ((at, end),)
            yield end
            return
        end = line.find(behind, end + 1, limit) if behind.strip() and end < limit else -1


def _slack(attempt: _Attempt, number: int, at: int) -> Iterator[int]:
    """One more word, if what follows the space is no number."""
    line = attempt.line
    if line[at : at + 1] == b" " and at + 1 < len(line) and line[at + 1] not in b"0123456789+-":
        end = line.find(b" ", at + 1)
        if end > at + 1:
            attempt.extra[number] = ((at + 1, end),)
            at = end
    yield at


def _quoted(attempt: _Attempt, number: int, at: int) -> Iterator[int]:
    r"""A text in quotes, which syslog-ng may have escaped (`\"`); or a dash without any."""
    line, element = attempt.line, attempt.template.elements[number]
    if line[at : at + 1] == b"-":
        attempt.texts[number] = ((at, at + 1),)
        yield at + 1
    mark = b'\\"' if line.startswith(b'\\"', at) else b'"'
    end = line.find(mark, at + len(mark)) if line.startswith(mark, at) else -1
    structured = isinstance(element, Variable) and element.fields[0].escape == "structured"
    while end >= 0:
        if not (structured and _odd_backslashes(line, at + 1, end)):
            attempt.texts[number] = ((at + len(mark), end),)
            yield end + len(mark)
        end = line.find(mark, end + 1)
    attempt.texts.pop(number, None)


def _odd_backslashes(line: bytes, start: int, quote: int) -> bool:
    first = quote
    while first > start and line[first - 1 : first] == b"\\":
        first -= 1
    return (quote - first) % 2 == 1


def _captures(attempt: _Attempt, number: int, at: int) -> Iterator[int]:
    """A block in braces, which `+Q` quotes; none at all if nothing is captured in that direction."""
    line = attempt.line
    opening, closing = _braces(attempt, number)
    end = line.find(closing, at)
    if line.startswith(opening, at) and end >= 0 and _captures_any(attempt, number):
        attempt.texts[number] = ((at + len(opening), end),)
        yield end + len(closing)
    elif not line.startswith(opening, at) or not _captures_any(attempt, number):
        yield at


def _braces(attempt: _Attempt, number: int) -> tuple[bytes, bytes]:
    element = attempt.template.elements[number]
    return (b'"{', b'}"') if isinstance(element, Variable) and element.fields[0].quoted else (b"{", b"}")


def _captures_any(attempt: _Attempt, number: int) -> bool:
    """Whether headers are captured in this direction, as far as is known."""
    element = attempt.template.elements[number]
    if attempt.captures is None or not isinstance(element, Variable):
        return True
    return attempt.captures[element.fields[0].of_response] > 0


def _listed(attempt: _Attempt, number: int, at: int) -> Iterator[int]:
    """Quoted texts one after the other: the captured headers of requests, then of responses.

    All there are, or all but the last ones, which may be those of as many quoted variables behind.
    """
    line, found, ends = attempt.line, list[Part](), [at]
    begin = at
    while line[begin : begin + 1] == b'"' and (close := line.find(b'"', begin + 1)) >= 0:
        found.append((begin + 1, close))
        ends.append(close + 1)
        begin = close + 2
        if line[close + 1 : begin] != b" ":
            break
    element, *behind = attempt.template.elements[number:]
    fewer = sum(isinstance(other, Variable) and other.shape == "quoted" for other in behind)
    for count in range(len(found), max(len(found) - fewer, 0) - 1, -1):
        if isinstance(element, Variable):
            attempt.texts[number], attempt.extra[number] = _shared(found[:count], element, attempt.captures)
        yield ends[count]


def _shared(found: list[Part], element: Variable, captures: tuple[int, int] | None) -> tuple[Parts, tuple[Part, ...]]:
    """Which of the texts belong to requests and which to responses; what cannot be told is extra."""
    if len(element.fields) == 1:
        return ((_together(found),), ())
    counts = captures or {0: (0, 0), 1: (1, 0), 2: (1, 1)}.get(len(found), (0, 0))
    if sum(counts) != len(found):
        return ((None, None), tuple(found))
    return ((_together(found[: counts[0]]), _together(found[counts[0] :])), ())


def _together(found: list[Part]) -> Part | None:
    return (found[0][0], found[-1][1]) if found else None


def _cookies(attempt: _Attempt, number: int, at: int) -> Iterator[int]:
    """Two cookies as a client and a server sent them, spaces and quotes included."""
    line = attempt.line
    between = line.find(b" ", at)
    end = line.find(b" ", between + 1) if between >= 0 else -1
    while end >= 0:
        attempt.texts[number], attempt.extra[number] = _two_cookies(line[at:end], at)
        yield end
        end = line.find(b" ", end + 1)
    attempt.texts.pop(number, None)
    attempt.extra.pop(number, None)


def _two_cookies(both: bytes, at: int) -> tuple[Parts, tuple[Part, ...]]:
    """Where the request's cookie ends: at the only space, beside a dash, or before the same name; else both are extra."""
    first, _, last = both.partition(b" ")
    space = -1
    if b" " not in last or first == b"-":
        space = len(first)
    elif both.endswith(b" -"):
        space = len(both) - 2
    else:
        again = b" " + both.partition(b"=")[0] + b"="
        if b"=" in first and both.count(again) == 1:
            space = both.index(again)
    if space < 0:
        return (None, None), ((at, at + len(both)),)
    return ((at, at + space), (at + space + 1, at + len(both))), ()


def _loose(attempt: _Attempt, number: int, at: int) -> Iterator[int]:
    """Any text, up to each place where what is behind it may begin."""
    for end in _candidates(attempt, number, at):
        attempt.texts[number] = ((at, end),)
        yield end
    attempt.texts.pop(number, None)
    if at == len(attempt.line) and _is_last(attempt, number):
        yield at


def _candidates(attempt: _Attempt, number: int, at: int) -> Iterator[int]:
    """Each place behind `at` where the next element may begin; for the last variable the end of the line."""
    line, behind = attempt.line, _text_behind(attempt, number)
    if not _is_last(attempt, number):
        end = line.find(behind, at + 1)
        while 0 <= end < len(line):
            yield end
            end = line.find(behind, end + 1)
    elif at < len(line):
        yield len(line)


def _is_last(attempt: _Attempt, number: int) -> bool:
    return all(isinstance(element, Space) for element in attempt.template.elements[number + 1 :])


def _request(attempt: _Attempt, number: int, at: int) -> Iterator[int]:
    """A request line without quotes: it ends with a version, else behind its URL, or with the line."""
    line = attempt.line
    ends = list(_candidates(attempt, number, at))
    if len(line) not in ends[-1:]:
        ends.append(len(line))
    sound = [end for end in ends if line[at:end] == b"<BADREQ>" or _VERSION.fullmatch(line[at:end].rpartition(b" ")[2])]
    other = [end for end in ends if end not in sound and line.count(b" ", at, end) == 1]
    for end in sound + other:
        attempt.texts[number] = ((at, end),)
        yield end
    attempt.texts.pop(number, None)


_ENDS = {
    "integer": _integer, "date": _date, "word": _word, "query": _query, "endpoint": _endpoint, "slack": _slack,
    "quoted": _quoted, "captures": _captures, "listed": _listed, "cookies": _cookies, "loose": _loose,
    "request": _request,
}  # fmt: skip
