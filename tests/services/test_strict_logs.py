"""The strict server refuses what AWS refuses: else tests before it would prove nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from cloud import address_of, cloud
from services.strict_logs import KEY, REGION, SECRET, StrictLogs
from services.strict_logs_rules import rejected

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def standing() -> Iterator[tuple[StrictLogs, Any]]:
    with StrictLogs() as logs:
        client = client_of(logs.url)
        yield logs, client
        client.close()


@pytest.fixture
def logs(standing: tuple[StrictLogs, Any]) -> StrictLogs:
    standing[0].reset()
    standing[0].create("g", "s")
    return standing[0]


@pytest.fixture
def client(standing: tuple[StrictLogs, Any]) -> Any:
    return standing[1]


def client_of(url: str, key: str = KEY, secret: str = SECRET, region: str = REGION) -> Any:
    return boto3.client(
        "logs",
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


def now_ms() -> int:
    return int(time.time() * 1000)


def events(*times: int, size: int = 1) -> list[dict[str, Any]]:
    return [{"timestamp": at, "message": "m" * size} for at in times]


def code_of(client: Any, **call: Any) -> str:
    try:
        client.put_log_events(**{"logGroupName": "g", "logStreamName": "s", **call})
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def test_what_boto3_sends_is_accepted(logs: StrictLogs, client: Any) -> None:
    now = now_ms()
    answer = client.put_log_events(logGroupName="g", logStreamName="s", logEvents=events(now - 5, now - 5, now, size=3))
    assert "rejectedLogEventsInfo" not in answer
    assert [tuple(event) for event in logs.accepted] == [("g", "s", now - 5, "mmm")] * 2 + [("g", "s", now, "mmm")]
    assert (logs.broken, logs.sizes) == ([], [(3, 3 * 29)])


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ({"logEvents": []}, "InvalidParameterException"),
        ({"logEvents": events(5, 4)}, "InvalidParameterException"),
        ({"logEvents": events(*[9] * 10_001)}, "InvalidParameterException"),
        ({"logEvents": events(-1)}, "InvalidParameterException"),
        ({"logEvents": events(1, size=0)}, "InvalidParameterException"),
        ({"logEvents": events(1, size=1_048_551)}, "InvalidParameterException"),
        ({"logEvents": events(1, 1, size=524_263)}, "InvalidParameterException"),
        ({"logEvents": [{"timestamp": 1, "message": "é" * 524_276}]}, "InvalidParameterException"),
        ({"logEvents": [{"timestamp": 1}]}, "SerializationException"),
        ({"logGroupName": "a:b", "logEvents": events(1)}, "InvalidParameterException"),
        ({"logGroupName": "aws/x", "logEvents": events(1)}, "InvalidParameterException"),
        ({"logStreamName": "a*b", "logEvents": events(1)}, "InvalidParameterException"),
        ({"logStreamName": "x" * 513, "logEvents": events(1)}, "InvalidParameterException"),
        ({"logStreamName": "other", "logEvents": events(1)}, "ResourceNotFoundException"),
        ({"logGroupName": "other", "logEvents": events(1)}, "ResourceNotFoundException"),
    ],
)
def test_what_breaks_a_rule_is_refused(logs: StrictLogs, client: Any, call: dict[str, Any], code: str) -> None:
    assert code_of(client, **call) == code
    assert logs.accepted == []


def test_more_than_a_day_is_refused_but_only_of_events_that_could_be_taken(logs: StrictLogs, client: Any) -> None:
    now = now_ms()
    assert code_of(client, logEvents=events(now - DAY_MS - 1, now)) == "InvalidParameterException"
    assert code_of(client, logEvents=events(now - 20 * DAY_MS, now - DAY_MS, now)) == ""
    assert [event.timestamp for event in logs.accepted] == [now - DAY_MS, now]


def test_rejected_indices_are_those_of_the_documentation() -> None:
    now = 100 * DAY_MS
    old, kept, new = now - 14 * DAY_MS - 1, now - 4 * DAY_MS, now + DAY_MS // 12 + 1
    assert rejected(events(old, old, kept, now, new, new), now, None) == {
        "tooOldLogEventEndIndex": 2,
        "tooNewLogEventStartIndex": 4,
    }
    assert rejected(events(old, kept, now), now, 3) == {"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 2}
    assert rejected(events(now - 14 * DAY_MS, now, now + DAY_MS // 12), now, 14) == {}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"key": "AKIDOTHER"}, "UnrecognizedClientException"),
        ({"secret": "wrong"}, "InvalidSignatureException"),
        ({"region": "us-east-1"}, "InvalidSignatureException"),
    ],
)
def test_a_signature_must_be_right(logs: StrictLogs, wrong: dict[str, str], code: str) -> None:
    client = client_of(logs.url, **wrong)
    assert code_of(client, logEvents=events(now_ms())) == code
    client.close()


def test_a_body_that_is_not_what_was_signed_is_refused(logs: StrictLogs, client: Any) -> None:
    def spoilt(request: Any, **_: Any) -> None:
        request.body = request.body.replace(b"mm", b"mn")

    client.meta.events.register("before-send.*", spoilt)
    try:
        assert code_of(client, logEvents=events(now_ms(), size=2)) == "InvalidSignatureException"
    finally:
        client.meta.events.unregister("before-send.*", spoilt)
    assert code_of(client, logEvents=events(now_ms(), size=2)) == ""
    assert logs.broken == ["InvalidSignatureException: the signature does not match"]


def test_moto_gets_what_is_accepted_and_tells_it() -> None:
    with cloud() as endpoint, StrictLogs(upstream=address_of(endpoint)) as logs:
        client = client_of(logs.url)
        assert code_of(client, logEvents=events(now_ms())) == "ResourceNotFoundException"
        client.create_log_group(logGroupName="g")
        assert code_of(client, logEvents=events(now_ms())) == "ResourceNotFoundException"
        client.create_log_stream(logGroupName="g", logStreamName="s")
        now = now_ms()
        answer = client.put_log_events(logGroupName="g", logStreamName="s", logEvents=events(now - 15 * DAY_MS, now))
        assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
        found = client.get_log_events(logGroupName="g", logStreamName="s")["events"]
        assert [(event["timestamp"], event["message"]) for event in found] == [(now, "m")]
        assert [(event.timestamp, event.message) for event in logs.accepted] == [(now, "m")]
        client.close()
    assert json.dumps(logs.broken) == "[]"
