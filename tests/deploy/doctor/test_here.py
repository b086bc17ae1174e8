"""This machine: libraries, clock, credentials, endpoint, region, and the stations of a run."""

from __future__ import annotations

from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.doctor.answering import refused
from deploy.doctor.healthy import account, deployment, examined
from making import StillClock
from tailrace.clouds import client
from tailrace.deploy.doctor import here
from tailrace.deploy.doctor.finding import Finding
from tailrace.deploy.doctor.here import Answer, Library

NOW = StillClock().now()
SAID = Answer(
    endpoint="https://sts.example", region="eu-west-1", who={"Arn": "arn:aws:iam::1:user/ann"}, date=formatdate(NOW)
)


@settings(deadline=None)
@given(st.integers(-10_000, 10_000))
def test_a_clock_may_be_five_minutes_off(skew: int) -> None:
    found = here.clock(SAID, NOW + skew)
    assert found.mark == ("ok" if abs(skew) <= 300 else "wrong")
    assert ("ahead" in found.found, "behind" in found.found) == (skew > 0, skew < 0)
    assert found.remedy == ("sudo timedatectl set-ntp true" if found.mark == "wrong" else "")


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_who_tells_no_time_cannot_be_compared_with(date: str) -> None:
    assert here.clock(replace(SAID, date=date), NOW).mark == "unknown"


def _refused(code: str, date: str = SAID.date) -> Answer:
    return replace(SAID, who={}, code=code, fault=f"no ({code})", date=date)


@pytest.mark.parametrize(
    ("answer", "reachable", "accepted", "remedy"),
    [
        (SAID, "ok", "ok", ""),
        (_refused("InvalidClientTokenId"), "ok", "wrong", "aws configure --profile p"),
        (_refused("ExpiredToken"), "ok", "wrong", "aws sso login --profile p"),
        (_refused("SignatureDoesNotMatch"), "ok", "wrong", "aws configure --profile p"),
        (_refused("RequestExpired"), "ok", "unknown", ""),
        (_refused("NoCredentialsError", ""), "unknown", "wrong", "aws configure --profile p"),
        (_refused("EndpointConnectionError", ""), "wrong", "unknown", ""),
        (_refused("SSLError", ""), "wrong", "unknown", ""),
    ],
)
def test_who_answers_and_whom_it_knows(answer: Answer, reachable: str, accepted: str, remedy: str) -> None:
    assert here.reachable(answer).mark == reachable
    found = here.accepted(answer, "p")
    assert (found.mark, found.remedy) == (accepted, remedy)


def test_credentials_are_not_blamed_for_a_wrong_clock() -> None:
    late = _refused("SignatureDoesNotMatch")
    assert here.accepted(late, "", timely=False).mark == "unknown"
    assert here.accepted(SAID, "", timely=False).mark == "ok"
    recorded = account(deployment())
    recorded.answers["sts:GetCallerIdentity"] = {
        **refused("SignatureDoesNotMatch", 403),
        "ResponseMetadata": {"HTTPStatusCode": 403, "HTTPHeaders": {"date": formatdate(NOW - 3600)}},
    }
    marks = {each.subject: each.mark for each in examined(recorded)}
    assert marks == {
        "libraries": "ok", "region": "ok", "endpoint": "ok", "clock": "wrong", "credentials": "unknown", "deployment": "unknown",
    }  # fmt: skip


def test_a_region_is_one_of_aws_or_of_a_private_cloud() -> None:
    assert here.region(SAID, private=False) == Finding("ok", "region", "eu-west-1 (aws)")
    assert here.region(replace(SAID, region="cn-north-1"), private=False).found == "cn-north-1 (aws-cn)"
    strange = replace(SAID, region="nowhere")
    assert here.region(strange, private=False).mark == "wrong"
    assert here.region(strange, private=True).mark == "ok"


