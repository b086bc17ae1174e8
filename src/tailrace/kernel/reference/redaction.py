r"""Redaction: what is not to be seen is taken out of the text of a record, and its values follow from what is left.

A field's text has parts, one for each of its columns, which may lie within one another: `request_url` is a part of
`request`. Of each part that is redacted, ranges of bytes are replaced; a range within another one is not looked at. Then

- a part that has ranges within it, or is one itself, holds what replaces them; a number or time then has no value,
- a part of a range has no value,
- any other part has the value that it had.

What belongs to no field is replaced too, and is no longer told.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from ipaddress import IPv6Address

from tailrace.kernel.layout import Escape, Field
from tailrace.kernel.reference.escapes import decode, utf8
from tailrace.kernel.reference.reading import Place, Row
from tailrace.kernel.reference.values import Cells, Value, address, fill, is_absent, request_parts
from tailrace.model import Method, View

NOTHING = b"-"
MASKED = b"***"
_LISTS = ("texts", "ints", "captures", "offers")


@dataclass(frozen=True, slots=True)
class _Part:
    """Where the text of a column stands in its field's, and how it is decoded."""

    column: str
    start: int
    end: int
    escape: Escape = ""
    raw: bool = False
    of_number: bool = False
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class _Range:
    """Bytes that are replaced."""

    start: int
    end: int
    by: bytes


def redacted(row: Row, view: View) -> Row:
    """The record as the view's redactions show it."""
    methods = dict(view.redact)
    edits: list[_Range] = []
    cells = Cells({}, {}, row.zone)
    for place in row.places:
        text = row.text[place.start : place.end] if place.text is None else place.text
        ranges = _outermost(_ranges(place.fields, text, methods, view.key))
        if place.fields and not ranges:
            for field in place.fields:
                fill(field, text, cells)
            continue
        for field in place.fields:
            _fill_around(field, text, ranges, cells)
        edits.append(_Range(place.start, place.end, _written(place, text, ranges)))
    text = _replaced(row.text, 0, len(row.text), sorted(edits, key=lambda edit: edit.start))
    return replace(row, text=text, values=cells.values, invalid=cells.invalid, extra=(), places=())


def _written(place: Place, text: bytes, ranges: list[_Range]) -> bytes:
    """What stands in the line instead of the place's text."""
    if place.text is None:
        return _replaced(text, 0, len(text), ranges) if place.fields else NOTHING
    new = _replaced(text, 0, len(text), ranges)
    return json.dumps(utf8(new), ensure_ascii=False).encode() if place.fields and new != NOTHING else b"null"


def _ranges(fields: Iterable[Field], text: bytes, methods: Mapping[str, Method], key: bytes) -> Iterator[_Range]:
    for field in fields:
        parts = list(_parts(field, text))
        for part in parts:
            method = methods.get(part.column)
            if method == "query" and field.kind == "request" and part is parts[0]:
                yield from (
                    found
                    for url in parts
                    if url.column == field.columns[2].name
                    for found in _ranges_of(url, field, text, method, key)
                )
            elif method:
                yield from _ranges_of(part, field, text, method, key)


def _ranges_of(part: _Part, field: Field, text: bytes, method: Method, key: bytes) -> Iterator[_Range]:
    if method == "remove":
        yield _Range(part.start, part.end, NOTHING)
        return
    for start, end in _items(part, field, text):
        item = text[start:end]
        if item in (b"", NOTHING):
            continue
        if method == "query":
            yield from (_Range(start + begin, start + stop, MASKED) for begin, stop in query_values(item))
        elif method == "network":
            yield _Range(start, end, network(item) or MASKED)
        elif method == "hash":
            told = decode(item, part.escape).encode()
            yield _Range(start, end, blake2b(told, digest_size=16, key=key).hexdigest().encode())
        else:
            yield _Range(start, end, MASKED)


def _items(part: _Part, field: Field, text: bytes) -> Iterator[tuple[int, int]]:
    """The part, or the items of a list."""
    if not part.is_list:
        yield part.start, part.end
        return
    at, separator = part.start, field.separator.encode()
    for item in text[part.start : part.end].split(separator):
        yield at, at + len(item)
        at += len(item) + len(separator)


