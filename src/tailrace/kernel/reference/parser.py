r"""The reference parser: from the bytes of an item to records and rejects, line by line.

It is the specification that the native kernel follows, and the fallback where no wheel of it fits. Lines end at `\n`
and nowhere else; one `\r` before it is not part of the text. The formats of the plan are tried as `docs/parsing.md`
tells; whatever they leave is a reject.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from tailrace.kernel.layout import Columns, Format
from tailrace.kernel.plan import JOINED_BYTES, JOINED_LINES, KEPT_OF_REJECT, ItemPlan, Plan
from tailrace.kernel.reference.reading import Row, read, read_columns
from tailrace.kernel.reference.records import Records
from tailrace.kernel.reference.words import begins_as
from tailrace.model import Batch, Counts, Reason, Reject


@dataclass(slots=True)
class _Open:
    """A record whose quote is still open: its lines so far."""

    format: Format
    layout: Columns
    text: bytes
    offset: int
    lines: int = 1


@dataclass(slots=True)
class _Long:
    """A line that has become too long: only its beginning is kept."""

    payload: bytes
    length: int
    digest: hashlib._Hash


@dataclass(slots=True)
class _Output:
    """What the lines of one call have become."""

    rows: list[Row] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)


class Parser:
    """Reads one item. Give it the item's bytes in order with `feed`, in pieces of any size, then `finish`."""

    def __init__(self, plan: Plan, item: ItemPlan) -> None:
        self._plan = plan
        self._item = item
        self._rest = b""
        self._offset = item.offset
        self._long: _Long | None = None
        self._open: _Open | None = None
        self._output = _Output()

    def feed(self, data: bytes) -> Batch:
        """Take the next bytes; the batch holds what can be told by now."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._line_end(line)
        self._keep(rest)
        return self._batch()

    def finish(self, *, truncated: bool = False) -> Batch:
        """Tell that no more bytes come. With `truncated` they broke off: what is left of a line is no line then."""
        if truncated:
            self._close_open("unclosed_quote")
            payload, length, digest = self._partial()
            self._output.rejects.append(Reject(self._offset, 0, "truncated", payload, length, digest))
            self._offset += length
        else:
            if self._rest or self._long:
                self._line_end(b"", newline=0)
            self._close_open("unclosed_quote")
        return self._batch()

    def _partial(self) -> tuple[bytes, int, str]:
        """What is kept of an unfinished line, its length, and its SHA-256."""
        if self._long:
            long, self._long = self._long, None
            return long.payload, long.length, long.digest.hexdigest()
        rest, self._rest = self._rest, b""
        return rest[:KEPT_OF_REJECT], len(rest), hashlib.sha256(rest).hexdigest()

    def _keep(self, piece: bytes) -> None:
        """Keep the beginning of a line until its end comes."""
        if self._long:
            self._long.digest.update(piece)
            self._long.length += len(piece)
            return
        self._rest += piece
        if len(self._rest) > self._plan.max_line:
            rest, self._rest = self._rest, b""
            self._long = _Long(rest[:KEPT_OF_REJECT], len(rest), hashlib.sha256(rest))

    def _line_end(self, piece: bytes, newline: int = 1) -> None:
        """Account for the line that ends with `piece`."""
        self._keep(piece)
        if self._long:
            self._close_open("unclosed_quote")
            payload, length, digest = self._partial()
            self._output.rejects.append(Reject(self._offset, 1, "line_too_long", payload, length, digest))
            self._count_reject(1)
        else:
            line, self._rest = self._rest, b""
            length = len(line)
            self._line(line)
        self._offset += length + newline

    def _line(self, line: bytes) -> None:
        text = line.removesuffix(b"\r")
        if self._open:
            if self._joined(self._open, text):
                return
            self._open = None
        blank, control = not text, text[:1] == b"#" or (text.startswith(b"Enable ") and b" for ELB: " in text)
        if control and self._is_record(text):
            control = False
        if blank or control:
            self._output.counts.lines += 1
            self._output.counts.blank += blank
            self._output.counts.control += control
        else:
            self._single(line, text)

    def _is_record(self, text: bytes) -> bool:
        """Whether a line that begins as control lines do is a record: a header of a client may begin HAProxy's lines."""
        named = self._plan.explicit and self._plan.formats[0].framing == "syslog"
        return named and isinstance(read(text, self._plan, self._item), Row)

    def _joined(self, open_: _Open, text: bytes) -> bool:
        """Whether the line belongs to the open record; if it does not, that record has become a reject."""
        if begins_as(text, open_.layout.starts):
            self._close_open("unclosed_quote")
            return False
        joined = open_.text + b"\n" + text
        if len(joined) > JOINED_BYTES or open_.lines == JOINED_LINES:
            self._close_open("record_too_long")
            return False
        open_.text, open_.lines = joined, open_.lines + 1
        reading = read_columns(joined, open_.format, open_.layout)
        if isinstance(reading, Row):
            self._open = None
            self._record(reading, open_.offset, open_.lines)
        return True

    def _close_open(self, reason: Reason) -> None:
        if self._open:
            open_, self._open = self._open, None
            self._reject(open_.text, open_.offset, open_.lines, reason)

    def _single(self, line: bytes, text: bytes) -> None:
        """Read one line by the key's format first, then by the others."""
        reading = read(text, self._plan, self._item)
        if isinstance(reading, Row):
            self._record(reading, self._offset, 1)
        elif reading.open_in:
            format_, layout = reading.open_in
            self._open = _Open(format_, layout, text, self._offset)
        else:
            self._reject(line, self._offset, 1, reading.reason)

    def _record(self, row: Row, offset: int, lines: int) -> None:
        row.offset, row.lines = offset, lines
        counts, kind = self._output.counts, self._item.kind
        counts.lines += lines
        counts.records += 1
        counts.record_lines += lines
        counts.invalid += len(row.invalid)
        counts.unknown += bool(row.extra)
        counts.cut += row.truncated
        counts.mismatched += bool(kind) and not self._plan.explicit and row.format.name != kind
        self._output.rows.append(row)

    def _reject(self, payload: bytes, offset: int, lines: int, reason: Reason) -> None:
        digest = hashlib.sha256(payload).hexdigest()
        self._output.rejects.append(Reject(offset, lines, reason, payload[:KEPT_OF_REJECT], len(payload), digest))
        self._count_reject(lines)

    def _count_reject(self, lines: int) -> None:
        self._output.counts.lines += lines
        self._output.counts.rejects += 1
        self._output.counts.reject_lines += lines

    def _batch(self) -> Batch:
        output, self._output = self._output, _Output()
        end = self._open.offset if self._open else self._offset
        return Batch(Records(output.rows, self._item.identity), output.rejects, output.counts, end)
