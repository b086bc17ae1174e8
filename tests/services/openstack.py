"""OpenStack's object store and identity service for tests, like the servers of `services.real`."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import boto3
from botocore.config import Config

from making import absent
from services.real import SCRIPTS, free_port, running

_BY_TEST = "tools/test.sh installs it into the cache, and memcached by apt-get"


class Keys(NamedTuple):
    """An access key and its secret; `account` is what stands after AUTH_ in the URL of its containers."""

    key: str
    secret: str
    account: str = ""


OWNER = Keys("test:tester", "testing", "test")
OTHER = Keys("test2:tester2", "testing2", "test2")
GUEST = Keys("test:tester3", "testing3", "test")
"""A user of the owner's account who may do nothing unless it is granted to him."""


class Project(NamedTuple):
    """A project of Keystone with a user of its name (password: secret), and the EC2 keys of both."""

    id: str
    user: str
    key: str
    secret: str

    @property
    def keys(self) -> Keys:
        """What Swift and Ceph take."""
        return Keys(self.key, self.secret, self.id)


@dataclass(frozen=True)
class Keystone:
    """An identity service, where admin's password is secret. `url`: without /v3. `begun`: tells it from one that was there before."""

    url: str
    begun: float = 0.0

    def project(self, name: str) -> Project:
        """A project of that name, made if it is not there; the same keys each time."""
        port = self.url.rpartition(":")[2]
        told = subprocess.run(
            [SCRIPTS / "keystone.sh", "project", port, name], check=True, timeout=60, capture_output=True, text=True
        )
        return Project(*told.stdout.split())


@dataclass(frozen=True)
class Swift:
    """An object store: `endpoint` for the users of its configuration, `by_keystone` for those of its identity service."""

    endpoint: str
    keystone: Keystone
    owner: Keys = OWNER
    other: Keys = OTHER
    guest: Keys = GUEST

    @property
    def by_keystone(self) -> str:
        """The endpoint for the projects of Keystone."""
        host, _, port = self.endpoint.rpartition(":")
        return f"{host}:{int(port) + 1}"

    def client(self, keys: Keys = OWNER, *, endpoint: str = "") -> Any:
        """A client of its S3 API."""
        return boto3.client(
            "s3",
            endpoint_url=endpoint or self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=keys.key,
            aws_secret_access_key=keys.secret,
            config=Config(s3={"addressing_style": "path"}, retries={"mode": "standard"}),
        )


@contextmanager
def keystone() -> Iterator[Keystone]:
    """Keystone. Skips without it."""
    if told := os.environ.get("TAILRACE_TEST_KEYSTONE"):
        yield Keystone(told)
        return
    if subprocess.run([SCRIPTS / "keystone.sh", "there"], check=False).returncode:
        absent("Keystone", _BY_TEST)
    port = free_port()
    with running("keystone.sh", str(port)):
        yield Keystone(f"http://127.0.0.1:{port}", time.monotonic())


@contextmanager
def swift() -> Iterator[Swift]:
    """Swift with a Keystone. Skips without them."""
    if told := os.environ.get("TAILRACE_TEST_SWIFT"):
        yield Swift(told, Keystone(os.environ["TAILRACE_TEST_KEYSTONE"]))
        return
    if subprocess.run([SCRIPTS / "swift.sh", "there"], check=False).returncode:
        absent("Swift", _BY_TEST)
    with keystone() as identity:
        port = free_port(*range(6))
        with running("swift.sh", str(port), identity.url):
            yield Swift(f"http://127.0.0.1:{port}", identity)
