"""From a log group to records, by the program as users run it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from cli.conftest import Run
from cloud import served
from making import alb

GROUP = f"/cli/{uuid4()}"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_REGION": "eu-west-1"}


@pytest.fixture(scope="module")
def logs() -> Iterator[Any]:
    with served("logs") as client:
        client.create_log_group(logGroupName=GROUP)
        now = int(time.time() * 1000)
        for stream, messages in {"alb": [alb("2026-09-23").decode().rstrip()], "app": ["started\nup", "{}"]}.items():
            client.create_log_stream(logGroupName=GROUP, logStreamName=stream)
            events = [{"timestamp": now - 60_000, "message": message} for message in messages]
            client.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)
        yield client


def test_whatever_stands_in_a_group_is_carried_on_once(run: Run, logs: Any) -> None:
    endpoint = {"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": logs.meta.endpoint_url, **CREDENTIALS}
    parsed = run("parse", f"cloudwatch:{GROUP}", "--set", "since=1h", **endpoint)
    assert parsed.code == 0, parsed.err
    records = [json.loads(line) for line in parsed.out.splitlines()]
    assert [record["message"] for record in records if record["log_stream"] == "app"] == ["started\nup", "{}"]
    assert len(records) == 3
    shipped = run("ship", f"cloudwatch:{GROUP}", **endpoint)
    assert shipped.code == 0, shipped.err
    counted = ("query", "SELECT count(*) AS n FROM cloudwatch_event", "--json")
    assert json.loads(run(*counted).out) == [{"n": 3}]
    again = run("ship", f"cloudwatch:{GROUP}", **endpoint)
    assert again.code == 0, again.err
    assert json.loads(run(*counted).out) == [{"n": 3}]
    assert run("receipts", "--check").code == 0


def test_lines_of_a_load_balancer_are_its_records(run: Run, logs: Any) -> None:
    endpoint = {"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": logs.meta.endpoint_url, **CREDENTIALS}
    ran = run("parse", f"cloudwatch:{GROUP}:alb", "--set", "content=lines", **endpoint)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["format"] == "alb"


def test_a_group_that_is_not_there_is_told(run: Run, logs: Any) -> None:
    ran = run("ship", "cloudwatch:/not/there", AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=logs.meta.endpoint_url, **CREDENTIALS)
    assert ran.code == 3
    assert "there is no log group /not/there" in ran.err
