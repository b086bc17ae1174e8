"""Items as Hypothesis makes them: lines of the samples, changed, cut and mixed, and lines made field by field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from hypothesis import strategies as st

from fuzzing.plans import IDENTITY, REFERENCE_US, Way, log_format, ways
from fuzzing.seeds import WORDS, texts
from parsing import pieces
from tailrace.errors import UsageError
from tailrace.formats._haproxy_names import ALIASES, EXPRESSIONS
from tailrace.kernel.layout import Space, Template, Text, Variable
from tailrace.kernel.plan import ItemPlan, Plan
from tailrace.kernel.zones import zone
from tailrace.registry import formats

ZONES = ("UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
TOKENS = (
    *(word.encode("latin-1") for word in WORDS),
    b"-",
    b'"',
    b"\\",
    b" ",
    b"  ",
    b"0",
    b":",
    b"/",
    b"{",
    b"}",
    b"\x00",
)
VALUES = (
    b"-", b"-1", b'""', b'"-"', b"0", b"+7", b"0.000", b".5", b"1.", b"00.10", b"99999999999999999999", b"9223372036854775807",
    b"-9223372036854775808", b"192.0.2.1:80", b"[2001:db8::1]:443", b"2001:db8::1:443", b"::ffff:192.0.2.1:1", b"1.2.3.4", b"192.0.2.1:", b":80",
    b"256.1.1.1:80", b"2026-09-23T07:15:47.805298Z", b"2026-02-29T00:00:00Z", b"2024-02-29T23:59:60Z", b"2026-09-23T07:15:47",
    b"2026-09-23T07:15:47+05:30", b"https", b"tls", b"2.0", b"app/web/1", b'"GET http://h:80/a b HTTP/1.1"', b'"- http://h:80- - "', b'"a b" ',
    b'"x\\"y"', b'"\\x22\\xC3\\xA9\\x00000041"', b'"h2","http/1.1"', b'"h2","htt', b'"200 404 -"', b'"200 x"', b'"10.0.0.1:80 10.0.0.2:80"', b"",
    b"arn:aws:lambda:us-east-1:123456789012:function:f", "é".encode(), b"\xff\xfe", b'"open', b'shut"', b'"a"b', b'"-"1',
)  # fmt: skip


@dataclass(frozen=True, repr=False)
class Case:
    """An item, how it is read, and in which pieces. `about` says what the format's name does not."""

    way: Way
    data: bytes
    cuts: tuple[int, ...] = ()
    truncated: bool = False
    about: str = ""

    def __repr__(self) -> str:
        """Short, for a plan is long."""
        plan, item = self.way
        names = ",".join(known.name for known in plan.formats) + (" explicit" if plan.explicit else "")
        told = f"{self.about} [{names}] captures={plan.captures} max_line={plan.max_line} zone={len(plan.zone.begins)} {item}"
        return f"{told}\n  {self.data!r} cut at {self.cuts}{' truncated' if self.truncated else ''}"

    @property
    def pieces(self) -> list[bytes]:
        return pieces(self.data, self.cuts)


@cache
def known_lines() -> tuple[bytes, ...]:
    """Lines to begin with, and their inner parts where several stand together."""
    return tuple({part: None for _, text in texts() for part in (text, *text.split(b"\n")) if part})


known_ways = cache(ways)

Change = tuple[int, int, int, bytes]
CHANGES: tuple[Callable[[bytes, int, int, bytes], bytes], ...] = (
    lambda line, at, _, token: line[:at] + token + line[at:],
    lambda line, at, to, _: line[: min(at, to)] + line[max(at, to) :],
    lambda line, at, to, token: line[: min(at, to)] + token + line[max(at, to) :],
    lambda line, at, _, token: line[:at] + token + line[at + len(token) :],
    lambda line, at, to, _: line[:at] + line[min(at, to) : max(at, to)] + line[at:],
    lambda line, at, _, __: line[:at],
    lambda line, at, to, token: _word(line, at, line.split(b" ")[to % (line.count(b" ") + 1)] + token),
    lambda line, at, _, token: _word(line, at, token),
    lambda line, at, _, __: line[:at].replace(b" ", b"\t") + line[at:],
    lambda line, _, __, ___: line.replace(b" ", b"\t"),
)


