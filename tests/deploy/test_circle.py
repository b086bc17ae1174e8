"""The full circle on MiniStack: deployed, fed, alarmed, deployed with other code, rolled back, and taken away.

MiniStack runs the function, and judges alarms by the figures that it is given; what it does not do is to read figures out of a log
(embedded metrics), as CloudWatch Logs does: the test does that for it, with what the function has really written.
"""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cloud import REGION
from deploy.circling import ACCOUNT, Account, everything, repacked, until
from making import alb

FUNCTION = "tailrace-circle-processor"
LOGS = f"tailrace-circle-logs-{ACCOUNT}-{REGION}"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:people"
SETTINGS = f"""
[environments.circle.deploy]
alarm_topic = "{TOPIC}"
architecture = "x86_64"
smoke_timeout = "3h"
"""
HANDLER = "tailrace/hosts/awslambda.py"


class Releases(NamedTuple):
    """Packages: two that work, and one that does not."""

    first: Path
    second: Path
    broken: Path


@pytest.fixture(scope="module")
def releases(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Releases:
    folder = tmp_path_factory.mktemp("packages")
    data = package.read_bytes()
    made = {name: folder / f"{name}.zip" for name in Releases._fields}
    made["first"].write_bytes(repacked(data, architecture="x86_64", version="1.0.0"))
    made["second"].write_bytes(repacked(data, architecture="x86_64", version="2.0.0"))
    broken = {HANDLER: b'def handler(event, context):\n    raise ValueError("broken")\n'}
    made["broken"].write_bytes(repacked(data, architecture="x86_64", version="3.0.0", files=broken))
    return Releases(**made)


class Circle:
    """A deployment on its way round."""

    def __init__(self, account: Account, folder: Path) -> None:
        self.account, self.settings = account, folder / "tailrace.toml"
        self.settings.write_text(SETTINGS)
        self.day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400))
        self.today = time.strftime("%Y/%m/%d", time.gmtime())
        self.lines: list[bytes] = []
        self.keys: list[str] = []

    def run(self, verb: str, *words: str | Path, code: int = 0) -> Any:
        ran = self.account.run(verb, "circle", "--config", self.settings, *words)
        assert ran.code == code, (ran.told, self.account.log("tailrace-circle"))
        return ran

    def deploy(self, package: Path, *words: str, code: int = 0) -> Any:
        return self.run("deploy", "--package", package, "--yes", *words, code=code)

    @property
    def version(self) -> str:
        return str(self.account("lambda").get_alias(FunctionName=FUNCTION, Name="live")["FunctionVersion"])

    def feed(self, count: int, *more: bytes) -> str:
        """Put an object of fresh lines, as a load balancer does; its key."""
        lines = [alb(self.day, len(self.lines) + number) for number in range(count)]
        self.lines += lines
        key = (
            f"AWSLogs/{ACCOUNT}/elasticloadbalancing/{REGION}/{self.today}/{ACCOUNT}_elasticloadbalancing_{REGION}"
            f"_app.shop.50dc6c495c0c9188_20261120T06{len(self.keys):02}Z_198.51.100.10_ttse2du9.log.gz"
        )
        self.keys.append(key)
        self.account("s3").put_object(Bucket=LOGS, Key=key, Body=gzip.compress(b"".join([*lines, *more])))
        return key

    def delivered(self) -> bool:
        """Whether all lines have come to where people look, and nothing else has."""
        logs = self.account("logs")
        if not logs.describe_log_groups(logGroupNamePrefix="/tailrace/shop")["logGroups"]:
            return False
        found = [
            each["message"] for each in logs.filter_log_events(logGroupName="/tailrace/shop", limit=10_000)["events"]
        ]
        assert len(found) <= len(self.lines)
        return sorted(found) == sorted(line.decode().rstrip("\n") for line in self.lines)

    def receipt(self, key: str) -> Any:
        """What `tailrace status` tells of an object, when there is something."""

        def told() -> list[Any]:
            last = json.loads(self.run("status", "--json").out)["last_objects"]
            (found,) = [each["receipts"] for each in last if each["key"] == key]
            return [each for each in found if each["state"] == "complete"]

        (receipt,) = until(told)
        return receipt

    def figures(self) -> None:
        """Give CloudWatch the figures that the function has written into its log."""
        for message in self.account.log("tailrace-circle"):
            told = json.loads(message) if message.startswith('{"_aws"') else {"_aws": {"CloudWatchMetrics": []}}
            for each in told["_aws"]["CloudWatchMetrics"]:
                (names,) = each["Dimensions"]
                dimensions = [{"Name": name, "Value": told[name]} for name in names]
                data = [
                    {"MetricName": of["Name"], "Value": told[of["Name"]], "Dimensions": dimensions}
                    for of in each["Metrics"]
                ]
                self.account("cloudwatch").put_metric_data(Namespace=each["Namespace"], MetricData=data)

    def alarm(self, name: str) -> str:
        (found,) = self.account("cloudwatch").describe_alarms(AlarmNames=[f"tailrace-circle-{name}"])["MetricAlarms"]
        return str(found["StateValue"])

    def invoked(self) -> set[str]:
        """The versions that have run."""
        told = [each for each in self.account.log("tailrace-circle") if each.startswith("START")]
        return {each.rpartition("Version: ")[2].strip() for each in told}


