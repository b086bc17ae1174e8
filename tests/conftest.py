"""Makes `making` importable for every test, and offers the clock that stands still, and stores that are servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from making import StillClock
from services.openstack import Swift, swift
from services.real import Ceph, ceph


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture(scope="session")
def gateway() -> Iterator[Ceph]:
    """Ceph's, the same for all tests of a process. Skips without it."""
    with ceph() as made:
        yield made


@pytest.fixture(scope="session")
def openstack() -> Iterator[Swift]:
    """Swift with a Keystone, the same for all tests of a process. Skips without them."""
    with swift() as made:
        yield made
