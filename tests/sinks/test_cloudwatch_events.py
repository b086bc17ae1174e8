"""What becomes of a record: its message, its time, and why it may not be sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from logsending import Lines
from making import alb, batch, clb
from tailrace.model import NO_TIME, View
from tailrace.sinks._cloudwatch_batches import MAX_MESSAGE, Event
from tailrace.sinks._cloudwatch_events import Made, Making, formats_of

NOW = 1_790_150_400_000
HOUR = 3_600_000
DAY = 24 * HOUR


def made(lines: Sequence[bytes], times: Sequence[int] = (), **making: Any) -> Made:
    records: Any = Lines(lines, times)
    return Making(**making).made(records, NOW)


def sent(found: Made) -> list[tuple[int, str]]:
    return [each for lot in found.lots for each in zip(lot.times, lot.messages, strict=True)]


def test_a_message_is_the_line_or_the_record() -> None:
    content = alb("2026-09-23", 1) + alb("2026-09-23", 2)
    records = batch(content).records
    now = 1_790_150_400_000
    assert [message.encode() + b"\n" for _, message in sent(Making().made(records, now))] == content.splitlines(
        keepends=True
    )
    for schema in ("aws", "ecs"):
        found = [json.loads(message) for _, message in sent(Making(schema=schema).made(records, now))]
        assert found == [json.loads(line) for line in bytes(records.ndjson(schema)).splitlines()]
    assert [time for time, _ in sent(Making().made(records, now))] == [1_790_147_747_805] * 2


@given(
    st.lists(st.one_of(st.binary(min_size=1, max_size=8), st.text(min_size=1, max_size=4).map(str.encode)), min_size=1)
)
@example([b"\xe2\x82", b"a\xff\xfeb", "é€\U0001f600".encode(), b"\xed\xa0\x80", b"\xf0\x9f\x98"])
def test_what_is_no_utf_8_is_replaced_and_counted_as_it_is_sent(lines: list[bytes]) -> None:
    found = made(lines)
    assert [message for _, message in sent(found)] == [line.decode("utf-8", "replace") for line in lines]
    assert [size for lot in found.lots for size in lot.sizes] == [
        len(line.decode("utf-8", "replace").encode()) for line in lines
    ]
    assert [lot.lines.offsets[row] for lot in found.lots for row in lot.rows] == list(found.lots[0].lines.offsets)


def test_an_invalid_byte_counts_three() -> None:
    assert made([b"\xff" * 10]).lots[0].sizes == [30]
    fitting, too_long = b"a" * (MAX_MESSAGE - 3) + b"\xff", b"a" * (MAX_MESSAGE - 2) + b"\xff"
    found = made([fitting, too_long])
    assert [size for lot in found.lots for size in lot.sizes] == [MAX_MESSAGE]
    assert [(each.reason, each.payload == too_long) for each in found.refusals] == [("too_large", True)]


def test_the_longest_event_is_sent_and_one_byte_more_is_refused() -> None:
    found = made([b"x" * MAX_MESSAGE, b"y" * (MAX_MESSAGE + 1), b"z"])
    assert [message[0] for _, message in sent(found)] == ["x", "z"]
    (refused,) = found.refusals
    assert (refused.reason, refused.offset, refused.payload) == (
        "too_large",
        100 + MAX_MESSAGE + 1,
        b"y" * (MAX_MESSAGE + 1),
    )


@pytest.mark.parametrize("character", ["x", "é", "€", "\U0001f600"])
@pytest.mark.parametrize("more", range(5))
def test_what_is_too_long_may_be_cut_between_characters(character: str, more: int) -> None:
    line = ("a" * more + character * (MAX_MESSAGE + 1)).encode()
    found = made([line], cut=True)
    ((_, message),) = sent(found)
    begin, mark, rest = message.partition(" [cut by Tailrace: ")
    assert line.decode().startswith(begin)
    assert mark + rest == f" [cut by Tailrace: {len(line)} bytes]"
    assert MAX_MESSAGE - 4 < len(message.encode()) <= MAX_MESSAGE
    assert (found.lots[0].sizes, found.refusals) == ([len(message.encode())], [])


def test_an_empty_line_is_never_sent() -> None:
    found = made([b"a", b"", b"b"])
    assert [message for _, message in sent(found)] == ["a", "b"]
    assert [each.reason for each in found.refusals] == ["empty"]


def test_times_far_out_of_range_are_refused_and_those_at_the_edge_are_left_to_the_service() -> None:
    slack = 15 * 60_000
    times = [
        NOW - 14 * DAY,
        NOW - 14 * DAY - slack,
        NOW - 14 * DAY - slack - 1,
        -5,
        NOW + 2 * HOUR + slack,
        NOW + 2 * HOUR + slack + 1,
    ]
    found = made([b"0", b"1", b"2", b"3", b"4", b"5"], times)
    assert sent(found) == [(times[0], "0"), (times[1], "1"), (times[4], "4")]
    assert [(each.payload, each.reason) for each in found.refusals] == [
        (b"2", "too_old"),
        (b"3", "too_old"),
        (b"5", "too_new"),
    ]


def test_records_without_a_time_are_sent_with_that_of_delivery_and_counted() -> None:
    found = made([b"a", b"b"], [NO_TIME, NOW - 5])
    assert sorted(sent(found)) == [(NOW - 5, "b"), (NOW, "a")]
    assert found.timeless == 1


def test_what_is_out_of_range_may_be_sent_with_the_time_of_delivery_and_its_own_in_the_message() -> None:
    found = made([b"old", b"fine", b"new", b"ancient"], [NOW - 20 * DAY, NOW, NOW + DAY, -(10**16)], retime=True)
    assert sorted(sent(found)) == [
        (NOW, "-10000000000000000 ancient"),
        (NOW, "2026-09-03T08:00:00.000Z old"),
        (NOW, "2026-09-24T08:00:00.000Z new"),
        (NOW, "fine"),
    ]
    assert {lot.retimed: lot.rows for lot in found.lots} == {False: [1], True: [0, 2, 3]}
    assert found.refusals == []


def test_json_tells_its_own_time_anyway() -> None:
    records = batch(alb("2026-09-01", 1)).records
    ((time, message),) = sent(Making(schema="aws", retime=True).made(records, NOW))
    assert (time, json.loads(message)["time"]) == (NOW, "2026-09-01T07:15:47.805298Z")


def test_what_the_service_refused_for_its_time_is_sent_with_that_of_delivery() -> None:
    records: Any = Lines([b"a", b"b"])
    lines = records.raw()
    again = Making(retime=True).again([(Event(NOW - DAY, "b"), (lines, 1))], NOW + 7)
    assert sent(again) == [(NOW + 7, "2026-09-22T08:00:00.000Z b")]
    assert [(lot.rows, lot.retimed) for lot in again.lots] == [([1], True)]


def test_formats_are_told_whatever_a_view_calls_them() -> None:
    records = batch(alb("2026-09-23") + clb("2026-10-14")).records
    assert list(formats_of(records)) == ["alb", "clb"]
    renamed = records.select(View(rename=(("format", "kind"),), constants=(("format", '"web"'),)))
    assert list(formats_of(renamed)) == ["alb", "clb"]
