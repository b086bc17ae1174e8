"""What every format promises, whichever it is: a new one is tested here as soon as its file exists."""

from __future__ import annotations

import keyword
from collections import Counter
from typing import Any, get_args

import pyarrow as pa
import pytest

from parsing import ITEM, KERNELS, SAMPLES, Kernel, Told, kernel_named, only, promised, read
from tailrace.kernel import names
from tailrace.kernel.layout import Columns, Field, Format, Objects, Template, Type
from tailrace.registry import formats

KNOWN = formats()
ARROW = {
    "text": pa.string(), "int": pa.int64(), "float": pa.float64(), "time": pa.timestamp("us", "UTC"),
    "texts": pa.list_(pa.string()), "ints": pa.list_(pa.int64()),
}  # fmt: skip
KINDS_OF_TYPES = {
    "text": {"text"}, "int": {"int"}, "float": {"float"}, "time": {"time"}, "endpoint": {"text", "int"}, "target": {"text", "int"},
    "request": {"text"}, "texts": {"texts"}, "captures": {"texts"}, "offers": {"texts"}, "ints": {"ints"},
}  # fmt: skip
BY_POSITION = [name for name, known in KNOWN.items() if any(isinstance(layout, Columns) for layout in known.layouts)]
UNITS = ("", "s", "ms", "bytes")


@pytest.fixture(params=KERNELS)
def kernel(request: pytest.FixtureRequest) -> Kernel:
    return kernel_named(request.param)


@pytest.fixture(params=KNOWN)
def known(request: pytest.FixtureRequest) -> Format:
    return KNOWN[request.param]


def fields(known: Format) -> list[Field]:
    return [field for layout in known.layouts for field in layout.fields]


def table(told: Told, known: Format) -> list[dict[str, Any]]:
    """The records as columns, a dict for each."""
    parts = [(batch, name, day) for batch in told.batches for name, day, _ in batch.records.partitions()]
    return [
        row
        for batch, name, day in parts
        if name == known.name
        for row in pa.array(batch.records.columns(name, day)).to_pylist()
    ]


def test_the_formats_of_the_project_are_registered() -> None:
    assert set(KNOWN) == {
        "alb", "alb_connection", "alb_health", "nlb", "clb", "haproxy_http", "haproxy_tcp", "haproxy_https", "haproxy_clf",
        "haproxy_default", "haproxy_error", "haproxy_admin", "haproxy_eucalyptus_http", "haproxy_eucalyptus_tcp", "cloudwatch_event",
    } | {name for name in KNOWN if name in ("cadf", "cri", "jsonl", "raw", "lambda_telemetry")}  # fmt: skip
    assert all(name == known.name for name, known in KNOWN.items())


def test_it_is_documented(known: Format) -> None:
    assert known.name.isidentifier()
    assert not keyword.iskeyword(known.name)
    assert known.source.startswith("https://")
    for text in (known.title, known.about):
        assert text.strip() == text
        assert len(text) > 10
    assert known.about.endswith((".", "!"))
    assert "\n" not in known.example


def test_every_column_has_a_type_a_unit_and_a_meaning(known: Format) -> None:
    columns = known.columns
    assert columns[0].name == "time"
    assert columns[0].type == "time"
    for column in columns:
        assert column.type in get_args(Type), column.name
        assert column.unit in UNITS, column.name
        assert column.unit == "" or column.type in ("int", "float"), column.name
        assert len(column.doc) > 3, column.name
        assert column.name == column.name.strip().replace(" ", "_")
        assert all(text.isprintable() for text in (column.name, column.ecs, column.otel, column.doc))


def test_no_two_columns_have_one_name_in_any_schema(known: Format) -> None:
    own = (names.FORMAT, names.TIME_SOURCE, names.TRUNCATED, names.INVALID, names.EXTRA)
    for schema in names.SCHEMAS:
        taken = [
            names.ID,
            *(each[schema] for each in own),
            *(names.name_of(column, schema) for column in known.columns),
        ]
        assert all(taken)
        assert [name for name, count in Counter(taken).items() if count > 1] == []


def test_a_column_that_several_layouts_fill_is_declared_alike_in_all(known: Format) -> None:
    declared: dict[str, Any] = {}
    for column in (column for field in fields(known) for column in field.columns):
        first = declared.setdefault(column.name, column)
        assert (column.type, column.unit, column.ecs, column.otel) == (first.type, first.unit, first.ecs, first.otel), (
            column.name
        )


def test_the_fields_of_a_layout_fit_their_columns(known: Format) -> None:
    for layout in known.layouts:
        filled = [column.name for field in layout.fields for column in field.columns]
        assert len(filled) == len(set(filled))
        if isinstance(layout, Columns):
            assert 0 < layout.required <= len(layout.fields)
            assert "time" in filled[: layout.required]
            assert layout.starts
        elif isinstance(layout, Template):
            assert 0 < layout.required <= len(layout.elements)
        else:
            keys = [field.key for field in layout.fields]
            assert all(keys)
            assert len(keys) == len(set(keys))
            assert layout.mark in keys
    for field in fields(known):
        assert {column.type for column in field.columns} <= KINDS_OF_TYPES[field.kind], field.label


