"""What travels: items, batches of records, rejects, and the account of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, BinaryIO, Literal, Protocol, runtime_checkable

Reason = Literal[
    "bad_time",
    "too_few_fields",
    "unclosed_quote",
    "no_match",
    "bad_json",
    "unknown_format",
    "line_too_long",
    "record_too_long",
    "truncated",
]
"""Why bytes are no record:

- `bad_time`: the line's time cannot be read
- `too_few_fields`: fewer fields than the format's lines have had since it exists
- `unclosed_quote`: a record over several lines whose quote is never closed
- `no_match`: the line does not fit the log-format
- `bad_json`: the line is no flat JSON object
- `unknown_format`: no format knows the line
- `line_too_long`: longer than 1 MiB
- `record_too_long`: over more than 100 lines or 64 KiB
- `truncated`: the compressed data ends or breaks here
"""


class ArrowStream(Protocol):
    """Columns as the Arrow PyCapsule interface offers them; pyarrow, DuckDB and Polars take them without a copy."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        """The schema and the array, as capsules."""


class Table(Protocol):
    """Columns of one format that grow by batch after batch: cheaper than each batch as columns of its own."""

    @property
    def rows(self) -> int:
        """How many records."""

    @property
    def memory(self) -> int:
        """About how many bytes of memory they take."""

    def add(self, columns: Any) -> None:
        """Add records: columns of the same parser and format as those that this table was made by."""

    def take(self) -> Sequence[tuple[str, ArrowStream]]:
        """All records, column by column with their names; none are left. Texts that repeat may be a dictionary."""


@runtime_checkable
class Growing(ArrowStream, Protocol):
    """Columns that can be put together by what made them."""

    def table(self) -> Table:
        """An empty table for these columns and those that follow."""


class Records(Protocol):
    """Records of one item, in columns, in the order of the item."""

    def __len__(self) -> int:
        """How many records."""

    def ndjson(self, schema: str = "aws", *, ids: bool = False) -> bytes | memoryview:
        """One JSON object a line, without nulls; names by schema (aws, ecs, otel); `_id` first with `ids`."""

    def raw(self) -> RawLines:
        """The records as they were logged, with their times."""

    def partitions(self) -> list[tuple[str, str | None, int]]:
        """Format, day (UTC, ISO 8601; None without a time) and number of records, for each pair that occurs."""

    def columns(self, format_name: str, day: str | None) -> ArrowStream:
        """The records of one format and day as Arrow columns: `_id`, the format's columns, and what it did not know.

        Columns keep their names, and there are no constants among them.
        """

    def select(self, view: View) -> Records:
        """What a view shows of the records as a parser gave them; all of them for `View()`, at no cost."""

    @property
    def mask(self) -> bytes:
        """A byte for each record that was selected from: 1 if it is among these, else 0."""

    @property
    def filtered(self) -> int:
        """How many records of the view's formats its conditions keep out, or would if they were not only counted."""


Operator = Literal["present", "absent", "=", "!=", "<", "<=", ">", ">=", "~", "!~"]
"""`!=` and `!~` hold where `=` and `~` do not, so for a field without a value too; of a list one item is enough."""

