"""Where S3 alone is elsewhere, its keys do not go to AWS with requests for other services."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from homing import ACCESS, SECRET, Home
from tailrace.clock import SystemClock
from tailrace.clouds.checking.endpoints import check
from tailrace.clouds.cloud import Cloud
from tailrace.clouds.connecting import connect
from tailrace.clouds.finding import find
from tailrace.errors import UsageError

S3, ROLE = "http://127.0.0.1:1/s3", "arn:aws:iam::123456789012:role/r"
LOGS = "https://logs.us-east-1.amazonaws.com"


@pytest.fixture(params=["environment", "profile"])
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """One in which S3 is elsewhere, although the region is AWS's."""
    home = Home(tmp_path)
    services = f"[default]\nservices = x\n[services x]\ns3 =\n  endpoint_url = {S3}\n"
    config = home.write("~/.aws/config", services if request.param == "profile" else "")
    home.environ |= {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_CONFIG_FILE": str(config)}
    home.environ |= {"AWS_ENDPOINT_URL_S3": S3} if request.param == "environment" else {}
    for name, value in home.environ.items():
        monkeypatch.setenv(name, value)
    return home


def url(cloud: Cloud, service: str, **told: str) -> str:
    with closing(connect(cloud, service, **told)) as client:
        return str(client.meta.endpoint_url)


@pytest.mark.parametrize(("service", "variable"), [("sts", "STS"), ("elb", "ELASTIC_LOAD_BALANCING"), ("logs", "CLOUDWATCH_LOGS")])  # fmt: skip
def test_other_services_are_not_asked_for_at_aws(home: Home, service: str, variable: str) -> None:
    cloud = find("us-east-1", home.given())
    assert url(cloud, "s3") == S3
    with pytest.raises(UsageError, match=f"is not asked for at AWS: name its endpoint by AWS_ENDPOINT_URL_{variable}$"):
        connect(cloud, service)


def test_nor_is_a_role(home: Home) -> None:
    with pytest.raises(UsageError, match="so sts is not asked for at AWS"):
        connect(find("us-east-1", home.given()), "s3", role_arn=ROLE)


def test_who_names_an_endpoint_of_aws_gets_it(home: Home) -> None:
    home.environ["AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"] = LOGS
    assert url(find("us-east-1", home.given()), "logs") == LOGS


def test_what_is_looked_at_is_s3(home: Home) -> None:
    def client(service: str) -> Any:
        assert service == "s3"

    assert [found.service for found in check(find("us-east-1", home.given()), client, SystemClock())] == ["s3"]


def test_an_endpoint_of_s3_at_aws_leaves_the_others_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    told = "https://bucket.vpce-1.s3.us-east-1.vpce.amazonaws.com"
    home.environ |= {"AWS_ENDPOINT_URL_S3": told}
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", told)
    cloud = find("us-east-1", home.given())
    assert url(cloud, "s3") == told
    assert url(cloud, "logs") == LOGS
