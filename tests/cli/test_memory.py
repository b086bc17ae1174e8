"""Memory stays bounded, whatever is read. (How little it is stands in the benchmarks.)"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.conftest import environment
from making import alb

SCRIPT = """
import sys
from making import peak_mb
from tailrace.cli import main
try:
    main(sys.argv[1:])
finally:
    print("peak", peak_mb(), file=sys.stderr)
"""


def run(*words: str | Path) -> tuple[str, int]:
    """Run the program; what it says, and the most memory that it had, in MiB."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, words)],
        env=environment(PYTHONPATH=path), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    said, _, peak = done.stderr.rpartition("peak ")
    return said, int(peak)


@pytest.mark.parametrize("kernel", ["auto", "reference"])
def test_a_line_of_two_gigabytes_is_one_reject(tmp_path: Path, kernel: str) -> None:
    size = 2 << 30 if kernel == "auto" else 256 << 20
    member = gzip.compress(b"x" * (64 << 20))
    with (tmp_path / "long.gz").open("wb") as file:
        file.write(gzip.compress(alb("2026-09-23", 1)))
        for _ in range(size >> 26):
            file.write(member)
        file.write(gzip.compress(b"\n" + alb("2026-09-23", 2)))
    said, peak = run("parse", tmp_path / "long.gz", "--rejects", tmp_path / "rejects", "--kernel", kernel)
    assert said == "3 lines = 2 records + 1 rejected (line_too_long 1) + 0 control + 0 blank\n"
    reject = json.loads((tmp_path / "rejects").read_text())
    assert (reject["reason"], reject["length"], len(reject["payload"])) == ("line_too_long", size, 64 << 10)
    assert peak < 100


def test_a_big_file_takes_no_more_than_a_small_one(tmp_path: Path) -> None:
    lines = b"".join(alb("2026-09-23", number) for number in range(10_000))
    (tmp_path / "small.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "big.gz").write_bytes(gzip.compress(lines) * 20)
    _, small = run("parse", tmp_path / "small.gz")
    said, big = run("parse", tmp_path / "big.gz")
    assert said.startswith("200,000 lines = 200,000 records")
    assert big < small + 10
