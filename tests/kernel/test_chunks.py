"""However the bytes of an item are cut into chunks, the same records, rejects and counts come of them."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache, lru_cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parsing import (
    ALL,
    ITEM,
    KERNELS,
    Told,
    kernel_named,
    only,
    pieces,
    promised,
    read,
    sample_lines,
    sample_objects,
    sample_records,
)
from tailrace.kernel.plan import ItemPlan, Plan
from tailrace.model import Counts, Rendering

KEYS = ("", "alb", "clb", "nlb", "haproxy_http", "unheard_of")


@lru_cache(maxsize=1)
def mixture() -> bytes:
    """Lines of every kind with blank, control and unknown ones between, some with a carriage return."""
    chosen = random.Random(7)
    lines = [
        line
        for kind in ("alb", "alb_connection", "alb_health", "nlb", "clb")
        for line, _ in list(sample_records(kind))[:24]
    ]
    lines += [line for line, truth in sample_records("clb") if truth.lines > 1][:4]
    lines += [case["line"].encode() for case in sample_objects("nasty.jsonl")]
    lines += sample_lines("haproxy/rfc3164.log")[::4] + sample_lines("haproxy/rfc5424.log")[::5]
    lines += [b"", b"", b"#Fields: a b", b"no format knows this", b'{"elb_status_code": broken', b"\xff\xfe\x00", b" "]
    clb = next(line for line, _ in sample_records("clb"))
    lines += [clb.partition(b'"')[0] + b'"an open quote', b"and its second line"]
    chosen.shuffle(lines)
    return b"".join(line + chosen.choice([b"\n", b"\n", b"\n", b"\r\n"]) for line in lines) + b"a last line"


def whole(told: Told) -> tuple[bytes, list[object], Counts, list[object]]:
    return told.ndjson(ids=True), list(told.rejects), told.counts, list(told.lines)


@cache
def at_once(kernel: str, key: str) -> tuple[bytes, list[object], Counts, list[object]]:
    return whole(read(kernel_named(kernel), mixture(), item=promised(key)))


def test_the_mixture_holds_records_rejects_blank_and_control_lines() -> None:
    ndjson, rejects, counts, _ = at_once("reference", "")
    assert counts.balanced
    assert min(counts.records, counts.rejects, counts.blank, counts.control, counts.cut, counts.unknown) > 0
    assert counts.record_lines > counts.records == ndjson.count(b"\n")
    assert counts.rejects == len(rejects)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, 4096])
def test_chunks_of_any_one_size_give_the_same(name: str, size: int) -> None:
    kernel, data = kernel_named(name), mixture()
    data = data[: 6000 if size == 1 else len(data)]
    cut = read(kernel, pieces(data, range(size, len(data), size)))
    assert whole(cut) == whole(read(kernel, data))


@pytest.mark.parametrize("name", KERNELS)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 60_000), max_size=12), key=st.sampled_from(KEYS))
def test_chunks_cut_anywhere_give_the_same(name: str, cuts: list[int], key: str) -> None:
    told = read(kernel_named(name), pieces(mixture(), cuts), item=promised(key))
    assert whole(told) == at_once(name, key)
    for batch in told.batches:
        assert batch.counts.balanced
        assert batch.counts.records == len(batch.records)


@pytest.mark.parametrize("name", KERNELS)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 60_000), again=st.integers(0, 60_000), key=st.sampled_from(KEYS))
def test_another_parser_can_begin_where_a_batch_ended(name: str, cut: int, again: int, key: str) -> None:
    """What was told up to `end` and what a new parser tells of the rest is all there is, once."""
    kernel, data = kernel_named(name), mixture()
    first = kernel.Parser(ALL, promised(key)).feed(data[:cut])
    rest = ItemPlan(kind=key, reference_us=ITEM.reference_us, identity=ITEM.identity, offset=first.end)
    then = read(kernel, pieces(data[first.end :], [again]), item=rest)
    assert whole(Told([first, *then.batches])) == at_once(name, key)


@pytest.mark.parametrize("name", KERNELS)
def test_every_offset_told_is_where_the_line_stands(name: str) -> None:
    data = mixture()
    for reject in read(kernel_named(name), data).rejects:
        assert data[reject.offset :].startswith(reject.payload.split(b"\n")[0])


@pytest.mark.parametrize("name", KERNELS)
def test_ends_never_go_back_and_the_last_is_the_end_of_the_item(name: str) -> None:
    data = mixture()
    ends = read(kernel_named(name), pieces(data, range(0, len(data), 333))).ends
    assert ends == sorted(ends)
    assert ends[-1] == len(data)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_newline_or_a_carriage_return_alone_may_begin_or_end_a_chunk(name: str, cut: int) -> None:
    kernel = kernel_named(name)
    line = next(sample_records("nlb"))[0]
    data = line + b"\r\n\r\n" + line + b"\n"
    plan: Plan = only("nlb")
    told = read(kernel, pieces(data, [len(line), len(line) + cut, len(line) + cut + 1]), plan=plan)
    assert whole(told) == whole(read(kernel, data, plan=plan))
    assert told.counts.blank == 1


@pytest.mark.parametrize("name", KERNELS)
def test_records_in_a_form_that_was_told_beforehand_can_be_had_again_and_again(name: str) -> None:
    item = replace(promised("alb"), rendering=Rendering("otel", ids=True))
    told = read(kernel_named(name), mixture(), item=item)
    assert told.ndjson("otel", ids=True) == told.ndjson("otel", ids=True)
    assert told.ndjson("otel", ids=True) == read(kernel_named(name), mixture(), item=promised("alb")).ndjson(
        "otel", ids=True
    )


def test_the_native_kernel_has_records_in_no_other_form_than_was_told_beforehand() -> None:
    item = replace(promised("alb"), rendering=Rendering())
    records = kernel_named("native").Parser(ALL, item).feed(mixture()).records
    assert len(records) == bytes(records.ndjson()).count(b"\n") > 0
    message = r"asked for as NDJSON \(schema aws, ids false\)"
    for ask in (
        lambda: records.ndjson("ecs"),
        lambda: records.ndjson(ids=True),
        records.raw,
        records.partitions,
        lambda: records.columns("alb", None),
    ):
        with pytest.raises(ValueError, match=message):
            ask()


@pytest.mark.long
@pytest.mark.timeout(0)
def test_a_chunk_may_be_larger_than_ends_of_fields_can_be_told_in() -> None:
    kernel = kernel_named("native")
    lines = sample_lines("aws/alb.log")[:3]
    filler = b"# " + b"x" * (1 << 16) + b"\n"
    count = (512 << 20) // len(filler) + 1
    data = b"\n".join([lines[0], filler * count + lines[1], lines[2]])
    told = read(kernel, [data], item=promised("alb"))
    assert told.ndjson() == read(kernel, b"\n".join(lines), item=promised("alb")).ndjson()
    assert (told.counts.lines, told.counts.control) == (count + 3, count)
