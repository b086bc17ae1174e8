"""The native kernel's face: the same classes as the reference twin's, on top of the module written in Rust."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import tailrace_kernel

from tailrace.kernel.plan import ItemPlan, Plan
from tailrace.kernel.spec import to_json
from tailrace.model import ArrowStream, Batch, Counts, RawLines, Reject


@lru_cache(maxsize=8)
def _compiled(plan: Plan) -> Any:
    return tailrace_kernel.Plan(to_json(plan))


class Parser:
    """Reads one item. Give it the item's bytes in order with `feed`, in pieces of any size, then `finish`."""

    def __init__(self, plan: Plan, item: ItemPlan) -> None:
        told = (item.kind, item.reference_us, item.offset)
        rendering = (item.rendering.schema, item.rendering.ids) if item.rendering else None
        self._parser = tailrace_kernel.Parser(_compiled(plan), told, item.identity, rendering)

    def feed(self, data: bytes) -> Batch:
        """Take the next bytes; the batch holds what can be told by now."""
        return _batch(self._parser.feed(data))

    def finish(self, *, truncated: bool = False) -> Batch:
        """Tell that no more bytes come. With `truncated` they broke off: what is left of a line is no line then."""
        return _batch(self._parser.finish(truncated))


class Records:
    """The records of one batch, in the order of the item."""

    def __init__(self, records: Any) -> None:
        self._records = records

    def __len__(self) -> int:
        """How many records."""
        return len(self._records)

    def ndjson(self, schema: str = "aws", *, ids: bool = False) -> memoryview:
        """One JSON object a line, without nulls."""
        view: memoryview = self._records.ndjson(schema, ids=ids)
        return view

    def raw(self) -> RawLines:
        """The records as they were logged, with their times and offsets."""
        data, ends, times, offsets = self._records.raw()
        return RawLines(data, ends.cast("Q"), times.cast("q"), offsets.cast("Q"))

    def partitions(self) -> list[tuple[str, str | None, int]]:
        """Format, day and number of records for each pair that occurs, in the order of their first record."""
        found: list[tuple[str, str | None, int]] = self._records.partitions()
        return found

    def columns(self, format_name: str, day: str | None) -> ArrowStream:
        """The records of one format and day as Arrow columns."""
        stream: ArrowStream = self._records.columns(format_name, day)
        return stream


def _batch(told: tuple[Any, list[tuple[Any, ...]], list[int], int]) -> Batch:
    records, rejects, counts, end = told
    return Batch(Records(records), [Reject(*reject) for reject in rejects], Counts(*counts), end)
