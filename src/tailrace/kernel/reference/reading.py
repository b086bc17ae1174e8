"""One line, or the joined lines of one record: whose it is, and what it says.

The key's format comes first if the line begins as its lines do; then the others in the order of their precedence,
those by position only if the line begins as theirs do; then the key's format whatever the beginning. Templates are
tried whole first, and as cut lines only if none matches whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tailrace.kernel.layout import Columns, Format, Objects, Template
from tailrace.kernel.plan import ItemPlan, Plan
from tailrace.kernel.reference import objects, syslog, template
from tailrace.kernel.reference.columns import cut
from tailrace.kernel.reference.escapes import utf8
from tailrace.kernel.reference.times import Moment
from tailrace.kernel.reference.values import Cells, Value, fill
from tailrace.kernel.reference.words import begins_as
from tailrace.kernel.zones import UTC_ZONE
from tailrace.model import Reason


@dataclass(slots=True)
class Row:
    """One record: its values by column name, and what has no column."""

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


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a line is no record; `open_in`: it may become one with the lines that follow."""

    reason: Reason
    open_in: tuple[Format, Columns] | None = None


Reading = Row | Failure


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
        cells = Cells({}, {}, self._plan.zone)
        for field_, text in zip(layout.fields, match.texts, strict=True):
            if text is not None:
                fill(field_, text, cells)
        extra = tuple(utf8(word) for word in match.extra)
        return _with_header(
            Row(known, self._line, cells.values, None, "", match.truncated, extra, cells.invalid), header
        )

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
        row = _with_header(Row(known, self._line, cells.values, None, "", False, extra, cells.invalid), header)  # noqa: FBT003
        return row if row.moment or known.framing == "syslog" else Failure("bad_time")


def read_columns(line: bytes, known: Format, layout: Columns) -> Reading:
    """The line, or the joined lines, read by position."""
    found = cut(line, layout)
    texts, opened = (found.fields, None) if found.closed else (found.fields[:-1], found.fields[-1])
    if len(texts) < layout.required:
        return Failure("too_few_fields")
    cells = Cells({}, {}, UTC_ZONE)
    for field_, text in zip(layout.fields, texts, strict=False):
        fill(field_, text, cells)
    moment = cells.values.get("time")
    if not isinstance(moment, Moment):
        return Failure("bad_time")
    extra = [utf8(text) for text in texts[len(layout.fields) :]]
    if opened is not None:
        if layout.multiline:
            return Failure("unclosed_quote", (known, layout))
        if len(texts) < len(layout.fields):
            cells.refuse(layout.fields[len(texts)].columns[0].name, opened)
        else:
            extra.append(utf8(opened))
    return Row(known, line, cells.values, moment, extra=tuple(extra), invalid=cells.invalid)


def _with_header(row: Row, header: syslog.Header) -> Row:
    """The record with what its syslog header says, and with a time if either knows one."""
    for name, value in header.values:
        row.values.setdefault(name, value)
    own = row.values.get("time")
    row.moment = own if isinstance(own, Moment) else header.moment
    if row.moment is None:
        row.time_source = "none"
    elif row.moment is not own:
        row.time_source = "syslog"
    return row
