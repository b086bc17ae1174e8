"""The sink before a server that enforces every rule of CloudWatch Logs."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from logsending import DAY, GROUP, NOW, Sending, batches, client_of, lines, logged, plain
from making import StillClock, alb, batch, clb, item
from parsing import kernel_named
from services.strict_logs import Accepted, Fault, StrictLogs, slow, without_group, without_stream
from tailrace.errors import Fatal, UsageError
from tailrace.model import NO_TIME, Flushed

KEY = "123456789012_elasticloadbalancing_us-east-2_app.shop.1234567890abcdef_20260923T0720Z_192.0.2.1_{}.log.gz"


@pytest.fixture(scope="module")
def server() -> Iterator[StrictLogs]:
    with StrictLogs() as made:
        yield made
        client_of(made.url).close()


@pytest.fixture
def logs(server: StrictLogs) -> Iterator[StrictLogs]:
    server.reset()
    yield server
    assert server.broken == []


@pytest.fixture
def sending(logs: StrictLogs) -> Sending:
    made = Sending(logs, StillClock(NOW))
    logs.now = made.clock.now
    return made


def messages(accepted: list[Accepted]) -> Counter[bytes]:
    return Counter(event.message.encode() + b"\n" for event in accepted)


def day_before(days: float, of: float = NOW) -> str:
    return (datetime.fromtimestamp(of, UTC) - timedelta(days=days)).date().isoformat()


def test_every_record_arrives_once_in_the_stream_of_its_load_balancer(logs: StrictLogs, sending: Sending) -> None:
    logs.create(GROUP)
    content = lines(1700)
    sink = sending.sink()
    assert sending.ship(sink, *batches(content), of=logged(f"AWSLogs/{KEY.format('a')}")) == Flushed()
    assert messages(logs.accepted) == Counter(content)
    assert {event[:3] for event in logs.accepted} == {(GROUP, "shop", 1_790_147_747_805)}
    assert sum(count for count, _ in logs.sizes) == 1700
    assert len(logs.sizes) == 2, "requests are as large as they may be"
    assert sink.repeated == sink.timeless == 0
    assert sending.ship(sink) == Flushed()
    sink.close()
    sink.close()


def test_json_is_the_record(logs: StrictLogs, sending: Sending) -> None:
    logs.create(GROUP)
    records = batch(b"".join(lines(3)))
    for schema in ("aws", "otel"):
        sink = sending.factory(message="json", schema=schema)()
        sending.ship(sink, records)
        sink.close()
        found = [json.loads(event.message) for event in logs.accepted]
        logs.accepted.clear()
        assert found == [json.loads(line) for line in bytes(records.records.ndjson(schema)).splitlines()]


def test_what_is_compressed_is_the_same(logs: StrictLogs, sending: Sending) -> None:
    logs.create(GROUP)
    content = lines(300)
    sink = sending.sink(gzip=True)
    sending.ship(sink, *batches(content))
    sink.close()
    assert messages(logs.accepted) == Counter(content)


def test_streams_by_date_and_format(logs: StrictLogs, sending: Sending) -> None:
    logs.create("/logs/alb")
    logs.create("/logs/clb")
    yesterday, today = day_before(2), day_before(1)
    content = [alb(yesterday, 1), clb(today), alb(today, 2), clb(yesterday)]
    sink = sending.sink("/logs/{format}", stream="{load_balancer}/{date}")
    sending.ship(sink, batch(b"".join(content)), of=logged("lb1.log"))
    sink.close()
    found = {(event.group, event.stream, event.message.encode() + b"\n") for event in logs.accepted}
    assert found == {
        ("/logs/alb", f"lb1/{yesterday}", content[0]),
        ("/logs/clb", f"lb1/{today}", content[1]),
        ("/logs/alb", f"lb1/{today}", content[2]),
        ("/logs/clb", f"lb1/{yesterday}", content[3]),
    }


def test_several_requests_are_under_way_at_a_time_and_never_too_many(logs: StrictLogs, sending: Sending) -> None:
    logs.create(GROUP, "a")
    logs.chance = lambda: slow(0.05)
    made = sending.factory(concurrency=3)
    one, other = made(), made()
    content = [bytes([65 + number]) * 300_000 for number in range(24)]
    for first, second in zip(content[:12], content[12:], strict=True):
        one.write(item(), plain([first]), 0)
        other.write(item(), plain([second]), 0)
    one.flush()
    other.flush()
    assert messages(logs.accepted) == Counter(line + b"\n" for line in content)
    assert logs.most == 3
    one.close()
    other.close()
    for thread in (thread for thread in threading.enumerate() if thread.name == "cloudwatch"):
        thread.join(10)
        assert not thread.is_alive()


def test_old_lines_are_refused_every_single_one(logs: StrictLogs, sending: Sending) -> None:
    logs.create(GROUP, "a")
    old, fine = lines(500, day_before(15)), lines(10)
    sink = sending.sink()
    flushed = sending.ship(sink, *batches([*old[:250], *fine, *old[250:]], 1000))
    sink.close()
    assert messages(logs.accepted) == Counter(fine)
    assert Counter((each.reason, each.payload + b"\n") for each in flushed.refusals) == Counter(
        ("too_old", line) for line in old
    )
    begins = {each.offset for each in flushed.refusals}
    assert len(begins) == 500
    assert all(
        each.payload == b"".join([*old[:250], *fine, *old[250:]])[each.offset :].split(b"\n")[0]
        for each in flushed.refusals
    )


def test_what_the_service_refuses_is_told_of_the_very_records(logs: StrictLogs, sending: Sending) -> None:
    """The clock here is some minutes behind the service's, so that only the service knows what is too old."""
    at = 1_790_147_747.805
    logs.create(GROUP, "a")
    for days, reason in ((14, "too_old"), (-2 / 24, "too_new")):
        sending.clock.time = at + days * 86_400
        logs.now = lambda days=days: at + days * 86_400 + (0.001 if days > 0 else -0.001)
        content = lines(20)
        sink = sending.sink()
        flushed = sending.ship(sink, *batches(content, 7))
        sink.close()
        assert [(each.reason, each.payload + b"\n") for each in flushed.refusals] == [
            (reason, line) for line in content
        ]
    assert logs.accepted == []


