"""One strict search server for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from searching import To, workers
from services.strict_bulk import StrictBulk
from tailrace.sinks.elasticsearch import ElasticsearchSink


@pytest.fixture(scope="session")
def _search_server() -> Iterator[StrictBulk]:
    server = StrictBulk()
    yield server
    server.close()


@pytest.fixture
def search(_search_server: StrictBulk) -> Iterator[StrictBulk]:
    """As new for each test, which must not have written anything wrongly."""
    _search_server.reset()
    yield _search_server
    assert _search_server.wrongs == []


@pytest.fixture
def to(search: StrictBulk) -> Iterator[To]:
    """Makes sinks of the server, which are closed in the end."""
    with ExitStack() as closing:

        def made(index: str, *given: Any, **own: Any) -> ElasticsearchSink:
            sink = workers(f"{search.url}/{index}", *given, **own)()
            closing.callback(sink.close)
            return sink

        yield made
