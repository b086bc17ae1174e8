"""What a Lambda makes before its first event: from settings of any place, or the sentence that tells why it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud import REGION, client_of, cloud
from tailrace.errors import TailraceError
from tailrace.hosts._lambda_container import Container, made
from tailrace.state.dynamodb import definition


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with cloud() as url:
        s3, ssm, dynamodb = (client_of(name, url) for name in ("s3", "ssm", "dynamodb"))
        s3.create_bucket(Bucket="conf", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket="conf", Key="tailrace.toml", Body=b'to = ["stdout"]\nschema = "ecs"\n')
        s3.put_object(Bucket="conf", Key="large.toml", Body=b"#" * (1 << 21))
        s3.put_object(Bucket="conf", Key="latin.toml", Body=b"# \xe9")
        s3.put_object(Bucket="conf", Key="bad.toml", Body=b"to = ")
        ssm.put_parameter(Name="/tailrace/lambda", Value='to = ["stdout"]\nschema = "otel"\n', Type="SecureString")
        dynamodb.create_table(**definition("container"))
        yield url
        for client in (s3, ssm, dynamodb):
            client.close()


@pytest.fixture(autouse=True)
def _aws(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")


def container(*notices: Any, **environ: str) -> Container:
    told: list[str] = []
    made_now = made({"TAILRACE_TO": "stdout", **environ}, told.append)
    assert [*notices] == told
    return made_now


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"TAILRACE_TO": "store"}, "to: store is a folder on a disk, and a Lambda keeps none"),
        ({"TAILRACE_TO": ""}, "to: store is a folder on a disk"),
        ({"TAILRACE_TO": "stdout stdout"}, "two of the sinks stdout, stdout are the same"),
        ({"TAILRACE_STATE": "sqlite"}, "state: sqlite needs a disk"),
        (
            {"TAILRACE_TO": "cloudwatch:/own", "AWS_LAMBDA_LOG_GROUP_NAME": "/own"},
            "/own is the log group of this function",
        ),
        ({"TAILRACE_STATE": "dynamodb:nowhere"}, "there is no table nowhere at http://127.0.0.1"),
        ({"TAILRACE_DEAD_LETTERS": "store:/tmp/x"}, "dead_letters: store:/tmp/x is a folder on a disk"),
        ({"TAILRACE_SCHEMA": "xml"}, "TAILRACE_SCHEMA: expected one of aws, ecs, otel"),
        ({"TAILRACE_CONFIG": "s3://conf/no.toml"}, "TAILRACE_CONFIG: s3://conf/no.toml does not exist at http"),
        ({"TAILRACE_CONFIG": "s3://nobody/no.toml"}, "TAILRACE_CONFIG: s3://nobody/no.toml does not exist at http"),
        ({"TAILRACE_CONFIG": "s3://conf/large.toml"}, "s3://conf/large.toml is longer than settings are"),
        ({"TAILRACE_CONFIG": "s3://conf/latin.toml"}, "s3://conf/latin.toml is no text"),
        ({"TAILRACE_CONFIG": "s3://conf/bad.toml"}, "s3://conf/bad.toml is no valid TOML"),
        ({"TAILRACE_CONFIG": "ssm:/nothing"}, "TAILRACE_CONFIG: ssm:/nothing does not exist at http"),
        ({"TAILRACE_CONFIG": "toml:to = "}, "TAILRACE_CONFIG is no valid TOML"),
        ({"TAILRACE_CONFIG": "toml:tu = 1"}, "TAILRACE_CONFIG: there is no setting tu"),
        ({"TAILRACE_CONFIG": "there.toml"}, "cannot read the settings in there.toml"),
    ],
)
def test_what_cannot_be_is_told(environ: dict[str, str], told: str) -> None:
    with pytest.raises(TailraceError, match=told):
        container(**environ)


def test_settings_come_from_the_package_the_variable_s3_and_a_parameter() -> None:
    assert container().settings.schema == "aws"
    assert container(TAILRACE_CONFIG="s3://conf/tailrace.toml").settings.schema == "ecs"
    assert container(TAILRACE_CONFIG="ssm:/tailrace/lambda").settings.schema == "otel"
    assert container(TAILRACE_CONFIG='toml:schema = "ecs"\nlog_format = "%ci"').settings.log_format == "%ci"
    assert container(TAILRACE_CONFIG='toml:schema = "ecs"', TAILRACE_SCHEMA="otel").settings.schema == "otel"
    Path("tailrace.toml").write_text('to = ["stdout"]\nschema = "otel"\n', encoding="utf-8")
    assert container().settings.schema == "otel"
    assert container(TAILRACE_SCHEMA="ecs").settings.schema == "ecs"
    assert container("TAILRACE_WIND is no setting; it is ignored", TAILRACE_WIND="1").settings.schema == "otel"


def test_clients_are_made_once_and_the_state_is_the_table() -> None:
    made_now = container(TAILRACE_STATE="dynamodb:container")
    assert made_now.client("s3") is made_now.client("s3")
    assert made_now.objects() is made_now.objects()
    assert made_now.state is not None
    assert container(TAILRACE_STATE="memory").state is None