def test_each_kind_of_refusal_within_one_request(logs: StrictLogs, sending: Sending) -> None:
    logs.create(GROUP, "a")
    content = lines(10)
    info = {"tooOldLogEventEndIndex": 2, "expiredLogEventEndIndex": 5, "tooNewLogEventStartIndex": 8}
    logs.faults.append(Fault(info=info))
    sink = sending.sink()
    flushed = sending.ship(sink, batch(b"".join(content)))
    sink.close()
    assert messages(logs.accepted) == Counter(content[5:8])
    reasons = ["too_old"] * 2 + ["expired"] * 3 + ["too_new"] * 2
    assert [each.reason for each in flushed.refusals] == reasons
    assert [each.payload + b"\n" for each in flushed.refusals] == content[:5] + content[8:]


def test_what_is_older_than_the_group_keeps_is_refused_as_expired(logs: StrictLogs, sending: Sending) -> None:
    logs.create(GROUP, "a", days=3)
    old, fine = lines(4, day_before(4)), lines(3)
    sink = sending.sink()
    flushed = sending.ship(sink, batch(b"".join(old + fine)))
    sink.close()
    assert messages(logs.accepted) == Counter(fine)
    assert [(each.reason, each.payload + b"\n") for each in flushed.refusals] == [("expired", line) for line in old]


@pytest.mark.parametrize("days", [15, 4])
def test_out_of_range_may_be_sent_with_the_time_of_delivery(logs: StrictLogs, sending: Sending, days: int) -> None:
    logs.create(GROUP, "a", days=3)
    old, fine = lines(40, day_before(days)), lines(3)
    sink = sending.sink(out_of_range="now")
    flushed = sending.ship(sink, *batches(old + fine, 10))
    sink.close()
    assert flushed == Flushed()
    expected = Counter(f"{day_before(days)}T07:15:47.805Z ".encode() + line for line in old) + Counter(fine)
    assert messages(logs.accepted) == expected
    assert {event.timestamp for event in logs.accepted} == {int(NOW * 1000), 1_790_147_747_805}


