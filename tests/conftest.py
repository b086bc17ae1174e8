"""Makes `making` importable for every test, and offers the clock that stands still."""

from __future__ import annotations

import pytest

from making import StillClock


@pytest.fixture
def clock() -> StillClock:
    return StillClock()
