"""Log groups are read whole and once: late events, pages of any size, failures, restarts; and on a real server."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breaking import read
from cloud import served
from loggroup import GROUP, START, UNREACHABLE, LogGroup, Put, Receipts, delivered, messages_of, opened, refused
from making import StillClock
from tailrace.errors import Fatal, UsageError
from tailrace.model import Item
from tailrace.settings import Settings
from tailrace.sources import cloudwatch

MINUTE = 60_000


@pytest.fixture
def group() -> LogGroup:
    return LogGroup(StillClock(START / 1000 + 3600))


def lines(item: Item) -> list[str]:
    return read(item).decode().splitlines()


def test_the_events_of_a_window_are_an_item(group: LogGroup) -> None:
    group.put(5, "one", 20)
    group.put(MINUTE - 1, "two", 20)
    group.put(MINUTE, "three")
    first, second = opened(group, content="lines").items()
    assert (lines(first), lines(second)) == (["one", "two"], ["three"])
    assert (first.identity.kind, first.identity.container) == ("cloudwatch", GROUP)
    assert first.identity.key == "*@20260921T141400.000Z.log"
    assert first.identity.etag.startswith("2-")
    assert first.modified == START / 1000 + 60
    assert first.durable
    again = list(opened(group, content="lines").items())
    assert [item.identity for item in again] == [first.identity, second.identity], "read again it is the same"


def test_an_event_is_an_object_unless_a_format_is_told(group: LogGroup) -> None:
    group.put(5, "any\nthing", 20)
    (item,) = opened(group).items()
    assert json.loads(read(item)) == {
        "timestamp": "2026-09-21T14:14:00.005Z",
        "message": "any\nthing",
        "logGroup": GROUP,
        "logStream": "a/1",
        "eventId": group.events[0].id,
        "ingestionTime": "2026-09-21T14:14:00.025Z",
    }
    for told in (Settings(format="alb"), Settings(log_format="%ci")):
        (item,) = opened(group, settings=told).items()
        assert lines(item) == ["any", "thing"]
    (item,) = opened(group, settings=Settings(format="alb"), content="events").items()
    assert read(item).startswith(b"{")


def test_only_streams_whose_names_begin_so(group: LogGroup) -> None:
    group.put(1, "mine", stream="app/1")
    group.put(2, "another's", stream="net/1")
    (item,) = opened(group, f"cloudwatch:{GROUP}:app/", content="lines").items()
    assert lines(item) == ["mine"]
    assert item.identity.key.startswith("app/@")
    assert {each["prefix"] for each in group.asked} == {"app/"}


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("", "", "0123"),
        ("2026-09-21T14:15:00Z", "", "123"),
        ("2026-09-21T16:15:00+02:00", "2026-09-21T14:16:00", "1"),
        ("", "2026-09-21T14:15:00Z", "0"),
        ("59m", "", "123"),
        ("1h", "58m", "01"),
        ("2026-09-21", "2026-09-22", "0123"),
    ],
)
def test_from_when_and_up_to_when(group: LogGroup, since: str, until: str, expected: str) -> None:
    for number in range(4):
        group.put(number * MINUTE, str(number))
    found = [lines(item) for item in opened(group, content="lines", since=since, until=until).items()]
    assert found == [[each] for each in expected]


def test_what_lies_ahead_comes_when_its_time_has_come(group: LogGroup) -> None:
    group.put(2 * 3600 * 1000, "in an hour", -3600 * 1000)
    assert list(opened(group).items()) == []


def test_pages_may_be_empty_and_of_any_size(group: LogGroup) -> None:
    for number in range(100):
        group.put(number * 700, str(number))
    items = list(opened(group, content="lines").items())
    assert sorted(line for item in items for line in lines(item)) == sorted(map(str, range(100)))
    assert len(items) == 2
    assert any(each["token"] for each in group.asked)


def test_a_large_window_is_several_items_and_they_are_the_same_each_time(
    group: LogGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloudwatch, "_MOST", 3000)
    for number in range(60):
        group.put(number // 3, f"{number:03}" + "x" * 300)
    seen = []
    for chance in (1, 2):
        group.chance = random.Random(chance)
        items = list(opened(group, content="lines").items())
        assert [line[:3] for item in items for line in sorted(lines(item))] == [f"{number:03}" for number in range(60)]
        assert len(items) > 5
        assert max(len(read(item)) for item in items) < 5000
        seen.append([item.identity for item in items])
    assert seen[0] == seen[1]
    assert len(set(seen[0])) == len(seen[0])


def test_shipped_again_only_what_has_come_late_is_new(group: LogGroup) -> None:
    receipts = Receipts()
    group.put(1, "one")
    group.put(30, "two")
    assert messages_of(delivered(opened(group, content="lines", receipts=receipts), receipts)) == {"one": 1, "two": 1}
    group.put(10, "late", 100)
    group.put(20, "later", 100)
    assert messages_of(delivered(opened(group, content="lines", receipts=receipts), receipts)) == {
        "late": 1,
        "later": 1,
    }
    assert not messages_of(delivered(opened(group, content="lines", receipts=receipts), receipts))
    parts = [lines(item) for item in opened(group, content="lines", receipts=receipts).items()]
    assert sorted(parts) == [["late", "later"], ["one", "two"]], (
        "they are given as they were, for one may be delivered in part"
    )
    group.put(5, "latest", 300)
    assert messages_of(delivered(opened(group, content="lines", receipts=receipts), receipts)) == {"latest": 1}


def test_a_run_gives_late_events_within_the_overlap_once_and_stops(group: LogGroup) -> None:
    group.clock.time = START / 1000 + 5
    receipts = Receipts()
    for number in range(10):
        group.put(number * MINUTE + 10, f"on time {number}")
        group.put(number * MINUTE + 20, f"late {number}", 100_000)
    source = opened(group, content="lines", receipts=receipts, until_s=900)
    found = messages_of(delivered(source, receipts))
    assert found == {f"{kind} {number}": 1 for number in range(10) for kind in ("on time", "late")}
    source.close()
    source.close()
    assert group.closed


def test_a_run_waits_for_the_end_of_a_window(group: LogGroup) -> None:
    group.clock.time = START / 1000 + 5
    source = opened(group, until_s=400)
    list(source.items())
    waits = source._pages.wait.__self__.waits  # type: ignore[attr-defined]
    assert len(group.asked) < 30
    assert all(1 <= each <= 60 for each in waits)


def test_a_run_begins_now_or_when_it_is_told_and_ends_when_it_is_told(group: LogGroup) -> None:
    for minutes in range(0, 70, 10):
        group.put(minutes * MINUTE, str(minutes))
    now = messages_of(delivered(opened(group, content="lines", until_s=3900), Receipts()))
    assert now == {"60": 1}
    group.clock.time = START / 1000 + 3600
    told = {"since": "2026-09-21T14:34:00Z", "until": "2026-09-21T14:54:00Z"}
    source = opened(group, content="lines", until_s=10**6, **told)
    assert messages_of(delivered(source, Receipts())) == {"20": 1, "30": 1}
    assert group.clock.time < START / 1000 + 4000, "it has ended by itself"


def test_a_run_goes_on_where_it_was_however_long_it_was_away(group: LogGroup) -> None:
    group.clock.time = START / 1000 + 5
    receipts = Receipts()
    for minutes in range(600):
        group.put(minutes * MINUTE + 7, str(minutes))
    first = messages_of(delivered(opened(group, content="lines", receipts=receipts, until_s=1200), receipts))
    assert 15 <= len(first) <= 20
    group.clock.time = START / 1000 + 3600 * 9
    group.asked.clear()
    second = messages_of(delivered(opened(group, content="lines", receipts=receipts, until_s=3600 * 9.5), receipts))
    assert group.asked[0]["start"] > START + 10 * MINUTE, "what is done is not read again"
    assert set(first + second) == {str(minutes) for minutes in range(569)}
    assert max((first + second).values()) == 1


def test_what_came_late_while_it_was_away_is_found(group: LogGroup) -> None:
    group.clock.time = START / 1000 + 5
    receipts = Receipts()
    group.put(1000, "early")
    group.put(5 * MINUTE - 1000, "late", 100_000)
    first = messages_of(delivered(opened(group, content="lines", receipts=receipts, until_s=330), receipts))
    assert first == {"early": 1}
    assert max(int(etag) for (_, _, key), etags in receipts.etags.items() if "check" in key for etag in etags) > START
    second = messages_of(delivered(opened(group, content="lines", receipts=receipts, until_s=600), receipts))
    assert second == {"late": 1}


def test_what_is_given_back_comes_again_and_holds_the_checkpoint(group: LogGroup) -> None:
    group.clock.time = START / 1000 + 5
    receipts = Receipts()
    for minutes in range(30):
        group.put(minutes * MINUTE + 7, str(minutes))
        group.put(minutes * MINUTE + 8, f"late {minutes}", 80_000)
    fails: Counter[str] = Counter()

    def fate(item: Item) -> bool:
        fails[item.identity.key] += 1
        assert "checkpoint" not in item.identity.key or int(item.identity.etag) <= START + 3 * MINUTE or fails["let"]
        return not ("T1417" in item.identity.key and fails["let"] == 0)

    source = opened(group, content="lines", receipts=receipts, until_s=60 * 20)
    first = messages_of(delivered(source, receipts, fate))
    assert {"3", "late 3"} & set(first) == set()
    assert "15" in first
    fails["let"] = 1
    rest = messages_of(delivered(opened(group, content="lines", receipts=receipts, until_s=60 * 40), receipts, fate))
    assert set(first + rest) == {f"{kind}{minutes}" for kind in ("", "late ") for minutes in range(30)}
    assert max((first + rest).values()) == 1


def test_what_is_given_back_is_the_same_item_when_it_comes_again(group: LogGroup) -> None:
    group.clock.time = START / 1000 + 5
    for number in range(3):
        group.put(number, str(number))
    group.put(4, "late", 90_000)
    given: list[tuple[str, str]] = []

    def fate(item: Item) -> bool:
        if "checkpoint" in item.identity.key:
            return True
        given.append((item.identity.key, item.identity.etag))
        return given.count(given[-1]) > 2

    found = messages_of(delivered(opened(group, content="lines", until_s=900), Receipts(), fate))
    assert found == {"0": 1, "1": 1, "2": 1, "late": 1}
    assert len(set(given)) == 2
    assert all(given.count(each) == 3 for each in given)


@settings(max_examples=150, deadline=None)
@given(
    puts=st.lists(
        st.tuples(st.integers(0, 600_000), st.integers(0, 110_000), st.integers(0, 3)), min_size=1, max_size=40
    ),
    seed=st.integers(0, 1000),
    stops=st.lists(st.integers(1, 900), max_size=4),
    failing=st.integers(0, 30),
)
def test_every_event_arrives_once_however_often_the_run_is_stopped(
    puts: list[tuple[int, int, int]], seed: int, stops: list[int], failing: int
) -> None:
    """Events come up to 110 s late and in any order; items fail; the run stops and starts at any moment."""
    group = LogGroup(StillClock(START / 1000 + 5), chance=random.Random(seed))
    for number, (at, late, stream) in enumerate(puts):
        group.put(at, str(number), late, stream=f"s{stream}")
    receipts, chance = Receipts(), random.Random(seed)
    found: Counter[str] = Counter()
    left = [failing]

    def fate(_item: Item) -> bool:
        left[0] -= 1
        return left[0] < 0 or chance.random() < 0.5

    for until in (*sorted(stops), 1500):
        source = opened(group, content="lines", receipts=receipts, until_s=until, since="2026-09-21T14:14:00Z")
        found += messages_of(delivered(source, receipts, fate))
    assert found == {str(number): 1 for number in range(len(puts))}


@settings(max_examples=100, deadline=None)
@given(
    puts=st.lists(st.tuples(st.integers(0, 300_000), st.integers(0, 50_000), st.integers(0, 50_000)), max_size=30),
    kills=st.lists(st.integers(1, 12), max_size=3),
    seed=st.integers(0, 100),
)
def test_nothing_is_lost_where_it_is_killed_and_events_are_shown_in_any_order(
    puts: list[tuple[int, int, int]], kills: list[int], seed: int
) -> None:
    """Killed after an item has arrived and before its receipt; events may be shown long after CloudWatch took them in."""
    group = LogGroup(StillClock(START / 1000 + 5), chance=random.Random(seed))
    for number, (at, late, hidden) in enumerate(puts):
        group.put(at, str(number), late, hidden=hidden)
    receipts = Receipts()
    found: Counter[str] = Counter()
    for kill in (*kills, 10**9):
        source = opened(group, content="lines", receipts=receipts, until_s=1500, since="2026-09-21T14:14:00Z")
        for number, item in enumerate(source.items()):
            if not receipts.has(item):
                found.update(lines(item))
                if number >= kill:
                    break
                receipts.keep(item)
            source.ack(item)
    assert set(found) == {str(number) for number in range(len(puts))}


def test_what_passes_is_waited_for(group: LogGroup) -> None:
    group.put(1, "one")
    group.faults = [
        refused("ThrottlingException"),
        ConnectionResetError(),
        refused("ServiceUnavailableException", 503),
        refused("", 429),
    ]
    began = group.clock.time
    (item,) = opened(group, content="lines").items()
    assert lines(item) == ["one"]
    assert group.clock.time - began == 1 + 2 + 4 + 8


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_status_that_passes_is_waited_for(group: LogGroup, status: int) -> None:
    group.put(1, "one")
    group.faults = [refused("", status)]
    assert [lines(item) for item in opened(group, content="lines").items()] == [["one"]]


def test_what_does_not_pass_ends_a_shipment_but_no_run(group: LogGroup) -> None:
    group.faults = [refused("ThrottlingException")] * 6
    with pytest.raises(
        Fatal, match=r"cannot be read now \(ThrottlingException\); run again when the service has recovered"
    ):
        list(opened(group).items())
    group.put(3600_000, "one")
    group.faults = [refused("ThrottlingException")] * 20
    told: list[str] = []
    source = opened(group, content="lines", until_s=5400)
    object.__setattr__(source._pages, "notice", told.append)
    assert messages_of(delivered(source, Receipts())) == {"one": 1}
    assert told == [f"the log group {GROUP} cannot be read now (ThrottlingException); it is asked for again and again"]


def test_a_service_that_is_away_ends_a_shipment_at_once(group: LogGroup) -> None:
    group.faults = [UNREACHABLE]
    with pytest.raises(Fatal, match=f"http://logs cannot be reached for the log group {GROUP}; check the endpoint"):
        list(opened(group).items())


def test_a_run_that_is_stopped_while_it_waits_ends(group: LogGroup) -> None:
    group.put(3600_000 - 1, "one")
    group.faults = [UNREACHABLE] * 1000
    assert list(opened(group, until_s=4000).items()) == []


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("ResourceNotFoundException", f"there is no log group {GROUP} at http://logs"),
        ("AccessDeniedException", f"access to the log group {GROUP} at http://logs is denied"),
        ("UnrecognizedClientException", "the credentials are not accepted"),
        ("InvalidParameterException", r"cannot be read \(InvalidParameterException\)"),
    ],
)
def test_what_will_not_pass_is_fatal(group: LogGroup, code: str, message: str) -> None:
    for stays in (0, 9999):
        group.faults = [refused(code)]
        with pytest.raises(Fatal, match=message):
            list(opened(group, until_s=stays, since="2h").items())
    group.faults = [refused(code)]
    with pytest.raises(Fatal, match=message):
        opened(group).check()
    assert opened(group).check() == "its events can be read"


def test_a_token_that_comes_again_does_not_go_round(group: LogGroup) -> None:
    page = {"events": [], "nextToken": "same"}
    group.filter_log_events = lambda **_: page  # type: ignore[method-assign]
    with pytest.raises(Fatal, match="gives the same page again"):
        list(opened(group).items())


@pytest.mark.parametrize(
    ("word", "own", "message"),
    [
        ("cloudwatch:", {}, "write cloudwatch:GROUP"),
        (f"cloudwatch:{GROUP}", {"since": "yesterday"}, "since yesterday: write a time such as"),
        (f"cloudwatch:{GROUP}", {"until": "2026-13-01"}, "until 2026-13-01: write a time such as"),
        (f"cloudwatch:{GROUP}", {"since": "1h", "until": "2h"}, "since 1h is not before until 2h"),
        (f"cloudwatch:{GROUP}", {"window": "10ms"}, "window: at least 1s"),
    ],
)
def test_what_cannot_be_is_told(group: LogGroup, word: str, own: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        opened(group, word, **own)


def test_a_group_is_not_read_and_written(group: LogGroup) -> None:
    for told in (
        Settings(to=("stdout", f"cloudwatch:{GROUP}")),
        Settings(to=("logs",), sinks={"logs": {"url": f"cloudwatch:{GROUP}"}}),
        Settings(dead_letters=f"cloudwatch:{GROUP}"),
    ):
        with pytest.raises(UsageError, match="would go round for ever"):
            opened(group, settings=told)
    opened(group, settings=Settings(to=("cloudwatch:/another",)))


def test_a_real_server_gives_the_same() -> None:
    name = f"/real/{uuid4()}"
    with served("logs") as client:
        client.create_log_group(logGroupName=name)
        for stream in ("app/1", "net/1"):
            client.create_log_stream(logGroupName=name, logStreamName=stream)
        clock = StillClock()
        now = (
            int(client.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]["creationTime"]) // MINUTE * MINUTE
        )
        clock.time = now / 1000 + 3600
        for stream, times in (("app/1", (-180_000, -120_000, -5)), ("net/1", (-120_001, -60_000))):
            events = [{"timestamp": now + at, "message": f"{stream} {at}"} for at in times]
            client.put_log_events(logGroupName=name, logStreamName=stream, logEvents=events)
        group: Any = client
        group.clock = clock
        expected = [["app/1 -180000", "net/1 -120001"], ["app/1 -120000"], ["net/1 -60000", "app/1 -5"]]
        assert [lines(item) for item in opened(group, f"cloudwatch:{name}", content="lines").items()] == expected
        (late, *_rest) = opened(group, f"cloudwatch:{name}:app/", content="lines").items()
        assert lines(late) == ["app/1 -180000"]
        with pytest.raises(Fatal, match="there is no log group /not/there"):
            list(opened(group, "cloudwatch:/not/there").items())


def test_events_of_the_fake_are_told_apart() -> None:
    assert Put(1, 2, 3, "a").id != Put(1, 2, 3, "b").id