def _parts(field: Field, text: bytes) -> Iterator[_Part]:
    """The parts of a field's text that have a value, or do not fit their column."""
    if is_absent(field, text):
        return
    names, whole = [column.name for column in field.columns], (0, len(text))
    if field.kind == "endpoint":
        yield from _endpoint(names[-2:], text)
    elif field.kind == "request":
        yield _Part(names[0], *whole)
        method, url, version = request_parts(text)
        begins = (0, len(method) + 1, len(text.rstrip(b" ")) - len(version))
        for name, begin, part in zip(names[1:], begins, (method, url, version), strict=True):
            if part not in (b"", NOTHING):
                yield _Part(name, begin, begin + len(part), field.escape)
    elif field.kind == "target":
        yield _Part(names[0], *whole)
        cells = Cells({}, {}, None)  # type: ignore[arg-type]
        fill(field, text, cells)
        yield from (part for part in _endpoint(names[1:], text) if part.column in cells.values)
    elif field.kind == "text":
        yield _Part(names[0], *whole, field.escape)
        yield from (_Part(name, *whole, field.escape, raw=True) for name in names[1:])
    elif field.kind in _LISTS:
        yield _Part(names[0], *whole, field.escape, is_list=True, of_number=field.kind == "ints")
    else:
        yield _Part(names[0], *whole, of_number=True)


def _endpoint(names: list[str], text: bytes) -> Iterator[_Part]:
    host, colon, port = text.rpartition(b":")
    if not colon or (address(host) is None and address(text) is not None):
        host, port = text, NOTHING
    bracketed = address(host) is not None and host[:1] == b"["
    if host != NOTHING:
        yield _Part(names[0], bracketed, len(host) - bracketed)
    if port != NOTHING:
        yield _Part(names[1], len(host) + 1, len(text), of_number=True)


def _outermost(ranges: Iterable[_Range]) -> list[_Range]:
    """Ranges in order, without those within others; of equal ones the first."""
    found: list[_Range] = []
    for each in sorted(ranges, key=lambda one: (one.start, -one.end)):
        if not found or each.start >= found[-1].end:
            found.append(each)
    return found


def _replaced(text: bytes, start: int, end: int, ranges: Iterable[_Range]) -> bytes:
    """A part of the text with the ranges within it replaced."""
    pieces, at = [], start
    for each in ranges:
        if at <= each.start and each.end <= end:
            pieces += [text[at : each.start], each.by]
            at = each.end
    return b"".join((*pieces, text[at:end]))


def _fill_around(field: Field, text: bytes, ranges: list[_Range], cells: Cells) -> None:
    """Give the columns of a field the values that are left."""
    before = Cells({}, {}, cells.zone)
    fill(field, text, before)
    for part in _parts(field, text):
        name = part.column
        touching = [each for each in ranges if each.start < part.end and part.start < each.end]
        new = _replaced(text, part.start, part.end, ranges)
        if not touching:
            cells.put(name, before.values.get(name))
            if name in before.invalid:
                cells.invalid.setdefault(name, before.invalid[name])
        elif new == NOTHING or any(each.start < part.start or part.end < each.end for each in touching):
            continue
        elif name in before.invalid:
            cells.refuse(name, new)
        elif not part.of_number:
            cells.put(name, _value(field, part, new))


def _value(field: Field, part: _Part, new: bytes) -> Value:
    if part.is_list:
        inner = Cells({}, {}, None)  # type: ignore[arg-type]
        fill(field, new, inner)
        return inner.values.get(part.column)
    value = decode(new, part.escape)
    if not part.raw:
        return value
    raw = utf8(new)
    return raw if raw != value else None


def query_values(text: bytes) -> Iterator[tuple[int, int]]:
    """Where the values of a URL's query string stand; a parameter without `=` is a value."""
    head, mark, query = text.partition(b"?")
    at = len(head) + len(mark)
    for parameter in query.split(b"&") if mark else ():
        name, equals, value = parameter.partition(b"=")
        begin = at + len(name) + 1 if equals else at
        end = at + len(parameter)
        if value or (name and not equals):
            yield begin, end
        at = end + 1


def network(text: bytes) -> bytes | None:
    """The /24 or /48 of an address, which may stand in brackets and before a port."""
    host, colon, port = text.rpartition(b":")
    if colon and port.isdigit() and (b":" not in host or host[-1:] == b"]"):
        inner = _network(host)
        return inner + b":" + port if inner else None
    return _network(text)


def _network(text: bytes) -> bytes | None:
    known = address(text)
    if known is None or known == "unix":
        return None
    zeroed = _zeroed(known)
    return b"[" + zeroed + b"]" if text[:1] == b"[" else zeroed


def _zeroed(known: str) -> bytes:
    if ":" not in known:
        return known.rpartition(".")[0].encode() + b".0"
    packed = IPv6Address(known).packed
    if packed[:12] == bytes(10) + b"\xff\xff":
        return b"::ffff:%d.%d.%d.0" % tuple(packed[12:15])
    groups = [packed[at] << 8 | packed[at + 1] for at in (0, 2, 4)]
    while groups and not groups[-1]:
        groups.pop()
    return ":".join(f"{group:x}" for group in groups).encode() + b"::"
