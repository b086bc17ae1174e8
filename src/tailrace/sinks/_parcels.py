"""Records on their way into requests of bounded size, which can be halved until the record that is not wanted is alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tailrace.model import Batch, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of a request: `records`, and `size` in bytes of NDJSON. A larger record goes alone."""

    records: int
    size: int

    def allow(self, records: int, size: int) -> bool:
        """Whether so much fits."""
        return records <= self.records and size <= self.size


@dataclass(frozen=True, slots=True)
class Parcel:
    """Records of a batch that follow one another, from the one with the number `first` on, as NDJSON."""

    batch: Batch
    first: int
    count: int
    data: bytes

    def cut(self, limits: Limits) -> Iterator[Parcel]:
        """Itself, in parts that fit into requests."""
        if limits.allow(self.count, len(self.data)):
            yield self
            return
        begin, end, records = 0, 0, 0
        first = self.first
        for line in self.data.split(b"\n")[:-1]:
            if records and not limits.allow(records + 1, end - begin + len(line) + 1):
                yield Parcel(self.batch, first, records, self.data[begin:end])
                first, begin, records = first + records, end, 0
            records += 1
            end += len(line) + 1
        yield Parcel(self.batch, first, records, self.data[begin:end])

    def refusal(self, reason: str, detail: str) -> Refusal:
        """Of its only record."""
        raw = self.batch.records.raw()
        begin = raw.ends[self.first - 1] if self.first else 0
        line = bytes(memoryview(raw.data)[begin : raw.ends[self.first]])
        return Refusal(raw.offsets[self.first], reason, line, detail)


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent together."""

    parcels: Sequence[Parcel]

    @property
    def count(self) -> int:
        """How many records."""
        return sum(parcel.count for parcel in self.parcels)

    @property
    def data(self) -> bytes:
        """All records as NDJSON."""
        return b"".join([parcel.data for parcel in self.parcels])

    def halves(self) -> tuple[Request, Request]:
        """Both halves of a request of several records."""
        whole = [
            part for parcel in self.parcels for part in parcel.cut(Limits(records=-(-self.count // 2), size=1 << 62))
        ]
        middle = max(len(whole) // 2, 1)
        return Request(whole[:middle]), Request(whole[middle:])


@dataclass(slots=True)
class Outbox:
    """What waits to be sent, in order: requests that are ready, and one that is being filled."""

    limits: Limits
    ready: deque[Request] = field(default_factory=deque)
    _filling: list[Parcel] = field(default_factory=list)
    _records: int = 0
    _size: int = 0

    def take(self, batch: Batch, data: bytes) -> None:
        """Take the records of a batch, written as NDJSON."""
        for parcel in Parcel(batch, 0, len(batch.records), data).cut(self.limits):
            if not self.limits.allow(self._records + parcel.count, self._size + len(parcel.data)):
                self.seal()
            self._filling.append(parcel)
            self._records += parcel.count
            self._size += len(parcel.data)

    def seal(self) -> None:
        """Make everything ready."""
        if self._filling:
            self.ready.append(Request(self._filling))
        self._filling, self._records, self._size = [], 0, 0

    def halve(self) -> None:
        """Put both halves of the first request into its place; it has several records."""
        self.ready.extendleft(reversed(self.ready.popleft().halves()))

    def clear(self) -> None:
        """Forget everything."""
        self.ready.clear()
        self._filling, self._records, self._size = [], 0, 0
