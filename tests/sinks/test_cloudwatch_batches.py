"""Whatever events come, the requests made of them keep every rule of PutLogEvents and hold every event once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.strict_logs_rules import Broken, check_events
from tailrace.model import RawLines
from tailrace.sinks._cloudwatch_batches import MAX_MESSAGE, OVERHEAD, Gathering, Lot, Put
from tailrace.sinks._cloudwatch_places import Place

DAY_MS = 86_400_000
NOW_MS = 20_000 * DAY_MS
A, B = Place("group", "a"), Place("group", "b")
WORDS = ("x", "é", "\U0001f600", '"', "\\", "\n", "\x00")


def lot(times: Sequence[int], messages: Sequence[str], first: int = 0) -> Lot:
    """Events of lines that begin at the offset `first`, one byte each."""
    lines = RawLines(b"", [], [], range(first, first + len(times)))
    return Lot(lines, range(len(times)), list(times), list(messages), [len(message.encode()) for message in messages])


def put_together(lots: Sequence[tuple[Place, Lot]], memory: int = 4 << 20) -> list[Put]:
    gathering = Gathering(memory)
    puts = [put for place, each in lots for put in gathering.add(place, each)]
    puts += gathering.take()
    assert gathering.take() == []
    return puts


def told(put: Put) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(put.body)
    return document


def offsets(put: Put) -> list[int]:
    return [lines.offsets[row] for lines, row in put.origins]


def check(put: Put) -> None:
    """By the rules of the strict server, and its span whatever the time is."""
    document = told(put)
    assert Place(document["logGroupName"], document["logStreamName"]) == put.place
    events = check_events(document, document["logEvents"][-1]["timestamp"])
    assert events[-1]["timestamp"] - events[0]["timestamp"] < DAY_MS
    assert put.count == len(events) == len(put.origins)


event = st.tuples(
    st.integers(0, 40 * DAY_MS),
    st.builds(
        lambda word, count: word * count, st.sampled_from(WORDS), st.one_of(st.integers(1, 40), st.integers(1, 250_000))
    ),
)
lots = st.lists(st.tuples(st.sampled_from([A, B]), st.lists(event, min_size=1, max_size=12)), max_size=8)


@given(lots, st.sampled_from([1, 100_000, 4 << 20]))
@settings(max_examples=60, deadline=None)
@example([(A, [(5, "late"), (5, "later"), (3, "early")]), (A, [(5, "last"), (4, "x")])], 4 << 20)
def test_every_event_is_in_one_request_that_keeps_the_rules(asked: list[Any], memory: int) -> None:
    offered, number = [], 0
    expected = {}
    for place, events in asked:
        times, messages = zip(*events, strict=True)
        offered.append((place, lot(times, messages, number)))
        for time, message in events:
            expected[number] = (place, time, message)
            number += 1
    found = {}
    for put in put_together(offered, memory):
        check(put)
        for offset, event_ in zip(offsets(put), told(put)["logEvents"], strict=True):
            assert offset not in found
            found[offset] = (put.place, event_["timestamp"], event_["message"])
        for (one, time), (other, next_time) in pairwise(
            (offset, event_["timestamp"]) for offset, event_ in zip(offsets(put), told(put)["logEvents"], strict=True)
        ):
            assert time < next_time or one < other, "events of the same time stay as they came"
    assert found == expected


@pytest.mark.parametrize(
    "size", [1, 2, 74, 75, 76, 78, 79, 1000, 524_261, 524_262, 524_263, MAX_MESSAGE - 1, MAX_MESSAGE]
)
def test_requests_are_as_full_as_they_may_be(size: int) -> None:
    fitting = min(10_000, 1_048_576 // (size + OVERHEAD))
    total = 2 * fitting + 1
    for per_lot in (total, fitting, 1 if total < 50 else 777):
        messages = ["m" * size] * total
        parts = [messages[begin : begin + per_lot] for begin in range(0, total, per_lot)]
        puts = put_together([(A, lot([7] * len(part), part)) for part in parts], memory=1 << 40)
        assert [put.count for put in puts] == [fitting, fitting, 1]
        for put in puts:
            check(put)


def test_the_strict_rules_would_notice_one_byte_or_event_more() -> None:
    def events(*sizes: int) -> dict[str, Any]:
        made = [{"timestamp": 1, "message": "m" * size} for size in sizes]
        return {"logGroupName": "g", "logStreamName": "s", "logEvents": made}

    check_events(events(MAX_MESSAGE), NOW_MS)
    check_events(events(*[1] * 10_000), NOW_MS)
    check_events(events(1_048_576 - 26 - 26 - 5, 5), NOW_MS)
    for wrong in (
        events(MAX_MESSAGE + 1),
        events(*[1] * 10_001),
        events(1_048_576 - 26 - 26 - 4, 5),
        events(0),
        events(),
    ):
        with pytest.raises(Broken):
            check_events(wrong, NOW_MS)


def test_mixed_days_make_few_requests() -> None:
    times = [NOW_MS + (number % 3) * DAY_MS + number for number in range(9000)]
    puts = put_together([(A, lot(times[begin : begin + 50], ["m"] * 50, begin)) for begin in range(0, 9000, 50)])
    assert [put.count for put in puts] == [3000, 3000, 3000]


def test_the_ends_of_a_day_are_apart_and_what_lies_between_is_together() -> None:
    (one,) = put_together([(A, lot([NOW_MS + DAY_MS - 1, NOW_MS], ["b", "a"]))])
    assert [event_.message for event_ in one.events] == ["a", "b"]
    assert len(put_together([(A, lot([NOW_MS + DAY_MS, NOW_MS + DAY_MS - 1], ["b", "a"]))])) == 2


def test_memory_is_bounded_however_many_requests_are_open() -> None:
    gathering = Gathering(100_000)
    waiting = 0
    for number in range(400):
        place = Place("group", str(number % 40))
        waiting += 1000 + OVERHEAD
        for put in gathering.add(place, lot([1], ["m" * 1000])):
            waiting -= put.count * (1000 + OVERHEAD)
        assert waiting <= 100_000
    assert sum(put.count for put in gathering.take()) * (1000 + OVERHEAD) == waiting


@given(st.lists(st.tuples(st.integers(0, 9), st.text(min_size=1, max_size=3)), min_size=2, max_size=30))
def test_halves_hold_the_same_events_of_the_same_records(events: list[tuple[int, str]]) -> None:
    clean = [(time, message.encode("utf-8", "replace").decode()) for time, message in events]
    (whole,) = put_together([(A, lot(*zip(*clean, strict=True)))])  # type: ignore[arg-type]
    first, second = whole.halves()
    assert first.events + second.events == whole.events
    assert offsets(first) + offsets(second) == offsets(whole)
    assert (first.count, second.count) == (len(first.events), len(second.events))
    assert min(first.count, second.count) >= 1


def test_what_is_forgotten_is_gone() -> None:
    gathering = Gathering()
    assert list(gathering.add(A, lot([1], ["m"]))) == []
    gathering.clear()
    assert gathering.take() == []
