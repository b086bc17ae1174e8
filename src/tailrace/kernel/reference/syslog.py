"""Syslog headers: RFC 5424, RFC 3164 with and without a host, HAProxy's other forms, and what rsyslog writes to files.

    <142>1 2026-11-20T19:54:26.481597+00:00 myhost haproxy 8482 - - text     RFC 5424
    <134>Nov 20 19:54:26 myhost haproxy[8482]: text                          RFC 3164
    <150>Nov 20 19:54:26 haproxy[8482]: text                                 local
    Dec 11 04:32:11 localhost haproxy[1070]: text                            rsyslog's file
    2026-11-20T20:31:50.242247+00:00 lb1 haproxy[10337]: text                rsyslog's file, ISO time
    <63>text · <3>2026-11-20T19:54:26+00:00 text                             priority, timed

A tag without its colon (`haproxy[10337]text`, which rsyslog writes for RFC 5424 input) is read as well. A line that has
no header is all text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tailrace.kernel.reference import times
from tailrace.kernel.reference.escapes import utf8
from tailrace.kernel.reference.times import Moment
from tailrace.kernel.reference.values import Number, Value
from tailrace.kernel.zones import Zone

_PRIORITY = re.compile(rb"<([0-9]{1,3})>")
_TAG = re.compile(rb"([^\x00-\x20\[\]:]+)(?:\[([^\x00-\x20\[\]:]*)\]:?|:(?= |$)) ?")
_HOST = re.compile(rb"([^\x00-\x20\[\]]+) ")
_FIELD = re.compile(rb"([^ ]+) ")
_ELEMENT = re.compile(rb'\[(?:[^"\]]|"(?:[^"\\]|\\.)*")*\]', re.DOTALL)
_BOM = b"\xef\xbb\xbf"


Said = tuple[tuple[str, Value, tuple[int, int]], ...]
"""Names, values, and where they stand."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a syslog header says, where each value stands, and where the text behind it begins."""

    text_at: int
    moment: Moment | None = None
    values: Said = ()


def read(line: bytes, reference_us: int, zone: Zone) -> Header:
    """The header of a line; an empty one if it has none."""
    priority = _PRIORITY.match(line)
    at = priority.end() if priority else 0
    values: Said = (("syslog_priority", Number(str(int(priority[1]))), priority.span(1)),) if priority else ()
    if priority and line.startswith(b"1 ", at):
        modern = _modern(line, at + 2, values)
        if modern is not None:
            return modern
    moment = times.read_syslog(line, at, reference_us, zone)
    if moment is None and line[at + 4 : at + 5] == b"-":
        moment = times.read(line, zone, at)
    if moment is None:
        return Header(at, None, values)
    at += moment.length
    if line[at : at + 1] != b" ":
        return Header(priority.end() if priority else 0, None, values)
    return _named(line, at + 1, moment, values)


def _named(line: bytes, at: int, moment: Moment, values: Said) -> Header:
    """Host and tag behind the time, either of which may be missing."""
    host, tag = None, _TAG.match(line, at)
    if tag is None:
        host = _HOST.match(line, at)
        tag = _TAG.match(line, host.end()) if host else None
    if tag is None:
        return Header(at, moment, values)
    named = values
    if host:
        named += _said("syslog_host", line, host.span(1))
    named += _said("syslog_program", line, tag.span(1)) + _said("syslog_pid", line, tag.span(2))
    return Header(tag.end(), moment, named)


def _modern(line: bytes, at: int, values: Said) -> Header | None:
    """RFC 5424 behind its version: time, host, program, process, message id, structured data."""
    fields: list[tuple[int, int]] = []
    for _ in range(5):
        match = _FIELD.match(line, at)
        if match is None:
            return None
        fields.append(match.span(1))
        at = match.end()
    time = line[slice(*fields[0])]
    moment = None if time == b"-" else times.read_whole(time)
    if moment is None and time != b"-":
        return None
    end = _structured(line, at)
    if end is None:
        return None
    at = end + (line[end : end + 1] == b" ")
    at += 3 * line.startswith(_BOM, at)
    names = ("syslog_host", "syslog_program", "syslog_pid")
    said = (_said(name, line, place) for name, place in zip(names, fields[1:], strict=False))
    return Header(at, moment, sum(said, values))


def _structured(line: bytes, at: int) -> int | None:
    """Where the structured data ends: a dash, or elements in brackets."""
    if line[at : at + 1] == b"-":
        end = at + 1
    else:
        end = at
        while match := _ELEMENT.match(line, end):
            end = match.end()
        if end == at:
            return None
    return end if line[end : end + 1] in (b"", b" ") else None


def _said(name: str, line: bytes, place: tuple[int, int]) -> Said:
    text = line[slice(*place)] if place[0] >= 0 else b""
    return () if text in (b"", b"-") else ((name, utf8(text), place),)
