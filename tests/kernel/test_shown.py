"""What views show: both kernels show the same of any bytes, and what is redacted is nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from generating import Case, cases, changed, changes, known_lines, log_format_cases
from parsing import ITEM, KERNELS, Kernel, kernel_named, objects, read, sample
from tailrace.kernel import reference
from tailrace.kernel.names import SCHEMAS
from tailrace.model import Batch, Condition, Records, Rendering, View
from tailrace.registry import formats
from viewing import KEY, view, views

SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck)}
quick = settings(max_examples=150, **SETTINGS)
campaign = settings(max_examples=25_000, **SETTINGS)


def told(records: Records) -> list[Any]:
    """Everything that selected records tell."""
    raw = records.raw()
    lines = (bytes(raw.data), list(raw.ends), list(raw.times), list(raw.offsets))
    texts = [bytes(records.ndjson(schema, ids=ids)) for schema in SCHEMAS for ids in (True, False)]
    parts = records.partitions()
    tables = [pa.array(records.columns(name, day)).to_pylist() for name, day, _ in parts]
    return [len(records), records.mask, records.filtered, lines, texts, parts, tables]


def check_view(case: Case, view: View) -> None:
    plan, item = case.way
    native, twin = (read(kernel, case.pieces, plan=plan, item=item) for kernel in (kernel_named("native"), reference))
    for ours, theirs in zip(native.batches, twin.batches, strict=True):
        assert told(ours.records.select(view)) == told(theirs.records.select(view))
    wanted = replace(item, rendering=Rendering("ecs", ids=True, view=view))
    beforehand = read(kernel_named("native"), case.pieces, plan=plan, item=wanted)
    for ours, theirs in zip(beforehand.batches, twin.batches, strict=True):
        shown = ours.records.select(view)
        assert bytes(shown.ndjson("ecs", ids=True)) == theirs.records.select(view).ndjson("ecs", ids=True)


@quick
@given(case=cases(), view=views())
def test_twins_show_the_same_of_lines_of_every_kind(case: Case, view: View) -> None:
    check_view(case, view)


@quick
@given(case=log_format_cases(), view=views())
def test_twins_show_the_same_of_any_log_format(case: Case, view: View) -> None:
    check_view(case, view)


@pytest.mark.long
@pytest.mark.timeout(0)
@campaign
@given(case=cases() | log_format_cases(), view=views())
def test_twins_show_the_same_at_length(case: Case, view: View) -> None:
    check_view(case, view)


MARK = b"mArKeR"


@st.composite
def marked(draw: st.DrawFn) -> bytes:
    """A line with a text in it that is in no other."""
    line = changed(draw(st.sampled_from(known_lines())), draw(changes()))
    words = line.replace(b"\n", b" ").split(b" ")
    number = draw(st.integers(0, len(words) - 1))
    word = words[number]
    at = draw(st.integers(0, len(word)))
    words[number] = draw(st.sampled_from((word[:at] + MARK + word[at:], MARK, MARK + b":80", b"?a=" + MARK)))
    return b" ".join(words)


def columns_with(value: Any, mark: str) -> Iterator[str]:
    for name, inner in value.items():
        if mark in json.dumps(inner):
            yield name


def everything_shown(records: Records) -> bytes:
    shown = told(records)
    return repr(shown).encode() + bytes(records.raw().data)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("method", ["remove", "mask", "hash", "network"])
@quick
@given(line=marked(), kind=st.sampled_from(["", *formats()]))
def test_what_is_redacted_is_nowhere(name: str, method: Any, line: bytes, kind: str) -> None:
    kernel = kernel_named(name)
    for batch in read(kernel, line + b"\n", item=replace(ITEM, kind=kind)).batches:
        for record in objects(bytes(batch.records.ndjson())):
            found = set(columns_with(record, MARK.decode()))
            if "invalid" in found:
                found |= set(columns_with(record["invalid"], MARK.decode()))
            assume(not found & {"time", "format"})
            assume("extra" not in found or b"{" not in line)  # the key of an unknown value of JSON stays in the line
            if found:
                chosen = tuple((column, method) for column in sorted(found - {"invalid", "extra"}))
                shown = batch.records.select(View(redact=chosen or (("user_agent", method),), key=KEY))
                if found - {"invalid"}:
                    assert MARK not in everything_shown(shown)


@pytest.fixture(params=KERNELS)
def batch(request: pytest.FixtureRequest) -> Batch:
    return read(kernel_named(request.param), sample("aws/alb.log")).batches[0]


def shown(batch: Batch, **told: Any) -> list[dict[str, Any]]:
    return objects(bytes(batch.records.select(view(**told)).ndjson()))


def test_a_view_of_everything_is_the_records_themselves(batch: Batch) -> None:
    assert batch.records.select(View()) is batch.records
    assert batch.records.mask == bytes([1]) * len(batch.records)
    assert batch.records.filtered == 0


def test_conditions_choose_records(batch: Batch) -> None:
    everything = shown(batch)
    errors = [record for record in everything if record["elb_status_code"] >= 500]
    posts = [record for record in everything if record.get("request_method") == "POST"]
    assert 0 < len(errors) < len(everything)
    assert 0 < len(posts) < len(everything)
    assert shown(batch, include=["elb_status_code >= 500"]) == errors
    assert shown(batch, exclude=["elb_status_code >= 500"]) == [each for each in everything if each not in errors]
    assert shown(batch, include=["elb_status_code >= 500", "request_method = POST"]) == [
        each for each in everything if each in errors or each in posts
    ]
    assert shown(batch, include=["request_method = POST"], exclude=["elb_status_code >= 500"]) == [
        each for each in posts if each not in errors
    ]
    assert shown(batch, include=["elb_status_code >= 500 and request_method = POST"]) == [
        each for each in errors if each in posts
    ]
    assert shown(batch, include=["not request_method"]) == [each for each in everything if "request_method" not in each]
    assert shown(batch, formats=("nlb",)) == []


def test_the_mask_tells_which_passed_and_counting_keeps_nothing_out(batch: Batch) -> None:
    everything = shown(batch)
    applied = batch.records.select(view(include="elb_status_code >= 500"))
    assert [bool(byte) for byte in applied.mask] == [record["elb_status_code"] >= 500 for record in everything]
    assert (len(applied), applied.filtered) == (sum(applied.mask), len(everything) - sum(applied.mask))
    counted = batch.records.select(view(include="elb_status_code >= 500", filter_mode="count"))
    assert (len(counted), counted.filtered) == (len(everything), applied.filtered)
    elsewhere = batch.records.select(view(formats=("nlb",), include="elb_status_code >= 500"))
    assert (len(elsewhere), elsewhere.filtered) == (0, 0)


def test_ids_and_offsets_stay(batch: Batch) -> None:
    every = objects(bytes(batch.records.ndjson(ids=True)))
    some = view(include=["elb_status_code >= 500"], redact={"client_ip": "network"})
    chosen = batch.records.select(some)
    ids = [record["_id"] for record in objects(bytes(chosen.ndjson(ids=True)))]
    assert ids == [record["_id"] for record in every if record["elb_status_code"] >= 500]
    raw = batch.records.raw()
    assert list(chosen.raw().offsets) == [offset for offset, kept in zip(raw.offsets, chosen.mask, strict=True) if kept]


def test_names_and_constants(batch: Batch) -> None:
    first, *_ = shown(
        batch, rename={"client_ip": "ip", "format": "log_format"}, constants={"environment": "prod", "n": 1, "ok": True}
    )
    before, *_ = shown(batch)
    assert first["ip"] == before["client_ip"]
    assert first["log_format"] == "alb"
    assert not {"client_ip", "format"} & set(first)
    assert list(first)[-3:] == ["environment", "n", "ok"]
    assert (first["environment"], first["n"], first["ok"]) == ("prod", 1, True)
    assert len(first) == len(before) + 3


LINE = formats()["alb"].example.replace("q=\\x22tail\\x22", "q=\\x22tail\\x22&token&page=2").encode() + b"\n"


@pytest.fixture(params=KERNELS)
def line(request: pytest.FixtureRequest) -> Records:
    kernel: Kernel = kernel_named(request.param)
    return read(kernel, LINE).batches[0].records


def test_redaction_follows_the_bytes(line: Records) -> None:
    some = view(redact={"client_ip": "network", "user_agent": "mask", "request_url": "query", "trace_id": "remove"})
    (record,) = objects(bytes(line.select(some).ndjson()))
    assert record["client_ip"] == "198.51.100.0"
    assert record["client_port"] == 5815
    assert record["user_agent"] == "***"
    assert record["request_url"] == "https://www.example.com:443/search?q=***&***&page=***"
    assert record["request"] == "GET https://www.example.com:443/search?q=***&***&page=*** HTTP/1.1"
    assert (record["request_method"], record["request_protocol"]) == ("GET", "HTTP/1.1")
    assert "trace_id" not in record
    raw = bytes(line.select(some).raw().data)
    assert b" 198.51.100.0:5815 " in raw
    assert b'"GET https://www.example.com:443/search?q=***&***&page=*** HTTP/1.1" "***" ECDHE' in raw
    assert b' "-" "www.example.com" ' in raw


def test_hashes_tell_equal_values_and_nothing_else(line: Records) -> None:
    one = objects(bytes(line.select(view(redact={"client_ip": "hash"})).ndjson()))[0]["client_ip"]
    other = objects(bytes(line.select(View(redact=(("client_ip", "hash"),), key=b"other")).ndjson()))[0]["client_ip"]
    assert len(one) == len(other) == 32
    assert one != other
    assert (
        one == objects(bytes(line.select(view(redact={"client_ip": "hash", "elb": "mask"})).ndjson()))[0]["client_ip"]
    )


def test_what_no_field_is_known_for_is_withheld(line: Records) -> None:
    assert "extra" in objects(bytes(line.ndjson()))[0] or b"extra" not in LINE
    (record,) = objects(bytes(line.select(view(redact={"client_ip": "mask"})).ndjson()))
    assert "extra" not in record


def test_numbers_that_are_masked_are_gone(line: Records) -> None:
    (record,) = objects(bytes(line.select(view(redact={"client_port": "mask", "sent_bytes": "remove"})).ndjson()))
    assert not {"client_port", "sent_bytes"} & set(record)
    assert record["client_ip"] == "198.51.100.165"


def test_conditions_are_asked_of_what_was_logged(line: Records) -> None:
    some = view(include=["client_ip = 198.51.100.165"], redact={"client_ip": "mask"})
    assert len(line.select(some)) == 1


def test_a_pattern_that_cannot_be_is_refused_by_the_kernel() -> None:
    records = read(kernel_named("native"), LINE).batches[0].records
    with pytest.raises(ValueError, match=r"\("):
        records.select(View(include=((Condition("elb", "~", "("),),)))


def test_what_was_written_through_a_view_is_only_seen_through_it() -> None:
    named = view(rename={"client_ip": "ip"})
    item = replace(ITEM, rendering=Rendering(view=named))
    records = read(kernel_named("native"), LINE, item=item).batches[0].records
    assert objects(bytes(records.select(named).ndjson()))[0]["ip"] == "198.51.100.165"
    with pytest.raises(ValueError, match="view"):
        records.ndjson()
    with pytest.raises(ValueError, match="NDJSON"):
        records.select(View())
