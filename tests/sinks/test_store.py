"""The store sink: exact rows in files that are whole or not there, in bounded memory, on any disk."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from making import Rows, alb, batch, clb, everything, item, rows
from tailrace.errors import MissingExtra
from tailrace.model import ArrowStream, StoredFile
from tailrace.sinks import _partitions, _spill
from tailrace.sinks._parquet import choose
from tailrace.sinks.store import StoreSink

DAY = "2026-09-23"


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[StoreSink]:
    made = StoreSink(tmp_path)
    yield made
    made.close()


def ids(directory: Path, files: Sequence[StoredFile]) -> Counter[str]:
    found: Counter[str] = Counter()
    for file in files:
        found.update(pq.read_table(directory / file.path, columns=["_id"])["_id"].to_pylist())
    return found


def test_what_is_flushed_is_what_was_parsed(tmp_path: Path, sink: StoreSink) -> None:
    made = batch(alb(DAY) + alb("2026-09-24") + clb(DAY) + alb(DAY, 2))
    sink.write(item(), made, 0)
    files = sink.flush().files
    digest = item().identity.digest
    assert [(file.path, file.format, file.day, file.rows) for file in files] == [
        (f"data/format=alb/day={DAY}/{digest}-0.parquet", "alb", DAY, 2),
        (f"data/format=alb/day=2026-09-24/{digest}-0.parquet", "alb", "2026-09-24", 1),
        (f"data/format=clb/day={DAY}/{digest}-0.parquet", "clb", DAY, 1),
    ]
    for file in files:
        expected = pa.record_batch(made.records.columns(file.format, file.day))
        table = pq.ParquetFile(tmp_path / file.path).read()
        assert table.to_pylist() == expected.to_pylist()
        assert table.schema.names == expected.schema.names
        assert [str(kind).replace("element", "item") for kind in table.schema.types] == list(
            map(str, expected.schema.types)
        )
        assert file.size == (tmp_path / file.path).stat().st_size
    assert everything(tmp_path) == sorted(Path(file.path) for file in files)


def test_records_without_a_time_have_a_partition(tmp_path: Path, sink: StoreSink) -> None:
    made = rows([""])
    sink.write(item(), made, 0)
    (file,) = sink.flush().files
    assert (file.day, Path(file.path).parent.name) == ("__none__", "day=__none__")
    assert (tmp_path / file.path).is_file()


def test_nothing_is_visible_before_the_flush(tmp_path: Path, sink: StoreSink) -> None:
    sink.write(item(), batch(alb(DAY)), 0)
    assert not (tmp_path / "data").exists()


def test_names_follow_from_the_item_and_the_part_so_that_a_retry_overwrites(tmp_path: Path, sink: StoreSink) -> None:
    seen = []
    for _attempt in range(2):
        sink.write(item(), batch(alb(DAY)), 3)
        (file,) = sink.flush().files
        seen.append((file, (tmp_path / file.path).read_bytes()))
    assert seen[0] == seen[1]
    assert seen[0][0].path.endswith(f"/{item().identity.digest}-3.parquet")
    assert len(everything(tmp_path)) == 1


def test_batches_of_an_item_make_one_file_a_day(tmp_path: Path, sink: StoreSink) -> None:
    made = [batch(alb(DAY, number)) for number in range(5)]
    for each in made:
        sink.write(item(), each, 0)
    (file,) = sink.flush().files
    assert file.rows == 5
    assert [row["request_url"][-22:] for row in pq.read_table(tmp_path / file.path).to_pylist()] == [
        row["request_url"][-22:]
        for each in made
        for row in pa.record_batch(each.records.columns("alb", DAY)).to_pylist()
    ]


def test_a_flush_without_records_makes_no_file(tmp_path: Path, sink: StoreSink) -> None:
    assert sink.flush().files == ()
    sink.write(item(), batch(b""), 0)
    assert list(sink.flush().files) == []
    assert everything(tmp_path) == []


def test_abandoning_leaves_no_trace(tmp_path: Path, sink: StoreSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_partitions, "_OPEN", 2)
    monkeypatch.setattr(_partitions, "ROW_GROUP_ROWS", 2)
    sink.write(item(), rows([DAY, DAY, "2026-09-24", "2026-09-25", "2026-09-26"]), 0)
    assert {path.suffix for path in (tmp_path / "tmp").iterdir()} == {".parquet"}
    sink.write(item(), rows([str(date(2026, 1, 1) + timedelta(n)) for n in range(300)]), 0)
    sink.abandon()
    assert everything(tmp_path) == []
    sink.write(item("another"), rows([DAY]), 0)
    assert [file.rows for file in sink.flush().files] == [1]


def test_the_items_must_come_one_after_the_other(sink: StoreSink) -> None:
    sink.write(item(), rows([DAY]), 0)
    with pytest.raises(ValueError, match="before the next"):
        sink.write(item("another"), rows([DAY]), 0)
    with pytest.raises(ValueError, match="before the next"):
        sink.write(item(), rows([DAY]), 1)


def test_closing_twice_removes_what_was_not_flushed(tmp_path: Path, sink: StoreSink) -> None:
    sink.write(item(), rows([DAY]), 0)
    sink.close()
    sink.close()
    assert everything(tmp_path) == []


def test_the_name_is_the_absolute_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert StoreSink(Path("here")).name == f"store:{tmp_path}/here"
    assert StoreSink.keeps_receipts


def test_without_pyarrow_the_pip_line_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(
        MissingExtra, match=r"the local store needs an optional library: pip install 'tailrace\[local\]'"
    ):
        StoreSink(tmp_path)


@settings(max_examples=40, deadline=None)
@given(
    days=st.lists(st.lists(st.integers(0, 12), max_size=30), max_size=8),
    opened=st.integers(1, 4),
    group=st.integers(1, 20),
    memory=st.integers(0, 8000),
    spilled=st.tuples(st.sampled_from([0, 2000, 1 << 20]), st.sampled_from([0, 100, 1 << 20])),
)
def test_every_row_is_in_a_file_of_its_day_once(
    tmp_path_factory: pytest.TempPathFactory,
    days: list[list[int]],
    opened: int,
    group: int,
    memory: int,
    spilled: tuple[int, int],
) -> None:
    """Whatever order the days come in, and however little may be open or wait."""
    folder = tmp_path_factory.mktemp("store")
    expected: dict[str, list[int]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_partitions, "_OPEN", opened)
        patch.setattr(_partitions, "ROW_GROUP_ROWS", group)
        patch.setattr(_spill, "_STAGED", spilled[0])
        patch.setattr(_spill, "_PASS", spilled[1])
        sink = StoreSink(folder, memory=memory)
        first = 0
        for chunk in days:
            names = [f"2026-01-{day + 1:02}" for day in chunk]
            for number, name in enumerate(names, first):
                expected.setdefault(name, []).append(number)
            sink.write(item(), rows(names, first), 0)
            first += len(chunk)
        files = sink.flush().files
    found: dict[str, list[int]] = {}
    for file in files:
        table = pq.ParquetFile(folder / file.path).read()
        assert table.schema.names == ["_id", "number"]
        numbers = table["number"].to_pylist()
        assert len(numbers) == file.rows
        assert numbers == sorted(numbers)
        found.setdefault(file.day, []).extend(numbers)
    assert {day: sorted(numbers) for day, numbers in found.items()} == expected
    assert everything(folder) == sorted(Path(file.path) for file in files)
    assert len({file.path for file in files}) == len(files)


def test_a_day_that_comes_back_gets_another_file_with_a_further_suffix(
    sink: StoreSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_partitions, "_OPEN", 1)
    monkeypatch.setattr(_partitions, "ROW_GROUP_ROWS", 2)
    for days in (["a", "a"], ["b", "b"], ["a", "a"]):
        sink.write(item(), rows(days), 0)
    digest = item().identity.digest
    assert sorted(Path(file.path).name for file in sink.flush().files if file.day == "a") == [
        f"{digest}-0-1.parquet",
        f"{digest}-0.parquet",
    ]


def test_the_day_that_was_longest_without_a_row_makes_room(sink: StoreSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_partitions, "_OPEN", 2)
    monkeypatch.setattr(_partitions, "ROW_GROUP_ROWS", 2)
    for days in (["a", "a"], ["b", "b"], ["a"], ["c"], ["a"]):
        sink.write(item(), rows(days), 0)
    assert sorted((file.day, file.rows) for file in sink.flush().files) == [("a", 4), ("b", 2), ("c", 1)]


def test_encodings_suit_the_values() -> None:
    table = pa.table(
        {
            "_id": [f"{number:032x}" for number in range(100)],
            "time": pa.array(range(100), pa.timestamp("us", "UTC")),
            "elb": ["app/web"] * 100,
            "method": ["GET", "PUT"] * 50,
            "url": ["/" * number for number in range(100)],
            "trace": [f"TID_{number:032x}" for number in range(100)],
            "status": [200, 404] * 50,
            "port": list(range(100)),
            "ports": [[80], [443]] * 50,
            "truncated": [None, True] * 50,
        }
    )
    chosen = choose(table)
    assert chosen.dictionary == ["elb", "method", "status", "ports.list.element"]
    assert chosen.by_column == {
        "_id": "DELTA_LENGTH_BYTE_ARRAY",
        "time": "DELTA_BINARY_PACKED",
        "trace": "DELTA_BYTE_ARRAY",
        "port": "DELTA_BINARY_PACKED",
    }
    assert chosen.statistics == ["time", "elb", "status", "port", "truncated"]


def test_the_files_have_the_encodings_and_statistics_that_queries_want(tmp_path: Path, sink: StoreSink) -> None:
    sink.write(item(), batch(b"".join(alb(DAY, number) for number in range(50))), 0)
    (file,) = sink.flush().files
    group = pq.read_metadata(tmp_path / file.path).row_group(0)
    columns = {column.path_in_schema: column for column in map(group.column, range(group.num_columns))}
    assert columns["time"].is_stats_set
    assert columns["elb_status_code"].is_stats_set
    assert not columns["request_url"].is_stats_set
    assert "RLE_DICTIONARY" in columns["actions_executed.list.element"].encodings
    assert "DELTA_BINARY_PACKED" in columns["time"].encodings
    assert {column.compression for column in columns.values()} == {"ZSTD"}


def test_duckdb_reads_the_same_values(tmp_path: Path, sink: StoreSink) -> None:
    sink.write(item(), batch(b"".join(alb(DAY, number) for number in range(50)) + alb("2026-09-24") + clb(DAY)), 0)
    files = [file for file in sink.flush().files if file.format == "alb"]
    expected = [row for file in files for row in pq.ParquetFile(tmp_path / file.path).read().to_pylist()]
    times = "time, request_creation_time"
    query = (
        f"SELECT * REPLACE ({', '.join(f'epoch_us({name}) AS {name}' for name in times.split(', '))})"
        " FROM read_parquet($paths, union_by_name = true, hive_partitioning = true) ORDER BY time, _id"
    )
    with duckdb.connect() as database:
        found = database.execute(query, {"paths": [str(tmp_path / file.path) for file in files]})
        names = [column[0] for column in found.description or ()]
        got = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    assert {(row.pop("format"), str(row.pop("day"))) for row in got} == {("alb", DAY), ("alb", "2026-09-24")}
    for row in expected:
        row |= {name: row[name] and int(row[name].timestamp() * 1e6 + 0.5) for name in times.split(", ")}
    assert got == sorted(expected, key=lambda row: (row["time"], row["_id"]))


def test_columns_that_a_batch_offers_by_the_arrow_interface_alone_are_enough(tmp_path: Path, sink: StoreSink) -> None:
    """The native kernel gives no pyarrow object."""

    class Capsules:
        def __init__(self, array: pa.StructArray) -> None:
            self._array = array

        def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
            pair: tuple[object, object] = self._array.__arrow_c_array__(requested_schema)
            return pair

    class Foreign(Rows):
        def columns(self, format_name: str, day: str | None) -> ArrowStream:
            return Capsules(super().columns(format_name, day))  # type: ignore[arg-type]

    records: Any = Foreign([DAY, DAY])
    sink.write(item(), replace(rows([]), records=records), 0)
    files = sink.flush().files
    assert ids(tmp_path, files) == Counter(["00000000", "00000001"])
