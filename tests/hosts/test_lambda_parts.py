"""The parts of the Lambda host by themselves: deadline, messages, report."""

from __future__ import annotations

import io
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from making import StillClock
from tailrace.errors import SourceError
from tailrace.events import Announced, NotUnderstood
from tailrace.hosts._lambda_deadline import Deadline, Progress, Punctual, leasing
from tailrace.hosts._lambda_messages import Continuation, Part, in_order, messages, parts
from tailrace.hosts._lambda_report import Report
from tailrace.model import Counts, Identity, Item, Totals
from tailrace.run import Outcome
from tailrace.state.memory import MemoryState

ITEM = Item(Identity("s3", "logs", "a.log", "e1"), io.BytesIO, 7, 0.0)


def test_the_margin_is_used_up_in_order(clock: StillClock) -> None:
    with Deadline(clock, 900, 30) as deadline:
        clock.sleep(870)
        assert not deadline.late
        assert not deadline.wait(9)
        assert deadline.wait(2), "it would be late then"
        assert clock.time == StillClock().time + 879
        clock.sleep(1)
        assert deadline.late


def test_of_little_time_the_margin_is_a_third(clock: StillClock) -> None:
    with Deadline(clock, 3, 30) as deadline:
        assert not deadline.wait(2.2)
        assert deadline.wait(0.2)
    with Deadline(clock, 0, 30) as deadline:
        assert deadline.stop.wait(10)
        assert deadline.late


def test_a_lease_ends_with_the_invocation(clock: StillClock) -> None:
    state = MemoryState(clock)
    with Deadline(clock, 40, 10) as deadline:
        own = leasing(state, deadline)
        assert own.claim(ITEM.identity, "one", 300)
        assert not state.claim(ITEM.identity, "two", 300)
        clock.sleep(42)
        assert state.claim(ITEM.identity, "two", 300)
        own.release(ITEM.identity, "one")
        assert not own.claim(ITEM.identity, "one", 300)


def test_what_is_late_is_not_skipped_any_more(clock: StillClock) -> None:
    with Deadline(clock, 90, 30) as deadline:
        progress = Progress()
        stream: Any = Punctual(io.BytesIO(b"content"), deadline, progress, "logs/a.log")
        assert stream.read(3) == b"con"
        assert stream.tell() == 3
        clock.sleep(70)
        with pytest.raises(SourceError, match=r"logs/a\.log: the invocation ended before"):
            stream.read(3)
        progress.moved(ITEM, 3, 1)
        assert stream.read(3) == b"ten", "what is under way is ended by the stop"
        stream.close()


TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.binary().map(
    lambda data: data.decode("utf-8", "surrogateescape")
)


class Objects:
    """Makes items as they are told."""

    def announced(self, told: Announced) -> Item:
        return Item(Identity("s3", told.bucket, told.key, told.etag), io.BytesIO, told.size, 0.0)


@given(key=TEXT, sinks=st.dictionaries(TEXT, st.integers(0, 2**62)), hop=st.integers(0, 30), size=st.integers(1, 2**50))
def test_a_continuation_comes_back_as_it_was_sent(key: str, sinks: dict[str, int], hop: int, size: int) -> None:
    told = Announced(bucket="logs", key=key, etag="e1", version="v1", size=size, time="2026-11-20T12:00:00Z")
    objects: Any = Objects()
    part = Part(item=objects.announced(told), told=told, hop=hop)
    sent = msgspec.json.encode(Continuation.of(part, told, sinks)).decode()
    record = {"eventSource": "aws:sqs", "messageId": "1", "body": sent}
    (message,) = messages({"Records": [record]})
    (found,) = parts(message, lambda: objects, "events")
    assert (found.told, found.hop, found.offsets, found.item.identity) == (told, hop + 1, sinks, part.item.identity)


def test_a_bucket_called_as_we_are_is_no_continuation() -> None:
    s3 = {"bucket": {"name": "tailrace"}, "object": {"key": "tailrace", "eTag": "e", "size": 1}}
    event = {"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}]}
    record = {"eventSource": "aws:sqs", "messageId": "1", "body": json.dumps(event)}
    (message,) = messages({"Records": [record]})
    objects: Any = Objects()
    (found,) = parts(message, lambda: objects, "events")
    assert (found.hop, found.item.identity.container) == (0, "tailrace")


def test_what_is_no_event_is_not_understood() -> None:
    with pytest.raises(NotUnderstood):
        messages([1])
    for event in ({}, {"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}, {"Records": [7]}, {"awslogs": {}}):
        (message,) = messages(event)
        with pytest.raises(NotUnderstood):
            list(parts(message, Objects, "events"))  # type: ignore[arg-type]
    assert not in_order({})


def test_each_sink_has_a_line_of_metrics_and_the_first_one_the_rest() -> None:
    report = Report()
    totals = {"cloudwatch:a": Totals(routed=3, accepted=2, dead=1), "x\udcff": Totals(routed=3, already=3)}
    report.ended(Outcome("delivered", counts=Counts(lines=4, records=3), totals=totals), 12.5)
    report.failed("it broke", item=True)
    first, second = (json.loads(line) for line in report.metrics("Mine", "fn", 1000.5))
    assert first["_aws"]["Timestamp"] == 1_000_500
    assert [each["Dimensions"] for each in first["_aws"]["CloudWatchMetrics"]] == [
        [["FunctionName"]],
        [["FunctionName", "Sink"]],
    ]
    assert (first["Sink"], first["RecordsAccepted"], first["RecordsRefused"]) == ("cloudwatch:a", 2, 1)
    assert (first["ObjectsDelivered"], first["ObjectsFailed"], first["Lines"], first["Lag"]) == (1, 1, 4, 12.5)
    assert (second["Sink"], second["RecordsAlready"]) == ("x\\udcff", 3)
    assert "Lines" not in second
    for line in (first, second):
        for directive in line["_aws"]["CloudWatchMetrics"]:
            assert all(isinstance(line[metric["Name"]], int | float) for metric in directive["Metrics"])


def test_of_many_errors_the_last_five_are_told_and_none_at_length() -> None:
    report = Report()
    for number in range(9):
        report.failed(f"{number}" * 2000, item=False)
    told = json.loads(report.summary({"request": "r"}))
    assert (told["failures"], [error[0] for error in told["errors"]]) == (9, ["4", "5", "6", "7", "8"])
    assert {len(error) for error in told["errors"]} == {1000}
