"""The S3 sink against a real server: exact records in objects that appear at the flush, under names that follow from them."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date, timedelta
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from making import alb, batch, clb, item
from shelves import Shelf
from tailrace.errors import Fatal, UsageError
from tailrace.kernel.plan import ItemPlan, Plan
from tailrace.kernel.reference import Parser
from tailrace.model import Batch, Identity, Item, View
from tailrace.registry import formats, sink_named
from tailrace.settings import Settings
from tailrace.sinks._compressing import PIECE, Compressors, Text
from tailrace.sinks._s3_keys import Keys, template
from tailrace.sinks._split import Kind, Split

DAY, NEXT = "2026-09-23", "2026-09-24"
LOG = "AWSLogs/123456789012/elasticloadbalancing/eu-west-1/2026/09/23/123456789012_elasticloadbalancing_eu-west-1_app.shop.50dc6c495c0c9188_20260923T0715Z_192.0.2.1_2yx8.log.gz"
MIXED = alb(DAY) + alb(NEXT) + clb(DAY) + alb(DAY, 2)


def name_of(of: Item, offset: int) -> str:
    return f"{blake2b(of.identity.token, digest_size=16).hexdigest()}-{offset:015}"


def records(made: Batch, schema: str = "aws") -> list[bytes]:
    return bytes(made.records.ndjson(schema)).splitlines()


def test_objects_hold_what_was_parsed_by_format_and_day(shelf: Shelf) -> None:
    made = batch(MIXED)
    sink = shelf.sink()
    sink.write(item(), made, 0)
    assert shelf.objects() == [], "nothing appears before the flush"
    assert sink.flush().files == ()
    first, second, third = len(alb(DAY)), len(alb(DAY)) + len(alb(NEXT)), 0
    expected = {
        f"out/format=alb/day={DAY}/{name_of(item(), third)}.ndjson.gz": [0, 3],
        f"out/format=alb/day={NEXT}/{name_of(item(), first)}.ndjson.gz": [1],
        f"out/format=clb/day={DAY}/{name_of(item(), second)}.ndjson.gz": [2],
    }
    assert shelf.objects() == sorted(expected)
    lines = records(made)
    for key, rows in expected.items():
        assert shelf.text_of(key).splitlines() == [lines[row] for row in rows]
        assert shelf.bytes_of(key)[4:8] == bytes(4), "no time of writing"
        assert shelf.direct.head_object(Bucket=shelf.name, Key=key)["ContentType"] == "application/gzip"


@pytest.mark.parametrize(
    ("options", "extension", "kind"),
    [
        ({"compression": "gzip"}, "ndjson.gz", "application/gzip"),
        ({"compression": "zstd"}, "ndjson.zst", "application/zstd"),
        ({"compression": "none"}, "ndjson", "application/x-ndjson"),
    ],
)
@pytest.mark.parametrize("schema", ["aws", "ecs", "otel"])
def test_every_way_to_write_ndjson(shelf: Shelf, schema: Any, options: Any, extension: str, kind: str) -> None:
    made = batch(MIXED)
    sink = shelf.sink("", settings=Settings(schema=schema), **options)
    sink.write(item(), made, 0)
    sink.flush()
    keys = shelf.objects()
    assert all(key.endswith(f".{extension}") for key in keys)
    assert shelf.lines() == sorted(records(made, schema))
    assert {shelf.direct.head_object(Bucket=shelf.name, Key=key)["ContentType"] for key in keys} == {kind}


def test_its_own_schema_counts_and_ids_come_first(shelf: Shelf) -> None:
    made = batch(MIXED)
    sink = shelf.sink(schema="ecs", ids=True, settings=Settings(schema="otel"))
    sink.write(item(), made, 0)
    sink.flush()
    assert shelf.lines() == sorted(bytes(made.records.ndjson("ecs", ids=True)).splitlines())
    assert len(shelf.objects()) == 3


def test_parquet_holds_the_same_columns_as_the_store(shelf: Shelf) -> None:
    made = batch(MIXED)
    sink = shelf.sink(form="parquet")
    sink.write(item(), made, 0)
    assert shelf.objects() == []
    sink.flush()
    keys = shelf.objects()
    assert [key.rpartition("/")[0] for key in keys] == [
        f"out/format=alb/day={DAY}",
        f"out/format=alb/day={NEXT}",
        f"out/format=clb/day={DAY}",
    ]
    for key, (format_name, day) in zip(keys, [("alb", DAY), ("alb", NEXT), ("clb", DAY)], strict=True):
        found = pq.read_table(io.BytesIO(shelf.bytes_of(key)))
        assert found.to_pylist() == pa.record_batch(made.records.columns(format_name, day)).to_pylist()
    assert name_of(item(), len(alb(DAY))) in keys[1]
    sink.close()
    assert sink._contents._folder is None


def test_parquet_of_several_days_in_one_object(shelf: Shelf) -> None:
    made = batch(alb(DAY) + alb(NEXT) + alb("2026-10-01", 3))
    sink = shelf.sink(form="parquet", key="{format}/{year}/{month}/{item}-{offset}.{extension}")
    sink.write(item(), made, 0)
    sink.flush()
    assert [key.rpartition("/")[0] for key in shelf.objects()] == ["out/alb/2026/09", "out/alb/2026/10"]
    ids = [pq.read_table(io.BytesIO(shelf.bytes_of(key)))["_id"].to_pylist() for key in shelf.objects()]
    everything = bytes(made.records.ndjson(ids=True)).splitlines()
    assert ids[0] + ids[1] == [msgspec.json.decode(line)["_id"] for line in everything]


def test_parquet_of_very_many_days_is_complete(shelf: Shelf) -> None:
    days = [str(date(2026, 1, 1) + timedelta(number % 40)) for number in range(120)]
    made = batch(b"".join(alb(day, number) for number, day in enumerate(days)))
    sink = shelf.sink(form="parquet")
    sink.write(item(), made, 0)
    sink.flush()
    rows = [pq.read_table(io.BytesIO(shelf.bytes_of(key))).num_rows for key in shelf.objects()]
    assert sum(rows) == 120
    folder: Path = sink._contents._folder
    assert folder.is_dir()
    sink.close()
    assert not folder.exists(), "the temporary folder is empty and gone"


def test_a_second_delivery_writes_the_same_bytes_under_the_same_names(shelf: Shelf) -> None:
    seen = []
    for sizes in ((1, 1, 1), (3,)):
        sink = shelf.sink()
        lines = [alb(DAY, number) * 400 for number in range(3)]
        at = 0
        for size in sizes:
            content = b"".join(lines[at : at + size])
            sink.write(item(), _at(content, at * len(lines[0])), 7)
            at += size
        sink.flush()
        seen.append({key: shelf.bytes_of(key) for key in shelf.objects()})
    assert seen[0] == seen[1]
    assert len(seen[0]) == 1


def _at(content: bytes, offset: int, of: Item | None = None) -> Batch:
    """A batch that begins at an offset of its item."""
    token = (of or item()).identity.token
    plan = ItemPlan(reference_us=0, identity=token, offset=offset)
    return Parser(Plan(formats=tuple(formats().values())), plan).feed(content)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    days=st.lists(st.sampled_from([DAY, NEXT]), min_size=1, max_size=6),
    crash=st.integers(0, 6),
    cuts=st.sets(st.integers(1, 5)),
)
def test_what_was_written_before_a_crash_is_overwritten_wherever_the_retry_is_cut(
    shelf: Shelf, days: list[str], crash: int, cuts: set[int]
) -> None:
    """A first delivery writes its objects up to anywhere, and no receipt tells; the second one confirms where it likes."""
    for key in shelf.objects():
        shelf.direct.delete_object(Bucket=shelf.name, Key=key)
    lines = [alb(day, number) for number, day in enumerate(days)]
    ends = [0]
    for line in lines:
        ends.append(ends[-1] + len(line))
    sink = shelf.sink(compression="none")
    if crash:
        sink.write(item(), _at(b"".join(lines[:crash]), 0), 0)
        sink.flush()
    bounds = sorted({0, len(lines), *(cut for cut in cuts if cut < len(lines))})
    for part, (begin, end) in enumerate(pairwise(bounds)):
        sink.write(item(), _at(b"".join(lines[begin:end]), ends[begin]), part)
        sink.flush()
    assert shelf.lines() == sorted(line for each in (batch(b"".join(lines)),) for line in records(each))


def test_what_a_key_tells_is_in_the_names(shelf: Shelf) -> None:
    of = Item(Identity("s3", "logs", LOG, "1"), io.BytesIO, None, 0.0)
    sink = shelf.sink(
        "a/b/", key="{account}/{region}/{load_balancer}/{year}/{month}/{day_of_month}/{format}/{item}-{offset}"
    )
    sink.write(of, batch(alb(DAY)), 0)
    sink.flush()
    sink.write(item(), batch(alb(DAY)), 0)
    sink.flush()
    assert shelf.objects() == [
        f"a/b/123456789012/eu-west-1/shop/2026/09/23/alb/{name_of(of, 0)}",
        f"a/b/__none__/__none__/__none__/2026/09/23/alb/{name_of(item(), 0)}",
    ]


def test_records_without_a_time_have_a_place() -> None:
    keys = Keys(template("format={format}/day={day}/{item}-{offset}", "", ""), item().identity)
    assert keys.key(Kind("haproxy_http", None), 5) == f"format=haproxy_http/day=__none__/{name_of(item(), 5)}"
    dated = Keys(template("{year}/{month}/{day_of_month}/{item}-{offset}", "", ""), item().identity)
    assert dated.key(Kind("alb", None), 5, "", 2) == f"__none__/__none__/__none__/{name_of(item(), 5)}-2"


def test_an_item_without_records_makes_no_object(shelf: Shelf) -> None:
    sink = shelf.sink()
    assert not sink.flush().files
    sink.write(item(), batch(b"no log at all\n"), 0)
    sink.flush()
    assert shelf.objects() == []


def test_one_item_and_one_commit_at_a_time(shelf: Shelf) -> None:
    sink = shelf.sink()
    sink.write(item(), batch(alb(DAY)), 0)
    for other in ((item("b.log"), 0), (item(), 1)):
        with pytest.raises(ValueError, match="must be flushed or abandoned"):
            sink.write(other[0], batch(alb(DAY)), other[1])
    sink.abandon()
    sink.write(item("b.log"), batch(alb(DAY)), 0)
    sink.flush()
    assert [key.rpartition("/")[2] for key in shelf.objects()] == [f"{name_of(item('b.log'), 0)}.ndjson.gz"]


def test_objects_are_put_as_the_settings_tell(shelf: Shelf) -> None:
    sink = shelf.sink(storage_class="STANDARD_IA", kms_key="alias/logs", acl="bucket-owner-full-control")
    sink.write(item(), batch(alb(DAY)), 0)
    sink.flush()
    (key,) = shelf.objects()
    head = shelf.direct.head_object(Bucket=shelf.name, Key=key)
    assert (head["StorageClass"], head["ServerSideEncryption"]) == ("STANDARD_IA", "aws:kms")
    assert head["SSEKMSKeyId"] == "alias/logs"


def test_the_name_is_the_place_and_a_hash_of_what_changes_bytes(shelf: Shelf) -> None:
    names = {
        shelf.sink().name,
        shelf.sink(compression="none").name,
        shelf.sink(ids=True).name,
        shelf.sink(schema="ecs").name,
        shelf.sink(form="parquet").name,
        shelf.sink(key="{item}-{offset}").name,
    }
    assert len(names) == 6
    assert all(name.startswith(f"s3://{shelf.name}/out#") for name in names)
    assert shelf.sink("/out/").name == shelf.sink(storage_class="GLACIER_IR", part_size="64MiB").name
    assert shelf.sink(settings=Settings(schema="ecs")).name == shelf.sink(schema="ecs").name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key": "{item}"}, r"lacks \{offset\}"),
        ({"key": "{offset}"}, r"lacks \{item\}"),
        ({"key": "{item}-{offset}-{hour}"}, r"there is no \{hour\}"),
        ({"key": "{item:>9}-{offset}"}, r"there is no \{item:>9\}"),
        ({"key": "{item}-{offset"}, "cannot be read"),
        ({"key": "{day}/{item}-{offset}", "form": "parquet"}, r"\{format\} must occur"),
        ({"form": "parquet", "schema": "ecs"}, "set form = ndjson for ecs"),
        ({"part_size": "4MiB"}, "5MiB to 5GiB, not of 4MiB"),
        ({"part_size": "6GiB"}, "5MiB to 5GiB, not of 6GiB"),
        ({"kms_key": "k", "sse": "AES256"}, "with sse = AES256 there is no such key"),
    ],
)
def test_settings_that_cannot_be_are_told(shelf: Shelf, options: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        shelf.sink(**options)


@pytest.mark.parametrize("address", ["", "//", "bucket/prefix", "///prefix"])
def test_an_address_without_a_bucket_is_refused(address: str) -> None:
    kind = sink_named("s3")
    with pytest.raises(UsageError, match="write --to s3://bucket/prefix"):
        kind.open(address, kind.settings(), None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("prefix", "source", "loops"),
    [
        ("out", "s3://{}/", True),
        ("out", "s3://{}", True),
        ("out", "s3://{}/out", True),
        ("out", "s3://{}/out/format=alb/day=2026-09-23/", True),
        ("out", "s3://{}/o", True),
        ("out", "s3://{}/AWSLogs/", False),
        ("out", "s3://{}/output/", False),
        ("out", "s3://another/out", False),
        ("", "s3://{}/AWSLogs/", False),
        ("", "s3://{}/format=nlb", True),
        ("", "s3://{}", True),
        ("out", "logs/s3", False),
    ],
)
def test_a_source_that_would_read_what_is_written_is_refused(
    shelf: Shelf, prefix: str, source: str, *, loops: bool
) -> None:
    told = Settings(from_=("a.log", source.format(shelf.name)))
    if loops:
        with pytest.raises(UsageError, match="round for ever; write to a prefix outside"):
            shelf.sink(prefix, settings=told)
    else:
        shelf.sink(prefix, settings=told)


def test_two_sinks_of_one_prefix_would_overwrite_one_another(shelf: Shelf) -> None:
    place = f"s3://{shelf.name}/out"
    told = Settings(to=("errors", place, "stdout"), sinks={"errors": {"url": f"{place}/", "include": "status >= 500"}})
    with pytest.raises(UsageError, match="overwrite one another; give each a prefix"):
        shelf.sink(settings=told)
    shelf.sink(settings=Settings(to=("errors", place), sinks={"errors": {"url": f"{place}/errors"}}))


def test_under_a_view_that_names_the_format_otherwise_kinds_are_told_apart(shelf: Shelf) -> None:
    view = View(rename=(("format", 'a "kind"'),), constants=(("env", '"prod"'),))
    made = batch(MIXED)
    shown = replace(made, records=made.records.select(view))
    sink = shelf.sink(ids=True)
    sink.write(item(), shown, 0)
    sink.flush()
    assert [key.split("/")[1] for key in shelf.objects()] == ["format=alb", "format=alb", "format=clb"]
    assert shelf.lines() == sorted(bytes(shown.records.ndjson(ids=True)).splitlines())


def test_its_own_objects_are_not_taken_whatever_brought_them(shelf: Shelf) -> None:
    sink = shelf.sink("")
    sink.write(item(), batch(alb(DAY)), 0)
    sink.flush()
    (key,) = shelf.objects()
    own = Item(Identity("s3", shelf.name, key, "1"), io.BytesIO, None, 0.0)
    with pytest.raises(Fatal, match="was written by this sink: reading it again would go round for ever"):
        sink.write(own, batch(alb(DAY)), 0)
    elsewhere = Item(Identity("s3", "another", key, "1"), io.BytesIO, None, 0.0)
    sink.write(elsewhere, batch(alb(DAY)), 0)
    sink.abandon()
    sink.write(Item(Identity("s3", shelf.name, LOG, "1"), io.BytesIO, None, 0.0), batch(alb(DAY)), 0)


@given(
    prefix=st.text("ab/.*", max_size=4),
    pieces=st.lists(
        st.sampled_from(["{day}", "{format}", "/", "x", "{account}", "{extension}", "{{", "."]), max_size=5
    ),
    offset=st.integers(0, 10**15 - 1),
    number=st.integers(0, 30),
)
def test_every_key_is_known_as_one_that_was_made(prefix: str, pieces: list[str], offset: int, number: int) -> None:
    made = template("".join(pieces) + "{item}-{offset}", prefix, "ndjson.gz")
    key = Keys(made, item().identity).key(Kind("alb", DAY), offset, number)
    assert made.makes(key)
    assert key.startswith(made.head)
    assert not made.makes(f"{key}x")


_LINES = st.lists(st.tuples(st.sampled_from([alb, clb]), st.sampled_from([DAY, NEXT])), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(lines=_LINES, schema=st.sampled_from(["aws", "ecs", "otel"]), ids=st.booleans())
def test_kinds_are_told_apart_as_the_records_tell(lines: list[Any], schema: Any, ids: bool) -> None:  # noqa: FBT001
    content = [make(day) for make, day in lines]
    made = batch(b"".join(content))
    split = Split(made.records, schema, ids=ids)
    whole = bytes(made.records.ndjson(schema, ids=ids)).splitlines(keepends=True)
    for kind in split.kinds:
        rows = [row for row, (make, day) in enumerate(lines) if (make.__name__, day) == kind]
        assert bytes(split.ndjson(kind)) == b"".join(whole[row] for row in rows)
        assert split.first(kind) == sum(map(len, content[: rows[0]]))
    assert sum(len(bytes(split.ndjson(kind))) for kind in split.kinds) == sum(map(len, whole))


def test_lines_without_a_time_are_of_no_day_and_those_before_1970_of_theirs() -> None:
    untimed = formats()["haproxy_admin"].example.partition("]: ")[2].encode() + b"\n"
    early = formats()["haproxy_admin"].example.encode() + b"\n"
    made = Parser(Plan(formats=tuple(formats().values())), ItemPlan(reference_us=0)).feed(untimed + alb(DAY) + early)
    split = Split(made.records, "aws")
    assert split.kinds == [Kind("haproxy_admin", None), Kind("alb", DAY), Kind("haproxy_admin", "1969-11-20")]
    whole = bytes(made.records.ndjson()).splitlines(keepends=True)
    assert [bytes(split.ndjson(kind)) for kind in split.kinds] == whole
    assert [split.first(kind) for kind in split.kinds] == [0, len(untimed), len(untimed + alb(DAY))]


@settings(max_examples=30, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 3 * PIECE), max_size=6),
    kind=st.sampled_from(["gzip", "zstd", "none"]),
)
def test_the_same_text_makes_the_same_bytes_whatever_it_came_in(cuts: list[int], kind: Any) -> None:
    content = b"".join(b'{"number":%d}\n' % number for number in range(20_000))
    whole, pieces = Text(Compressors(kind)), Text(Compressors(kind))
    whole.add(content)
    at = 0
    for cut in cuts:
        pieces.add(content[at : at + cut])
        at += cut
    pieces.add(content[at:])
    whole.end()
    pieces.end()
    assert whole.ready == pieces.ready


def test_texts_that_have_no_compressor_left_go_on_in_another_member(shelf: Shelf) -> None:
    for kind in ("gzip", "zstd"):
        compressors = Compressors(kind)  # type: ignore[arg-type]
        texts = [Text(compressors) for _ in range(20)]
        for turn in range(3):
            for number, text in enumerate(texts):
                text.add(b"%d" % ((number + turn) % 10) * PIECE)
        assert len(compressors._open) <= 8
        for number, text in enumerate(texts):
            text.end()
            key = f"{number}.{'gz' if kind == 'gzip' else 'zst'}"
            shelf.direct.put_object(Bucket=shelf.name, Key=key, Body=bytes(text.ready))
            expected = b"".join(b"%d" % ((number + turn) % 10) * PIECE for turn in range(3))
            assert shelf.text_of(key) == expected
