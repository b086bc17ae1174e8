"""Record or reject: a line is a record if its time parses and its fields tokenize up to the last required one."""

from __future__ import annotations

import hashlib
from typing import get_args

import pytest

from parsing import ITEM, Kernel, only, promised, read
from tailrace.kernel.layout import Columns, Objects
from tailrace.kernel.plan import JOINED_BYTES, JOINED_LINES, KEPT_OF_REJECT
from tailrace.model import Reason
from tailrace.registry import formats

REQUIRED = {"alb": 12, "clb": 11, "nlb": 12, "alb_connection": 7, "alb_health": 6}
CLB = formats()["clb"].example.encode()
OPEN = CLB.partition(b' "')[0] + b' "GET http://h:80/ HTTP/1.1" "first'


def example(kind: str) -> bytes:
    return formats()[kind].example.encode()


def joined(lines: int, fill: bytes = b"x") -> bytes:
    """A record of so many lines."""
    return b"\n".join([OPEN, *[fill] * (lines - 2), b'last" - -'])


@pytest.mark.parametrize("kind", REQUIRED)
def test_a_line_with_the_required_fields_is_a_record_and_one_with_fewer_is_none(kernel: Kernel, kind: str) -> None:
    words = example(kind).split(b" ")
    enough, too_few = b" ".join(words[: REQUIRED[kind]]), b" ".join(words[: REQUIRED[kind] - 1])
    for plan, item in ((only(kind), ITEM), (None, promised(kind))):
        how = {"item": item} | ({"plan": plan} if plan else {})
        assert read(kernel, enough, **how).record["format"] == kind
        reject = read(kernel, too_few, **how).reject
        assert (reject.reason, reject.payload) == ("too_few_fields", too_few)


@pytest.mark.parametrize("kind", REQUIRED)
def test_a_line_whose_time_is_none_is_a_reject(kernel: Kernel, kind: str) -> None:
    line = example(kind)
    layout = next(layout for layout in formats()[kind].layouts if isinstance(layout, Columns))
    place = [field.columns[0].name for field in layout.fields].index("time")
    for bad in (
        b"-",
        b"yesterday",
        b"2026-02-30T00:00:00Z",
        b"2026-10-14T24:00:00Z",
        b"2026-10-14T11:60:00Z",
        b"2026-10-14",
    ):
        words = line.split(b" ")
        words[place] = bad
        for how in ({"plan": only(kind)}, {"item": promised(kind)}):
            assert read(kernel, b" ".join(words), **how).reasons == ["bad_time"], bad


def test_a_line_that_only_auto_could_know_is_of_unknown_format(kernel: Kernel) -> None:
    for line in (b"no log line", b"- - - -", b"\x00\x01\x02", b'"quoted"', b"2026-10-14T11:30:00Z", b"<134>"):
        assert read(kernel, line).reject.reason == "unknown_format"


def test_a_line_that_begins_as_a_format_but_is_none_says_what_it_lacks(kernel: Kernel) -> None:
    assert read(kernel, b"http 2026-09-23T07:15:47Z app/web/1 192.0.2.1:1").reasons == ["too_few_fields"]


def test_a_line_that_does_not_fit_the_named_log_format_is_no_match(kernel: Kernel) -> None:
    for name in ("haproxy_http", "haproxy_tcp", "haproxy_clf"):
        assert read(kernel, example("alb"), plan=only(name)).reject.reason == "no_match"
        assert read(kernel, example("alb"), item=promised(name)).record["format"] == "alb"
    assert read(kernel, b"junk", item=promised("haproxy_http")).reject.reason == "no_match"


