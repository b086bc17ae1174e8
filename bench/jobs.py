"""One measured job in a process of its own: `python bench/jobs.py NAME ARGUMENT...` writes its figures as JSON.

CPU time is user and system time of the work alone: imports are done, and a first small run has warmed up what is loaded
late. The work is done BENCH_REPEAT times, and the best counts: the first time also measures how the allocator finds its
sizes. The process is pinned to one processor unless the job is about several.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

ROOT = Path(__file__).parents[1]
BLOCK = 64 << 10
Work = Callable[[], object]


def bare(path: str) -> Work:
    """Decompression alone, by the same library and in the same blocks as Tailrace reads."""
    from isal import isal_zlib

    def work() -> None:
        engine = isal_zlib.decompressobj(31)
        with Path(path).open("rb", buffering=0) as file:
            while block := file.read(BLOCK):
                engine.decompress(block)

    return work


def parse(path: str, *words: str) -> Work:
    """`tailrace parse`, all of it, to standard output."""
    from tailrace.cli._running import parse as run
    from tailrace.settings import resolve

    settings = resolve({}, words, {})
    run([str(small())], settings, None, strict=False)
    return lambda: run([path], settings, None, strict=False)


def ship(path: str, workers: str = "1") -> Work:
    """`tailrace ship` into a new store: a file, or every file of a folder."""
    from tailrace.cli._running import ship as run
    from tailrace.settings import resolve

    folder = tempfile.mkdtemp(dir=os.environ.get("BENCH_STORE"))
    numbers = itertools.count()

    def work(source: str = path) -> None:
        flags = {"store": f"{folder}/{next(numbers)}", "workers": workers}
        run([source], resolve(flags, [], {}), again=False, strict=False)

    work(str(small()))
    return work


def regex(path: str) -> Work:
    """The classic of blog posts: cut at spaces that an even number of quotes follows, then json.dumps."""
    cut = re.compile(r' (?=(?:[^"]*"[^"]*")*[^"]*$)')

    def work() -> None:
        with gzip.open(path, "rt", encoding="utf-8", errors="replace") as lines, Path(os.devnull).open("w") as out:
            for line in lines:
                fields = cut.split(line.rstrip("\n"))
                out.write(json.dumps({str(number): field for number, field in enumerate(fields)}) + "\n")

    return work


def _duckdb(path: str) -> tuple[object, str]:
    import duckdb

    columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(34))
    source = f"read_csv('{path}', delim=' ', quote='\"', escape='\\', header=false, auto_detect=false, columns={{{columns}}})"
    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    connection.execute("SET enable_progress_bar = false")
    return connection, source


def duckdb_json(path: str) -> Work:
    """DuckDB's CSV reader to JSON."""
    connection, source = _duckdb(path)
    return lambda: connection.execute(f"COPY (FROM {source}) TO '/dev/null' (FORMAT json)")  # type: ignore[attr-defined]


def duckdb_parquet(path: str) -> Work:
    """DuckDB's CSV reader to Parquet."""
    connection, source = _duckdb(path)
    target = Path(tempfile.mkdtemp(dir=os.environ.get("BENCH_STORE"))) / "a.parquet"
    return lambda: connection.execute(f"COPY (FROM {source}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")  # type: ignore[attr-defined]


def polars(path: str) -> Work:
    """Polars' CSV reader to NDJSON."""
    import polars as pl

    def work() -> None:
        frame = pl.read_csv(path, separator=" ", has_header=False, infer_schema=False, truncate_ragged_lines=True)
        frame.write_ndjson(os.devnull)

    return work


def goaccess(path: str) -> Work:
    """GoAccess as it reads compressed logs: behind gzip -dc."""
    report = Path(tempfile.mkdtemp()) / "a.json"
    command = f"gzip -dc {path} | goaccess - --log-format=AWSALB --no-progress -o {report}"
    return lambda: subprocess.run(
        ["sh", "-c", command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def small() -> Path:
    """A log to warm up with."""
    return ROOT / "tests" / "samples" / "aws" / "nlb.log"


def peak_mib() -> int:
    """The most memory that this process has had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def cpu() -> float:
    """User and system time of this process and its children so far."""
    own, children = getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def main() -> None:
    """Run the job and print its figures to the file descriptor that BENCH_TELL names."""
    name, *arguments = sys.argv[1:]
    if processors := os.environ.get("BENCH_PROCESSORS"):
        os.sched_setaffinity(0, [int(each) for each in processors.split(",")])
    work = globals()[name](*arguments)
    times = []
    for _ in range(int(os.environ["BENCH_REPEAT"])):
        cpu_before, wall_before = cpu(), time.perf_counter()
        work()
        times.append((cpu() - cpu_before, time.perf_counter() - wall_before))
    figures = {"cpu": min(each for each, _ in times), "wall": min(each for _, each in times), "peak": peak_mib()}
    if name == "goaccess":
        figures["peak"] = getrusage(RUSAGE_CHILDREN).ru_maxrss // 1024
    Path(os.environ["BENCH_TELL"]).write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
