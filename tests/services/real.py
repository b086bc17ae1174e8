"""Real servers for tests. `tools/servers/install.sh` installs them.

`tools/test.sh` starts them once and tells where they are by variables; without these a test starts its own.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from making import absent

SCRIPTS = Path(__file__).parents[2] / "tools" / "servers"
INSTALLING = "tools/servers/install.sh installs it as root"


def free_port(*others: int) -> int:
    """A port that nobody listens on, nor on those so much above it."""
    for port in range(7000 + os.getpid() % 1000, 12_000, 7):
        if all(_is_free(port + other) for other in (0, *others)):
            return port
    raise AssertionError("no free port")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@contextmanager
def _running(script: str, *arguments: str) -> Iterator[Path]:
    """A server in a folder with a short path, for sockets are in it."""
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="tr-"))
    try:
        subprocess.run([SCRIPTS / script, "start", folder, *arguments], check=True, timeout=120)
        yield folder
    finally:
        subprocess.run([SCRIPTS / script, "stop", folder], check=False, timeout=120)
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Ceph:
    """Ceph's gateway, and a user of it."""

    endpoint: str
    key: str = "tailracekey"
    secret: str = "tailracesecret"

    def client(self, service: str) -> Any:
        """A client of the gateway."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="default",
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            config=Config(s3={"addressing_style": "path"}, retries={"mode": "standard"}),
        )


@contextmanager
def ceph() -> Iterator[Ceph]:
    """Ceph's gateway. Skips without it."""
    if told := os.environ.get("TAILRACE_TEST_RADOSGW"):
        yield Ceph(told)
        return
    if not shutil.which("radosgw"):
        absent("Ceph's radosgw", INSTALLING)
    port = free_port(100, 200)
    with _running("radosgw.sh", str(port)) as folder:
        made = Ceph(f"http://127.0.0.1:{port}")
        subprocess.run(
            [SCRIPTS / "radosgw.sh", "user", folder, "tailrace", made.key, made.secret], check=True, timeout=60
        )
        yield made


@dataclass(frozen=True)
class Rabbit:
    """RabbitMQ, where everybody is guest."""

    port: int
    folder: Path

    @property
    def place(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def ctl(self, *arguments: str) -> str:
        """What rabbitmqctl says."""
        told = subprocess.run(
            [SCRIPTS / "rabbitmq.sh", "ctl", self.folder, *arguments],
            check=True,
            timeout=60,
            capture_output=True,
            text=True,
        )
        return told.stdout

    def listen(self, port: int, authority: Path, certificate: Path, key: Path) -> None:
        """Listen on another port too, over TLS: for those only who show a certificate of the authority."""
        options = (
            f'[{{cacertfile,"{authority}"}},{{certfile,"{certificate}"}},{{keyfile,"{key}"}},'
            "{verify,verify_peer},{fail_if_no_peer_cert,true}]"
        )
        call = f'rabbit_networking:start_ssl_listener({{"127.0.0.1",{port},inet}},{options},2)'
        assert self.ctl("eval", f"rabbit_networking:ensure_ssl(), {call}.").strip() == "ok"


@contextmanager
def rabbit() -> Iterator[Rabbit]:
    """RabbitMQ. Skips without it."""
    if told := os.environ.get("TAILRACE_TEST_RABBITMQ"):
        port, _, folder = told.partition(":")
        yield Rabbit(int(port), Path(folder))
        return
    if not Path("/usr/lib/rabbitmq/bin/rabbitmq-server").exists():
        absent("RabbitMQ", INSTALLING)
    port = free_port(1000, 20_000)
    with _running("rabbitmq.sh", str(port)) as folder:
        yield Rabbit(port, folder)


@contextmanager
def ministack() -> Iterator[str]:
    """MiniStack; its URL. Skips without it."""
    if told := os.environ.get("TAILRACE_TEST_MINISTACK"):
        yield told
        return
    with own_ministack() as url:
        yield url


@contextmanager
def own_ministack() -> Iterator[str]:
    """A MiniStack of a test's own, in which nothing else is; its URL. Skips without it."""
    if subprocess.run([SCRIPTS / "ministack.sh", "there"], check=False).returncode:
        absent("MiniStack", "tools/servers/ministack.sh fetch PYTHON installs it into the cache")
    port = free_port()
    with _running("ministack.sh", str(port)):
        yield f"http://127.0.0.1:{port}"
