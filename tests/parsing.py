"""Kernels for tests, what they make of bytes, and the samples with their truth."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from making import absent
from tailrace.kernel.layout import Format
from tailrace.kernel.plan import ItemPlan, Plan
from tailrace.model import Batch, Counts, Reject, Rendering
from tailrace.registry import formats

Kernel = ModuleType
"""The reference twin or the native kernel: a module with a `Parser`."""

KERNELS = ("reference", "native")
SAMPLES = Path(__file__).parent / "samples"
ALL = Plan(formats=tuple(formats().values()))


def micros(*when: int) -> int:
    """A time of day in UTC as µs since 1970."""
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc, arg-type]


NOW = micros(2026, 11, 21, 12)
"""Shortly after the samples of HAProxy were written."""
ITEM = ItemPlan(reference_us=NOW, identity=b"item")


def kernel_named(name: str) -> Kernel:
    """The kernel of that name. Without its module the native one is skipped, but not where CI promises it."""
    try:
        return import_module(f"tailrace.kernel.{name}")
    except ModuleNotFoundError as error:
        if error.name != "tailrace_kernel":
            raise
        absent("the native kernel", "build it with `pip install ./kernel`")


@dataclass(frozen=True)
class Told:
    """All that a parser tells of the bytes of one item."""

    batches: Sequence[Batch]

    @property
    def counts(self) -> Counts:
        total = Counts()
        for batch in self.batches:
            total.add(batch.counts)
        return total

    @property
    def rejects(self) -> list[Reject]:
        return [reject for batch in self.batches for reject in batch.rejects]

    @property
    def reasons(self) -> list[str]:
        return [reject.reason for reject in self.rejects]

    @property
    def ends(self) -> list[int]:
        return [batch.end for batch in self.batches]

    def ndjson(self, schema: str = "aws", *, ids: bool = False) -> bytes:
        return b"".join(bytes(batch.records.ndjson(schema, ids=ids)) for batch in self.batches)

    def records(self, schema: str = "aws", *, ids: bool = False) -> list[dict[str, Any]]:
        return objects(self.ndjson(schema, ids=ids))

    @property
    def record(self) -> dict[str, Any]:
        """The only record, where nothing else was told."""
        assert self.rejects == []
        (found,) = self.records()
        return found

    @property
    def reject(self) -> Reject:
        """The only reject, where nothing else was told."""
        assert self.records() == []
        (found,) = self.rejects
        return found

    @property
    def lines(self) -> list[tuple[bytes, int]]:
        """The records as logged, with their times."""
        return [
            (bytes(raw.data[start:end]), time)
            for raw in (batch.records.raw() for batch in self.batches)
            for (start, end), time in zip(pairwise([0, *raw.ends]), raw.times, strict=True)
        ]


def objects(ndjson: bytes) -> list[dict[str, Any]]:
    """The objects of NDJSON, one in each line. Fails if a key comes twice or a number is none of JSON."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({key for key, _ in pairs}) == len(pairs), pairs
        return dict(pairs)

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not JSON")

    *lines, rest = ndjson.decode().split("\n")
    assert rest == ""
    return [json.loads(line, object_pairs_hook=unique, parse_constant=refuse) for line in lines]


def read(
    kernel: Kernel,
    data: bytes | Iterable[bytes],
    *,
    plan: Plan = ALL,
    item: ItemPlan = ITEM,
    truncated: bool = False,
) -> Told:
    """What the kernel tells of an item whose bytes come at once or in the given pieces."""
    pieces = [data] if isinstance(data, bytes) else list(data)
    told = _told(kernel, pieces, plan, item, truncated=truncated)
    if kernel.__name__.endswith("native") and not item.rendering:
        for rendering in (Rendering(), Rendering("ecs", ids=True)):
            beforehand = _told(kernel, pieces, plan, replace(item, rendering=rendering), truncated=truncated)
            assert beforehand.ndjson(rendering.schema, ids=rendering.ids) == told.ndjson(
                rendering.schema, ids=rendering.ids
            )
            assert (beforehand.counts, beforehand.rejects) == (told.counts, told.rejects)
            assert beforehand.ends == told.ends
            assert [len(batch.records) for batch in beforehand.batches] == [
                len(batch.records) for batch in told.batches
            ]
    return told


def _told(kernel: Kernel, pieces: Sequence[bytes], plan: Plan, item: ItemPlan, *, truncated: bool) -> Told:
    parser = kernel.Parser(plan, item)
    return Told([*(parser.feed(piece) for piece in pieces), parser.finish(truncated=truncated)])


def promised(kind: str) -> ItemPlan:
    """An item whose key promises a format."""
    return ItemPlan(kind=kind, reference_us=NOW, identity=b"item")


def only(*named: str | Format, **settings: Any) -> Plan:
    """A plan in which the user has named the format."""
    chosen = tuple(formats()[name] if isinstance(name, str) else name for name in named)
    return Plan(formats=chosen, explicit=True, **settings)


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The bytes cut at the given places."""
    places = [0, *sorted({cut for cut in cuts if cut <= len(data)}), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


def typed(value: Any) -> str:
    """A value of JSON such that 1 and 1.0 differ."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True)
class Truth:
    """What a record of a sample must say, and what is special about it."""

    line: int
    lines: int
    fields: int
    shapes: list[str]
    record: dict[str, Any]


def sample(path: str) -> bytes:
    """A file of the samples, unpacked."""
    data = (SAMPLES / path).read_bytes()
    return gzip.decompress(data) if path.endswith(".gz") else data


def sample_lines(path: str) -> list[bytes]:
    """The lines of a sample."""
    return sample(path).removesuffix(b"\n").split(b"\n")


def sample_objects(path: str) -> list[dict[str, Any]]:
    """The JSON objects of a sample, one a line."""
    return [json.loads(line) for line in sample_lines(path)]


def truths(path: str) -> list[Truth]:
    """The truth records of a sample."""
    return [Truth(**each) for each in sample_objects(path)]


def sample_records(kind: str) -> Iterator[tuple[bytes, Truth]]:
    """The records of a kind of AWS as they are logged, with their truth."""
    lines = sample_lines(f"aws/{kind}.log")
    for truth in truths(f"aws/{kind}.truth.jsonl.gz"):
        yield b"\n".join(lines[truth.line - 1 : truth.line - 1 + truth.lines]), truth
