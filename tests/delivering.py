"""The agent of a load balancer as a process, the store that it puts into, and the tenant who reads there with a client of his own."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from services.balancing import aws, s3cmd, swift
from staging import wait_for

ACCOUNT = "000000000001"


@dataclass(frozen=True)
class Place:
    """A store: where it is for the agent and for the tenant, and the keys of both.

    `reader`: the tenant, as access is granted to him. Swift's own API has a URL for the agent's account, and other logins.
    """

    kind: str
    endpoint: str
    keys: tuple[str, str]
    tenant: tuple[str, str]
    reader: str = ""
    region: str = "us-east-1"
    prefix: str = f"AWSLogs/{ACCOUNT}/"
    storage: str = ""
    login: Mapping[str, str] = field(default_factory=dict)
    tenant_login: Mapping[str, str] = field(default_factory=dict)


def read(place: Place, bucket: str, into: Path, client: str = "s3cmd") -> list[Path]:
    """All objects of the load balancer, as its tenant gets them with s3cmd, the AWS CLI, or Swift's client."""
    into.mkdir(exist_ok=True)
    if client == "swift":
        told = swift(place.storage, place.tenant_login, "download", "--quiet", "--output-dir", str(into), bucket)
    elif client == "aws":
        told = aws(
            place.endpoint,
            *place.tenant,
            "s3",
            "sync",
            "--only-show-errors",
            f"s3://{bucket}/{place.prefix}",
            str(into),
        )
    else:
        told = s3cmd(place.endpoint, *place.tenant, "sync", "--quiet", f"s3://{bucket}/{place.prefix}", f"{into}/")
    assert not told.returncode, told.stderr
    return sorted(path for path in into.rglob("*") if path.is_file())


def parse(*paths: Path) -> list[dict[str, Any]]:
    """The records that `tailrace parse` finds in files or folders."""
    told = run("parse", *map(str, paths))
    return [json.loads(line) for line in told.stdout.splitlines()]


def run(
    *arguments: str, code: int = 0, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`tailrace`, which is to end with `code`."""
    command = [sys.executable, "-m", "tailrace", *arguments]
    given = {**os.environ, **(environment or {})}
    told = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=given)
    assert told.returncode == code, told.stderr
    return told


@dataclass
class Agent:
    """`tailrace lb agent` with settings of a test. `own`: of `[lb]`."""

    folder: Path
    place: Place
    bucket: str
    own: Mapping[str, Any]
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> Path:
        """The file, written."""
        place = self.place
        lb = {
            "name": "web", "account": ACCOUNT, "address": "198.51.100.7", "instance": "i-0a1b2c3d", "metadata": "",
            "spool": str(self.spool), "bucket": self.bucket, "interval": "2s", **self.own,
        }  # fmt: skip
        cloud = {"kind": place.kind, "endpoint_url": place.endpoint, "region": place.region}
        own_cloud = cloud | {"access_key": place.keys[0], "secret_key": place.keys[1]}
        if place.login:
            own_cloud["openrc"] = str(_openrc(self.folder / "openrc", place.login))
            _openrc(self.folder / "tenant.openrc", place.tenant_login)
        tenant = cloud | {"access_key": place.tenant[0], "secret_key": place.tenant[1]}
        text = "".join(
            f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
            for name, table in (("lb", lb), ("clouds.here", own_cloud), ("clouds.tenant", tenant))
        )
        path = self.folder / "tailrace.toml"
        path.write_text(text, encoding="utf-8")
        return path

    @property
    def spool(self) -> Path:
        """Where lines wait."""
        return self.folder / "spool"

    @property
    def output(self) -> str:
        """What it has said, but for the lines of its status."""
        told = (self.folder / "agent.err").read_text(encoding="utf-8", errors="replace")
        return "\n".join(line for line in told.splitlines() if not line.startswith("{"))

    def arguments(self, *more: str) -> list[str]:
        """How it is called."""
        return ["lb", "agent", *self.settled(*more)]

    def settled(self, *more: str) -> list[str]:
        """The same settings for another command."""
        return ["--config", str(self.settings), "--region", "here", *more]

    def start(self) -> None:
        """Run until it listens."""
        command = [sys.executable, "-m", "tailrace", *self.arguments()]
        with (self.folder / "agent.err").open("ab") as err:
            self.process = subprocess.Popen(
                command, stdout=err, stderr=err, env={**os.environ, **self.environment}, start_new_session=True
            )
        wait_for(self._is_up, lambda: f"the agent does not start: {self.output}")

    def _is_up(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.output
        return (self.spool / "inbox").exists() and all(map(_receives, self.own.get("receive", ())))

    def kill(self, *, whole: bool = False) -> None:
        """kill -9: the agent, or all its processes."""
        assert self.process
        (os.killpg if whole else os.kill)(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if whole:
            wait_for(lambda: not any(map(_receives, self.own.get("receive", ()))), lambda: "its processes stay")

    def children(self) -> list[int]:
        """The processes that it has started."""
        assert self.process
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(each) for each in path.read_text(encoding="ascii").split()]

    def stop(self) -> None:
        """SIGTERM, and wait for its end."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(20) == 0, self.output


def _openrc(path: Path, login: Mapping[str, str]) -> Path:
    path.write_text("".join(f'export {name}="{value}"\n' for name, value in login.items()), encoding="utf-8")
    return path


def _receives(place: str) -> bool:
    """Whether somebody has the socket."""
    kind, _, address = place.partition(":")
    if kind == "unix":
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            return probe.connect_ex(address) == 0
    port = int(address.rpartition(":")[2])
    lines = Path("/proc/net/udp").read_text(encoding="ascii").splitlines()[1:]
    return any(int(line.split()[1].partition(":")[2], 16) == port for line in lines)


@contextmanager
def agent(
    folder: Path, place: Place, bucket: str, environment: Mapping[str, str] | None = None, **own: Any
) -> Iterator[Agent]:
    """An agent that runs, and ends with the block."""
    folder.mkdir(exist_ok=True)
    made = Agent(folder, place, bucket, own, dict(environment or {}))
    made.start()
    try:
        yield made
    finally:
        if made.process and made.process.poll() is None:
            made.kill(whole=True)


def lines_in(place: Place, bucket: str) -> list[bytes]:
    """The lines of all objects, as the owner reads them with boto3."""
    found: list[bytes] = []
    with closing(owner_of(place)) as client:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for each in page.get("Contents", ()):
                body = client.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()
                found += (gzip.decompress(body) if each["Key"].endswith(".gz") else body).splitlines()
    return found


def owner_of(place: Place) -> Any:
    """A client with the keys of the agent."""
    return boto3.client(
        "s3",
        endpoint_url=place.endpoint,
        region_name=place.region,
        aws_access_key_id=place.keys[0],
        aws_secret_access_key=place.keys[1],
        config=Config(s3={"addressing_style": "path"}, retries={"mode": "standard"}),
    )


def await_lines(place: Place, bucket: str, count: int, told: Callable[[], str]) -> None:
    """Wait until there are so many; more are none the less found."""
    wait_for(
        lambda: len(lines_in(place, bucket)) >= count,
        lambda: f"{len(lines_in(place, bucket))} of {count} lines: {told()}",
        step=0.3,
    )
