"""What works without the optional libraries, and what is told where one is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.conftest import environment
from making import alb
from parsing import SAMPLES

BARE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"boto3", "botocore", "duckdb", "h11", "pyarrow", "tailrace_kernel", "zstandard"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])

sys.meta_path.insert(0, Refuse())
from tailrace.cli import main
main(sys.argv[1:])
"""


def bare(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the program as if only its own dependencies were installed."""
    path = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", BARE, *map(str, words)]
    return subprocess.run(
        command, env=environment(PYTHONPATH=path), cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_the_core_alone_parses_and_says_once_who_reads(tmp_path: Path) -> None:
    done = bare("parse", SAMPLES / "aws" / "alb.log", SAMPLES / "aws" / "nlb.log", cwd=tmp_path)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 560
    assert done.stderr.count("the native kernel is not installed") == 1


def test_the_kernel_can_be_insisted_on(tmp_path: Path) -> None:
    done = bare("parse", SAMPLES / "aws" / "alb.log", "--kernel", "native", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'tailrace[kernel]'" in done.stderr


def test_the_core_alone_ships_to_standard_output(tmp_path: Path) -> None:
    done = bare("ship", SAMPLES / "aws" / "nlb.log", "--to", "stdout", "--kernel", "reference", cwd=tmp_path)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 280)


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["ship", "a.log"], "local"),
        (["query", "SELECT 1"], "local"),
        (["report"], "local"),
        (["parse", "s3://bucket/logs"], "aws"),
        (["parse", "a.zst"], "zstd"),
    ],
)
def test_a_missing_library_is_told_with_the_line_that_installs_it(tmp_path: Path, words: list[str], extra: str) -> None:
    (tmp_path / "a.log").write_bytes(alb("2026-09-23"))
    (tmp_path / "a.zst").write_bytes(b"\x28\xb5\x2f\xfd\x00\x00\x00")
    done = bare(*words, cwd=tmp_path)
    assert f"pip install 'tailrace[{extra}]'" in done.stderr
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