def test_the_full_circle(server: Account, releases: Releases, tmp_path: Path) -> None:
    server("sns").create_topic(Name="people")
    people = server("sqs").create_queue(QueueName="people")["QueueUrl"]
    server("sns").subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:people")
    before, circle = everything(server), Circle(server, tmp_path)

    circle.deploy(releases.first)
    assert circle.version == "1"
    key = circle.feed(200)
    until(circle.delivered, lambda: server.log("tailrace-circle"))
    receipt = circle.receipt(key)
    assert (receipt["state"], receipt["lines"], receipt["records"]) == ("complete", 200, 200)
    circle.figures()
    assert circle.alarm("rejects") == circle.alarm("completeness") == "OK"

    key = circle.feed(10, b"this is no line of a log\n")
    until(circle.delivered, lambda: server.log("tailrace-circle"))
    assert (circle.receipt(key)["lines"], circle.receipt(key)["records"]) == (11, 10)
    circle.figures()
    assert (circle.alarm("rejects"), circle.alarm("completeness")) == ("ALARM", "OK")
    until(lambda: "tailrace-circle-rejects" in str(server("sqs").receive_message(QueueUrl=people)))
    dead = [each for each in everything(server) if "/dead-letters/" in each]
    assert dead

    circle.deploy(releases.second, "--code-only")
    assert circle.version == "2"
    assert "nothing to do" in circle.deploy(releases.second).err
    circle.feed(50)
    until(circle.delivered, lambda: server.log("tailrace-circle"))

    failed = circle.deploy(releases.broken, "--code-only", "--set", "deploy.smoke_timeout=1m", code=3)
    assert "version 2 is live again" in failed.err
    assert circle.version == "2"

    circle.run("rollback")
    assert circle.version == "1"
    circle.feed(50)
    until(circle.delivered, lambda: server.log("tailrace-circle"))
    assert circle.invoked() >= {"1", "2"}

    server.rest("tailrace-circle")
    kept = circle.run("destroy", "--yes")
    assert f"{LOGS}" in kept.err
    assert {each for each in everything(server) if each.startswith("object")} >= {
        f"object {LOGS}/{each}" for each in circle.keys
    }
    circle.run("destroy", "--yes", "--delete-logs")
    groups = {line for line in everything(server) if "log group /tailrace/" in line}
    assert groups == {"log group /tailrace/shop"}  # the records are where people look
    assert sorted(set(everything(server)) - groups) == before
