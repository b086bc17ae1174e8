"""`tailrace policy` as people call it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cloud import REGION, cloud
from tailrace.cli.policy import command
from tailrace.deploy.roles import ROLES
from tailrace.errors import UsageError

PLACE = ("--account", "111122223333", "--region", "eu-west-1")


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


def run(*words: str) -> Result:
    return CliRunner().invoke(command, words)


def document(*words: str) -> Any:
    result = run(*words)
    assert not result.exception, result.exception
    return json.loads(result.stdout)


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_a_policy_with_account_and_region_filled_in(role: str) -> None:
    more = ("--set", "from=sqs:events", "--set", "to=cloudwatch:lb") if role == "run" else ()
    found = document(role, "prod", *PLACE, *more)
    text = json.dumps(found)
    assert "${" not in text
    assert ":eu-west-1:111122223333:" in text
    assert found["Version"] == "2012-10-17"


def test_of_another_partition() -> None:
    text = json.dumps(document("function", "prod", "--account", "111122223333", "--region", "us-gov-west-1"))
    assert "arn:aws-us-gov:sqs:us-gov-west-1:111122223333:tailrace-prod-events" in text
    china = ("--set", "to=x", "--set", "sinks.x.url=s3://b", "--set", "sinks.x.kms_key=1234")
    text = json.dumps(document("function", "prod", "--account", "111122223333", "--region", "cn-north-1", *china))
    assert "s3.cn-north-1.amazonaws.com.cn" in text


def test_the_account_is_that_of_the_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ACCESS_KEY_ID": "AKIDEXAMPLE", "SECRET_ACCESS_KEY": "x", "DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with cloud() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        text = json.dumps(document("function", "prod"))
    assert f"arn:aws:sqs:{REGION}:123456789012:tailrace-prod-events" in text


REFUSALS: list[tuple[tuple[str, ...], str]] = [
    (("function", "prod", "--region", "eu-west-1"), r"the account is not known \(NoCredentialsError\): name it with --account"),
    (("function", "prod", "--account", "111122223333"), "the region is not known: name it with --region"),
    (("function", "prod", "--account", "1234", "--region", "eu-west-1"), "--account: expected the twelve digits"),
    (("function", *PLACE), "name the environment, as in `tailrace policy function prod`"),
    (("agent", "prod", *PLACE), "there is no role 'agent'; there are: function, deploy"),
    (("run", *PLACE), "from: a worker needs a source"),
    (("function", "prod", "--account", "111122223333", "--region", "moon-1"), "the region moon-1 is none of AWS"),
    (("function", "prod", *PLACE, "--partition", "aws-moon"), "there is no partition aws-moon; there are: aws, aws-cn"),
    (("run", "--set", "from=sqs:q", "--set", "to=cloudwatch:x", *PLACE), "sqs:q does not tell which buckets"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "told"), REFUSALS)
def test_what_cannot_be_is_told_with_its_remedy(words: tuple[str, ...], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        raise run(*words).exception or AssertionError(words)


def test_a_worker_reads_the_buckets_that_are_named_or_that_of_the_environment() -> None:
    asked = ("--set", "from=sqs:q", "--set", "to=cloudwatch:x", *PLACE)
    text = json.dumps(document("run", *asked, "--bucket", "one/a/", "--bucket", "s3://two"))
    assert '"arn:aws:s3:::one/a/*", "arn:aws:s3:::two/*"' in text
    assert "tailrace-prod-logs-111122223333-eu-west-1/AWSLogs/*" in json.dumps(document("run", "prod", *asked))


def test_load_balancers_are_switched_only_by_who_asks_for_that() -> None:
    assert "elasticloadbalancing" not in json.dumps(document("deploy", "prod", *PLACE))
    assert "elasticloadbalancing:ModifyLoadBalancerAttributes" in json.dumps(
        document("deploy", "prod", *PLACE, "--load-balancers")
    )


def test_a_policy_that_is_too_large_is_told() -> None:
    assert "IAM takes more than 6,144 inline in a role" in run("deploy", "prod", *PLACE).stderr
    assert not run("function", "prod", *PLACE).stderr
