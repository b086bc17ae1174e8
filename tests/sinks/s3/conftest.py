"""A real S3 server, a proxy before it that breaks connections when told to, and buckets that sinks write to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from breaking import Proxy, behind_a_proxy
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
def shelf(standing: tuple[Proxy, Any, Any], clock: StillClock) -> Shelf:
    standing[0].reset()
    return Shelf(*standing[1:], clock)
