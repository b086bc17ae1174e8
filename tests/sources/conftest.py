"""A real S3 server, and a proxy before it that breaks connections when told to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from breaking import Bucket, Proxy, behind_a_proxy
from cloud import address_of, cloud
from making import StillClock


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    with cloud() as endpoint:
        yield address_of(endpoint)


@pytest.fixture(scope="module")
def standing(server: tuple[str, int]) -> Iterator[tuple[Proxy, Any, Any]]:
    with behind_a_proxy(server, patience=1) as made:
        yield made


@pytest.fixture
def proxy(standing: tuple[Proxy, Any, Any]) -> Proxy:
    standing[0].reset()
    return standing[0]


@pytest.fixture
def bucket(standing: tuple[Proxy, Any, Any], clock: StillClock) -> Bucket:
    standing[0].reset()
    return Bucket(*standing[1:], clock)
