"""One line, or the joined lines of one record: whose it is, and what it says.

The key's format comes first if the line begins as its lines do; then the others in the order of their precedence,
those by position only if the line begins as theirs do; then the key's format whatever the beginning. Templates are
tried whole first, and as cut lines only if none matches whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tailrace.kernel.layout import SYSLOG, Columns, Field, Format, Objects, Template
from tailrace.kernel.plan import ItemPlan, Plan
from tailrace.kernel.reference import objects, syslog, template
from tailrace.kernel.reference.columns import cut
from tailrace.kernel.reference.escapes import utf8
from tailrace.kernel.reference.times import Moment
from tailrace.kernel.reference.values import Cells, Value, fill
from tailrace.kernel.reference.words import begins_as
from tailrace.kernel.zones import UTC_ZONE, Zone
from tailrace.model import Reason


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field stands in its record's text; without fields: what is not known, or not looked at.

    `text`: what the fields are read from, where the line holds it as a value of JSON. There may be several under one key.
    """

    fields: tuple[Field, ...]
    start: int
    end: int
    text: bytes | None = None


@dataclass(slots=True)
class Row:
    """One record: its values by column name, and what has no column.

    `places`: where they come from. `zone`: of its times without one.
    """

    format: Format
    text: bytes
    values: dict[str, Value]
    moment: Moment | None
    time_source: str = ""
    truncated: bool = False
    extra: tuple[str, ...] = ()
    invalid: dict[str, str] = field(default_factory=dict)
    offset: int = 0
    lines: int = 1
    places: tuple[Place, ...] = ()
    zone: Zone = UTC_ZONE


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a line is no record; `open_in`: it may become one with the lines that follow."""

    reason: Reason
    open_in: tuple[Format, Columns] | None = None


Reading = Row | Failure
_OF_HEADER = {
    column.name: Field(label=column.name, kind="int" if column.type == "int" else "text", columns=(column,))
    for column in SYSLOG
}


def read(line: bytes, plan: Plan, item: ItemPlan) -> Reading:
    """The record that the line is, or why it is none."""
    line_ = _Line(line, plan, item)
    if plan.explicit:
        return line_.as_format(plan.formats[0])
    expected = next((known for known in plan.formats if known.name == item.kind), None)
    others = [known for known in plan.formats if known is not expected]
    failure = Failure("bad_json" if line[:1] == b"{" and line_.object is None else "unknown_format")
    for known in [expected, *others] if expected else others:
        if line_.begins_as(known):
            reading = line_.as_format(known)
            if isinstance(reading, Row) or reading.open_in:
                return reading
            failure = reading
    for whole in (True, False):
        for known in plan.formats:
            row = line_.as_template(known, whole=whole)
            if row:
                return row
    return line_.as_format(expected) if expected else failure


class _Line:
    """A line with what several formats ask of it, each found once."""

    def __init__(self, line: bytes, plan: Plan, item: ItemPlan) -> None:
        self._line = line
        self._plan = plan
        self._header = syslog.read(line, item.reference_us, plan.zone)
        self.object = objects.read(line) if line[:1] == b"{" else None

    def begins_as(self, known: Format) -> bool:
        """Whether the line begins as the format's lines do, or is an object with its mark."""
        for layout in known.layouts:
            if isinstance(layout, Columns) and begins_as(self._line, layout.starts):
                return True
            if isinstance(layout, Objects) and self.object is not None and layout.mark.encode() in self.object:
                return True
        return False

    def as_format(self, known: Format) -> Reading:
        """The line read as this format, whatever it begins with."""
        failure = Failure("no_match")
        for layout in known.layouts:
            if isinstance(layout, Columns) and self._line[:1] != b"{":
                return read_columns(self._line, known, layout)
            if isinstance(layout, Objects):
                reading = self._as_object(known, layout)
                if isinstance(reading, Row):
                    return reading
                failure = reading
        return self.as_template(known, whole=True) or self.as_template(known, whole=False) or failure

    def as_template(self, known: Format, *, whole: bool) -> Row | None:
        """The line read by the first of the format's templates that it matches, behind its header or from its start."""
        for header in self._headers(known):
            text = self._line[header.text_at :]
            for layout in known.layouts:
                if isinstance(layout, Template):
                    match = template.match(text, layout, self._plan.captures, cut=not whole)
                    if match and match.truncated != whole:
                        return self._row(known, layout, match, header)
        return None

    def _headers(self, known: Format) -> Iterator[syslog.Header]:
        if known.framing == "syslog":
            yield self._header
        if known.framing == "plain" or self._header.text_at:
            yield syslog.Header(0)

    def _row(self, known: Format, layout: Template, match: template.Match, header: syslog.Header) -> Row:
        cells, at = Cells({}, {}, self._plan.zone), header.text_at
        places = []
        for field_, part in zip(layout.fields, match.texts, strict=True):
            if part is not None:
                places.append(Place((field_,), at + part[0], at + part[1]))
                fill(field_, self._line[places[-1].start : places[-1].end], cells)
        unknown = [Place((), at + start, at + end) for start, end in match.extra]
        extra = tuple(utf8(self._line[place.start : place.end]) for place in unknown)
        row = Row(known, self._line, cells.values, None, "", match.truncated, extra, cells.invalid)
        behind = max((place.end for place in places + unknown), default=at)
        if match.truncated and behind < len(self._line):
            unknown.append(Place((), behind, len(self._line)))
        row.places, row.zone = (*places, *unknown), self._plan.zone
        return _with_header(row, header)

    def _as_object(self, known: Format, layout: Objects) -> Reading:
        header = next(self._headers(known)) if known.framing == "syslog" else syslog.Header(0)
        found = self.object if not header.text_at else objects.read(self._line[header.text_at :])
        if found is None:
            return Failure("bad_json")
        texts, unknown = objects.texts(found, layout)
        cells = Cells({}, {}, UTC_ZONE if known.framing == "plain" else self._plan.zone)
        for field_ in layout.fields:
            if field_.key in texts:
                fill(field_, texts[field_.key], cells)
        extra = tuple(utf8(word) for word in unknown)
        row = Row(known, self._line, cells.values, None, "", False, extra, cells.invalid)  # noqa: FBT003
        row.places, row.zone = tuple(self._places(layout, texts, header.text_at)), cells.zone
        row = _with_header(row, header)
        return row if row.moment or known.framing == "syslog" else Failure("bad_time")

    def _places(self, layout: Objects, texts: dict[str, bytes], at: int) -> Iterator[Place]:
        """Of values that come again under the same key all but the last are unknown."""
        pairs = objects.pairs(self._line[at:]) or []
        last = {key: place for key, _, place in pairs}
        for key, _, (start, end) in pairs:
            name = key.decode("utf-8", "replace")
            fields = tuple(field_ for field_ in layout.fields if field_.key == name)
            if fields and last[key] == (start, end):
                yield Place(fields, at + start, at + end, texts[name])
            else:
                yield Place((), at + start, at + end, b"")


