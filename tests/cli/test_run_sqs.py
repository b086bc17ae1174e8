"""`tailrace run --from sqs:…`: from a bucket's events on a real server to the store, and a stop that loses nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from cli.conftest import AWS_REGION, CREDENTIALS, PROGRAM, Run, environment
from cloud import client_of
from making import alb

CONFIG = """
from = ["events"]
listen = ""
[sources.events]
url = "sqs:events"
wait = 1
"""


def test_events_become_records_until_the_stop(run: Run, endpoint: str, tmp_path: Path) -> None:
    s3, sqs = (client_of(service, endpoint, AWS_REGION) for service in ("s3", "sqs"))
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 9})
    queue = sqs.create_queue(QueueName="events", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    s3.create_bucket(Bucket="logs")
    arn = arn.replace("dead", "events")
    s3.put_bucket_notification_configuration(
        Bucket="logs",
        NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]},
    )
    for number in range(20):
        s3.put_object(Bucket="logs", Key=f"a b+{number}.log", Body=alb("2026-09-23", number))
    s3.delete_object(Bucket="logs", Key="a b+7.log")
    sqs.send_message(QueueUrl=queue, MessageBody="what is this?")
    (tmp_path / "tailrace.toml").write_text(CONFIG, encoding="utf-8")
    variables = {**CREDENTIALS, "AWS_ENDPOINT_URL": endpoint}
    assert "22 messages wait; the dead-letter queue is dead" in run("run", "--check", **variables).out
    with subprocess.Popen([*PROGRAM, "run"], env=environment(**variables), stderr=subprocess.PIPE, text=True) as worker:
        deadline = time.monotonic() + 60
        while left(sqs, queue) > 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        worker.send_signal(signal.SIGTERM)
        told = worker.communicate()[1]
    assert left(sqs, queue) == 1, told
    assert "warning: logs/a b+7.log does not exist, or was replaced; its receipt says so\n" in told
    assert "warning: message " in told
    assert "what is this" not in told
    query = "SELECT count(DISTINCT request_url) AS urls, count(*) AS lines FROM alb"
    assert json.loads(run("query", query, "--json").out) == [{"urls": 19, "lines": 19}]
    assert run("receipts", "--check").out.startswith("20 receipts over 19 lines: all balance")


def left(sqs: Any, queue: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    told = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(map(int, told.values()))