Method = Literal["remove", "mask", "hash", "network", "query"]
"""What is shown instead of a field:

- `remove`: nothing
- `mask`: `***`; nothing instead of a number
- `hash`: 32 hex digits of keyed BLAKE2b
- `network`: of an IP address its /24 (IPv4) or /48 (IPv6), `***` instead of anything else
- `query`: a URL with `***` for each value of its query string
"""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a record's field is compared with.

    `value`: for fields that hold numbers a decimal number, for times µs since 1970, else a text; for `~` a regular
    expression that means the same to Python's `re` and to Rust's `regex`, over bytes.
    """

    field: str
    operator: Operator
    value: str = ""


Conditions = tuple[tuple[Condition, ...], ...]
"""Groups of conditions: they hold if all conditions of one group hold."""


@dataclass(frozen=True, slots=True)
class View:
    """What a sink sees of records. Fields have their names of the schema `aws`.

    `formats`: only records of these, if there are any. `include`: only what these hold of, if there are any. `exclude`: not
    what these hold of. `counted`: include and exclude keep nothing out, `Records.filtered` tells what they would.
    `rename`: field and name in every schema. `redact`: field and method; the hash needs `key`, up to 64 bytes. With any of
    it, texts that belong to no field (`extra`, what an open quote holds, the rest of a cut line) are not shown either.
    `constants`: names and values, in JSON, that stand at the end of each object.
    """

    formats: tuple[str, ...] = ()
    include: Conditions = ()
    exclude: Conditions = ()
    counted: bool = False
    rename: tuple[tuple[str, str], ...] = ()
    redact: tuple[tuple[str, Method], ...] = ()
    key: bytes = field(default=b"", repr=False)
    constants: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> str:
        """8 hex digits that change with whatever changes bytes; none for a view that changes nothing."""
        conditions = () if self.counted else (self.include, self.exclude)
        told = (self.formats, conditions, self.rename, self.redact, self.constants)
        changes = any(self.formats) or any(map(bool, conditions)) or any(map(bool, told[2:]))
        return blake2b(repr(told).encode(), digest_size=4, key=self.key).hexdigest() if changes else ""

    @property
    def filters(self) -> bool:
        """Whether it may keep records out, or counts them."""
        return bool(self.formats or self.include or self.exclude)


@dataclass(frozen=True, slots=True)
class Rendering:
    """NDJSON as `Records.select(view)` gives it by `ndjson` with these arguments.

    Whoever tells a parser beforehand that nothing else will be asked for gets it faster.
    """

    schema: str = "aws"
    ids: bool = False
    view: View = View()


NO_TIME = -(1 << 63)
"""Stands for the time of a record that has none."""


@dataclass(frozen=True, slots=True)
class RawLines:
    """Records as logged: `data[ends[n-1]:ends[n]]` is the nth, without its newline.

    `times`: in ms since 1970, or NO_TIME. `offsets`: where each begins in the item's content.
    """

    data: bytes | memoryview
    ends: Sequence[int]
    times: Sequence[int]
    offsets: Sequence[int]


@dataclass(frozen=True, slots=True)
class Reject:
    """Bytes that are no record: where, why, the first 64 KiB, and length and SHA-256 of all."""

    offset: int
    lines: int
    reason: Reason
    payload: bytes
    length: int
    sha256: str


@dataclass(slots=True)
class Counts:
    """The account of some lines. `lines` = `record_lines` + `reject_lines` + `control` + `blank`, always."""

    lines: int = 0
    records: int = 0
    record_lines: int = 0
    rejects: int = 0
    reject_lines: int = 0
    control: int = 0
    blank: int = 0
    invalid: int = 0
    """Fields that did not fit their type: format drift."""
    unknown: int = 0
    """Records with fields that the layout does not know: format drift."""
    mismatched: int = 0
    """Records of another format than the item's key promises."""
    cut: int = 0
    """Records that HAProxy cut at its length limit."""

    def add(self, other: Counts) -> None:
        """Add the counts of other lines to these."""
        # Written out, because it is done for every batch.
        self.lines += other.lines
        self.records += other.records
        self.record_lines += other.record_lines
        self.rejects += other.rejects
        self.reject_lines += other.reject_lines
        self.control += other.control
        self.blank += other.blank
        self.invalid += other.invalid
        self.unknown += other.unknown
        self.mismatched += other.mismatched
        self.cut += other.cut

    def __add__(self, other: Counts) -> Counts:
        """The counts of both."""
        total = replace(self)
        total.add(other)
        return total

    @property
    def balanced(self) -> bool:
        """Whether every line is accounted for."""
        return self.lines == self.record_lines + self.reject_lines + self.control + self.blank


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one item that travel together, the rejects between them, and their account.

    `end` is the offset in the item up to which everything is in this batch or an earlier one: where a
    parser can begin again.
    """

    records: Records
    rejects: Sequence[Reject]
    counts: Counts
    end: int


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes an item this item and no other: kind of source, bucket or folder, key, and version of the content."""

    kind: str
    container: str
    key: str
    etag: str

    @property
    def token(self) -> bytes:
        """The bytes that stand for the identity: every part behind its length, so that no two run together."""
        parts = (self.kind, self.container, self.key, self.etag)
        encoded = (part.encode("utf-8", "surrogateescape") for part in parts)
        return b"".join(len(part).to_bytes(4, "little") + part for part in encoded)

    @property
    def digest(self) -> str:
        """16 hex digits that name the item in file names."""
        return blake2b(self.token, digest_size=8).hexdigest()

    @property
    def name(self) -> str:
        """The item as people write it."""
        return f"{self.container.rstrip('/')}/{self.key}" if self.container else self.key


def record_id(token: bytes, offset: int) -> str:
    """A record's id: 128 bits of BLAKE2b over its item and the offset of its first byte, in hex."""
    return blake2b(token + offset.to_bytes(8, "little"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Item:
    """What a source answers for: one object or file.

    `open()` gives its bytes from the start and may be called again. `size`: in bytes, if it is known. `modified`: seconds
    since 1970 at which its last line cannot be much younger. `durable`: a receipt is kept for it. `may_grow`: it is
    continued when more has been written to it, so its last line may be unfinished.
    """

    identity: Identity
    open: Callable[[], BinaryIO]
    size: int | None
    modified: float
    durable: bool = True
    may_grow: bool = False


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that a sink has made durable; it counts once the receipt that names it is committed."""

    path: str
    format: str
    day: str
    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that a sink will never take: where it begins in its item, why, and the line as it was logged.

    `reason` is one word of a sink's documented list, such as `too_old`; `detail` is what the sink said, if anything.
    """

    offset: int
    reason: str
    payload: bytes
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Flushed:
    """What became of the records written since the last flush; those not told of here were accepted.

    `files`: made durable, to be named by the receipt. `already`: so many were there before. `refusals`: never to be
    taken. `unconfirmed`: the other side does not confirm what it takes. `filtered`, `elsewhere`: so many were not for this
    sink, by its conditions or its formats. `counted`: so many its conditions would have kept out. `repeated`: so many were sent
    once more although nobody knows whether they had arrived, and may be there twice. `timeless`: so many had no time and were
    given that of their delivery.
    """

    files: Sequence[StoredFile] = ()
    already: int = 0
    refusals: Sequence[Refusal] = ()
    unconfirmed: bool = False
    filtered: int = 0
    elsewhere: int = 0
    counted: int = 0
    repeated: int = 0
    timeless: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """What became of the records of an item at one sink: `routed` = `accepted` + `already` + `dead` + pending."""

    routed: int = 0
    accepted: int = 0
    already: int = 0
    dead: int = 0

    def __add__(self, other: Totals) -> Totals:
        """The sum of two accounts."""
        return Totals(
            self.routed + other.routed,
            self.accepted + other.accepted,
            self.already + other.already,
            self.dead + other.dead,
        )

    @property
    def pending(self) -> int:
        """Records that are neither delivered nor given up."""
        return self.routed - self.accepted - self.already - self.dead