def read_columns(line: bytes, known: Format, layout: Columns) -> Reading:
    """The line, or the joined lines, read by position."""
    found = cut(line, layout)
    parts, opened = (found.fields, None) if found.closed else (found.fields[:-1], found.fields[-1])
    if len(parts) < layout.required:
        return Failure("too_few_fields")
    cells, count = Cells({}, {}, UTC_ZONE), len(layout.fields)
    places = [Place((field_,), *part) for field_, part in zip(layout.fields, parts, strict=False)]
    for field_, (start, end) in zip(layout.fields, parts, strict=False):
        fill(field_, line[start:end], cells)
    moment = cells.values.get("time")
    if not isinstance(moment, Moment):
        return Failure("bad_time")
    places += [Place((), *part) for part in parts[count:]]
    if opened is not None:
        if layout.multiline:
            return Failure("unclosed_quote", (known, layout))
        places.append(Place((), *opened))
        if len(parts) < count:
            cells.refuse(layout.fields[len(parts)].columns[0].name, line[opened[0] :])
    extra = tuple(utf8(line[place.start : place.end]) for place in places[count:])
    return Row(known, line, cells.values, moment, extra=extra, invalid=cells.invalid, places=tuple(places))


def _with_header(row: Row, header: syslog.Header) -> Row:
    """The record with what its syslog header says, and with a time if either knows one."""
    for name, value, place in header.values:
        row.values.setdefault(name, value)
        row.places += (Place((_OF_HEADER[name],), *place),)
    own = row.values.get("time")
    row.moment = own if isinstance(own, Moment) else header.moment
    if row.moment is None:
        row.time_source = "none"
    elif row.moment is not own:
        row.time_source = "syslog"
    return row