def _word(line: bytes, number: int, word: bytes) -> bytes:
    """The line with another word in place of its `number`th."""
    words = line.split(b" ")
    words[number % len(words)] = word
    return b" ".join(words)


def changed(line: bytes, changes: list[Change]) -> bytes:
    for kind, at, to, token in changes:
        line = CHANGES[kind](line, at % (len(line) + 1), to % (len(line) + 1), token)
    return line


def changes() -> st.SearchStrategy[list[Change]]:
    token = st.sampled_from(TOKENS + VALUES) | st.binary(max_size=6)
    return st.lists(
        st.tuples(st.integers(0, len(CHANGES) - 1), st.integers(0, 3000), st.integers(0, 3000), token), max_size=4
    )


def changed_lines() -> st.SearchStrategy[bytes]:
    """Known lines with up to four changes."""
    return st.builds(changed, st.sampled_from(known_lines()), changes())


def made_lines() -> st.SearchStrategy[bytes]:
    """The first fields of a known line of AWS, and then any."""
    first = st.sampled_from(
        [known.example.encode().split(b" ")[:12] for known in formats().values() if known.vendor == "aws"]
    )
    value = st.sampled_from(VALUES) | st.binary(max_size=4)
    return st.builds(
        lambda words, kept, more: b" ".join([*words[:kept], *more]),
        first,
        st.integers(0, 12),
        st.lists(value, max_size=40),
    )


def lines() -> st.SearchStrategy[bytes]:
    odd = st.sampled_from(
        (b"", b"\r", b"#Fields: a", b"Enable AccessLog for ELB: x", b"{}", b"{", b"plain words", b"<1>")
    )
    return st.one_of(st.sampled_from(known_lines()), changed_lines(), changed_lines(), made_lines(), odd)


def items() -> st.SearchStrategy[bytes]:
    """A few lines, each with its end."""
    line = st.tuples(lines(), st.sampled_from((b"\n", b"\n", b"\n", b"\r\n", b"\n\n", b" ", b"")))
    return st.lists(line, min_size=1, max_size=6).map(lambda parts: b"".join(part for pair in parts for part in pair))


def any_way() -> st.SearchStrategy[Way]:
    """The ways in which fuzzing reads, and others with any zone, kind, captures, limit, reference time and offset."""
    every = list(formats())
    names = st.just(every) | st.permutations(every) | st.sampled_from(every).map(lambda name: [name])
    plan = st.builds(
        Plan,
        formats=names.map(lambda chosen: tuple(formats()[name] for name in chosen)),
        explicit=st.booleans(),
        zone=st.sampled_from(ZONES).map(zone),
        captures=st.none() | st.tuples(st.integers(0, 2), st.integers(0, 2)),
        max_line=st.sampled_from((1 << 20, 1 << 20, 500, 60, 1)),
    )
    item = st.builds(
        ItemPlan,
        kind=st.sampled_from(("", "", *formats(), "unheard_of")),
        reference_us=st.sampled_from((REFERENCE_US, 0, -1, 1_767_225_600_000_000)) | st.integers(-(1 << 60), 1 << 60),
        identity=st.just(IDENTITY),
        offset=st.sampled_from((0, 1 << 40)),
    )
    return st.integers(0, len(known_ways()) - 1).map(lambda number: known_ways()[number]) | st.tuples(plan, item)


def cases() -> st.SearchStrategy[Case]:
    cuts = st.lists(st.integers(0, 3000), max_size=5).map(tuple)
    return st.builds(Case, any_way(), items(), cuts, st.booleans())


