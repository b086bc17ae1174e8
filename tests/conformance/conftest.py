"""The servers that sinks and sources are tested with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from entries import Servers


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with closing(Servers()) as made:
        yield made
