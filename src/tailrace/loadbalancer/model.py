"""What the parts of access logging tell one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from tailrace.model import Reject


@dataclass(frozen=True, slots=True, kw_only=True)
class Balancer:
    """A load balancer, as its log names it. `account`: of its owner, 12 digits on AWS and Eucalyptus, a project's id on OpenStack.

    `instance`: id of the machine that it runs on. `id`: the 16 hex digits after an application load balancer's name.
    """

    name: str
    account: str
    region: str
    address: str
    instance: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """The time whose lines make one object: from `start` up to, but without, `end`; seconds since 1970."""

    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What its owner wants of a load balancer's access log. `interval`: seconds from object to object."""

    enabled: bool
    bucket: str
    prefix: str = ""
    interval: float = 3600


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a slot's lines in an object: all of them are records or rejected; empty lines are none.

    `rejects`: the first of the rejected, as many as memory can bear.
    """

    lines: int = 0
    records: int = 0
    rejected: int = 0
    rejects: list[Reject] = field(default_factory=list)


class Form(Protocol):
    """What an object holds.

    `suffix`: how its name ends, `.log` or `.log.gz`. `content_type`: as the store is told.
    """

    suffix: str
    content_type: str

    def write(self, lines: BinaryIO, out: BinaryIO, slot: Slot) -> Written:
        """Turn a slot's lines, as HAProxy sent them, into an object's content, in memory that does not grow with it.

        What is no line of a request becomes a reject. Raises nothing for any bytes.
        """


class Naming(Protocol):
    """Names of buckets and objects."""

    def bucket(self, balancer: Balancer) -> str:
        """The bucket of a load balancer."""

    def key(self, balancer: Balancer, slot: Slot, random: str) -> str:
        """The object of a slot; `random`: 8 characters of a-z and 0-9 that make it unlike all others, the same when it is put again."""


class Store(Protocol):
    """Where objects are put: the object store of a cloud."""

    def put(self, bucket: str, key: str, body: BinaryIO, headers: Mapping[str, str]) -> None:
        """Make an object of all that is in `body`, which can be read again from its start; whole or not at all.

        `headers`: what `grants.put_headers` says for the store, the content type and the like.

        Raises Retryable if it cannot be done now, Fatal if the credentials, the bucket or a permission have to be put right first.
        """