def test_what_is_refused_even_at_the_time_of_delivery_is_a_refusal(logs: StrictLogs, sending: Sending) -> None:
    logs.create(GROUP, "a")
    logs.now = lambda: NOW + 20 * 86_400
    sink = sending.sink(out_of_range="now")
    flushed = sending.ship(sink, batch(b"".join(lines(3))))
    sink.close()
    assert [(each.reason, each.payload + b"\n") for each in flushed.refusals] == [
        ("too_old", line) for line in lines(3)
    ]


def test_group_and_stream_are_made_when_they_are_missing(logs: StrictLogs, sending: Sending) -> None:
    sink = sending.sink(create_group=True, retention_days=30)
    content = lines(1700)
    sending.ship(sink, *batches(content))
    sink.close()
    assert messages(logs.accepted) == Counter(content)
    assert (logs.groups, logs.retention) == ({GROUP: {"a"}}, {GROUP: 30})


def test_group_and_stream_are_made_again_when_somebody_deletes_them(logs: StrictLogs, sending: Sending) -> None:
    sink = sending.sink(create_group=True, retention_days=7)
    sending.ship(sink, batch(lines(1)[0]))
    logs.faults.extend([without_stream(), without_group()])
    content = lines(2)
    sending.ship(sink, batch(content[0]))
    assert not logs.retention or logs.retention == {GROUP: 7}
    sending.ship(sink, batch(content[1]))
    sink.close()
    assert messages(logs.accepted) == Counter([*lines(1), *content])
    assert (logs.groups, logs.retention) == ({GROUP: {"a"}}, {GROUP: 7})


def test_a_missing_group_is_not_made_unless_asked_for(logs: StrictLogs, sending: Sending) -> None:
    sink = sending.sink()
    sink.write(item(), batch(alb(DAY)), 0)
    told = f"there is no log group {GROUP} at {logs.url}; create it, or let it be created by --set create_group=true"
    with pytest.raises(Fatal) as caught:
        sink.flush()
    assert str(caught.value) == told
    assert logs.groups == {}
    sink.abandon()
    sink.close()


