"""From a field's text to the values of its columns, and what does not fit.

A dash has no value in any field. A text that does not fit its field's kind has none either: it goes to `invalid`,
under the name of the column.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from tailrace.kernel.layout import Field
from tailrace.kernel.reference import times
from tailrace.kernel.reference.escapes import decode, utf8
from tailrace.kernel.zones import Zone


@dataclass(frozen=True, slots=True)
class Number:
    """A number as JSON writes it: the digits that were logged, without needless zeros in front."""

    text: str


Value = None | str | Number | times.Moment | list[str] | list[Number | None]

_INTEGER = re.compile(rb"([+-]?)([0-9]{1,19})")
_DECIMAL = re.compile(rb"(-?)([0-9]{1,20})(?:\.([0-9]{0,20}))?")
_VERSION = re.compile(rb"HTTP/[0-9](?:\.[0-9])?")
_LARGEST, _SMALLEST = (1 << 63) - 1, -(1 << 63)


@dataclass(slots=True)
class Cells:
    """The values of one record by column name, while they are being read."""

    values: dict[str, Value]
    invalid: dict[str, str]
    zone: Zone

    def put(self, name: str, value: Value) -> None:
        """Set a column, unless it has a value already."""
        if value is not None and self.values.get(name) is None:
            self.values[name] = value

    def refuse(self, name: str, text: bytes) -> None:
        """Note a text that does not fit the column."""
        self.invalid.setdefault(name, utf8(text))


def fill(field: Field, text: bytes, cells: Cells) -> None:
    """Give the columns of `field` the values that `text` stands for."""
    if not is_absent(field, text):
        _READERS[field.kind](field, text, cells)


def is_absent(field: Field, text: bytes) -> bool:
    """Whether the text stands for no value."""
    return (
        text == b"-"
        or (field.bare and text == b'"-"')
        or (field.minus_one_absent and text == b"-1")
        or (field.empty_absent and not text and field.kind != "captures")
    )


def _text(field: Field, text: bytes, cells: Cells) -> None:
    value, raw = decode(text, field.escape), utf8(text)
    cells.put(field.columns[0].name, value)
    if len(field.columns) > 1 and value != raw:
        cells.put(field.columns[1].name, raw)


def _int(field: Field, text: bytes, cells: Cells) -> None:
    name, value = field.columns[0].name, integer(text)
    if value is None:
        cells.refuse(name, text)
    cells.put(name, value)


def _float(field: Field, text: bytes, cells: Cells) -> None:
    name, value = field.columns[0].name, decimal(text)
    if value is None:
        cells.refuse(name, text)
    cells.put(name, value)


def _time(field: Field, text: bytes, cells: Cells) -> None:
    name, value = field.columns[0].name, times.read_whole(text, cells.zone)
    if value is None:
        cells.refuse(name, text)
    cells.put(name, value)


def _endpoint(field: Field, text: bytes, cells: Cells) -> None:
    ip, port = field.columns[-2].name, field.columns[-1].name
    host, colon, number = text.rpartition(b":")
    if not colon or (address(host) is None and address(text) is not None):
        host, number = text, b"-"
    _half(ip, host, address(host), cells)
    _half(port, number, integer(number) if number.isdigit() else None, cells)


def _half(name: str, text: bytes, value: Value, cells: Cells) -> None:
    if text == b"-":
        return
    if value is None:
        cells.refuse(name, text)
    cells.put(name, value)


def _target(field: Field, text: bytes, cells: Cells) -> None:
    cells.put(field.columns[0].name, utf8(text))
    host, _, number = text.rpartition(b":")
    found = address(host)
    if found is not None and number.isdigit() and integer(number):
        cells.put(field.columns[1].name, found)
        cells.put(field.columns[2].name, integer(number))


def _request(field: Field, text: bytes, cells: Cells) -> None:
    cells.put(field.columns[0].name, utf8(text))
    for column, part in zip(field.columns[1:], request_parts(text), strict=True):
        if part not in (b"", b"-"):
            cells.put(column.name, decode(part, field.escape))


def _texts(field: Field, text: bytes, cells: Cells) -> None:
    parts = text.split(field.separator.encode()) if text else []
    cells.put(field.columns[0].name, [decode(part, field.escape) for part in parts])


def _captures(field: Field, text: bytes, cells: Cells) -> None:
    cells.put(field.columns[0].name, [decode(part, field.escape) for part in text.split(field.separator.encode())])


def _ints(field: Field, text: bytes, cells: Cells) -> None:
    parts = text.split(field.separator.encode()) if text else []
    numbers = [None if part == b"-" else integer(part) for part in parts]
    if any(number is None and part != b"-" for number, part in zip(numbers, parts, strict=True)):
        cells.refuse(field.columns[0].name, text)
    else:
        cells.put(field.columns[0].name, numbers)


def _offers(field: Field, text: bytes, cells: Cells) -> None:
    offers = text.replace(b'\\"', b'"').split(field.separator.encode())
    cells.put(field.columns[0].name, [utf8(offer.strip(b'"')) for offer in offers])


_READERS: dict[str, Callable[[Field, bytes, Cells], None]] = {
    "text": _text, "int": _int, "float": _float, "time": _time, "endpoint": _endpoint, "target": _target,
    "request": _request, "texts": _texts, "captures": _captures, "ints": _ints, "offers": _offers,
}  # fmt: skip


def request_parts(text: bytes) -> tuple[bytes, bytes, bytes]:
    """Method, URL and version of a request line; spaces inside belong to the URL, spaces behind to nothing."""
    text = text.rstrip(b" ")
    if text == b"<BADREQ>":
        return b"", b"", b""
    method, _, rest = text.partition(b" ")
    url, _, last = rest.rpartition(b" ")
    if last == b"-" or _VERSION.fullmatch(last):
        return method, url, last
    return method, rest, b""


def integer(text: bytes) -> Number | None:
    """An integer of 64 bits; a plus sign in front is not kept."""
    match = _INTEGER.fullmatch(text)
    if match is None:
        return None
    value = -int(match[2]) if match[1] == b"-" else int(match[2])
    return Number(str(value)) if _SMALLEST <= value <= _LARGEST else None


def decimal(text: bytes) -> Number | None:
    """A decimal number with the digits that were logged."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        return None
    sign, whole, fraction = match.groups()
    number = sign + (whole.lstrip(b"0") or b"0")
    if fraction is not None:
        number += b"." + (fraction or b"0")
    return Number(number.decode())


def address(text: bytes) -> str | None:
    """An IP address without brackets, or HAProxy's word for a client on a local socket."""
    if text == b"unix":
        return "unix"
    if text[:1] == b"[" and text[-1:] == b"]":
        text = text[1:-1]
    try:
        written = text.decode("ascii")
        if b":" in text:
            return written if b"%" not in text and IPv6Address(written) else None
        return written if IPv4Address(written) else None
    except (AddressValueError, UnicodeDecodeError):
        return None
