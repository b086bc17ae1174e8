"""Standard input: one item of unknown length, which keeps no receipt."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import BinaryIO
from uuid import uuid4

from tailrace.clock import Clock
from tailrace.kinds import NoSettings, SourceKind, Surroundings
from tailrace.model import Identity, Item
from tailrace.sources._once import Once


class Stdin:
    """What is written to standard input, as one item; it can be opened once."""

    def __init__(self, stream: BinaryIO, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock

    def items(self) -> Iterator[Item]:
        """The one item. Its identity is new each time, for what comes is not what came last time."""
        identity = Identity("stdin", "", "-", uuid4().hex)
        yield Item(identity, Once("standard input", self._opened), None, self._clock.now(), durable=False)

    def ack(self, item: Item) -> None:
        """Nothing to do: nobody else has it."""

    def nack(self, item: Item, error: Exception) -> None:
        """Nothing to do: it cannot come again."""

    def close(self) -> None:
        """Nothing is held."""

    def _opened(self) -> BinaryIO:
        # Another program may have left it non-blocking, and then an empty pipe cannot be read.
        with suppress(OSError):
            os.set_blocking(self._stream.fileno(), True)
        return self._stream


def _source(_words: Sequence[str], _own: NoSettings, given: Surroundings) -> Stdin:
    return Stdin(given.stdin, given.clock)


SOURCE = SourceKind(form="-", about="standard input", claims=lambda word: word == "-", open=_source)
