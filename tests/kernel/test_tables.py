"""Columns hold what NDJSON says, and a table that grows by them holds what they hold."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from hashlib import shake_128
from typing import Any

import pyarrow as pa
import pytest

from parsing import ITEM, KERNELS, SAMPLES, Kernel, Told, kernel_named, promised, read, sample, sample_objects
from tailrace.formats.alb import FORMAT as ALB
from tailrace.model import Growing, Table

FILES = sorted(str(path.relative_to(SAMPLES)) for path in SAMPLES.rglob("*.log") if "s3" not in path.parts)
_SECOND = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:)(\d\d)(?:\.(\d+))?Z")


def micros(text: str) -> int:
    """A time of NDJSON as columns hold it: µs since 1970, what is finer cut off."""
    found = _SECOND.fullmatch(text)
    assert found is not None
    minute = datetime.fromisoformat(found[1] + "00").replace(tzinfo=UTC)
    return (int(minute.timestamp()) + int(found[2])) * 1_000_000 + int(f"{found[3] or '':0<6}"[:6])


def plain(array: pa.StructArray) -> list[dict[str, Any]]:
    """Rows without nulls; times in µs."""
    fields = array.type
    numbers = [
        array.field(number).cast(pa.int64()) if pa.types.is_timestamp(fields[number].type) else array.field(number)
        for number in range(fields.num_fields)
    ]
    rows = pa.StructArray.from_arrays(numbers, [field.name for field in fields]).to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def without_dictionaries(array: pa.StructArray) -> pa.StructArray:
    def values(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_list(kind):
            return pa.list_(values(kind.value_type))
        return kind.value_type if pa.types.is_dictionary(kind) else kind

    kinds = [field.with_type(values(field.type)) for field in array.type]
    columns = [array.field(number).cast(field.type) for number, field in enumerate(kinds)]
    return pa.StructArray.from_arrays(columns, fields=kinds)


def by_partition(told: Told) -> dict[tuple[str, str | None], list[pa.StructArray]]:
    found = defaultdict(list)
    for batch in told.batches:
        for name, day, rows in batch.records.partitions():
            array = pa.array(batch.records.columns(name, day))
            assert len(array) == rows
            found[name, day].append(array)
    return dict(found)


def taken(table: Table) -> pa.StructArray:
    columns = {name: pa.array(column) for name, column in table.take()}
    return pa.StructArray.from_arrays(list(columns.values()), list(columns))


def tables(told: Told) -> dict[str, Table]:
    """A table for each format, with the records of all days."""
    found: dict[str, Table] = {}
    for batch in told.batches:
        for name, day, _rows in batch.records.partitions():
            columns = batch.records.columns(name, day)
            assert isinstance(columns, Growing)
            found.setdefault(name, columns.table()).add(columns)
    return found


@cache
def everything() -> bytes:
    nasty = "\n".join(each["line"] for each in sample_objects("nasty.jsonl")).encode()
    return b"\n".join([*(sample(path).removesuffix(b"\n") for path in FILES), nasty, b""])


def alb(number: int, *, agent: str = "curl/8.5.0", length: int = 32) -> bytes:
    noise = shake_128(str(number).encode()).hexdigest(16)[:length]
    line = ALB.example.replace("ae5aa1d99ee1b260", noise).replace("Dart/3.11 (dart:io)", agent)
    return line.encode() + b"\n"


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("key", ["", "clb"])
def test_columns_say_what_ndjson_says(kernel: Kernel, path: str, key: str) -> None:
    told = read(kernel, sample(path), item=promised(key))
    expected = defaultdict(list)
    for record in told.records(ids=True):
        expected[record.pop("format")].append(record)
    found = defaultdict(list)
    for (name, day), arrays in by_partition(told).items():
        for array in arrays:
            times = [field.name for field in array.type if pa.types.is_timestamp(field.type)]
            for record in plain(array):
                assert day is None or record["time"] // 86_400_000_000 == micros(f"{day}T00:00:00Z") // 86_400_000_000
                found[name].append((record, times))
    assert sorted(expected) == sorted(found)
    for name, records in found.items():
        by_id = {record["_id"]: record for record in expected[name]}
        assert len(by_id) == len(records)
        for record, times in records:
            wanted = by_id[record["_id"]]
            texts = {key: micros(value) if key in times else value for key, value in wanted.items()}
            if "invalid" in wanted:
                assert record["invalid"].startswith("{")
                texts["invalid"] = record["invalid"]
            assert record == texts


@pytest.mark.parametrize("size", [300, 5000, 1 << 20])
def test_a_table_holds_what_the_columns_hold(size: int) -> None:
    data = everything()
    told = read(kernel_named("native"), (data[at : at + size] for at in range(0, len(data), size)))
    found = {name: without_dictionaries(taken(table)) for name, table in tables(told).items()}
    expected = defaultdict(list)
    for batch in told.batches:
        for name, day, _rows in batch.records.partitions():
            expected[name].append(pa.array(batch.records.columns(name, day)))
    assert set(found) == set(expected)
    for name, arrays in expected.items():
        assert found[name].equals(pa.concat_arrays(arrays))


def test_the_twin_and_the_kernel_give_the_same_columns() -> None:
    native, twin = (by_partition(read(kernel_named(name), everything())) for name in KERNELS)
    assert list(native) == list(twin)
    for arrays, others in zip(native.values(), twin.values(), strict=True):
        for array, other in zip(arrays, others, strict=True):
            assert array.type == other.type
            assert array.equals(other)


def grown(lines: Iterator[bytes]) -> tuple[pa.StructArray, list[pa.StructArray]]:
    """A table of ALB lines fed one by one hundred, and the columns that went into it."""
    every = list(lines)
    told = read(kernel_named("native"), (b"".join(every[at : at + 100]) for at in range(0, len(every), 100)), item=ITEM)
    table = tables(told)["alb"]
    assert table.rows == len(every)
    assert table.memory > 0
    array = taken(table)
    assert (table.rows, len(taken(table))) == (0, 0)
    return array, [array for arrays in by_partition(told).values() for array in arrays]


def test_texts_that_repeat_are_a_dictionary_and_others_are_not() -> None:
    dice = random.Random(3)
    agents = [f"agent/{number}{'x' * (number % 30)}" for number in range(200)]
    array, columns = grown(alb(number, agent=dice.choice(agents)) for number in range(4000))
    assert without_dictionaries(array).equals(pa.concat_arrays(columns))
    kinds = {field.name: field.type for field in array.type}
    assert pa.types.is_dictionary(kinds["user_agent"])
    assert pa.types.is_dictionary(kinds["actions_executed"].value_type)
    assert kinds["elb"] == kinds["_id"] == pa.string()
    dictionary = array.field("user_agent").dictionary
    assert (
        len(dictionary)
        == len(dictionary.unique())
        == len({column for each in columns for column in each.field("user_agent").to_pylist()})
    )


@pytest.mark.parametrize("length", [0, 1, 3, 4, 7, 8, 9, 16, 17, 30])
def test_texts_of_any_length_are_told_apart(length: int) -> None:
    array, columns = grown(
        alb(number % 500, agent=shake_128(b"%d" % (number % 90)).hexdigest(20)[:length] or "-")
        for number in range(1500)
    )
    assert without_dictionaries(array).equals(pa.concat_arrays(columns))


def test_texts_that_are_looked_for_in_one_place_make_no_dictionary() -> None:
    """Equal at both ends and equally long: whoever sends them must not make the kernel slow."""
    array, columns = grown(alb(1, agent=f"prefix  {number % 200:03}  postfix") for number in range(2000))
    assert without_dictionaries(array).equals(pa.concat_arrays(columns))
    assert array.field("user_agent").type == pa.string()


def test_a_table_takes_no_columns_of_another_format_or_parser() -> None:
    kernel = kernel_named("native")
    data = alb(1) + sample("aws/nlb.log")
    (batch, _), (other, _) = read(kernel, data).batches, read(kernel, data).batches
    columns = {name: batch.records.columns(name, day) for name, day, _rows in batch.records.partitions()}
    assert isinstance(columns["alb"], Growing)
    table = columns["alb"].table()
    table.add(columns["alb"])
    table.add(
        next(other.records.columns(name, day) for name, day, _rows in other.records.partitions() if name == "alb")
    )
    with pytest.raises(ValueError, match="another format"):
        table.add(columns["nlb"])
    assert table.rows == 2
