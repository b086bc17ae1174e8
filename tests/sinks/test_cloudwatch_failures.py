"""What fails is tried again where it may pass, and what was confirmed is never sent again."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from functools import partial
from itertools import count
from typing import Any

import boto3
import pytest
from botocore.config import Config

from logsending import GROUP, NOW, Sending, client_of, lines, logged, plain
from making import StillClock, alb, batch, item
from services.strict_logs import (
    KEY,
    REGION,
    SECRET,
    Fault,
    StrictLogs,
    dropped,
    halved,
    lost,
    refusing,
    slow,
    throttled,
    unavailable,
)
from tailrace.errors import Fatal, Retryable, TailraceError
from tailrace.model import Flushed

CONTENT = [bytes([65 + number]) * 300_000 for number in range(9)]
"""Three events fit into a request."""


@pytest.fixture(scope="module")
def server() -> Iterator[StrictLogs]:
    with StrictLogs() as made:
        yield made
        client_of(made.url).close()


@pytest.fixture
def logs(server: StrictLogs) -> StrictLogs:
    server.reset()
    server.create(GROUP, "a")
    return server


@pytest.fixture
def sending(logs: StrictLogs) -> Sending:
    made = Sending(logs, StillClock(NOW))
    logs.now = made.clock.now
    return made


def arrived(logs: StrictLogs) -> Counter[str]:
    return Counter(event.message[0] for event in logs.accepted)


ONCE = Counter("ABCDEFGHI")


@pytest.mark.parametrize(
    "fault",
    [
        throttled(),
        unavailable(),
        refusing(500, "InternalFailure"),
        refusing(502),
        refusing(429, "TooManyRequestsException"),
        refusing(400, "OperationAbortedException"),
        dropped(),
    ],
)
def test_what_may_pass_is_tried_again_and_nothing_is_doubled(logs: StrictLogs, sending: Sending, fault: Fault) -> None:
    logs.faults.extend([fault, Fault(), fault, fault])
    sink = sending.sink()
    assert sending.ship(sink, *(plain([line]) for line in CONTENT)) == Flushed(repeated=sink.repeated)
    sink.close()
    assert arrived(logs) == ONCE
    assert sending.clock.time > NOW
    assert logs.broken == []


@pytest.mark.parametrize("fault", [lost(), halved()])
def test_after_a_lost_answer_events_may_be_there_twice_which_is_counted(
    logs: StrictLogs, sending: Sending, fault: Fault
) -> None:
    logs.faults.append(fault)
    sink = sending.sink()
    assert sending.ship(sink, *(plain([line]) for line in CONTENT)) == Flushed(repeated=3)
    sink.close()
    twice = [event for event, count in arrived(logs).items() if count == 2]
    assert (len(twice), sink.repeated) == (3, 3)
    assert arrived(logs) == ONCE + Counter(twice)


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(logs: StrictLogs, sending: Sending) -> None:
    sending.client = lambda: boto3.Session(
        region_name=REGION, aws_access_key_id=KEY, aws_secret_access_key=SECRET
    ).client("logs", endpoint_url=logs.url, config=Config(read_timeout=0.2, retries={"total_max_attempts": 1}))
    logs.faults.append(slow(1.0))
    sink = sending.sink()
    sink.write(item(), plain([b"x"]), 0)
    with pytest.raises(
        Retryable, match=r"nothing is known of what was sent to the log group /logs/alb \(ReadTimeoutError\)"
    ):
        sink.flush()
    assert sink.flush() == Flushed(repeated=1)
    sink.close()
    assert sink.repeated == 1


def test_write_takes_its_batch_only_when_it_does_not_raise(logs: StrictLogs, sending: Sending) -> None:
    logs.faults.append(throttled())
    sink = sending.factory(concurrency=1)()
    raised = sum(refused(partial(sink.write, item(), plain([line]), 0)) for line in CONTENT)
    sink.flush()
    sink.close()
    assert (raised, arrived(logs)) == (1, ONCE)


def test_nothing_more_is_taken_in_while_it_fails(logs: StrictLogs, sending: Sending) -> None:
    logs.chance = throttled
    sink = sending.sink()
    sending.clock.time = NOW
    taken = 0
    told = ""
    while not told and taken < 30:
        try:
            sending.patience(60).trying(partial(sink.write, item(), plain([CONTENT[0]]), 0))
            taken += 1
        except Retryable as error:
            told = str(error)
    assert told == "the log group /logs/alb does not take more now (ThrottlingException)"
    assert taken < 20
    assert 60 - 30 <= sending.clock.time - NOW <= 60
    sink.abandon()
    logs.chance = lambda: None
    assert sending.ship(sink, plain([b"Z"])) == Flushed()
    sink.close()
    assert arrived(logs) == Counter("Z")


def test_a_batch_is_refused_until_what_failed_before_it_is_confirmed(logs: StrictLogs, sending: Sending) -> None:
    logs.chance = throttled
    sink = sending.sink()
    write = partial(sink.write, item(), plain([CONTENT[0]]), 0)
    for _ in range(4):
        write()
    wait(sink._flying)  # the one request that is full by now
    assert raises(write)
    assert raises(write)
    assert raises(write)
    logs.chance = lambda: None
    assert not raises(write)
    sink.flush()
    sink.close()


def raises(call: Callable[[], object]) -> bool:
    try:
        call()
    except Retryable:
        return True
    return False


def refused(call: Callable[[], object]) -> int:
    """Make a call until it comes through; how often it did not."""
    return next(times for times in count() if not raises(call))


def test_what_was_confirmed_is_not_sent_again_when_flush_goes_on(logs: StrictLogs, sending: Sending) -> None:
    logs.faults.extend([Fault(), throttled(), Fault(), throttled(), throttled()])
    sink = sending.factory(concurrency=1)()
    raised = sum(refused(partial(sink.write, item(), plain([line]), 0)) for line in CONTENT) + refused(sink.flush)
    sink.close()
    assert (raised, arrived(logs), len(logs.sizes)) == (3, ONCE, 3)


def test_a_service_that_tells_how_long_to_wait_is_obeyed(logs: StrictLogs, sending: Sending) -> None:
    sink = sending.sink()
    for told, after in (("7", 7.0), ("100000", None), ("soon", None)):
        logs.faults.append(refusing(503, "ServiceUnavailableException", **{"Retry-After": told}))
        sink.write(item(), plain([b"x"]), 0)
        with pytest.raises(Retryable) as caught:
            sink.flush()
        assert caught.value.after == after
        sink.abandon()
    sink.close()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (refusing(400, "AccessDeniedException"), "access to the log group /logs/alb at {url} is denied"),
        (refusing(400, "ExpiredTokenException"), "the credentials are not accepted by {url} (ExpiredTokenException)"),
        (refusing(400, "InvalidSignatureException"), "the credentials are not accepted by {url}"),
        (refusing(403), "access to the log group /logs/alb at {url} is denied"),
        (refusing(400, "OptInRequired"), "{url} refuses the call for the log group /logs/alb (OptInRequired)"),
        (refusing(404, "UnknownOperationException"), "{url} refuses the call for the log group"),
    ],
)
def test_what_will_fail_every_time_stops_all(logs: StrictLogs, sending: Sending, fault: Fault, told: str) -> None:
    logs.faults.append(fault)
    sink = sending.sink()
    sink.write(item(), plain([b"x"]), 0)
    with pytest.raises(Fatal) as caught:
        sink.flush()
    assert str(caught.value).startswith(told.format(url=logs.url))
    assert SECRET not in str(caught.value)
    sink.abandon()
    sink.close()


def test_a_wrong_secret_and_none(logs: StrictLogs, sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(**credentials: str) -> Any:
        return boto3.Session(region_name=REGION, **credentials).client("logs", endpoint_url=logs.url)  # type: ignore[arg-type]

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (("AWS_CONFIG_FILE", "/dev/null"), ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
                        ("AWS_EC2_METADATA_DISABLED", "true")):  # fmt: skip
        monkeypatch.setenv(name, value)
    for credentials, told in (
        ({"aws_access_key_id": KEY, "aws_secret_access_key": "wrong"}, "InvalidSignatureException"),
        ({"aws_access_key_id": "AKIDOTHER", "aws_secret_access_key": "x"}, "UnrecognizedClientException"),
        ({}, "there are no usable credentials"),
    ):
        sending.client = partial(made, **credentials)
        sink = sending.sink()
        sink.write(item(), plain([b"x"]), 0)
        with pytest.raises(Fatal, match=told):
            sink.flush()
        sink.close()


def test_credentials_that_are_renewed_are_used(logs: StrictLogs, sending: Sending) -> None:
    from botocore.credentials import RefreshableCredentials  # noqa: PLC0415
    from botocore.session import Session  # noqa: PLC0415

    given = iter(["first", "second"])

    def fetched() -> dict[str, str]:
        return {"access_key": next(given), "secret_key": "s", "token": "t", "expiry_time": "2000-01-01T00:00:00+00:00"}

    far = "2100-01-01T00:00:00+00:00"
    session = Session()
    session._credentials = RefreshableCredentials.create_from_metadata(  # type: ignore[attr-defined]
        {**fetched(), "expiry_time": "2000-01-01T00:00:00+00:00"}, lambda: {**fetched(), "expiry_time": far}, "test"
    )
    logs.secrets = {"second": "s"}
    client = boto3.Session(botocore_session=session, region_name=REGION).client("logs", endpoint_url=logs.url)
    sending.client = lambda: client
    sink = sending.sink()
    assert sending.ship(sink, plain([b"x"])) == Flushed()
    sink.close()
    assert len(logs.accepted) == 1


def test_a_record_that_breaks_a_rule_of_the_service_is_found_among_many(logs: StrictLogs, sending: Sending) -> None:
    """As in regions that take events of 256 KB only."""
    content = [b"x%d" % number for number in range(100)]
    content[17], content[18], content[63] = b"bad one", b"bad two", b"bad three"

    def fussy(document: dict[str, Any]) -> bool:
        return any(event["message"].startswith("bad") for event in document["logEvents"])

    fault = Fault(unless=lambda document: not fussy(document), instead=(400, "InvalidParameterException", {}))
    logs.chance = lambda: fault
    sink = sending.sink()
    flushed = sending.ship(sink, plain(content))
    sink.close()
    assert {(each.reason, each.payload, each.detail) for each in flushed.refusals} == {
        ("invalid", bad, "InvalidParameterException") for bad in (b"bad one", b"bad two", b"bad three")
    }
    assert Counter(event.message.encode() for event in logs.accepted) == Counter(
        line for line in content if not line.startswith(b"bad")
    )


def test_a_group_that_takes_nothing_at_all_stops_all(logs: StrictLogs, sending: Sending) -> None:
    logs.chance = lambda: refusing(400, "InvalidParameterException")
    sink = sending.sink()
    sink.write(item(), plain([b"x%d" % number for number in range(1000)]), 0)
    with pytest.raises(Fatal, match="nothing that is sent to the log group /logs/alb is taken"):
        sink.flush()
    assert len([each for each in logs.called if each[0] == "PutLogEvents"]) < 150
    sink.abandon()
    sink.close()


def test_an_old_service_that_has_had_it_already(logs: StrictLogs, sending: Sending) -> None:
    logs.faults.append(refusing(400, "DataAlreadyAcceptedException"))
    sink = sending.sink()
    assert sending.ship(sink, plain([b"x", b"y"])) == Flushed(already=2)
    assert sending.ship(sink, plain([b"z"])) == Flushed()
    sink.close()


def test_a_success_that_is_not_understood_is_none(logs: StrictLogs, sending: Sending) -> None:
    sink = sending.sink()
    for body in (b"", b"<html>Welcome</html>", b"[]", b'{"rejectedLogEventsInfo": {"tooNewLogEventStartIndex": "x"}}'):
        answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        logs.faults.append(Fault(after=lambda client, _, answer=answer: client.sendall(answer) is None))  # type: ignore[misc]
        sink.write(item(), plain([b"x"]), 0)
        with pytest.raises(Retryable, match="cut off or not of CloudWatch Logs"):
            sink.flush()
        sink.abandon()
    sink.close()


def test_a_service_that_was_never_there_and_one_that_goes_away(sending: Sending) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sending.client = lambda: client_of(f"http://127.0.0.1:{port}")
    sink = sending.sink()
    sink.write(item(), plain([b"x"]), 0)
    with pytest.raises(Fatal, match=f"http://127.0.0.1:{port} cannot be reached for the log group /logs/alb"):
        sink.flush()
    sink.abandon()
    sink.close()
    with StrictLogs() as going:
        going.create(GROUP, "a")
        going.now = sending.clock.now
        sending.client = lambda: client_of(going.url)
        sink = sending.sink()
        sending.ship(sink, plain([b"x"]))
    client_of(going.url).close()
    sink.write(item(), plain([b"y"]), 0)
    with pytest.raises(Retryable, match=r"the log group /logs/alb cannot be reached now \(EndpointConnectionError\)"):
        sink.flush()
    sink.abandon()
    sink.close()


def test_a_stream_that_cannot_be_used_though_it_was_made(logs: StrictLogs, sending: Sending) -> None:
    gone = refusing(400, "ResourceNotFoundException")
    logs.faults.extend([gone, gone])
    sink = sending.sink()
    sink.write(logged("lb1.log"), plain([b"x"]), 0)
    with pytest.raises(Retryable, match="the log stream lb1 of /logs/alb cannot be used yet, though it was made"):
        sink.flush()
    assert sink.flush() == Flushed()
    sink.close()


def test_refusals_survive_a_flush_that_fails(logs: StrictLogs, sending: Sending) -> None:
    logs.faults.append(throttled())
    old = alb("2026-09-01", 1)
    sink = sending.sink()
    sink.write(item(), batch(old + lines(1)[0]), 0)
    with pytest.raises(Retryable):
        sink.flush()
    assert [(each.reason, each.payload + b"\n") for each in sink.flush().refusals] == [("too_old", old)]
    assert sink.flush() == Flushed()
    sink.close()


def test_every_error_is_one_of_ours(logs: StrictLogs, sending: Sending) -> None:
    """Whatever status comes with whatever code."""
    sink = sending.sink()
    for status in (201, 204, 302, 400, 401, 403, 404, 405, 408, 409, 413, 418, 429, 500, 501, 503, 504):
        for code in ("", "Unheard_of", "ThrottlingException"):
            logs.faults.append(refusing(status, code))
            sink.write(item(), plain([b"x"]), 0)
            try:
                flushed = sink.flush()
            except TailraceError:
                sink.abandon()
            else:
                assert (status, flushed.refusals[0].reason) == (413, "invalid")
    sink.close()
    assert logs.accepted == []