def test_without_a_region_a_deployment_cannot_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """STS and S3 are asked without one all the same, and their clients then tell a name that is none."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    for url in ("", "http://127.0.0.1:1"):
        answer = here.asked(client("sts", endpoint_url=url or None), "sts:GetCallerIdentity")
        found = here.region(answer, private=False)
        assert (found.mark, found.remedy) == ("wrong", "export AWS_REGION=eu-west-1")
        assert found.found == "none is known: set AWS_REGION, or region in the settings or in the profile"
        assert here.region(answer, private=False, needed=False).mark == "ok"


def test_requirements_are_read_as_distributions_write_them() -> None:
    told = [
        "click>=8.1", "boto3>=1.37; extra == 'aws'", 'tailrace-kernel==9.9.9; extra == "kernel"',
        "no-such-library; python_version >= '3.11' and extra == 'zstd'",
    ]  # fmt: skip
    found = here.libraries(told)
    assert [(each.name, each.extra, each.how, each.least) for each in found] == [
        ("boto3", "aws", ">=", "1.37"), ("tailrace-kernel", "kernel", "==", "9.9.9"), ("no-such-library", "zstd", "", ""),
    ]  # fmt: skip
    assert found[0].installed
    assert not found[2].installed
    assert here.required() == () or any(each.name == "boto3" for each in here.libraries(here.required()))


@pytest.mark.parametrize(
    ("how", "least", "installed", "fits"),
    [
        (">=", "1.37", "1.37.0", True),
        (">=", "1.37", "1.4.9", False),
        (">=", "1.37", "1.100.1", True),
        ("==", "0.1.0", "0.1.0", True),
        ("==", "0.1.0", "0.2.0", False),
        ("", "", "3", True),
    ],
)
def test_a_version_fits_or_not(how: str, least: str, installed: str, fits: bool) -> None:  # noqa: FBT001
    assert Library("x", "aws", how, least, installed).fits is fits


def test_missing_libraries_are_told_with_the_line_of_pip() -> None:
    boto3, pika, old = (
        Library("boto3", "aws", ">=", "1.37", ""),
        Library("pika", "amqp", ">=", "1.3", ""),
        Library("pyarrow", "local", ">=", "19", "18.1"),
    )
    found = list(here.extras([boto3, pika, old]))
    assert [(each.mark, each.remedy) for each in found] == [
        ("wrong", "pip install 'tailrace[aws]'"),
        ("wrong", "pip install --upgrade 'tailrace[local]'"),
        ("ok", "pip install 'tailrace[amqp]'"),
    ]
    assert [each.mark for each in here.extras([])] == ["unknown"]
    whole = list(here.extras([replace(boto3, installed="1.40")]))
    assert whole == [Finding("ok", "libraries", "boto3 1.40; extras aws")]


def test_without_an_environment_the_stations_of_a_run_are_looked_at() -> None:
    recorded = account(deployment())
    told = ("to=cloudwatch:/logs s3://out/x", "state=dynamodb:tailrace-prod-receipts")
    found = examined(recorded, *told, environment="")
    assert [(each.mark, each.subject) for each in found] == [
        ("ok", "libraries"), ("ok", "region"), ("ok", "endpoint"), ("ok", "clock"), ("ok", "credentials"),
        ("ok", "sink"), ("ok", "sink"), ("ok", "receipts"),
    ]  # fmt: skip
    recorded.answers["dynamodb:DescribeTable"] = refused("ResourceNotFoundException")
    recorded.answers["logs:DescribeLogGroups"] = {"logGroups": []}
    wrong = [each for each in examined(recorded, *told, environment="") if each.mark == "wrong"]
    assert [each.subject for each in wrong] == ["sink", "receipts"]
    recorded.denied.add("dynamodb:DescribeTable")
    assert examined(recorded, *told, environment="")[-1].mark == "unknown"


def test_settings_that_make_no_run_are_told() -> None:
    found = examined(account(deployment()), "to=nowhere:x", environment="")
    assert (found[-1].mark, found[-1].subject) == ("wrong", "settings")


@pytest.mark.parametrize("code", ["InvalidClientTokenId", "ExpiredToken"])
def test_without_credentials_a_deployment_is_not_looked_at(code: str) -> None:
    recorded = account(deployment())
    recorded.answers["sts:GetCallerIdentity"] = refused(code, 403)
    found = examined(recorded)
    assert [(each.mark, each.subject) for each in found[-1:]] == [("unknown", "deployment")]
    assert set(recorded.asked) == {"sts:GetCallerIdentity"}


def test_a_private_cloud_is_asked_for_its_buckets() -> None:
    recorded = account(deployment())
    recorded.answers["s3:ListBuckets"] = {"Buckets": []}
    found = examined(recorded, "endpoint_url=http://127.0.0.1:1", "to=stdout", environment="")
    assert "sts:GetCallerIdentity" not in recorded.asked
    assert ("ok", "credentials", "they are accepted") in [(each.mark, each.subject, each.found) for each in found]


def test_without_boto3_or_a_region_the_rest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from tailrace.deploy.doctor.examining import Examination  # noqa: PLC0415
    from tailrace.errors import MissingExtra, UsageError  # noqa: PLC0415

    for error, remedy in ((MissingExtra("sts", "aws"), "pip install"), (UsageError("no region"), "export AWS_REGION")):

        def fail(_self: Any, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(Examination, "_asked", fail)
        found = examined(account(deployment()), environment="")
        assert any(each.mark == "wrong" and each.remedy.startswith(remedy) for each in found)
        assert found[-1].subject == "sink"
