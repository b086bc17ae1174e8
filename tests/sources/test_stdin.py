"""Standard input is one item, read once and as it comes."""

from __future__ import annotations

import io
import os

import pytest

from making import StillClock
from tailrace.errors import SourceError
from tailrace.framing import chunks
from tailrace.sources.stdin import Stdin


def test_standard_input_is_one_item_without_a_receipt(clock: StillClock) -> None:
    (item,) = Stdin(io.BytesIO(b"a line\n"), clock).items()
    assert (item.identity.kind, item.identity.container, item.identity.key) == ("stdin", "", "-")
    assert (item.durable, item.size, item.modified) == (False, None, clock.now())
    assert item.open().read() == b"a line\n"


def test_what_comes_another_time_is_another_item(clock: StillClock) -> None:
    items = [item for _ in range(3) for item in Stdin(io.BytesIO(), clock).items()]
    assert len({item.identity.digest for item in items}) == 3


def test_it_cannot_be_read_again(clock: StillClock) -> None:
    (item,) = Stdin(io.BytesIO(b"a line\n"), clock).items()
    item.open().read()
    with pytest.raises(SourceError, match="standard input can be read only once"):
        item.open()


def test_a_pipe_that_was_left_non_blocking_is_waited_for(clock: StillClock) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as pipe:
        source = Stdin(stream, clock)
        (item,) = source.items()
        parts = chunks(item.open())
        assert os.get_blocking(reading)
        pipe.write(b"slow")
        assert next(parts) == b"slow"
        pipe.close()
        assert list(parts) == []
        source.ack(item)
        source.nack(item, ValueError())
        source.close()
        source.close()