def test_a_retention_that_could_not_be_set_is_set_later(logs: StrictLogs, sending: Sending, monkeypatch: Any) -> None:
    client = sending.client()
    calls = []
    policy = client.put_retention_policy

    def failing(**arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise ConnectionResetError
        return policy(**arguments)

    monkeypatch.setattr(client, "put_retention_policy", failing)
    sink = sending.sink(create_group=True, retention_days=5)
    sending.ship(sink, batch(alb(DAY)))
    sink.close()
    assert (logs.retention, len(calls), len(logs.accepted)) == ({GROUP: 5}, 2, 1)


def test_two_that_make_the_same_at_once_are_no_error(logs: StrictLogs, sending: Sending) -> None:
    made = sending.factory(create_group=True)
    first, second = made(), made()
    for sink in (first, second):
        sink.write(item(), batch(alb(DAY)), 0)
    logs.faults.append(without_group_then_made(logs))
    first.flush()
    second.flush()
    assert len(logs.accepted) == 2
    first.close()
    second.close()


def without_group_then_made(logs: StrictLogs) -> Any:
    """The group appears between the answer that it is missing and the attempt to make it."""
    return Fault(
        instead=(400, "ResourceNotFoundException", {}), before=lambda _logs, _document: logs.create(GROUP, "a")
    )


def test_forgetting_and_going_on(logs: StrictLogs, sending: Sending) -> None:
    logs.create(GROUP, "a")
    sink = sending.sink()
    sink.write(item(), batch(b"".join(lines(3, day_before(20)) + lines(2))), 0)
    sink.abandon()
    content = lines(5)
    assert sending.ship(sink, batch(b"".join(content))) == Flushed()
    sink.close()
    assert messages(logs.accepted) == Counter(content)


def test_no_records_no_request(logs: StrictLogs, sending: Sending) -> None:
    sink = sending.sink()
    assert sending.ship(sink, batch(b"")) == Flushed()
    sink.close()
    assert logs.called == []


def test_the_name_tells_what_changes_what_arrives(sending: Sending) -> None:
    different: list[dict[str, Any]] = [
        {},
        {"stream": "x"},
        {"message": "json"},
        {"message": "json", "schema": "ecs"},
        {"oversize": "cut"},
        {"out_of_range": "now"},
        {"group": "/other"},
    ]
    names = [sending.factory(**own)().name for own in different]
    assert len(set(names)) == len(different)
    assert all(name.startswith(("cloudwatch:/logs/alb#", "cloudwatch:/other#")) for name in names)
    same: list[dict[str, Any]] = [
        {"concurrency": 9},
        {"create_group": True},
        {"gzip": True},
        {"schema": "ecs"},
    ]
    assert {sending.factory(**own)().name for own in same} == {names[0]}


@pytest.mark.parametrize(
    ("own", "told"),
    [
        (
            {"retention_days": 4, "create_group": True},
            "retention_days: expected one of 1, 3, 5, 7, 14, .*, 3653, not 4",
        ),
        ({"retention_days": 7}, "retention_days: 7 needs create_group=true"),
        ({"stream": "a*"}, "stream: 'a\\*' cannot be"),
        ({"group": ""}, "cloudwatch needs the name of a log group; write --to cloudwatch:/logs/alb"),
        ({"group": "x:y"}, "'x:y' cannot be the name of a log group"),
    ],
)
def test_settings_that_cannot_be_are_told(sending: Sending, own: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        sending.factory(**own)


def test_the_functions_own_group_is_never_written_to(logs: StrictLogs, sending: Sending) -> None:
    environ = {"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/shop"}
    with pytest.raises(UsageError, match="/aws/lambda/shop is the log group of this function itself"):
        sending.factory("/aws/lambda/shop", environ=environ)
    sink = sending.factory("/aws/lambda/{load_balancer}", environ=environ)()
    sink.write(logged(KEY.format("a")), batch(alb(DAY)), 0)
    with pytest.raises(UsageError, match="use another group"):
        sink.flush()
    sink.close()
    assert logs.called == []


def test_looking_before_leaping(logs: StrictLogs, sending: Sending) -> None:
    with pytest.raises(Fatal, match=f"there is no log group {GROUP} at {logs.url}"):
        sending.sink().check()
    assert sending.sink(create_group=True).check() == f"the log group {GROUP} is not there yet and will be made"
    logs.create(f"{GROUP}-other")
    with pytest.raises(Fatal, match="there is no log group"):
        sending.sink().check()
    logs.create(GROUP)
    assert sending.sink().check() == f"the log group {GROUP} is there"
    assert "known only when records come" in sending.sink("/x/{account}").check()
    assert {operation for operation, _ in logs.called} == {"DescribeLogGroups"}


def test_the_reference_twin_and_the_native_kernel_send_the_same(logs: StrictLogs, sending: Sending) -> None:
    kernel_named("native")
    from tailrace.hosts.reading import parsers  # noqa: PLC0415
    from tailrace.settings import Settings  # noqa: PLC0415

    logs.create(GROUP, "a")
    content = b"".join(lines(50)) + lines(1)[0].replace(
        b"/search", "/é\U0001f600\udcff".encode("utf-8", "surrogateescape")
    )
    found = []
    for kernel in ("native", "reference"):
        for message in ("raw", "json"):
            parser = parsers(Settings(kernel=kernel), lambda _: None)(item(), 0, None)  # type: ignore[arg-type]
            sink = sending.sink(message=message)
            sending.ship(sink, parser.feed(content), parser.finish())
            sink.close()
            found.append(logs.accepted.copy())
            logs.accepted.clear()
    assert found[0] == found[2] != found[1] == found[3]
    assert len(found[0]) == 51


def test_what_is_abandoned_counts_no_records_without_a_time(logs: StrictLogs, sending: Sending) -> None:
    logs.create(GROUP)
    sink, records = sending.sink(), plain([b"one", b"two"], [NO_TIME, NO_TIME])
    sink.write(item(), records, 0)
    sink.abandon()
    assert sending.ship(sink, records).timeless == 2
    sink.close()
