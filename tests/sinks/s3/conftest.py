"""A real S3 server, a proxy before it that breaks connections when told to, and buckets that sinks write to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from breaking import Proxy, client_of
from cloud import address_of, cloud
from making import StillClock
from shelves import Shelf


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[str, int]]:
    with cloud() as endpoint:
        yield address_of(endpoint)


@pytest.fixture(scope="session")
def standing(server: tuple[str, int]) -> Iterator[tuple[Proxy, Any, Any]]:
    """A proxy, a client that goes through it, and one that goes straight to the server: making them takes long."""
    made = Proxy(server)
    through, direct = client_of(made.url, patience=2), client_of(f"http://{server[0]}:{server[1]}")
    yield made, through, direct
    through.close()
    direct.close()
    made.close()


@pytest.fixture
def proxy(standing: tuple[Proxy, Any, Any]) -> Proxy:
    standing[0].reset()
    return standing[0]


@pytest.fixture
def shelf(standing: tuple[Proxy, Any, Any], clock: StillClock) -> Shelf:
    standing[0].reset()
    return Shelf(*standing[1:], clock)
