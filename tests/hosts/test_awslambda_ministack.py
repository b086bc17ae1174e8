"""From a bucket through a function that was uploaded as a zip to CloudWatch Logs, on MiniStack."""

from __future__ import annotations

import gzip
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from cloud import REGION, client_of
from making import alb
from services.lambda_package import packed
from services.real import ministack


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with ministack() as url:
        yield url


def test_an_object_in_the_bucket_becomes_events_of_its_load_balancer(endpoint: str, tmp_path: Path) -> None:
    logs, s3, functions = (client_of(name, endpoint) for name in ("logs", "s3", "lambda"))
    name = f"tailrace-{uuid4().hex[:8]}"
    logs.create_log_group(logGroupName=f"/{name}")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    made = functions.create_function(
        FunctionName=name,
        Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
        Role="arn:aws:iam::123456789012:role/any",
        Handler="tailrace.hosts.awslambda.handler",
        Timeout=60,
        MemorySize=128,
        Code={"ZipFile": packed(tmp_path / "package.zip").read_bytes()},
        Environment={"Variables": {"TAILRACE_TO": f"cloudwatch:/{name}", "AWS_ENDPOINT_URL": endpoint}},
    )
    functions.add_permission(
        FunctionName=name, StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
        SourceArn=f"arn:aws:s3:::{name}",
    )  # fmt: skip
    notified = {"LambdaFunctionArn": made["FunctionArn"], "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=name, NotificationConfiguration={"LambdaFunctionConfigurations": [notified]}
    )
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86400))
    content = [alb(day, number) for number in range(100)]
    key = (
        "AWSLogs/123456789012/elasticloadbalancing/eu-west-1/2026/11/20/123456789012_elasticloadbalancing_eu-west-1"
        "_app.shop+front.50dc6c495c0c9188_20261120T0615Z_198.51.100.10_ttse2du9.log.gz"
    )
    s3.put_object(Bucket=name, Key=key, Body=gzip.compress(b"".join(content)))
    found: list[str] = []
    last = time.monotonic() + 60
    while len(found) < len(content):
        assert time.monotonic() < last, [
            event["message"] for event in logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        ]
        time.sleep(0.2)
        events = logs.filter_log_events(logGroupName=f"/{name}")["events"]
        found = [event["message"] for event in events]
    assert sorted(found) == sorted(line.decode().rstrip("\n") for line in content)
    assert {event["logStreamName"] for event in events} == {"shop+front"}
    functions.delete_function(FunctionName=name)