@pytest.mark.parametrize(
    "line",
    [b"{", b"{}}", b'{"a":1,}', b"{'a':1}", b'{"a":{"b":1}}', b'{"a":[[1]]}', b'{"a":01}', b'{"a":1} x', b'{"a":"\x01"}',
     b'{"a":NaN}', b'{"a":"\xff"}', b'{"a":"\\x"}', b'{"a":+1}', b'{"a":1.}', b'{"a" 1}', b'{"a":tru}', b"{,}", b'{"a":"b'],
)  # fmt: skip
def test_what_begins_as_an_object_and_is_none_is_bad_json(kernel: Kernel, line: bytes) -> None:
    assert read(kernel, line).reject.reason == "bad_json"
    assert read(kernel, line, plan=only("alb")).reject.reason == "bad_json"
    assert read(kernel, line, item=promised("nlb")).reject.reason == "bad_json"


def test_an_object_that_no_format_knows_is_of_unknown_format(kernel: Kernel) -> None:
    for line in (b"{}", b'{"a":1}', b' {"a":1}', b'{"a":[null,true,-1.5e3,"\\u00e9\\ud83d\\ude00\\ud800"]}'):
        assert read(kernel, line).reject.reason == "unknown_format"


@pytest.mark.parametrize("kind", ["alb", "nlb", "alb_connection", "alb_health"])
def test_an_object_without_a_sound_time_is_a_reject(kernel: Kernel, kind: str) -> None:
    mark = next(layout.mark for layout in formats()[kind].layouts if isinstance(layout, Objects))
    for line in (
        f'{{"{mark}":"1"}}',
        f'{{"{mark}":"1","time":"-"}}',
        f'{{"{mark}":"1","time":null}}',
        f'{{"{mark}":1,"time":"x"}}',
    ):
        assert read(kernel, line.encode()).reject.reason == "bad_time"


def test_a_quote_that_nothing_closes_is_a_reject_of_all_its_lines(kernel: Kernel) -> None:
    data = OPEN + b"\nsecond\n\n#third"
    for ends in (b"", b"\n"):
        reject = read(kernel, data + ends).reject
        assert (reject.reason, reject.offset, reject.lines) == ("unclosed_quote", 0, 4)
        assert (reject.payload, reject.sha256) == (data, hashlib.sha256(data).hexdigest())


def test_a_line_that_starts_a_record_always_starts_one(kernel: Kernel) -> None:
    told = read(kernel, OPEN + b"\nsecond\n" + CLB + b"\n" + OPEN + b"\n" + CLB)
    assert [(reject.reason, reject.lines, reject.offset) for reject in told.rejects] == [
        ("unclosed_quote", 2, 0),
        ("unclosed_quote", 1, len(OPEN) + 9 + len(CLB)),
    ]
    assert [record["user_agent"] for record in told.records()] == ['"probe" 1.0'] * 2
    assert told.counts.balanced


def test_a_quote_left_open_where_data_break_off_is_told_before(kernel: Kernel) -> None:
    told = read(kernel, OPEN + b"\nsecond\nthi", truncated=True)
    assert [(reject.reason, reject.lines, reject.payload) for reject in told.rejects] == [
        ("unclosed_quote", 2, OPEN + b"\nsecond"),
        ("truncated", 0, b"thi"),
    ]
    assert told.counts.lines == told.counts.reject_lines == 2


def test_a_line_that_is_too_long_ends_an_open_record(kernel: Kernel) -> None:
    long = b"y" * 2_000
    told = read(kernel, OPEN + b"\n" + long + b"\n" + CLB, plan=only("clb", max_line=1_000))
    assert told.reasons == ["unclosed_quote", "line_too_long"]
    assert len(told.records()) == 1


def test_a_record_may_have_a_hundred_lines_and_no_more(kernel: Kernel) -> None:
    told = read(kernel, joined(JOINED_LINES) + b"\n" + CLB)
    assert (told.counts.records, told.counts.record_lines) == (2, JOINED_LINES + 1)
    assert told.records()[0]["user_agent"] == "first\n" + "x\n" * (JOINED_LINES - 2) + "last"
    told = read(kernel, joined(JOINED_LINES + 1) + b"\n" + CLB)
    assert [(reject.reason, reject.lines) for reject in told.rejects] == [
        ("record_too_long", JOINED_LINES),
        ("unknown_format", 1),
    ]
    assert (told.counts.records, told.counts.lines) == (1, JOINED_LINES + 2)


