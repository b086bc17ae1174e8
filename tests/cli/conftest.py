"""Runs the program as users do, in a process of its own."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from cloud import cloud

AWS_REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-secret", "AWS_REGION": AWS_REGION}
PROGRAM = (sys.executable, "-m", "tailrace")
_numbers = itertools.count()


@dataclass(frozen=True)
class Ran:
    """What a run has printed, and its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]
MERE_MORTAL = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
"""Before a command: makes permissions count for root too."""


def environment(**variables: str) -> Mapping[str, str]:
    """The environment without settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TAILRACE_", "AWS_"))}
    return {**kept, "COLUMNS": "120", "AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent", **variables}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the program in an empty folder; no run may ever show a traceback."""
    monkeypatch.chdir(tmp_path)

    def ran(*words: str | Path, stdin: bytes = b"", before: Sequence[str] = (), **variables: str) -> Ran:
        command = [*before, *PROGRAM, *map(str, words)]
        done = subprocess.run(command, input=stdin, env=environment(**variables), capture_output=True, check=False)
        told = Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert "Traceback" not in told.err, told.err
        assert "internal error" not in told.err, told.err
        return told

    return ran


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A new AWS for the tests of a file."""
    with cloud() as url:
        yield url


@pytest.fixture
def bucket(endpoint: str) -> Any:
    """A bucket of its own for each test."""
    resource = boto3.resource(
        "s3", endpoint_url=endpoint, region_name=AWS_REGION, aws_access_key_id="x", aws_secret_access_key="y"
    )
    return resource.create_bucket(Bucket=f"bucket-{next(_numbers)}")