@st.composite
def log_format_cases(draw: st.DrawFn) -> Case:
    """A log-format string, and a line that HAProxy might write with it, changed a little."""
    text = draw(log_format_strings())
    try:
        known = log_format(text)
    except UsageError:
        known = log_format("%ci %r")
    (layout,) = known.layouts
    written = (
        [draw(_written(element)) for element in layout.elements] if isinstance(layout, Template) else [b'{"a":"b"}']
    )
    header = draw(
        st.sampled_from(
            (b"", b"<134>Nov 20 19:54:26 lb1 haproxy[8482]: ", b"<134>1 2026-11-20T19:54:26Z h p - - - ", b"<1>")
        )
    )
    line = changed(header + b"".join(written), draw(changes()) if draw(st.booleans()) else [])
    plan = Plan(
        formats=(known,), explicit=True, captures=draw(st.none() | st.tuples(st.integers(0, 2), st.integers(0, 2)))
    )
    return Case((plan, ItemPlan(reference_us=REFERENCE_US, identity=IDENTITY)), line + b"\n", about=repr(text))


def log_format_strings() -> st.SearchStrategy[str]:
    flags = st.sampled_from(("", "", "", "{+Q}", "{+E}", "{+Q,+E}", "{-Q}", "{+X}"))
    names = st.sampled_from(("", "", "", "(mine)", "(other:str)"))
    alias = st.sampled_from(sorted(ALIASES)) | st.sampled_from(
        [f"[{known}]" for known in EXPRESSIONS] + ["[var(txn.x)]"]
    )
    item = st.builds(lambda name, flag, what: f"%{name}{flag}{what}", names, flags, alias)
    text = st.sampled_from((" ", " ", " ", "/", ":", " [", "] ", "|", " x=", "", "%%", "é"))
    parts = st.lists(st.tuples(item, text), min_size=1, max_size=8).map(lambda pairs: "".join(map("".join, pairs)))
    return st.builds(
        lambda start, rest: start + rest,
        st.sampled_from(("", "", "%{+Q}o ", "%{+Q,+E}o", "%{+json}o ", "%{+E}o")),
        parts,
    )


def _written(element: Text | Space | Variable) -> st.SearchStrategy[bytes]:
    if isinstance(element, Text):
        return st.just(element.text.encode())
    if isinstance(element, Space):
        return st.sampled_from((b" ", b" ", b" ", b"  ", b""))
    return st.sampled_from(SHAPES[element.shape]) | st.sampled_from(ANYTHING)


ANYTHING = (b"-", b"", b'"-"', b'""', b"a b", b"\xff")
SHAPES: dict[str, tuple[bytes, ...]] = {
    "integer": (b"0", b"+7", b"-1", b"99999999999999999999"),
    "word": (b"web~", b"<NOSRV>", b"----", b"TLSv1.3"),
    "date": (b"20/Nov/2026:19:54:26.480", b"20/Nov/2026:19:54:26 +0100", b"1795262400", b"31/Feb/2026:00:00:00"),
    "endpoint": (b"192.0.2.7:80", b"::1:59326", b"unix:1", b"-:1"),
    "quoted": (b'"a b"', b'"a\\"b"', b'\\"a\\"', b'"GET / HTTP/1.1"', b'"open'),
    "query": (b"?a=b", b"", b"?", b"<BADREQ>", b"?q#22"),
    "captures": (b"{a|b}", b"{}", b"{#22|", b"", b"{|}"),
    "listed": (b'"a" "b"', b'"a"', b'"" "" ""', b'"a'),
    "cookies": (b"- -", b"a=1 a=2", b'S="q v" -', b"S=x y S=z", b"a b c d"),
    "request": (b"GET /a HTTP/1.1", b"<BADREQ>", b"GET /a b HTTP/2.0", b"GET /", b"nothing"),
    "loose": (b"any text", b"x", b"a/b", b"www.example.com"),
    "slack": (b"", b" site.example.com"),
}  # fmt: skip