def test_its_example_is_a_sound_record(kernel: Kernel, known: Format) -> None:
    told = read(kernel, known.example.encode())
    record = told.record
    assert record["format"] == known.name
    assert "invalid" not in record
    assert record.get("extra", []) == (
        ["-", "-"] if known.name == "alb" else []
    )  # two fields without a name since 2026-09
    assert "truncated" not in record
    counts = told.counts
    assert (counts.lines, counts.records, counts.invalid, counts.cut, counts.mismatched) == (1, 1, 0, 0, 0)
    assert len(record) > 4
    assert told.lines[0][0] == known.example.encode()


def test_named_promised_or_told_by_the_line_it_gives_the_same_record(kernel: Kernel, known: Format) -> None:
    line = known.example.encode() + b"\n"
    ways = [read(kernel, line), read(kernel, line, item=promised(known.name)), read(kernel, line, plan=only(known))]
    for told in ways[1:]:
        assert told.ndjson(ids=True) == ways[0].ndjson(ids=True)
        assert told.counts == ways[0].counts


def test_under_another_formats_key_it_is_still_itself(kernel: Kernel, known: Format) -> None:
    own = read(kernel, known.example.encode()).record
    for other in KNOWN:
        told = read(kernel, known.example.encode(), item=promised(other))
        assert told.record == own, other
        assert told.counts.mismatched == (other != known.name)


def test_objects_lines_and_columns_tell_of_the_same_records(kernel: Kernel, known: Format) -> None:
    line = known.example.encode()
    told = read(kernel, b"\n".join([line, b"", line, line + b"\r"]), plan=only(known))
    records, rows = told.records(ids=True), table(told, known)
    assert len(records) == len(rows) == len(told.lines) == told.counts.records == 3
    for record, row in zip(records, rows, strict=True):
        plain = {name: value for name, value in row.items() if value is not None}
        assert set(plain) == set(record) - {"format"}
        for column in known.columns:
            if column.name in record and column.type != "time":
                assert row[column.name] == record[column.name]
            elif column.name in record:
                told_at = row[column.name].isoformat().replace("+00:00", "")
                assert told_at[:19] == record[column.name][:19]
        assert row["_id"] == record["_id"]


def test_columns_have_the_declared_types_in_the_declared_order(kernel: Kernel, known: Format) -> None:
    told = read(kernel, known.example.encode(), plan=only(known))
    (batch,) = (batch for batch in told.batches if len(batch.records))
    ((name, day, _),) = batch.records.partitions()
    kind = pa.array(batch.records.columns(name, day)).type
    names_ = [kind.field(number).name for number in range(kind.num_fields)]
    assert names_ == ["_id", *(column.name for column in known.columns), "time_source", "truncated", "invalid", "extra"]
    for column in known.columns:
        assert kind.field(column.name).type == ARROW[column.type], column.name


@pytest.mark.parametrize("name", BY_POSITION)
def test_unknown_fields_at_the_end_never_make_a_record_a_reject(kernel: Kernel, name: str) -> None:
    known = KNOWN[name]
    told = read(kernel, known.example.encode() + b' new "and quoted" 3')
    assert told.record["extra"][-3:] == ["new", "and quoted", "3"]
    assert told.counts.unknown == 1


def test_cut_at_every_byte_it_is_one_record_or_one_reject_and_never_nothing(kernel: Kernel, known: Format) -> None:
    line = known.example.encode()
    named = {"format", "time_source", "truncated", "invalid", "extra"}
    named |= {column.name for each in KNOWN.values() for column in each.columns}
    for end in range(1, len(line)):
        for how in ({"plan": only(known)}, {"item": promised(known.name)}, {"item": ITEM}):
            told = read(kernel, line[:end] + b"\n", **how)
            assert told.counts.records + told.counts.rejects == 1, (end, how)
            assert told.counts.lines == 1
            for record in told.records():
                assert set(record) <= named
            for reject in told.rejects:
                assert reject.payload == line[:end]


def test_in_a_file_of_all_formats_every_line_is_its_own(kernel: Kernel) -> None:
    lines = [known.example.encode() for known in KNOWN.values()]
    told = read(kernel, b"\n".join(lines * 2))
    assert [record["format"] for record in told.records()] == [*KNOWN, *KNOWN]
    assert told.rejects == []
    alone = [read(kernel, line).record for line in lines]
    assert told.records() == alone + alone


def test_the_registry_and_the_samples_are_complete() -> None:
    assert (SAMPLES / "README.md").exists()
    assert {layout.__class__ for known in KNOWN.values() for layout in known.layouts} == {Columns, Template, Objects}
