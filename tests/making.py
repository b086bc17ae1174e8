"""Items, batches and receipts for tests: log lines of any day through the reference parser."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from hashlib import shake_128
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tailrace.kernel.plan import ItemPlan, Plan
from tailrace.kernel.reference import Parser
from tailrace.model import ArrowStream, Batch, Counts, Identity, Item, Totals
from tailrace.receipts import Receipt
from tailrace.registry import formats

_REFERENCE_US = 1_790_000_000_000_000


class StillClock:
    """A clock that goes only when it is told to."""

    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def absent(what: str, how: str) -> NoReturn:
    """Skip the test for want of what `make test` sets up; where everything must be there, fail."""
    message = f"{what} is not installed; {how}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def item(key: str = "a.log", etag: str = "1") -> Item:
    identity = Identity("file", "/logs", key, etag)
    return Item(identity, io.BytesIO, None, 0.0)


def alb(day: str, number: int = 0) -> bytes:
    """An ALB line of a day; `number` makes its URL another one."""
    line = formats()["alb"].example.replace("2026-09-23T07", f"{day}T07").replace("/search", f"/search/{number}")
    return line.encode() + b"\n"


def clb(day: str) -> bytes:
    return formats()["clb"].example.replace("2026-10-14", day).encode() + b"\n"


@lru_cache(maxsize=1)
def _plan() -> Plan:
    return Plan(formats=tuple(formats().values()))


def batch(content: bytes, of: Item | None = None, offset: int = 0) -> Batch:
    """What the parser makes of the content of an item, or of its lines from an offset on."""
    identity = (of or item()).identity
    parser = Parser(_plan(), ItemPlan(reference_us=_REFERENCE_US, identity=identity.token, offset=offset))
    first, last = parser.feed(content), parser.finish()
    assert not len(last.records), "give whole lines"
    counts = Counts()
    counts.add(first.counts)
    counts.add(last.counts)
    return replace(first, rejects=[*first.rejects, *last.rejects], counts=counts)


def receipt(of: Item, sink: str, batches: Sequence[Batch] = (), *, finished: float = 0.0) -> Receipt:
    """A complete receipt that balances: everything accepted, every reject dead-lettered."""
    counts = Counts()
    for each in batches:
        counts.add(each.counts)
    return Receipt(
        item=of.identity,
        sink=sink,
        state="complete",
        offset=max((each.end for each in batches), default=0),
        parts=1,
        counts=counts,
        totals=Totals(routed=counts.records, accepted=counts.records),
        dead_rejects=counts.rejects,
        finished=finished,
    )


class Rows:
    """Records of given days, one number each, as cheaply as tests of many rows need them."""

    def __init__(self, days: Sequence[str], first: int = 0, width: int = 8, *, noise: bool = False) -> None:
        self._rows: dict[str, list[int]] = {}
        self._width = width
        self._noise = noise
        for number, day in enumerate(days, first):
            self._rows.setdefault(day, []).append(number)

    def partitions(self) -> list[tuple[str, str | None, int]]:
        return [("alb", day, len(rows)) for day, rows in self._rows.items()]

    def columns(self, _format_name: str, day: str | None) -> ArrowStream:
        import pyarrow as pa  # noqa: PLC0415 - tests that need no store run without it

        numbers = self._rows[day or ""]
        text = [f"{number:0{self._width}}" for number in numbers]
        if self._noise:
            text = [shake_128(each.encode()).hexdigest(self._width // 2) for each in text]
        found: ArrowStream = pa.StructArray.from_arrays([pa.array(text), pa.array(numbers)], ["_id", "number"])
        return found


def rows(days: Sequence[str], first: int = 0, width: int = 8, *, noise: bool = False) -> Batch:
    records: Any = Rows(days, first, width, noise=noise)
    return Batch(records, [], Counts(records=len(days)), 0)


def everything(directory: Path) -> list[Path]:
    """Every file below a folder, by its path from there."""
    return sorted(path.relative_to(directory) for path in directory.rglob("*") if path.is_file())


def peak_mb() -> int:
    """The most memory that this process has had: getrusage would tell its parent's, where that is more."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def python(script: str) -> str:
    """Run a program with this one's paths; what it prints."""
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def small_disk(folder: Path, size: str = "1m") -> Iterator[Path]:
    """A file system of so many bytes. Skips the test where this user cannot mount one."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mount.returncode:
        pytest.skip(f"cannot mount a small disk here: {mount.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
