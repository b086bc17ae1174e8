"""Who is to have what of which bucket."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from tailrace.accesslogging import AccessLogging
from tailrace.loadbalancer.model import Balancer, Naming, Slot
from tailrace.privatecloud import Kind

Permission = Literal["read", "write"]

_ONE: Final = Slot(59_788_737.0, 59_788_739.0)
_OTHER: Final = Slot(1_770_170_520.0, 1_770_170_526.0)
"""Two times that differ in the first character of every field of strftime: 1971-11-23T23:58:59Z and 2026-02-04T02:02:06Z."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be granted, or taken back.

    `who`: as the store writes it. `scope`: how the names begin of the objects that it is about; all of the bucket if empty.
    `expiring`: how the names begin of those that expire, and `all_of` whose these are, if not of one load balancer alone.
    `expire_days`: after which they are to be gone, 0 for never; None leaves that alone.
    """

    kind: Kind
    bucket: str
    who: str
    scope: str = ""
    permission: Permission = "read"
    revoke: bool = False
    expiring: str = ""
    all_of: str = ""
    expire_days: int | None = None
    partition: str = "aws"

    @property
    def place(self) -> str:
        """As people write it."""
        return f"s3://{self.bucket}/{self.scope}"


def beginning(naming: Naming, balancer: Balancer) -> str:
    """How the names of all its objects begin, whatever their time."""
    names = (naming.key(balancer, _ONE, "a0a0a0a0"), naming.key(balancer, _OTHER, "z9z9z9z9"))
    same = next((at for at, (one, other) in enumerate(zip(*names, strict=False)) if one != other), len(names[0]))
    return names[0][:same]


def all_of(naming: Naming, balancer: Balancer) -> str:
    """Whose objects' names begin like its own, if not its alone."""
    own = {field: getattr(balancer, field) for field in ("name", "address", "instance", "id")}
    another = replace(
        balancer, **{field: text[:-1] + ("2" if text.endswith("1") else "1") for field, text in own.items()}
    )
    if (naming.bucket(another), beginning(naming, another)) != (naming.bucket(balancer), beginning(naming, balancer)):
        return ""
    where = f"{naming.bucket(balancer)}/{beginning(naming, balancer)}"
    if balancer.account in where and balancer.region in where:
        return f"all load balancers of account {balancer.account} in {balancer.region}"
    return f"all load balancers of account {balancer.account}" if balancer.account in where else "all load balancers"


def scope_of(lb: AccessLogging, naming: Naming, balancer: Balancer) -> str:
    """Which part of a bucket is its owner's: all of one that nobody else can have, or else what the names of objects begin with."""
    if lb.bucket == "eucalyptus" or "{account" in lb.bucket or "{instance" in lb.bucket:
        return ""  # another owner may have a load balancer of the same name, but not of the same account or machine
    begin = beginning(naming, balancer)
    head, found, _ = begin.partition(f"AWSLogs/{balancer.account}/")
    return head + found if found else begin


def is_shared(wanted: Wanted, balancer: Balancer) -> bool:
    """Whether names do not tell whose objects they are, so that those of others may be among them."""
    return balancer.account not in f"{wanted.bucket}/{wanted.scope}" and bool(wanted.scope or not wanted.expiring)
