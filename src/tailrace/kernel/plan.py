"""What a parser is told once, before any bytes: which formats there may be, and how to read what they leave open."""

from __future__ import annotations

from dataclasses import dataclass, field

from tailrace.kernel.layout import Format
from tailrace.kernel.zones import UTC_ZONE, Zone
from tailrace.model import Rendering

MAX_LINE = 1 << 20
"""A longer line is a reject; so no line can exhaust the memory."""
KEPT_OF_REJECT = 64 << 10
"""So much of a rejected line is kept; its length and SHA-256 tell the rest."""
JOINED_BYTES = 64 << 10
JOINED_LINES = 100
"""A record over several lines is joined up to these limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The formats of a run, in the order in which they are tried.

    `explicit`: the user named the format, so every line is read as the first of `formats`.
    `zone`: for dates without a zone. `captures`: how many headers HAProxy captures from requests and responses,
    None if that is not known.
    """

    formats: tuple[Format, ...]
    explicit: bool = False
    zone: Zone = field(default=UTC_ZONE)
    captures: tuple[int, int] | None = None
    max_line: int = MAX_LINE
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Hash the formats once: it takes as long as to parse a thousand lines, and every item asks for it."""
        told = (self.formats, self.explicit, self.zone, self.captures, self.max_line)
        object.__setattr__(self, "_hash", hash(told))

    def __hash__(self) -> int:
        """Equal plans have the same."""
        return self._hash


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPlan:
    """What a parser is told of one item.

    `kind`: the name of the format that the item's key promises, or "". `reference_us`: a time in µs since 1970
    shortly after the last line, to find years that the lines do not tell. `identity`: the bytes from which, with a
    record's offset, its id is made. `offset`: where in the item the first byte stands. `rendering`: the only form in
    which the records will be asked for; the native kernel then has them in no other.
    """

    kind: str = ""
    reference_us: int
    identity: bytes = b""
    offset: int = 0
    rendering: Rendering | None = None
