"""Packages that several tests look at, with the kernel's twin: the native one takes minutes to build."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.lambda_package import CACHE, RUNTIME
from tailrace.deploy.package import Package, Request, build


@pytest.fixture(scope="session", params=["x86_64", "arm64"])
def twin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Package:
    out = tmp_path_factory.mktemp("packages") / f"{request.param}.zip"
    return build(Request(architecture=request.param, runtime=RUNTIME, kernel="reference", out=out), cache=CACHE)


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A cache with the wheels that were fetched already, and nothing else."""
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "wheels").symlink_to(CACHE / "wheels")
    return cache
