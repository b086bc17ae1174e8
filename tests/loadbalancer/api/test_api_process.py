"""`tailrace lb serve` as a process: killed, told to end, told to read again; asked by the real aws."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from loadbalancer.api.keepingshop import ACCOUNTS, ALICE, FRONT, KEYS, client_at, write_accounts
from services.balancing import aws as real_aws
from tailrace.loadbalancer.api import database as database_module
from tailrace.loadbalancer.api.accounts import Registered, User
from tailrace.loadbalancer.api.database import Author, Database
from tailrace.loadbalancer.model import Attributes

ON: dict[str, Any] = {"Enabled": True, "EmitInterval": 5, "S3BucketPrefix": ""}


@dataclass
class Program:
    """The program, and where it answers."""

    process: subprocess.Popen[str]
    url: str
    errors: Path

    @property
    def said(self) -> str:
        return self.errors.read_text()


def environment(store: str, **variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TAILRACE_", "AWS_"))}
    keys = {"AWS_ACCESS_KEY_ID": "service", "AWS_SECRET_ACCESS_KEY": "its-own"}
    return {**kept, **keys, "HOME": "/nonexistent", "AWS_ENDPOINT_URL": store, **variables}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def program(
    folder: Path, store: str, port: int = 0, *, accounts: str = ACCOUNTS, **variables: str
) -> Iterator[Program]:
    port = port or free_port()
    told = write_accounts(folder, accounts) if accounts else folder / "accounts.toml"
    words = (
        "--accounts",
        told,
        "--listen",
        f"127.0.0.1:{port}",
        "--database",
        folder / "lb.sqlite",
        "--region",
        "eucalyptus",
    )
    errors = folder / "stderr"
    with errors.open("w") as file:
        command = [sys.executable, "-m", "tailrace", "lb", "serve", *map(str, words)]
        process = subprocess.Popen(command, stderr=file, env=environment(store, **variables), text=True, cwd=folder)
    made = Program(process, f"http://127.0.0.1:{port}/", errors)
    try:
        end = time.monotonic() + 30
        while f"answers on {made.url}" not in made.said:
            assert process.poll() is None, made.said
            assert time.monotonic() < end
            time.sleep(0.05)
        yield made
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert "Traceback" not in made.said


def log_of(url: str, name: str = "web") -> dict[str, Any]:
    told = client_at(url).describe_load_balancer_attributes(LoadBalancerName=name)
    return dict(told["LoadBalancerAttributes"]["AccessLog"])


def test_what_was_confirmed_outlasts_kill_9_between_requests(tmp_path: Path, store: str, bucket: str) -> None:
    port = free_port()
    with program(tmp_path, store, port) as made:
        client_at(made.url).modify_load_balancer_attributes(LoadBalancerName="web", LoadBalancerAttributes={"AccessLog": {**ON, "S3BucketName": bucket}})  # fmt: skip
        made.process.kill()
        made.process.wait()
    with program(tmp_path, store, port) as made:
        assert log_of(made.url) == {**ON, "S3BucketName": bucket}


def test_what_was_confirmed_outlasts_kill_9_at_any_moment(tmp_path: Path, store: str) -> None:
    """Attributes are those that were confirmed last, or those of the request that nobody answered; history tells every change."""
    port, drawn = free_port(), random.Random(5)
    confirmed, asked, changes = "", "", 0
    for turn in range(3):
        with program(tmp_path, store, port) as made:
            assert log_of(made.url, "mail").get("S3BucketPrefix", "") in (confirmed, asked)
            confirmed = log_of(made.url, "mail").get("S3BucketPrefix", "")
            elb = client_at(made.url)
            end = time.monotonic() + drawn.uniform(0.1, 0.5)
            for number in range(10_000):
                asked = f"p{turn}-{number}"
                if time.monotonic() > end and made.process.poll() is None:
                    made.process.send_signal(signal.SIGKILL)
                try:
                    elb.modify_load_balancer_attributes(LoadBalancerName="mail", LoadBalancerAttributes={"AccessLog": {"Enabled": False, "S3BucketPrefix": asked}})  # fmt: skip
                except (BotoCoreError, ClientError):
                    break
                confirmed = asked
                changes += 1
            made.process.wait()
    with closing(sqlite3.connect(tmp_path / "lb.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        told = [json.loads(after)["prefix"] for (after,) in database.execute("SELECT after FROM history ORDER BY id")]
    assert len(told) == len(set(told))
    assert changes <= len(told) <= changes + 3
    assert changes > 3
    assert told[-1] in (confirmed, asked)


def test_sigterm_ends_it_and_sighup_reads_again(tmp_path: Path, store: str) -> None:
    with program(tmp_path, store) as made:
        path = tmp_path / "accounts.toml"
        path.write_text(ACCOUNTS.replace('name = "mail"', 'name = "post"'), encoding="utf-8")
        assert log_of(made.url, "post") == {"Enabled": False}  # without being told
        path.write_text("what is this", encoding="utf-8")
        assert log_of(made.url, "post") == {"Enabled": False}
        assert "is no valid TOML" in made.said
        assert "what was read before still counts" in made.said
        path.write_text(ACCOUNTS, encoding="utf-8")
        made.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 10
        while "is read anew" not in made.said.partition("no valid TOML")[2]:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert log_of(made.url, "mail") == {"Enabled": False}
        made.process.send_signal(signal.SIGTERM)
        assert made.process.wait(15) == 0
        lines = [json.loads(line) for line in made.said.splitlines() if line.startswith("{")]
        assert [line["status"] for line in lines] == [200] * 3
        assert not any(secret in made.said for _, secret in KEYS.values())


@pytest.mark.parametrize(
    ("change", "mode", "error"),
    [
        (("", ""), 0o644, "the secret stands in a file that others can read; chmod 600"),
        (('secret_key = "bobs-secret"', ""), 0o600, "[users.bob]: secret_key is missing"),
        (('secret_key = "bobs-secret"', 'secret_key = "env:NOT_THERE"'), 0o600, "env:NOT_THERE: there is no such variable"),
        (('access_key = "AKIABOB"', 'access_key = "AKIAALICE"'), 0o600, "alice and bob have the same access key"),
        (('access_key = "AKIABOB"', "access_key = 5"), 0o600, "[users.bob]: access_key: expected text"),
        (('access_key = "AKIABOB"', "acces_key = 5"), 0o600, "did you mean access_key?"),
        (('account = "000111222333"', ""), 0o600, "[users.bob]: account is missing"),
        (('buckets = ["*"]', ""), 0o600, "[users.alice]: buckets is missing; write which ones"),
        (('buckets = ["*"]', "buckets = []"), 0o600, "[users.alice]: buckets is missing; write which ones"),
        (('name = "mail"', 'name = "web"'), 0o600, "the load balancer web of the account 000865102303 is there twice"),
        (('name = "mail"', 'name = "a/b"'), 0o600, "name must be the name of a load balancer, not 'a/b'"),
        (('type = "application"', 'type = "gateway"'), 0o600, "expected one of classic, application"),
        (('region = "eucalyptus"', "regions = 3"), 0o600, "there is no regions here"),
        (("[[load_balancers]]", "[[load_balancer]]"), 0o600, "there is no load_balancer here"),
    ],
)  # fmt: skip
def test_an_accounts_file_that_cannot_be_is_told(
    tmp_path: Path, change: tuple[str, str], mode: int, error: str
) -> None:
    from tailrace.clouds import Vault  # noqa: PLC0415
    from tailrace.errors import UsageError  # noqa: PLC0415
    from tailrace.loadbalancer.api.accounts import accounts  # noqa: PLC0415

    path = write_accounts(tmp_path, ACCOUNTS.replace(*change) if change[0] else ACCOUNTS)
    path.chmod(mode)
    with pytest.raises(UsageError) as caught:
        accounts(path, "us-east-1", Vault(lambda _service: None, {}).read)
    assert error in str(caught.value)
    assert "s-secret" not in str(caught.value)


def test_secrets_may_be_elsewhere_and_then_others_may_read_the_file(tmp_path: Path) -> None:
    from tailrace.clouds import Vault  # noqa: PLC0415
    from tailrace.loadbalancer.api.accounts import accounts  # noqa: PLC0415

    secret = tmp_path / "secret"
    secret.write_text("of a file\n")
    text = f'[users.a]\naccess_key = "A"\nsecret_key = "env:S"\naccount = "1"\noperator = true\n[users.b]\naccess_key = "B"\nsecret_key = "file:{secret}"\naccount = "1"\nread_only = true\n'  # fmt: skip
    path = tmp_path / "accounts.toml"
    path.write_text(text)
    path.chmod(0o644)
    found = accounts(path, "r", Vault(lambda _service: None, {"S": "of the environment"}).read)
    assert [each.secret_key for each in found.users.values()] == ["of the environment", "of a file"]
    assert "of a" not in repr(found.users)
    assert found.region == "r"


def aws(made: Program, *words: str) -> tuple[int, str]:
    done = real_aws(made.url, *KEYS["alice"], *words, "--output", "json")
    return done.returncode, done.stdout + done.stderr


def test_the_real_aws_switches_logs_on(tmp_path: Path, store: str, bucket: str) -> None:
    with program(tmp_path, store) as made:
        log = f"AccessLog={{Enabled=true,S3BucketName={bucket},EmitInterval=5,S3BucketPrefix=p}}"
        named = ("--load-balancer-name", "web")
        code, told = aws(made, "elb", "modify-load-balancer-attributes", *named, "--load-balancer-attributes", log)
        assert code == 0, told
        want = {**ON, "S3BucketName": bucket, "S3BucketPrefix": "p"}
        assert json.loads(told) == {"LoadBalancerName": "web", "LoadBalancerAttributes": {"AccessLog": want}}
        code, told = aws(made, "elb", "describe-load-balancer-attributes", *named)
        assert json.loads(told) == {"LoadBalancerAttributes": {"AccessLog": want}}
        pairs = [f"Key=access_logs.s3.{key},Value={value}" for key, value in (("enabled", "true"), ("bucket", bucket))]
        code, told = aws(
            made, "elbv2", "modify-load-balancer-attributes", "--load-balancer-arn", FRONT, "--attributes", *pairs
        )
        assert code == 0, told
        assert {each["Key"]: each["Value"] for each in json.loads(told)["Attributes"]} == {
            "access_logs.s3.enabled": "true", "access_logs.s3.bucket": bucket, "access_logs.s3.prefix": "",
        }  # fmt: skip
        code, told = aws(made, "elb", "modify-load-balancer-attributes", *named, "--load-balancer-attributes", "AccessLog={Enabled=true,S3BucketName=not-there}")  # fmt: skip
        assert code != 0
        assert "An error occurred (InvalidConfigurationRequest)" in told
        assert "S3Bucket: not-there does not exist" in told
        assert (
            ALICE in json.loads(aws(made, "elbv2", "describe-load-balancers")[1])["LoadBalancers"][0]["LoadBalancerArn"]
        )


def test_history_keeps_the_last_changes_of_each_load_balancer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "_KEPT", 3, raising=False)
    user = User(name="alice", access_key="A", secret_key="s", account=ALICE)
    web, mail = (Registered(account=ALICE, name=name) for name in ("web", "mail"))
    with closing(Database.open(tmp_path / "lb.sqlite")) as database:
        for number in range(5):
            for each in (web, mail)[: 2 if number < 2 else 1]:
                database.change(
                    each, None, Attributes(enabled=True, bucket=f"b{number}"), Author(user, "here", number, "r")
                )
    with closing(sqlite3.connect(tmp_path / "lb.sqlite")) as raw:
        told = raw.execute("SELECT name, at FROM history ORDER BY name, at").fetchall()
    assert told == [("mail", 0), ("mail", 1), ("web", 2), ("web", 3), ("web", 4)]
