"""Who may ask, and which load balancers there are: a file in TOML that the operator keeps.

region = "eucalyptus"

[users.alice]
access_key = "AKIAALICE"
secret_key = "env:ALICE_SECRET"
account = "000865102303"
buckets = ["alices-*"]

[[load_balancers]]
name = "web"
account = "000865102303"
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from tailrace.errors import UsageError
from tailrace.quantities import Secret
from tailrace.settings import struct_of

Kind = Literal["classic", "application"]
_TABLES: Final = {"region", "users", "load_balancers"}
_LONGEST: Final = 4 << 20
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9_.$-]{1,64}")
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,255}")
_ID: Final = re.compile(r"[0-9a-f]{1,32}")
_KEY: Final = re.compile(r"[\x21-\x7e]{1,128}")
_REFERENCES: Final = ("env:", "file:", "ssm:", "secretsmanager:")


class _User(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    access_key: str = ""
    secret_key: Secret = Secret("")
    account: str = ""
    operator: bool = False
    read_only: bool = False
    load_balancers: tuple[str, ...] = ()
    buckets: tuple[str, ...] = ()


class _Balancer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str = ""
    account: str = ""
    type: Kind = "classic"
    id: str = ""
    dns_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who may ask. `operator`: sees the load balancers of all accounts. `balancers`: only these, if any are named.

    `buckets`: patterns of the buckets that may be named; operators may name any, if there are none.
    """

    name: str
    access_key: str
    secret_key: str = field(repr=False)
    account: str
    operator: bool = False
    read_only: bool = False
    balancers: Sequence[str] = ()
    buckets: Sequence[str] = ()

    def sees(self, balancer: Registered) -> bool:
        """Whether a load balancer is any business of this user."""
        return (self.operator or balancer.account == self.account) and (
            not self.balancers or balancer.name in self.balancers
        )

    def names(self, bucket: str) -> bool:
        """Whether this user may have logs written to a bucket."""
        return (self.operator and not self.buckets) or any(fnmatchcase(bucket, each) for each in self.buckets)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Registered:
    """A load balancer that is known here. `created`: as the cloud tells, if it told of it."""

    account: str
    name: str
    kind: Kind = "classic"
    id: str = ""
    region: str = ""
    dns_name: str = ""
    created: str = ""

    @property
    def arn(self) -> str:
        """As an application load balancer is named."""
        return f"arn:aws:elasticloadbalancing:{self.region}:{self.account}:loadbalancer/app/{self.name}/{self.id}"

    def __str__(self) -> str:
        return f"{self.account}/{self.name}"


@dataclass(frozen=True, slots=True)
class Accounts:
    """What the file tells."""

    region: str
    users: Mapping[str, User]
    """By access key."""
    balancers: Sequence[Registered]


def accounts(path: Path, region: str, read: Callable[[Secret], str]) -> Accounts:
    """What a file tells. `region`: where it tells none. `read`: what a secret refers to. Raises UsageError: which entry, what, the remedy."""
    document, private = _document(path)
    if unknown := sorted(document.keys() - _TABLES):
        message = f"{path}: there is no {unknown[0]} here; write region, [users.NAME] and [[load_balancers]]"
        raise UsageError(message)
    where = document.get("region", region)
    if not isinstance(where, str) or not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", where):
        message = f"{path}: region must be the name of a region"
        raise UsageError(message)
    users: dict[str, User] = {}
    for user in _users(path, document.get("users", {}), read, private=private):
        if user.access_key in users:
            message = f"{path}: the users {users[user.access_key].name} and {user.name} have the same access key"
            raise UsageError(message)
        users[user.access_key] = user
    return Accounts(where, users, _balancers(path, document.get("load_balancers", []), where))


def _document(path: Path) -> tuple[dict[str, Any], bool]:
    """The file, and whether nobody but its owner can read it."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_LONGEST + 1)
        if len(text) > _LONGEST:
            message = f"{path} is longer than 4 MiB"
            raise UsageError(message)
        return tomllib.loads(text.decode()), not mode & (stat.S_IRWXG | stat.S_IRWXO)
    except OSError as error:
        message = f"cannot read the accounts in {path}: {error.strerror}"
        raise UsageError(message) from error
    except ValueError as error:
        message = f"{path} is no valid TOML: {error}"
        raise UsageError(message) from error


def _users(path: Path, told: Any, read: Callable[[Secret], str], *, private: bool) -> Iterator[User]:
    if not isinstance(told, dict) or not all(isinstance(each, dict) for each in told.values()):
        message = f"{path}: write users as tables, [users.NAME]"
        raise UsageError(message)
    for name, values in told.items():
        where = f"{path} [users.{name}]"
        own = struct_of(_User, values, where)
        _check(own.access_key, _KEY, f"{where}: access_key", "the access key that requests are signed with")
        _check(own.account, _ACCOUNT, f"{where}: account", "the number of an account, or the id of a project")
        if not own.secret_key:
            message = f"{where}: secret_key is missing; write a reference such as env:NAME or file:PATH"
            raise UsageError(message)
        if not own.secret_key.told.startswith(_REFERENCES) and not private:
            message = (
                f"{where}: the secret stands in a file that others can read; chmod 600 {path}, or write a reference"
                " such as env:NAME or file:PATH"
            )
            raise UsageError(message)
        if not (own.buckets or own.operator or own.read_only):
            message = (
                f'{where}: buckets is missing; write which ones this user may have logs written to, such as ["shop-*"],'
                ' or ["*"] for any, those of others too'
            )
            raise UsageError(message)
        secret = read(own.secret_key)
        if not secret:
            message = f"{where}: the secret key is empty"
            raise UsageError(message)
        yield User(
            name=name,
            access_key=own.access_key,
            secret_key=secret,
            account=own.account,
            operator=own.operator,
            read_only=own.read_only,
            balancers=own.load_balancers,
            buckets=own.buckets,
        )


def _balancers(path: Path, told: Any, region: str) -> Sequence[Registered]:
    if not isinstance(told, list) or not all(isinstance(each, dict) for each in told):
        message = f"{path}: write load balancers as a list of tables, [[load_balancers]]"
        raise UsageError(message)
    found: dict[tuple[str, str, str], Registered] = {}
    for number, values in enumerate(told, 1):
        where = f"{path} [[load_balancers]] {number}"
        own = struct_of(_Balancer, values, where)
        _check(own.name, _NAME, f"{where}: name", "the name of a load balancer")
        _check(own.account, _ACCOUNT, f"{where}: account", "the number of the account that owns it")
        if own.id:
            _check(own.id, _ID, f"{where}: id", "the hexadecimal digits at the end of its ARN")
        key = (own.account, own.type, own.name)
        if key in found:
            message = f"{where}: the load balancer {own.name} of the account {own.account} is there twice"
            raise UsageError(message)
        found[key] = Registered(
            account=own.account,
            name=own.name,
            kind=own.type,
            id=own.id or sha256(f"{own.account}/{own.name}".encode()).hexdigest()[:16],
            region=region,
            dns_name=own.dns_name,
        )
    return sorted(found.values())


def _check(value: str, pattern: re.Pattern[str], where: str, wanted: str) -> None:
    if not pattern.fullmatch(value):
        message = f"{where} must be {wanted}, not {value!r}" if value else f"{where} is missing; write {wanted}"
        raise UsageError(message)
