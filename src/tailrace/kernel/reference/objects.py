"""Flat JSON objects: the vended copies of AWS's logs, and HAProxy's `+json`.

Only what such a line can hold is read: keys and strings, numbers, true, false, null, and arrays of those. Values become
text, as if they had been logged as fields: numbers as written, arrays joined by the field's separator, null as a dash.
A line that is anything else is no object (RFC 8259; of a key that comes twice the last value counts).
"""

from __future__ import annotations

import re

from tailrace.kernel.layout import Objects

_SPACE = re.compile(rb"[ \t\r\n]*")
_STRING = re.compile(rb'"((?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*)"')
_SCALAR = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")
_ESCAPE = re.compile(rb'(?:\\u[0-9A-Fa-f]{4})+|\\(["\\/bfnrt])')
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}

Parsed = dict[bytes, bytes | list[bytes]]
Pair = tuple[bytes, bytes | list[bytes], tuple[int, int]]
"""A key, its value, and where the value stands."""


def read(line: bytes) -> Parsed | None:
    """The keys and values of a flat object, or None."""
    found = pairs(line)
    if found is None:
        return None
    parsed: Parsed = {}
    for key, value, _ in found:
        parsed.pop(key, None)
        parsed[key] = value
    return parsed


def pairs(line: bytes) -> list[Pair] | None:
    """All pairs of a flat object in order, those whose key comes again too, or None."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return None
    at = _skip(line, 0)
    if line[at : at + 1] != b"{":
        return None
    found: list[Pair] = []
    at = _skip(line, at + 1)
    if line[at : at + 1] == b"}":
        return found if _skip(line, at + 1) == len(line) else None
    while True:
        pair = _pair(line, at)
        if pair is None:
            return None
        found.append(pair)
        at = _skip(line, pair[2][1])
        end = line[at : at + 1]
        at = _skip(line, at + 1)
        if end == b"}":
            return found if at == len(line) else None
        if end != b",":
            return None


def _pair(line: bytes, at: int) -> Pair | None:
    key = _STRING.match(line, at)
    if key is None:
        return None
    at = _skip(line, key.end())
    if line[at : at + 1] != b":":
        return None
    at = _skip(line, at + 1)
    value = _value(line, at)
    return (_unescape(key[1]), value[0], (at, value[1])) if value else None


def _value(line: bytes, at: int) -> tuple[bytes | list[bytes], int] | None:
    if line[at : at + 1] != b"[":
        return _scalar(line, at)
    items: list[bytes] = []
    at = _skip(line, at + 1)
    if line[at : at + 1] == b"]":
        return items, at + 1
    while (item := _scalar(line, at)) is not None:
        items.append(item[0])
        at = _skip(line, item[1])
        end = line[at : at + 1]
        if end == b"]":
            return items, at + 1
        if end != b",":
            return None
        at = _skip(line, at + 1)
    return None


def _scalar(line: bytes, at: int) -> tuple[bytes, int] | None:
    if match := _STRING.match(line, at):
        return _unescape(match[1]), match.end()
    if match := _SCALAR.match(line, at):
        return (b"-" if match[0] == b"null" else match[0]), match.end()
    return None


def _skip(line: bytes, at: int) -> int:
    match = _SPACE.match(line, at)
    return match.end() if match else at


def _unescape(text: bytes) -> bytes:
    return _ESCAPE.sub(_character, text) if b"\\" in text else text


def _character(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return _LETTERS.get(match[1], match[1])
    units = b"".join(bytes.fromhex(part.decode()) for part in match[0].split(b"\\u")[1:])
    return units.decode("utf-16-be", "replace").encode()


def texts(found: Parsed, layout: Objects) -> tuple[dict[str, bytes], list[bytes]]:
    """The texts of the layout's fields by key, and what the layout does not know as KEY=VALUE."""
    separators = {field.key: field.separator.encode() for field in layout.fields}
    known: dict[str, bytes] = {}
    extra: list[bytes] = []
    for key, value in found.items():
        name = key.decode("utf-8", "replace")
        joined = separators.get(name, b" ").join(value) if isinstance(value, list) else value
        if name in separators:
            known[name] = joined
        else:
            extra.append(key + b"=" + joined)
    return known, extra
