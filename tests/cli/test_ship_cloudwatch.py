"""`tailrace ship … --to cloudwatch:GROUP` into moto, behind the server that enforces what moto does not."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from cli.conftest import Run
from cloud import address_of, cloud
from making import alb
from services.strict_logs import KEY, REGION, SECRET, StrictLogs, throttled

GROUP = "/logs/alb"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION}
NAME = "123456789012_elasticloadbalancing_eu-west-1_app.{}.1234567890abcdef_20260923T0720Z_192.0.2.1_{:08}.log"


@pytest.fixture(scope="module")
def moto() -> Iterator[tuple[str, int]]:
    with cloud() as endpoint:
        yield address_of(endpoint)


@pytest.fixture
def logs(moto: tuple[str, int]) -> Iterator[StrictLogs]:
    with StrictLogs(upstream=moto) as made:
        yield made
        for group in {GROUP, *(event.group for event in made.accepted)}:
            made._done("DeleteLogGroup", {"logGroupName": group})
        assert made.broken == []


def fresh(count: int, hours: float = 1) -> list[bytes]:
    """Lines of so long ago, a second apart."""
    begin = datetime.now(UTC) - timedelta(hours=hours)
    stamps = [(begin + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%S.000000Z") for number in range(count)]
    return [
        alb("2026-09-23", number).replace(b"2026-09-23T07:15:47.805298Z", stamp.encode())
        for number, stamp in enumerate(stamps)
    ]


def test_a_folder_goes_into_streams_of_a_new_group_once(run: Run, logs: StrictLogs) -> None:
    content = {name: fresh(30, hours) for name, hours in (("shop", 1), ("api", 2))}
    Path("logs").mkdir()
    for number, (name, lines) in enumerate(content.items()):
        Path("logs", NAME.format(name, number)).write_bytes(b"".join(lines))
    words = ("ship", "logs", "--to", f"cloudwatch:{GROUP}", "--set", "create_group=true", "--set", "retention_days=14")
    variables = {**CREDENTIALS, "AWS_ENDPOINT_URL": logs.url}
    logs.faults.append(throttled())
    ran = run(*words, **variables)
    assert ran.code == 0, ran.err
    assert "60" in ran.err
    client = boto3.client(
        "logs", endpoint_url=logs.url, region_name=REGION, aws_access_key_id=KEY, aws_secret_access_key=SECRET
    )
    for name, lines in content.items():
        found = client.get_log_events(logGroupName=GROUP, logStreamName=name, startFromHead=True)["events"]
        assert [event["message"].encode() + b"\n" for event in found] == lines
    assert client.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"][0]["retentionInDays"] == 14
    client.close()
    assert "2 delivered before" in run(*words, **variables).err
    assert len(logs.accepted) == 60
    assert run("receipts", "--check").out == "2 receipts over 60 lines: all balance\n"


def test_old_lines_become_dead_letters_every_one(run: Run, logs: StrictLogs) -> None:
    logs.create(GROUP)
    old, fine = [alb("2020-02-29", number) for number in range(50)], fresh(5)
    Path("a.log").write_bytes(b"".join([*old, *fine]))
    ran = run("ship", "a.log", "--to", f"cloudwatch:{GROUP}", AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=logs.url, **CREDENTIALS)
    assert ran.code == 0, ran.err
    letters = [
        json.loads(line) for path in Path("tailrace-store/dead").iterdir() for line in path.read_bytes().splitlines()
    ]
    assert [(letter["reason"], letter["payload"].encode() + b"\n") for letter in letters] == [
        ("too_old", line) for line in old
    ]
    assert all(letter["sink"].startswith(f"cloudwatch:{GROUP}#") for letter in letters)
    assert Counter(event.message.encode() + b"\n" for event in logs.accepted) == Counter(fine)
    assert run("receipts", "--check").out == "1 receipt over 55 lines: all balance\n"


def test_a_missing_group_stops_all_and_tells_the_remedy(run: Run, logs: StrictLogs) -> None:
    Path("a.log").write_bytes(b"".join(fresh(3)))
    ran = run("ship", "a.log", "--to", f"cloudwatch:{GROUP}", AWS_ENDPOINT_URL=logs.url, **CREDENTIALS)
    assert ran.code == 3
    assert (
        f"there is no log group {GROUP} at {logs.url}; create it, or let it be created by --set create_group=true"
        in ran.err
    )
    assert SECRET not in ran.err


def test_a_profile_and_settings_in_a_file(run: Run, logs: StrictLogs) -> None:
    logs.create("/logs/named")
    Path("config").write_text(
        f"[profile team]\nregion = {REGION}\nservices = here\n[services here]\ncloudwatch_logs =\n  endpoint_url = {logs.url}\n"
    )
    Path("credentials").write_text(f"[team]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
    Path("tailrace.toml").write_text(
        'profile = "team"\n[sinks.logs]\nurl = "cloudwatch:/logs/named"\nstream = "{load_balancer}/{date}"\nmessage = "json"\nconcurrency = 2\n'
    )
    (line,) = fresh(1)
    Path("lb1.log").write_bytes(line)
    ran = run("ship", "lb1.log", "--to", "logs", AWS_CONFIG_FILE="config", AWS_SHARED_CREDENTIALS_FILE="credentials")
    assert ran.code == 0, ran.err
    (event,) = logs.accepted
    record = json.loads(event.message)
    assert event.stream == f"lb1/{record['time'][:10]}"
    assert record["elb"] == "app/web/ae5aa1d99ee1b260"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--set", "retention_days=4", "--set", "create_group=true"), "retention_days: expected one of 1, 3, 5"),
        (("--set", "concurrency=0"), "concurrency: expected a whole number >= 1"),
        (("--set", "stream={elb}"), "in braces may stand {load_balancer}"),
        (("--set", "oversize=shrink"), "oversize: expected one of refuse, cut, not 'shrink'"),
    ],
)
def test_settings_that_cannot_be_are_told_at_once(run: Run, words: tuple[str, ...], told: str) -> None:
    Path("a.log").write_bytes(alb("2026-09-23"))
    ran = run("ship", "a.log", "--to", f"cloudwatch:{GROUP}", *words, **CREDENTIALS)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert told in ran.err


def test_without_a_region_it_is_asked_for(run: Run) -> None:
    Path("a.log").write_bytes(alb("2026-09-23"))
    ran = run("ship", "a.log", "--to", f"cloudwatch:{GROUP}")
    assert (ran.code, ran.err) == (
        2,
        "error: no region is known for logs: set AWS_REGION, or region in the settings or in the profile\n",
    )


def test_a_certificate_is_trusted_by_the_usual_variable(run: Run, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*made, "-keyout", key, "-out", certificate, *subject], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    Path("a.log").write_bytes(b"".join(fresh(3)))
    with StrictLogs(tls=context) as logs:
        logs.create(GROUP)
        variables: dict[str, Any] = {**CREDENTIALS, "AWS_ENDPOINT_URL": logs.url}
        refused = run("ship", "a.log", "--to", f"cloudwatch:{GROUP}", **variables)
        assert refused.code == 3
        assert (
            f"the certificate of {logs.url} is not trusted; name the right authorities in AWS_CA_BUNDLE" in refused.err
        )
        ran = run("ship", "a.log", "--to", f"cloudwatch:{GROUP}", AWS_CA_BUNDLE=str(certificate), **variables)
        assert ran.code == 0, ran.err
        assert len(logs.accepted) == 3
