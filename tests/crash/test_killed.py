"""Worker and Lambda function, killed at random moments while everything around them breaks: no line is lost, none is there
twice where ids exist, and what is there twice elsewhere is explained. `campaign.py` runs the same at length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cloud import cloud
from crash.function import killed_function
from crash.worker import STORE, STREAMING, killed_worker


@pytest.fixture
def endpoint() -> Iterator[str]:
    with cloud() as opened:
        yield opened


@pytest.mark.parametrize(("to", "kills"), [(STREAMING, 3), (STORE, 2)])
def test_a_killed_worker_loses_nothing(tmp_path: Path, endpoint: str, to: Sequence[str], kills: int) -> None:
    killed_worker(tmp_path, endpoint, to, kills=kills, seed=3, scale=0.3)


def test_a_killed_function_loses_nothing(tmp_path: Path, endpoint: str) -> None:
    killed_function(tmp_path, endpoint, kills=3, seed=3, scale=0.2)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("to", [STREAMING, STORE])
def test_a_worker_that_is_killed_200_times(
    tmp_path: Path, endpoint: str, to: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    told = killed_worker(tmp_path, endpoint, to, kills=200, seed=1)
    with capsys.disabled():
        print(f"\n{told}")  # noqa: T201 - the figures


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_function_that_is_killed_200_times(tmp_path: Path, endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = killed_function(tmp_path, endpoint, kills=200, seed=1)
    with capsys.disabled():
        print(f"\n{told}")  # noqa: T201 - the figures
