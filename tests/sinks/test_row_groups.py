"""What waits for a row group keeps its order, and a file that the disk refuses leaves no trace."""

from __future__ import annotations

import gc
import random
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from making import small_disk
from tailrace.sinks._parquet import RowGroups
from tailrace.sinks._waiting import Waiting, memory_of


def batch(first: int, rows: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(range(first, first + rows))], ["number"])


@given(sizes=st.lists(st.sampled_from([1, 2, 63, 64, 100]), max_size=150))
def test_batches_of_any_size_keep_their_order(sizes: list[int]) -> None:
    waiting = Waiting()
    for number, size in enumerate(sizes):
        waiting.add(batch(sum(sizes[:number]), size))
    assert waiting.rows == sum(sizes)
    taken, memory = waiting.take_measured()
    assert memory == sum(map(memory_of, taken))
    assert [number for each in taken for number in each.column(0).to_pylist()] == list(range(sum(sizes)))
    assert (waiting.rows, waiting.memory, waiting.take()) == (0, 0, [])


def test_many_small_batches_take_hardly_more_memory_than_their_values() -> None:
    waiting = Waiting()
    for number in range(6400):
        waiting.add(batch(number, 1))
    assert waiting.memory < 6400 * 16
    assert sum(each.num_rows for each in waiting.take()) == 6400


def test_a_file_that_cannot_even_be_ended_is_forgotten_in_silence(tmp_path: Path) -> None:
    """The footer does not fit either; nothing may try to write it later, when objects are collected."""
    dice = random.Random(1)
    noise = [dice.getrandbits(62) for _ in range(50_000)]
    with small_disk(tmp_path / "disk", "64k") as disk:
        file = RowGroups(disk / "a.parquet")
        file.write([batch(0, 10)])
        with suppress(OSError), (disk / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(512))
        with pytest.raises(OSError, match="No space"):
            file.write([pa.RecordBatch.from_arrays([pa.array(noise)], ["number"])])
        file.discard()
        assert not (disk / "a.parquet").exists()
        del file
        gc.collect()
