"""`tailrace deploy`, `status` and `rollback` as people call them, on MiniStack, which runs the function that was packed."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from cli.conftest import PROGRAM, Ran, environment
from cloud import REGION, client_of
from services.lambda_package import ARCHITECTURE
from tailrace.cli import _code


class Program:
    """The program on MiniStack; in this process, because a process for each call would take long."""

    def __init__(self, endpoint: str, folder: Path, package: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.endpoint, self._folder, self._package, self._capture = endpoint, folder, package, capture
        self.environment = f"c{uuid4().hex[:8]}"
        self.name = f"tailrace-{self.environment}"
        own = f'[environments.{self.environment}.deploy]\narchitecture = "{ARCHITECTURE}"\n'
        (folder / "tailrace.toml").write_text(own, encoding="utf-8")

    def __call__(self, verb: str, *words: str) -> Ran:
        code = _code(self.command(verb, *words)[len(PROGRAM) :])
        told = self._capture.readouterr()
        assert "internal error" not in told.err
        return Ran(code, told.out, told.err)

    def command(self, verb: str, *words: str) -> list[str]:
        given = ["--package", str(self._package)] if verb == "deploy" else []
        return [*PROGRAM, verb, self.environment, *given, *words]

    def begun(self, *words: str) -> subprocess.Popen[str]:
        """A deployment under way in a process of its own; what it says is read line by line."""
        return subprocess.Popen(
            self.command("deploy", *words), env=environment(**variables(self.endpoint)), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def client(self, service: str) -> Any:
        return client_of(service, self.endpoint)

    @property
    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self("status", "--json").out)
        return told


def variables(endpoint: str) -> dict[str, str]:
    place = {"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": REGION}
    return {**place, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example"}


@pytest.fixture
def program(
    shared_server: str,
    tmp_path: Path,
    package: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Program:
    for name, value in variables(shared_server).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return Program(shared_server, tmp_path, package, capsys)


def test_from_nothing_to_two_versions_and_back(program: Program) -> None:
    told = program("deploy", "--dry-run", "--json")
    assert told.code == 0
    assert "nothing was changed: this is a dry run" in told.err
    assert {"create", "do"} == {json.loads(line)["action"] for line in told.out.splitlines()}
    refused = program("deploy")
    assert (refused.code, "say --yes, or --dry-run" in refused.err) == (2, True)
    assert program.name not in str(program.client("s3").list_buckets()["Buckets"])
    assert program.name not in str(program.client("cloudformation").list_stacks()["StackSummaries"])
    assert program("status").code == 1

    told = program("deploy", "--yes")
    assert told.code == 0, told.err
    assert f"{program.name} is deployed" in told.err
    status = program.status
    assert (status["stack"]["status"], status["live"]["version"], status["release"]["good"]) == ("CREATE_COMPLETE", "1", True)  # fmt: skip
    assert (status["queue"], status["dead_letters"], len(status["alarms"])) == (0, 0, 6)

    again = program("deploy")  # needs no consent, for there is nothing to do
    assert (again.code, again.out) == (0, "")
    assert "nothing to do" in again.err
    assert program.status["live"]["version"] == "1"

    changed = program("deploy", "--yes", "--json", "--set", "deploy.memory=512", "--set", "timezone=Europe/Vienna")
    steps = {step["what"]: step for step in map(json.loads, changed.out.splitlines())}
    assert steps["AWS::Lambda::Function"]["action"] == "change"
    assert 'timezone default → "Europe/Vienna"' in steps["release"]["why"]
    assert program.status["live"]["version"] == "2"
    assert program("rollback").code == 0
    status = program.status
    assert (status["live"]["version"], status["live"]["same_as_stack"]) == ("1", False)
    assert "version 1 is live already" in program("rollback", "--to", "1").err
    assert program("rollback", "--to", "2").code == 0
    assert (program("rollback", "--to", "9").code, program.status["live"]["version"]) == (2, "2")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.long)]
)
def test_an_interrupted_deployment_says_so_and_is_taken_up(program: Program, number: int, code: int) -> None:
    with program.begun("--yes") as under_way:
        assert under_way.stderr
        said = []
        for line in under_way.stderr:
            said.append(line)
            if "COMPLETE" in line:
                os.kill(under_way.pid, number)
                break
        said += under_way.stderr.readlines()
    assert under_way.returncode == code, said
    where = "CloudFormation may go on|the stack is done|version 1 may be live"
    assert re.match(f"interrupted: ({where}).*`tailrace deploy {program.environment}` takes it up again", said[-1])
    told = program("deploy", "--yes")
    assert told.code == 0, told.err
    assert program.status["release"]["good"] is True


def test_a_bucket_of_somebody_else_is_added_to(program: Program) -> None:
    s3, sqs = program.client("s3"), program.client("sqs")
    bucket = f"logs-{uuid4().hex}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    queue = sqs.create_queue(QueueName=bucket)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    theirs = {"Id": "theirs", "QueueArn": arn, "Events": ["s3:ObjectRemoved:*"]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [theirs]})
    words = ("--set", f"deploy.bucket={bucket}")
    assert program("deploy", "--dry-run", *words).code == 0
    assert len(s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]) == 1
    told = program("deploy", "--yes", *words)
    assert told.code == 0, told.err
    found = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    assert {each["Id"] for each in found} == {"theirs", f"{program.name}-objects"}
    assert "nothing to do" in program("deploy", *words).err
    assert not s3.list_objects_v2(Bucket=bucket).get("Contents")


def test_a_version_that_does_not_work_is_not_left_live(program: Program) -> None:
    assert program("deploy", "--yes").code == 0
    told = program(
        "deploy", "--yes", "--set", "deploy.smoke_timeout=5s", "--set", "log_format=%no", "--set", "deploy.timeout=30"
    )
    assert told.code == 3, told.err
    assert "had no receipt after 5s" in told.err, told.err.splitlines()[-3:]
    assert "version 1 is live again" in told.err
    assert program.status["live"]["version"] == "1"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--code-only",), "no stack .* whose code could be changed"),
        (("--code-only", "--load-balancer", "x"), "leave out --load-balancer"),
        (("--set", "deploy.architecture=arm64" if ARCHITECTURE != "arm64" else "deploy.architecture=x86_64"), "is for .* is deployed"),
        (("--set", "deploy.artifacts_bucket=no-such-bucket"), "there is no bucket no-such-bucket"),
        (("--load-balancer", "no-such-balancer"), "--load-balancer no-such-balancer: there is none"),
        (("--package", "/nonexistent"), "/nonexistent cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_before_anything_is_done(program: Program, words: tuple[str, ...], told: str) -> None:
    ran = program("deploy", "--yes", *words)
    assert ran.code == 2, ran.err

    assert re.search(told, ran.err), ran.err
    assert program.name not in str(program.client("s3").list_buckets()["Buckets"])
