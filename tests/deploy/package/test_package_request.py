"""Versions of packages, and what cannot be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tailrace
from tailrace.deploy.package import Request
from tailrace.errors import UsageError


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ({}, tailrace.__version__),
        ({"version": "1.4.0"}, "1.4.0"),
        ({"version": "1.4.0", "build_number": 0}, "1.4.0"),
        ({"version": "1.4.2", "build_number": 317}, "1.4.317"),
        ({"version": "1.4.0", "prerelease": "rc.1"}, "1.4.0-rc.1"),
        ({"version": "1.4.0", "prerelease": "feature-x", "build_number": 9}, "1.4.9-feature-x"),
        ({"version": "1.4.0-beta.2", "build_number": 9}, "1.4.9-beta.2"),
        ({"version": "0.0.0-0a"}, "0.0.0-0a"),
    ],
)
def test_versions(told: dict[str, Any], version: str) -> None:
    request = Request(**told)
    request.check()
    assert request.named == version


@pytest.mark.parametrize(
    ("told", "error"),
    [
        *[({"version": each}, "not of the form of a version") for each in ("1.4", "v1.4.0", "01.4.0", "1.4.0+x", "1.4.0-", "1.4.0-01", "1.4.0\n")],
        ({"version": "1.4.0-rc.1", "prerelease": "rc.2"}, "leave out --prerelease"),
        *[({"prerelease": each}, "a tag is letters, digits and hyphens") for each in ("a_b", "a..b", "a/b", "01", "ä")],
        ({"build_number": -1}, "0 or more"),
        ({"runtime": "python3.9"}, r"--runtime python3\.9: Lambda's are python3\.11, "),
        ({"architecture": "sparc"}, "--arch sparc: Lambda's are x86_64, arm64"),
        ({"kernel": "reference", "kernel_wheel": Path("x")}, "leave out --kernel reference"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for(told: dict[str, Any], error: str) -> None:
    with pytest.raises(UsageError, match=error):
        Request(**told).check()
