"""Standard output gets every byte, however little it takes at a time."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO

import pytest

from making import alb, batch, item
from tailrace.errors import Fatal
from tailrace.model import Batch
from tailrace.sinks.stdout import StdoutSink

MANY = batch(b"".join(alb("2026-09-23", number) for number in range(300)))


def test_records_come_out_as_ndjson_in_order() -> None:
    stream = io.BytesIO()
    sink = StdoutSink(stream)
    sink.write(item(), MANY, 0)
    sink.write(item(), batch(b""), 0)
    assert sink.flush().files == ()
    assert stream.getvalue() == bytes(MANY.records.ndjson())


@pytest.mark.parametrize("schema", ["aws", "ecs", "otel"])
def test_the_schema_names_the_fields(schema: Any) -> None:
    stream = io.BytesIO()
    StdoutSink(stream, schema).write(item(), MANY, 0)
    assert stream.getvalue() == bytes(MANY.records.ndjson(schema))


def test_a_view_of_bytes_is_as_good_as_bytes() -> None:
    class Viewed:
        def __len__(self) -> int:
            return 1

        def ndjson(self, _schema: str) -> memoryview:
            return memoryview(b"{}\n")

    records: Any = Viewed()
    stream = io.BytesIO()
    StdoutSink(stream).write(item(), replace(MANY, records=records), 0)
    assert stream.getvalue() == b"{}\n"


def test_a_stream_that_takes_little_at_a_time_gets_everything() -> None:
    class Grudging(io.RawIOBase):
        def __init__(self) -> None:
            self.taken = b""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.taken += bytes(data[:1000])
            return min(1000, len(data))

    stream: Any = Grudging()
    StdoutSink(stream).write(item(), MANY, 0)
    assert stream.taken == bytes(MANY.records.ndjson())


def as_descriptor(writing: int) -> int:
    return writing


def as_raw(writing: int) -> BinaryIO:
    return open(writing, "wb", buffering=0, closefd=False)


def as_buffered(writing: int) -> BinaryIO:
    return open(writing, "wb", closefd=False)


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("made", [as_descriptor, as_raw, as_buffered])
def test_a_slow_pipe_gets_everything(made: Callable[[int], BinaryIO | int], *, blocking: bool) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, blocking)
    got: list[bytes] = []

    def read() -> None:
        with os.fdopen(reading, "rb", buffering=0) as pipe:
            while data := pipe.read(5000):
                got.append(data)

    reader = Thread(target=read)
    reader.start()
    stream = made(writing)
    sink = StdoutSink(stream)
    sink.write(item(), MANY, 0)
    sink.flush()
    if not isinstance(stream, int):
        stream.close()
    os.close(writing)
    reader.join(10)
    assert b"".join(got) == bytes(MANY.records.ndjson())


def test_a_closed_pipe_is_no_failure_of_the_disk() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        StdoutSink(writing).write(item(), MANY, 0)
    os.close(writing)


@pytest.mark.parametrize("buffering", [0, 1 << 20])
def test_a_full_disk_is_fatal(buffering: int) -> None:
    stream = Path("/dev/full").open("wb", buffering=buffering)  # noqa: SIM115 - closing it fails
    sink = StdoutSink(stream)

    def write(made: Batch) -> None:
        sink.write(item(), made, 0)
        sink.flush()

    with pytest.raises(Fatal, match="cannot write to standard output: the disk is full"):
        write(MANY)
    with suppress(OSError):  # what is still in the buffer
        stream.close()


def test_it_keeps_no_receipts_and_leaves_the_stream_open() -> None:
    stream = io.BytesIO()
    sink = StdoutSink(stream)
    sink.abandon()
    sink.close()
    sink.close()
    assert (sink.name, sink.keeps_receipts, stream.closed) == ("stdout", False, False)
