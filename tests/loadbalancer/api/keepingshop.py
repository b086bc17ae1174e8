"""The load balancing API on this machine, with users and load balancers, for tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import boto3
from botocore.auth import SigV2Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from cloud import client_of
from making import StillClock
from tailrace.accesslogging import Serving
from tailrace.clock import Clock, SystemClock
from tailrace.loadbalancer.api.listening import Limits
from tailrace.loadbalancer.api.serving import Given, opened

ALICE, BOB = "000865102303", "000111222333"
ACCOUNTS = f"""
region = "eucalyptus"

[users.alice]
access_key = "AKIAALICE"
secret_key = "alices-secret"
account = "{ALICE}"
buckets = ["*"]

[users.bob]
access_key = "AKIABOB"
secret_key = "bobs-secret"
account = "{BOB}"
buckets = ["*"]

[users.watcher]
access_key = "AKIAWATCHER"
secret_key = "watchers-secret"
account = "{ALICE}"
read_only = true
load_balancers = ["web"]

[users.operator]
access_key = "AKIAOPERATOR"
secret_key = "operators-secret"
account = "000000000001"
operator = true

[[load_balancers]]
name = "web"
account = "{ALICE}"
dns_name = "web.lb.example"

[[load_balancers]]
name = "mail"
account = "{ALICE}"

[[load_balancers]]
name = "front"
account = "{ALICE}"
type = "application"
id = "50dc6c495c0c9188"

[[load_balancers]]
name = "web"
account = "{BOB}"

[[load_balancers]]
name = "back"
account = "{BOB}"
"""
FRONT = f"arn:aws:elasticloadbalancing:eucalyptus:{ALICE}:loadbalancer/app/front/50dc6c495c0c9188"
KEYS = {name: (f"AKIA{name.upper()}", f"{name}s-secret") for name in ("alice", "bob", "watcher", "operator")}


@dataclass
class Shop:
    """The API at a URL, and what it told."""

    url: str
    folder: Path
    lines: list[dict[str, Any]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    again: Callable[[], None] = lambda: None

    def client(self, user: str = "alice", service: str = "elb", **config: Any) -> Any:
        """A client of boto3."""
        return client_at(self.url, user, service, **config)


def client_at(url: str, user: str = "alice", service: str = "elb", **config: Any) -> Any:
    """A client of boto3 with the keys of a user."""
    key, secret = KEYS[user]
    told = {"retries": {"total_max_attempts": 1}, "parameter_validation": False, **config}
    return boto3.client(
        service, endpoint_url=url, region_name="eucalyptus", aws_access_key_id=key, aws_secret_access_key=secret, config=Config(**told),
    )  # fmt: skip


def asked(
    url: str, user: str = "alice", secret: str = "", *, version: str = "v4", method: str = "POST", **parameters: str
) -> AWSRequest:
    """A request as botocore signs it."""
    told = {"Version": "2012-06-01", **{name.replace("__", "."): value for name, value in parameters.items()}}
    credentials = Credentials(KEYS[user][0], secret or KEYS[user][1])
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"} if method == "POST" else {}
    if version == "v2":
        given = {"data": told} if method == "POST" else {"params": told}
        request = AWSRequest(method, url, headers=headers, **given)
        SigV2Auth(credentials).add_auth(request)
        return request
    given = {"data": urlencode(told)} if method == "POST" else {"params": told}
    request = AWSRequest(method, url, headers=headers, **given)
    SigV4Auth(credentials, "elasticloadbalancing", "eucalyptus").add_auth(request)
    return request


class Told(NamedTuple):
    """An answer: its status, its code if it is a refusal, its message, and all of it."""

    status: int
    code: str
    message: str
    body: bytes


def sent(request: AWSRequest) -> Told:
    """What is answered to a request; it is well-formed, of AWS's shape, and no failure of the server."""
    made = request.prepare()
    session = URLLib3Session(timeout=30)
    try:
        answer = session.send(made)
    finally:
        session.close()
    return told_of(answer.status_code, answer.content)


def told_of(status: int, body: bytes) -> Told:
    """An answer, checked."""
    tree = ET.fromstring(body)
    namespace, _, name = tree.tag.rpartition("}")
    assert namespace.startswith("{http")
    assert status < 500, body
    if status == 200:
        assert name.endswith("Response")
        assert tree.find(f"{namespace}}}ResponseMetadata/{namespace}}}RequestId") is not None
        return Told(status, "", "", body)
    assert name == "ErrorResponse"
    assert [each.tag.rpartition("}")[2] for each in tree] == ["Error", "RequestId"]
    kind, code, message = ("".join(each.itertext()) for each in tree[0])
    assert kind == "Sender"
    assert code
    return Told(status, code, message, body)


def write_accounts(folder: Path, text: str = ACCOUNTS) -> Path:
    """The accounts file, for nobody else to read."""
    path = folder / "accounts.toml"
    path.touch(0o600)
    path.write_text(text, encoding="utf-8")
    return path


@contextmanager
def shop(
    folder: Path,
    store: str | Callable[[str], Any],
    *,
    clock: Clock | None = None,
    limits: Limits | None = None,
    settings: Mapping[str, Any] | None = None,
    accounts: str = ACCOUNTS,
) -> Iterator[Shop]:
    """The API. `store`: the URL of the cloud in which buckets are, or what makes its clients."""
    client = (lambda service: client_of(service, store)) if isinstance(store, str) else store
    made = Shop("", folder)
    told = {
        "accounts": str(write_accounts(folder, accounts)),
        "listen": "127.0.0.1:0",
        "database": str(folder / "lb.sqlite"),
        **(settings or {}),
    }
    given = Given(
        client=client, environ=os.environ, clock=clock or SystemClock(), say=made.said.append, journal=made.lines.append, region="eucalyptus",
    )  # fmt: skip
    with opened(Serving(**told), given, limits) as (url, again):
        made.url, made.again = url, again
        yield made


class Later(StillClock):
    """A clock that can be set, whose pauses pass as they do."""

    def __init__(self, ahead: float = 0.0) -> None:
        super().__init__()
        self.ahead, self._real = ahead, SystemClock()

    def now(self) -> float:
        return self._real.now() + self.ahead

    def monotonic(self) -> float:
        return self._real.monotonic()
