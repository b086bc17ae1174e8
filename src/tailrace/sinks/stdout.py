"""Records as NDJSON on a stream, one JSON object a line."""

from __future__ import annotations

import os
import select
from functools import partial
from threading import Lock
from typing import BinaryIO

from tailrace.disk import writing
from tailrace.errors import UsageError
from tailrace.kernel.names import Schema
from tailrace.kinds import NoSettings, SinkKind, Surroundings
from tailrace.model import Batch, Flushed, Item, Rendering

_TARGET = "standard output"


class StdoutSink:
    """Writes to a binary stream, buffered or not, or to a file descriptor. A closed pipe is BrokenPipeError.

    Sinks of several threads that write to the same stream share a lock, so that no line ends inside another.
    """

    name = "stdout"
    keeps_receipts = False

    def __init__(self, stream: BinaryIO | int, schema: Schema = "aws", lock: Lock | None = None) -> None:
        self._stream = stream
        self._schema = schema
        self.rendering: Rendering | None = Rendering(schema)
        self._lock = lock or Lock()

    def write(self, item: Item, batch: Batch, part: int) -> None:  # noqa: ARG002 - as every sink
        """Write the records of a batch. Raises Fatal if the stream does not take them."""
        if len(batch.records):
            data = memoryview(batch.records.ndjson(self._schema))
            with writing(_TARGET), self._lock:
                self._write(data)

    def _write(self, data: memoryview) -> None:
        """Write everything, however little the stream takes at a time."""
        while data:
            taken = self._offer(data)
            data = data[taken:]
            if not taken:
                self._wait()

    def _offer(self, data: memoryview) -> int:
        try:
            if isinstance(self._stream, int):
                return os.write(self._stream, data)
            return self._stream.write(data) or 0
        except BlockingIOError as error:
            return getattr(error, "characters_written", 0)

    def _wait(self) -> None:
        """Wait until a stream that does not block takes more."""
        poll = select.poll()
        poll.register(self._stream, select.POLLOUT)
        poll.poll()

    def flush(self) -> Flushed:
        """Hand everything to the reader. Raises Fatal if the stream does not take it."""
        with writing(_TARGET):
            while not isinstance(self._stream, int):
                try:
                    self._stream.flush()
                except BlockingIOError:
                    self._wait()
                else:
                    break
        return Flushed()

    def abandon(self) -> None:
        """What was written is out; there is nothing to forget."""

    def close(self) -> None:
        """The stream belongs to whoever opened it."""


def _opened(address: str, _own: NoSettings, given: Surroundings) -> partial[StdoutSink]:
    if address:
        message = f"stdout takes no address; write --to stdout, not stdout:{address}"
        raise UsageError(message)
    return partial(StdoutSink, given.stdout, given.settings.schema, Lock())


SINK = SinkKind(form="stdout", about="NDJSON on standard output, one record a line", open=_opened)
