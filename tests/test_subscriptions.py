"""Events of CloudWatch Logs as items: what AWS documents (tests/events), and what nobody should send."""

from __future__ import annotations

import gzip
import json
import zlib
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breaking import read
from parsing import KERNELS, kernel_named
from parsing import read as read_lines
from tailrace import subscriptions
from tailrace.events import NotUnderstood
from tailrace.kernel.plan import ItemPlan, Plan
from tailrace.kernel.reference import Parser
from tailrace.model import Item
from tailrace.registry import formats
from tailrace.subscriptions import Group, LogEvent, etag, subscribed

FOLDER = Path(__file__).parent / "events"
DECODED = json.loads((FOLDER / "documented_cloudwatch_logs_subscription_decoded.json").read_text(encoding="utf-8"))


def document(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def records(item: Item) -> list[dict[str, Any]]:
    """What both parsers make of an item, which must be the same."""
    made = [kernel_named(each) for each in KERNELS]
    told = [read_lines(kernel, read(item)) for kernel in made]
    for each in told:
        assert not each.rejects
        assert each.records() == told[0].records()
    return told[0].records()


def message(**told: Any) -> dict[str, Any]:
    whole = {"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s", "logEvents": [], **told}
    return {"awslogs": {"data": b64encode(gzip.compress(json.dumps(whole).encode())).decode()}}


def test_a_documented_event_is_an_item_whose_records_tell_everything() -> None:
    (item,) = subscribed(document("documented_cloudwatch_logs_subscription")) or ()
    assert (item.identity.kind, item.identity.container) == ("cloudwatch", "/lb/example")
    assert item.identity.key == "app/example/50dc6c495c0c9188@20261120T120000.000Z.json"
    assert (item.size, item.modified) == (len(read(item)), 1795176000.001)
    found = records(item)
    assert [record["message"] for record in found] == [event["message"] for event in DECODED["logEvents"]]
    assert [record["event_id"] for record in found] == [event["id"] for event in DECODED["logEvents"]]
    assert {key: found[1][key] for key in ("format", "time", "log_group", "log_stream", "owner")} == {
        "format": "cloudwatch_event",
        "time": "2026-11-20T12:00:00.001Z",
        "log_group": "/lb/example",
        "log_stream": "app/example/50dc6c495c0c9188",
        "owner": "123456789012",
    }


def test_as_lines_the_messages_are_what_is_read() -> None:
    (item,) = subscribed(document("documented_cloudwatch_logs_subscription"), "lines") or ()
    assert read(item).decode().splitlines() == [event["message"] for event in DECODED["logEvents"]]
    assert item.identity.key.endswith(".log")


def test_records_of_kinesis_hold_the_same_and_control_messages_nothing() -> None:
    event = document("documented_kinesis_cloudwatch_logs")
    (item,) = subscribed(event) or ()
    (alone,) = subscribed(document("documented_cloudwatch_logs_subscription")) or ()
    assert item.identity == alone.identity, "however it came, it is the same"
    kinds = [
        json.loads(zlib.decompress(b64decode(each["kinesis"]["data"]), 31))["messageType"] for each in event["Records"]
    ]
    assert sorted(kinds) == ["CONTROL_MESSAGE", "DATA_MESSAGE"]
    assert subscribed(message(messageType="CONTROL_MESSAGE")) == []
    assert subscribed(message()) == []


@pytest.mark.parametrize("name", [path.stem for path in FOLDER.glob("*s3*.json")])
def test_other_events_are_of_another_kind(name: str) -> None:
    assert subscribed(document(name)) is None


def test_kinesis_with_something_else_is_not_understood() -> None:
    with pytest.raises(NotUnderstood, match="no subscription filter of CloudWatch Logs has written"):
        subscribed(document("documented_kinesis_plain"))


@pytest.mark.parametrize(
    "data",
    [
        None,
        5,
        "",
        "é",
        "no base64!",
        b64encode(b"no gzip").decode(),
        b64encode(gzip.compress(b"no json", mtime=0)).decode(),
        b64encode(gzip.compress(b'{"messageType":"DATA_MESSAGE"}', mtime=0)[:-4]).decode(),
        b64encode(gzip.compress(b'{"messageType":"DATA_MESSAGE","logEvents":[{"id":1}]}', mtime=0)).decode(),
        b64encode(gzip.compress(b'{"messageType":"ANOTHER_MESSAGE","logGroup":"g"}', mtime=0)).decode(),
        b64encode(gzip.compress(b'{"messageType":"DATA_MESSAGE"}', mtime=0)).decode(),
    ],
)
def test_what_cannot_be_read_is_not_understood(data: Any) -> None:
    with pytest.raises(NotUnderstood, match="it is left where it is"):
        subscribed({"awslogs": {"data": data}})


def test_what_inflates_too_far_is_not_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "_MOST", 10_000)
    events = [{"id": "1", "timestamp": 5, "message": "x" * 20_000}]
    with pytest.raises(NotUnderstood):
        subscribed(message(logEvents=events))
    many = gzip.compress(b" " * 6000) * 3
    with pytest.raises(NotUnderstood):
        subscribed({"awslogs": {"data": b64encode(many).decode()}})


def test_gzip_of_several_members_is_read_to_its_end() -> None:
    text = json.dumps(
        {"messageType": "DATA_MESSAGE", "logGroup": "g", "logEvents": [{"id": "1", "timestamp": 5, "message": "x"}]}
    )
    halves = gzip.compress(text[:20].encode()) + gzip.compress(text[20:].encode())
    (item,) = subscribed({"awslogs": {"data": b64encode(halves).decode()}}) or ()
    assert [record["message"] for record in records(item)] == ["x"]


_TEXT = st.text(min_size=1).filter(lambda text: text != "-")


@given(st.lists(st.tuples(_TEXT, st.integers(0, 4_000_000_000_000)), min_size=1, max_size=8, unique=True))
def test_any_message_is_carried_on_as_it_is(told: list[tuple[str, int]]) -> None:
    events = [LogEvent(str(number), at, "a stream", text, at + 5) for number, (text, at) in enumerate(told)]
    found = records(Group("g").item("*", 0, 1, events))
    assert [(record["event_id"], record["message"]) for record in found] == [
        (event.id, event.message) for event in sorted(events, key=lambda event: (event.at, event.id))
    ]


def test_halves_of_characters_are_replaced_and_impossible_times_become_rejects() -> None:
    item = Group("g").item("*", 0, 1, [LogEvent("1", 5, "s", "a\ud800b")])
    assert records(item)[0]["message"] == "a\ufffdb"
    assert Group("g", form="lines").item("*", 0, 1, [LogEvent("1", 5, "s", "a\ud800b\r\n")]).size == 6
    never = Group("g").item("*", 0, 1, [LogEvent("1", 10**18, "s", "x")])
    parser = Parser(Plan(formats=tuple(formats().values())), ItemPlan(reference_us=0))
    assert len(parser.feed(read(never)).rejects) == 1


@given(st.lists(st.text(), unique=True), st.randoms())
def test_an_etag_tells_of_the_ids_whatever_their_order(ids: list[str], chance: Any) -> None:
    mixed = chance.sample(ids, len(ids))
    assert etag(mixed) == etag(ids)
    assert etag([*ids, "\x00more"]) != etag(ids)
    assert etag(["ab", "c"]) != etag(["a", "bc"])
