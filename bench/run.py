"""Measure Tailrace beside its peers and beside the limit, print a table, and write bench/RESULTS.md.

Every row is a process of its own; rows are run in turns, and the best of the runs counts. What is compared is the ratio
within one run on one machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from data import ALB, DATA, DIRTY, LINES, SEED, made

HERE = Path(__file__).parent
KEPT = str(256 << 20)
"""The allocator keeps so much memory, in all rows: else decompression alone would take twice as long to give it back."""


@dataclass
class Row:
    """A job, how often it is run, and what came of it."""

    name: str
    job: Sequence[str]
    runs: int = 5
    repeat: int = 3
    processors: str = "0"
    lines: int = LINES
    figures: list[dict[str, float]] = field(default_factory=list)

    def measure(self) -> None:
        """Run it once."""
        with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere:
            told = Path(folder) / "told"
            environment = os.environ | {"BENCH_TELL": str(told), "BENCH_STORE": folder, "BENCH_PROCESSORS": self.processors,
                                        "MALLOC_TRIM_THRESHOLD_": KEPT, "MALLOC_MMAP_THRESHOLD_": KEPT,
                                        "BENCH_REPEAT": str(self.repeat), "POLARS_MAX_THREADS": "1"}  # fmt: skip
            command = [sys.executable, str(HERE / "jobs.py"), *self.job]
            done = subprocess.run(
                command, env=environment, stdout=nowhere, stderr=subprocess.PIPE, text=True, check=False
            )
            if done.returncode and not told.exists():
                sys.exit(f"{self.name}: {done.stderr}")
            self.figures.append(json.loads(told.read_text(encoding="utf-8")))

    def best(self, what: str) -> float:
        """The least of a figure."""
        return min(figures[what] for figures in self.figures)

    @property
    def micros(self) -> float:
        """µs of CPU time for a line."""
        return self.best("cpu") / self.lines * 1e6


@dataclass(frozen=True)
class Bar:
    """A figure and what it has to reach."""

    what: str
    value: float
    floor: float
    aim: float | None = None
    at_most: bool = False
    unit: str = "×"

    @property
    def verdict(self) -> str:
        """Whether it is reached."""
        reached = self.value <= self.floor if self.at_most else self.value >= self.floor
        if not reached:
            return "missed"
        return "reached" if self.aim is None or self.value >= self.aim else "reached, below the aim"

    @property
    def asked(self) -> str:
        """What is asked for, in words."""
        sign = "≤" if self.at_most else "≥"
        return f"{sign} {self.floor:g}" + (f", aim ≥ {self.aim:g}" if self.aim else "")


def rows() -> dict[str, Row]:
    """What is measured, by name."""
    alb = str(ALB)
    found = {
        "bare": Row("bare isal decompression", ["bare", alb], 9),
        "ndjson": Row("tailrace parse", ["parse", alb], 9),
        "unnamed": Row("tailrace parse, kind told by the lines", ["parse", str(DATA / "alb.log.gz")], 9),
        "dirty": Row("tailrace parse, 1 % malformed", ["parse", str(DIRTY)], 9),
        "store": Row("tailrace ship → store", ["ship", alb], 5),
        "store_duckdb": Row("DuckDB → Parquet", ["duckdb_parquet", alb], 3),
        "json_duckdb": Row("DuckDB read_csv → JSON", ["duckdb_json", alb], 3),
        "json_polars": Row("Polars read_csv → NDJSON", ["polars", alb], 3),
        "goaccess": Row("gzip -dc | GoAccess", ["goaccess", alb], 2, 1),
        "twin": Row("tailrace parse, reference twin", ["parse", alb, "kernel=reference"], 1, 1),
        "regex": Row("Python, lookahead regular expression", ["regex", alb], 1, 1),
        "one": Row("tailrace ship, 8 objects, 1 worker", ["ship", str(DATA / "parts"), "1"], 5, 3, "0,1"),
        "two": Row("tailrace ship, 8 objects, 2 workers", ["ship", str(DATA / "parts"), "2"], 5, 3, "0,1"),
    }
    for kind in ("nlb", "clb", "haproxy_http", "haproxy_tcp"):
        path = str(DATA / f"{kind}.log.gz")
        lines = (DATA / f"{kind}.log").read_bytes().count(b"\n")
        found[f"{kind}_bare"] = Row(f"bare isal, {kind}", ["bare", path], 5, lines=lines)
        found[kind] = Row(f"tailrace parse, {kind}", ["parse", path], 5, lines=lines)
    if not shutil.which("goaccess"):
        del found["goaccess"]
    return found


def bars(found: dict[str, Row]) -> list[Bar]:
    """What has to be reached, from the figures."""
    ndjson = found["ndjson"].micros
    asked = [
        Bar("gzip → NDJSON, of bare decompression", found["bare"].micros / ndjson, 0.50, 0.65),
        *([Bar("… of GoAccess", found["goaccess"].micros / ndjson, 15)] if "goaccess" in found else []),
        Bar("… of DuckDB read_csv → JSON", found["json_duckdb"].micros / ndjson, 4),
        Bar("… of Polars → NDJSON", found["json_polars"].micros / ndjson, 3),
        Bar("… of Python with a lookahead regular expression", found["regex"].micros / ndjson, 60),
        Bar("… peak memory", found["ndjson"].best("peak"), 48, at_most=True, unit="MiB"),
        Bar("gzip → store, of DuckDB → Parquet", found["store_duckdb"].micros / found["store"].micros, 1.5),
        Bar("… peak memory", found["store"].best("peak"), 320, at_most=True, unit="MiB"),
        Bar("1 % malformed lines, of a clean file", found["dirty"].micros / ndjson, 1.15, at_most=True),
        Bar("two workers, of one", found["one"].best("wall") / found["two"].best("wall"), 1.5, 1.8),
    ]
    asked += [
        Bar(f"{kind} → NDJSON, of bare decompression", found[f"{kind}_bare"].micros / found[kind].micros, 0)
        for kind in ("nlb", "clb", "haproxy_http", "haproxy_tcp")
    ]
    return asked


def start_up(words: Sequence[str], runs: int = 15) -> float:
    """The least time in ms of starting Python with these words."""
    times = []
    for _ in range(runs):
        before = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - before)
    return min(times) * 1000


def wheels() -> float:
    """The size in MB of both wheels, where `make build` has made them."""
    return sum(path.stat().st_size for path in (HERE.parent / "dist").glob("*.whl")) / 1e6


def machine() -> str:
    """What it is measured on."""
    cpu = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())  # fmt: skip
    libraries = ", ".join(f"{name} {version(name)}" for name in ("isal", "duckdb", "polars", "pyarrow"))
    return f"{os.cpu_count()} × {cpu}, Python {platform.python_version()}, {libraries}"


def table(title: str, head: Sequence[str], body: Sequence[Sequence[str]]) -> tuple[Table, str]:
    """A table for the terminal, and the same in Markdown."""
    shown = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for number, name in enumerate(head):
        shown.add_column(name, justify="right" if number else "left")
    for cells in body:
        shown.add_row(*cells)
    lines = [f"## {title}\n", f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    return shown, "\n".join([*lines, *(f"| {' | '.join(cells)} |" for cells in body)]) + "\n"


def report(found: dict[str, Row]) -> list[tuple[Table, str]]:
    """All tables."""
    fixed = start_up(["-c", "pass"])
    starts = [("python -c pass", fixed), ("import tailrace", start_up(["-c", "import tailrace"])),
              ("tailrace --help", start_up(["-m", "tailrace", "--help"]))]  # fmt: skip
    measured = [
        (row.name, f"{row.micros:.3f}", f"{1 / row.micros:.2f}", f"{row.best('wall'):.2f}", f"{row.best('peak'):.0f}")
        for row in found.values()
    ]
    reached = [(bar.what, f"{bar.value:.2f} {bar.unit}", bar.asked if bar.floor else "", bar.verdict if bar.floor else "")
               for bar in bars(found)]  # fmt: skip
    if wheels():
        size = Bar("both wheels", wheels(), 5, at_most=True, unit="MB")
        reached.append((size.what, f"{size.value:.2f} {size.unit}", size.asked, size.verdict))
    return [
        table("Bars", ("figure", "measured", "asked", ""), reached),
        table("Rows", ("job", "CPU µs a line", "M lines/s", "wall s", "peak MiB"), measured),
        table("Starting", ("command", "ms"), [(name, f"{value:.0f}") for name, value in starts]),
    ]


def main() -> None:
    """Measure and write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("only", nargs="*", help="measure only these rows, and write nothing")
    only = options.parse_args().only
    console = Console()
    made()
    found = {name: row for name, row in rows().items() if not only or name in only}
    for turn in range(max(row.runs for row in found.values())):
        for row in found.values():
            if turn < row.runs:
                if console.is_terminal:
                    console.print(f"[dim]{turn + 1}: {row.name:<40}[/]", end="\r")
                row.measure()
    if only:
        for row in found.values():
            console.print(f"{row.name}: {row.micros:.3f} µs, {row.best('wall'):.2f} s, {row.best('peak'):.0f} MiB")
        return
    tables = report(found)
    for shown, _ in tables:
        console.print(shown, "")
    page = "\n".join(text for _, text in tables)
    head = (
        f"# Speed\n\nWritten by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {machine()}.\n\n"
        f"{LINES:,} lines of `bench/generator/make_samples.py alb --width 34 --seed {SEED}` (others likewise), packed by"
        " gzip; output to /dev/null. One pinned processor, each row a process of its own, rows in turns, the best run"
        " counts; CPU time is user and system, after imports; glibc is told to keep memory (`MALLOC_TRIM_THRESHOLD_`), without which bare decompression would be half as fast and Tailrace no slower. GoAccess computes all its"
        " panels. A ratio is the other's time by Tailrace's.\n\n"
    )
    (HERE / "RESULTS.md").write_text(head + page, encoding="utf-8")


if __name__ == "__main__":
    main()
