"""What a format is, as data: the fields of a line, and how each of them is written.

The native kernel and its reference twin are both driven by these declarations and know no vendor. A `Format`
has one or more layouts, tried in order. There are three kinds of layout:

- `Columns`: fields by position, separated by one space (or tab), some of them quoted: AWS's load balancers;
- `Template`: literal text and variables in turn: whatever an HAProxy `log-format` string can describe;
- `Objects`: one flat JSON object a line, fields by key: vended copies and HAProxy's `+json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Type = Literal["text", "int", "float", "time", "texts", "ints"]
"""What a column holds: Arrow's utf8, int64, float64, timestamp[us, UTC], list<utf8>, list<int64>."""

Kind = Literal["text", "int", "float", "time", "endpoint", "target", "request", "texts", "ints", "offers", "captures"]
"""How a field's text becomes the values of its columns (docs/parsing.md tells each)."""

Escape = Literal["", "hex", "backslash", "hash", "structured", "both"]
r"""What is decoded: `\xHH` and `\"` (hex), `\"` (backslash), `#HH` (hash), `\"` `\\` `\]` (structured), the last two (both)."""

Shape = Literal[
    "integer", "word", "query", "date", "endpoint", "quoted", "captures", "listed", "cookies", "request", "loose",
    "slack",
]  # fmt: skip
"""How a variable of a template finds its end."""

Token = Literal["any", "time", "name", "path", "ip", "endpoint", "integer", "float", "version"]
"""What one of the first tokens of a line looks like, to recognise its format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One named value of a record, with its names in the other schemas.

    `drop_prefix` is taken off the value under `ecs` and `otel`, whose `http.version` is `1.1`, not `HTTP/1.1`.
    """

    name: str
    type: Type = "text"
    doc: str
    unit: str = ""
    ecs: str
    otel: str
    drop_prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a line: the vendor's name for it, how it is written, and the columns it fills.

    A dash has no value in any field. `minus_one_absent`: neither has `-1`. `empty_absent`: neither has `""`.
    `bare`: a quote at its start is part of it. `escape` names what is decoded in the columns that follow the
    text as written; a text field with two columns puts the text as written into the second where it differs.
    """

    label: str
    kind: Kind = "text"
    columns: tuple[Column, ...]
    bare: bool = False
    quoted: bool = False
    escape: Escape = ""
    minus_one_absent: bool = False
    empty_absent: bool = False
    separator: str = " "
    key: str = ""
    """The key of this field in the vendor's JSON copies."""
    of_response: bool = False
    """It holds the headers that HAProxy captures from responses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Fields by position. A line is a record if its time parses and `required` fields tokenize."""

    fields: tuple[Field, ...]
    required: int
    starts: tuple[Token, ...]
    multiline: bool = False
    """A quoted field may contain newlines (Classic Load Balancer): records are joined until it closes."""
    backslash_escapes: bool = False
    r"""`\"` is an escape beyond doubt, so it never closes a field."""


@dataclass(frozen=True, slots=True)
class Text:
    """Literal text of a template, without spaces."""

    text: str


@dataclass(frozen=True, slots=True)
class Space:
    """One or more spaces; none where the variable before it wrote nothing (HAProxy merges spaces)."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A field of a template.

    `cookies` and `listed` may fill two fields at once; `slack` is a word that some sites add: it goes to `extra`.
    """

    fields: tuple[Field, ...]
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Literal text and variables in turn. A line that ends after `required` elements is a truncated record."""

    elements: tuple[Text | Space | Variable, ...]
    required: int

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields of all variables, in order."""
        variables = (element for element in self.elements if isinstance(element, Variable))
        return tuple(field for variable in variables for field in variable.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """One flat JSON object a line; it belongs here if it has the key `mark` and its time parses."""

    fields: tuple[Field, ...]
    mark: str


Layout = Columns | Template | Objects


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format as users know it: a name, its layouts, and what its documentation says.

    `framing="syslog"`: lines may stand behind a syslog header, whose values become columns as well.
    `example` is one line as the vendor writes it; the conformance suite parses it.
    """

    name: str
    title: str
    about: str
    source: str
    layouts: tuple[Layout, ...]
    framing: Literal["plain", "syslog"] = "plain"
    example: str
    vendor: Literal["aws", "haproxy"] = "aws"
    precedence: int = 0
    """Where several formats could read a line, the lowest is tried first."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Every column that a record of this format can have, each once; `time` first."""
        fields = (field for layout in self.layouts for field in layout.fields)
        own = [column for field in fields for column in field.columns]
        syslog = SYSLOG if self.framing == "syslog" else ()
        return tuple(sorted(unique((*own, TIME, *syslog)), key=lambda column: column.name != "time"))


def unique(columns: Iterable[Column]) -> Iterator[Column]:
    """Columns by name, the first of each."""
    seen: set[str] = set()
    for column in columns:
        if column.name not in seen:
            seen.add(column.name)
            yield column


TIME = Column(
    name="time", type="time", doc="when it happened, from the syslog header or the time of arrival",
    ecs="@timestamp", otel="timestamp",
)  # fmt: skip

SYSLOG = (
    Column(name="syslog_priority", type="int", doc="facility × 8 + severity (RFC 5424 §6.2.1)",
           ecs="log.syslog.priority", otel="syslog.priority"),
    Column(name="syslog_host", doc="the host named in the syslog header",
           ecs="log.syslog.hostname", otel="syslog.hostname"),
    Column(name="syslog_program", doc="the program named in the syslog header",
           ecs="log.syslog.appname", otel="syslog.appname"),
    Column(name="syslog_pid", doc="the process id named in the syslog header",
           ecs="log.syslog.procid", otel="syslog.procid"),
)  # fmt: skip

ALWAYS = (
    ("format", "text", "the format's name"),
    ("time_source", "text", "`none` in a record whose time is not known"),
    ("truncated", "bool", "true if HAProxy cut the line at its length limit"),
    ("invalid", "map", "fields that do not fit their type: name and text"),
    ("extra", "list", "the texts of fields behind those that are known"),
)
"""What a record of any format may have beside its own columns: name, type, meaning."""
