"""Access logs switched on and off from the command line: on moto as AWS, and on our own API as a private cloud."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner

from cloud import client_of, cloud
from loadbalancer.api.keepingshop import ALICE, FRONT, KEYS, Shop, shop
from tailrace.cli import group
from tailrace.errors import UsageError
from tailrace.hosts.calling import Refused

ACCOUNT = "123456789012"
Said = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with cloud() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(aws: str) -> str:
    name = f"logs-{uuid4().hex[:8]}"
    client_of("s3", aws).create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return name


def program(**environment: str | None) -> Said:
    none = {"AWS_PROFILE": None, "AWS_ENDPOINT_URL": None, "TAILRACE_CONFIG": None, "AWS_DEFAULT_REGION": None}

    def run(*words: str) -> tuple[int, str, str]:
        env = {**none, "AWS_REGION": None, "HOME": "/nonexistent", "COLUMNS": "200", **environment}
        done = CliRunner().invoke(group, ["lb", "logs", *words], env=env, standalone_mode=False)
        if done.exception:
            raise done.exception
        return int(done.return_value or 0), done.stdout, done.stderr

    return run


@pytest.fixture
def on_aws(aws: str) -> Said:
    keys = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example"}
    return program(AWS_ENDPOINT_URL=aws, AWS_REGION="eu-west-1", **keys)


@pytest.fixture
def api(tmp_path: Path, aws: str) -> Iterator[Shop]:
    with shop(tmp_path, aws) as made:
        yield made


@pytest.fixture
def on_private(api: Shop, aws: str) -> Said:
    key, secret = KEYS["alice"]
    return program(
        AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret, AWS_ENDPOINT_URL=aws, AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING=api.url,
        AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2=api.url, AWS_ENDPOINT_URL_STS=api.url, AWS_REGION="eucalyptus",
    )  # fmt: skip


def classic(aws: str, name: str) -> Any:
    elb = client_of("elb", aws)
    listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 80}
    elb.create_load_balancer(LoadBalancerName=name, Listeners=[listener], AvailabilityZones=["eu-west-1a"])
    return elb


def log_of(elb: Any, name: str) -> dict[str, Any]:
    told = elb.describe_load_balancer_attributes(LoadBalancerName=name)["LoadBalancerAttributes"]["AccessLog"]
    return dict(told)


def test_a_log_is_switched_on_shown_and_switched_off_on_aws(aws: str, on_aws: Said, bucket: str) -> None:
    elb = classic(aws, "old")
    code, out, err = on_aws("enable", "old", "--bucket", bucket, "--prefix", "p", "--interval", "5", "--dry-run")
    assert code == 0
    assert f"the classic load balancer old  to s3://{bucket}/p, every 5 minutes" in out
    assert "this is a dry run" in err
    assert not log_of(elb, "old")["Enabled"]
    _, out, _ = on_aws("enable", "old", "--bucket", bucket, "--prefix", "p", "--interval", "5", "--yes")
    url = f"s3://{bucket}/p/AWSLogs/{ACCOUNT}/"
    assert f"the access log of the classic load balancer old goes to {url}, every 5 minutes" in out
    assert f"aws s3 ls --recursive {url}\n" in out
    assert log_of(elb, "old") == {"Enabled": True, "S3BucketName": bucket, "S3BucketPrefix": "p", "EmitInterval": 5}
    _, out, err = on_aws("enable", "old")
    assert "nothing to do" in err
    assert url in out
    (line,) = [json.loads(each) for each in on_aws("list", "--json")[1].splitlines()]
    assert line == {"name": "old", "type": "classic", "enabled": True, "bucket": bucket, "prefix": "p", "url": url, "minutes": 5}  # fmt: skip
    _, out, _ = on_aws("disable", "old", "--yes")
    assert f"no more to s3://{bucket}/p" in out
    assert "writes no access log" in out
    assert "nothing to do" in on_aws("disable", "old")[2]
    assert not log_of(elb, "old")["Enabled"]
    elb.delete_load_balancer(LoadBalancerName="old")


def test_the_same_on_a_private_cloud(on_private: Said, api: Shop, bucket: str) -> None:
    assert on_private("show", "mail")[1] == "the classic load balancer mail writes no access log\n"
    on_private("enable", "mail", "--bucket", bucket, "--yes")
    assert log_of(api.client(), "mail") == {"Enabled": True, "S3BucketName": bucket, "S3BucketPrefix": "", "EmitInterval": 60}  # fmt: skip
    assert f"s3://{bucket}/AWSLogs/{ALICE}/," in on_private("show", "mail")[1]
    on_private("enable", "mail", "--prefix", "a/b", "--interval", "5", "--yes")
    assert log_of(api.client(), "mail") == {"Enabled": True, "S3BucketName": bucket, "S3BucketPrefix": "a/b", "EmitInterval": 5}  # fmt: skip
    _, out, _ = on_private("enable", FRONT, "--bucket", bucket, "--yes")
    assert f"the application load balancer front goes to s3://{bucket}/AWSLogs/{ALICE}/, every 5 minutes" in out
    shown = json.loads(on_private("show", "front", "--json")[1])
    assert (shown["arn"], shown["bucket"], shown["minutes"]) == (FRONT, bucket, 5)
    lines = on_private("list")[1].splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["front", "application", f"s3://{bucket}", "5", "minutes"],
        ["mail", "classic", f"s3://{bucket}/a/b", "5", "minutes"],
        ["web", "classic", "off"],
    ]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["enable", "nowhere", "--bucket", "b"], "nowhere: there is no such load balancer in eucalyptus"),
        (["enable", "web"], "web has no bucket for its log yet; name one by --bucket"),
        (["enable", "web", "--bucket", "not-there", "--yes"], "does not take this: S3Bucket: not-there does not exist"),
        (["enable", "web", "--bucket", "x/y", "--yes"], "x/y is not a name of a bucket"),
        (["enable", "web", "--bucket", "logs", "--prefix", "AWSLogs", "--yes"], "prefix cannot contain AWSLogs"),
        (["enable", "front", "--bucket", "b", "--interval", "5"], "only classic ones can be told"),
        (["enable", "web", "--bucket", "b"], "nobody can be asked here; say --yes"),
    ],
)
def test_what_cannot_be_is_told(on_private: Said, words: list[str], error: str) -> None:
    with pytest.raises(UsageError, match=error):
        on_private(*words)


def test_a_private_cloud_is_known_by_its_name(api: Shop, aws: str, bucket: str, tmp_path: Path) -> None:
    key, secret = KEYS["alice"]
    config = tmp_path / "tailrace.toml"
    config.write_text(
        f'[clouds.eucalyptus]\naccess_key = "{key}"\nsecret_key = "{secret}"\nkind = "eucalyptus"\n'
        f'[clouds.eucalyptus.endpoints]\nelasticloadbalancing = "{api.url}"\ns3 = "{aws}"\n'
        '[clouds.eucalyptus.signatures]\nelasticloadbalancing = "v2"\n',
        encoding="utf-8",
    )
    config.chmod(0o600)
    run = program()
    there = ("--config", str(config), "--region", "eucalyptus")
    run("enable", "web", "--bucket", bucket, "--interval", "5", "--yes", *there)
    assert {line["signature"] for line in api.lines} == {"v2"}
    _, out, _ = run("show", "web", *there)
    assert f"goes to s3://{bucket}/AWSLogs/{ALICE}/, every 5 minutes" in out
    assert [line.split()[0] for line in run("list", *there)[1].splitlines()[1:]] == ["front", "mail", "web"]


class Old(BaseHTTPRequestHandler):
    """A cloud that has never heard of application load balancers."""

    def do_POST(self) -> None:
        body = b"<ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction</Code><Message>no</Message></Error></ErrorResponse>"
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_a_cloud_without_the_new_api_is_no_error_unless_it_is_asked_for(api: Shop) -> None:
    with HTTPServer(("127.0.0.1", 0), Old) as old:
        thread = Thread(target=old.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        url = f"http://127.0.0.1:{old.server_port}"
        key, secret = KEYS["alice"]
        run = program(
            AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret, AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING=api.url,
            AWS_ENDPOINT_URL=url, AWS_REGION="eucalyptus",
        )  # fmt: skip
        try:
            assert [line.split()[0] for line in run("list")[1].splitlines()[1:]] == ["mail", "web"]
            assert run("show", "web")[1] == "the classic load balancer web writes no access log\n"
            with pytest.raises(Refused, match="InvalidAction"):
                run("list", "--type", "application")
        finally:
            old.shutdown()
            thread.join()
