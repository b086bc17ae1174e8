"""A real S3 server, a proxy before it that breaks connections when told to, and buckets there: fixtures that folders import."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from breaking import Bucket, Proxy, behind_a_proxy
from cloud import address_of, cloud
from making import StillClock
from shelves import Shelf


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[str, int]]:
    with cloud() as endpoint:
        yield address_of(endpoint)


@pytest.fixture(scope="session")
def standing(server: tuple[str, int]) -> Iterator[tuple[Proxy, Any, Any]]:
    with behind_a_proxy(server, patience=2) as made:
        yield made


@pytest.fixture
def proxy(standing: tuple[Proxy, Any, Any]) -> Proxy:
    standing[0].reset()
    return standing[0]


@pytest.fixture
def bucket(standing: tuple[Proxy, Any, Any], clock: StillClock) -> Bucket:
    """A bucket that a source reads."""
    standing[0].reset()
    return Bucket(*standing[1:], clock)


@pytest.fixture
def shelf(standing: tuple[Proxy, Any, Any], clock: StillClock) -> Shelf:
    """A bucket that a sink writes to."""
    standing[0].reset()
    return Shelf(*standing[1:], clock)
