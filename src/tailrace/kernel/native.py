"""The native kernel's face: the same classes as the reference twin's, on top of the module written in Rust."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import tailrace_kernel

from tailrace.kernel.plan import ItemPlan, Plan
from tailrace.kernel.spec import to_json, view_to_json
from tailrace.model import ArrowStream, Batch, Counts, RawLines, Reject, View

_EVERYTHING = View()


class _Compiled:
    """A plan as the kernel takes it, and the views that its records are seen through."""

    def __init__(self, plan: Plan) -> None:
        self.plan = tailrace_kernel.Plan(to_json(plan))
        self._views: dict[View, Any] = {}

    def view(self, view: View) -> Any:
        """The view as the kernel takes it."""
        found = self._views.get(view)
        if found is None:
            found = self._views[view] = tailrace_kernel.View(self.plan, view_to_json(view))
        return found


@lru_cache(maxsize=8)
def _compiled(plan: Plan) -> _Compiled:
    return _Compiled(plan)


class Parser:
    """Reads one item. Give it the item's bytes in order with `feed`, in pieces of any size, then `finish`."""

    def __init__(self, plan: Plan, item: ItemPlan) -> None:
        told = (item.kind, item.reference_us, item.offset)
        self._compiled = compiled = _compiled(plan)
        # Records that are to be redacted cannot be written while they are read.
        wanted = item.rendering
        at_once = wanted is not None and not wanted.view.redact
        rendering = (wanted.schema, wanted.ids) if wanted and at_once else None
        self._rendered = wanted.view if wanted and at_once and wanted.view != _EVERYTHING else None
        view = compiled.view(self._rendered) if self._rendered else None
        self._parser = tailrace_kernel.Parser(compiled.plan, told, item.identity, rendering, view)

    def feed(self, data: bytes) -> Batch:
        """Take the next bytes; the batch holds what can be told by now."""
        return self._batch(self._parser.feed(data))

    def finish(self, *, truncated: bool = False) -> Batch:
        """Tell that no more bytes come. With `truncated` they broke off: what is left of a line is no line then."""
        return self._batch(self._parser.finish(truncated))

    def _batch(self, told: tuple[Any, list[tuple[Any, ...]], list[int], int]) -> Batch:
        records, rejects, counts, end = told
        shown = Records(records, self._compiled, self._rendered)
        return Batch(shown, [Reject(*reject) for reject in rejects], Counts(*counts), end)


class Records:
    """The records of one batch, in the order of the item."""

    def __init__(self, records: Any, compiled: _Compiled, rendered: View | None = None) -> None:
        self._records = records
        self._compiled = compiled
        # Through this view they were written already.
        self._rendered = rendered
        self._mask: bytes | None = None
        self.filtered = 0
        """How many records the view's conditions keep out, or would."""

    def __len__(self) -> int:
        """How many records."""
        shown = self._records.shown() if self._rendered else None
        return len(shown[0]) if shown else len(self._records)

    def select(self, view: View) -> Records:
        """What a view shows of the records as a parser gave them."""
        if view == (self._rendered or _EVERYTHING):
            if not self._rendered:
                return self
            selected = Records(self._records, self._compiled)
            selected._mask, selected.filtered = self._records.shown() or (None, 0)
            return selected
        shown, mask, filtered = self._records.select(self._compiled.view(view))
        selected = Records(shown, self._compiled)
        selected._mask, selected.filtered = mask, filtered
        return selected

    @property
    def mask(self) -> bytes:
        """A byte for each record that was selected from: 1 if it is among these, else 0."""
        return bytes([1]) * len(self) if self._mask is None else self._mask

    def ndjson(self, schema: str = "aws", *, ids: bool = False) -> memoryview:
        """One JSON object a line, without nulls."""
        if self._rendered:
            message = "these records were written through a view; select it first"
            raise ValueError(message)
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