def test_a_record_may_be_joined_up_to_64_kib_and_no_further(kernel: Kernel) -> None:
    rest = JOINED_BYTES - len(joined(3, b""))
    fits, too_long = joined(3, b"z" * rest), joined(3, b"z" * (rest + 1))
    assert len(fits) == JOINED_BYTES
    assert len(read(kernel, fits).record["user_agent"]) == rest + len("first\n\nlast")
    told = read(kernel, too_long)
    assert [(reject.reason, reject.lines) for reject in told.rejects] == [("record_too_long", 2), ("unknown_format", 1)]
    assert told.rejects[0].payload == too_long[: -len(b'\nlast" - -')]


def test_lines_of_a_record_are_joined_across_chunks_and_its_offset_is_that_of_its_first_byte(kernel: Kernel) -> None:
    data = CLB + b"\n" + joined(3, b"\r") + b"\n"
    told = read(kernel, [data[at : at + 1] for at in range(len(data))])
    first, second = told.records(ids=True)
    assert second["user_agent"] == "first\n\nlast"
    assert second["_id"] != first["_id"]
    assert told.lines[1][0] == joined(3, b"")
    assert set(told.ends[len(CLB) + 1 : -2]) == {len(CLB) + 1}


def test_blank_and_control_lines_inside_a_user_agent_belong_to_the_record(kernel: Kernel) -> None:
    told = read(kernel, OPEN + b'\n\n#Fields: x\nEnable AccessLog for ELB: y\nz" - -\n\n')
    assert told.record["user_agent"] == "first\n\n#Fields: x\nEnable AccessLog for ELB: y\nz"
    counts = told.counts
    assert (counts.records, counts.record_lines, counts.blank, counts.control) == (1, 5, 1, 0)


def test_other_formats_join_no_lines(kernel: Kernel) -> None:
    alb = example("alb").replace(b"Dart/3.11 (dart:io)", b"Dart\n(io)")
    told = read(kernel, alb)
    assert told.counts.records == 1
    assert told.records()[0]["invalid"] == {"user_agent": '"Dart'}
    assert told.reasons == ["unknown_format"]


@pytest.mark.parametrize("where", ["fields", "behind"])
def test_a_quote_left_open_at_the_end_of_a_line_is_invalid_or_extra(kernel: Kernel, where: str) -> None:
    line = (
        example("alb") + b' "new' if where == "behind" else example("alb").rpartition(b'"www')[0] + b'"www.example.com'
    )
    record = read(kernel, line).record
    assert record.get("extra", []) == (["-", "-", '"new'] if where == "behind" else [])
    assert record.get("invalid", {}) == ({} if where == "behind" else {"domain_name": '"www.example.com'})


def test_the_key_decides_how_a_line_fails_but_never_loses_another_kind(kernel: Kernel) -> None:
    told = read(kernel, example("nlb") + b"\njunk\n" + example("alb"), item=promised("alb"))
    assert [record["format"] for record in told.records()] == ["nlb", "alb"]
    assert told.reasons == ["too_few_fields"]
    assert told.counts.mismatched == 1


def test_every_reason_is_told_by_a_test_here_or_in_test_lines(kernel: Kernel) -> None:
    told = [
        *read(
            kernel, OPEN + b"\n" + b"x\n" * JOINED_LINES + b"{\n" + b"?" * 5_000, plan=only("clb", max_line=4_000)
        ).reasons,
        *read(
            kernel, b"http 2026-09-23T07:15:47Z app/web/1 192.0.2.1:1\n" + OPEN + b"\n" + CLB + b"\njunk\n{\n"
        ).reasons,
        *read(kernel, b"junk", plan=only("haproxy_tcp")).reasons,
        *read(kernel, CLB.replace(b"2026-10-14T", b"2026-13-14T"), plan=only("clb")).reasons,
        *read(kernel, b"junk", truncated=True).reasons,
    ]
    assert set(told) == set(get_args(Reason))
    assert KEPT_OF_REJECT == JOINED_BYTES
