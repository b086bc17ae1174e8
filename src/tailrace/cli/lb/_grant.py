"""Granting access: from what is asked to a plan that is shown, and to what it came to."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

import click
import msgspec

from tailrace.accesslogging import AccessLogging
from tailrace.changes import Change, Setup
from tailrace.cli._cells import visible
from tailrace.cli._plan import confirmed
from tailrace.clouds.cloud import Cloud
from tailrace.clouds.connecting import connect
from tailrace.clouds.direct.openstack import Login, login_in, login_of
from tailrace.clouds.direct.swift import Swift
from tailrace.clouds.finding import Given, find, names
from tailrace.clouds.partitions import partition_of
from tailrace.errors import EXIT_FAILED_CHECK, EXIT_OK, UsageError
from tailrace.loadbalancer.grants import put_headers
from tailrace.loadbalancer.grants.bucket import Bucket
from tailrace.loadbalancer.grants.calls import owner_of
from tailrace.loadbalancer.grants.container import Container
from tailrace.loadbalancer.grants.headers import Way, is_theirs, reader_of, way_of
from tailrace.loadbalancer.grants.instructions import instructions
from tailrace.loadbalancer.grants.proof import S3Side, Side, SwiftSide, proof
from tailrace.loadbalancer.grants.wanted import Wanted, all_of, beginning, is_shared, scope_of
from tailrace.loadbalancer.model import Balancer, Naming
from tailrace.loadbalancer.naming import naming
from tailrace.loadbalancer.owner import balancer
from tailrace.privatecloud import Kind
from tailrace.settings import Resolved

_SHOWN: Final = 20
_ACCOUNT: Final = re.compile(r"\d{12}")
_SOMETHING: Final = {"name": "lb", "address": "192.0.2.1", "instance": "i-0"}
"""Stands for parts of a load balancer that no name of interest has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of the command."""

    to: str = ""
    write: bool = False
    revoke: bool = False
    check: bool = False
    as_: str | None = None
    dry_run: bool = False
    yes: bool = False


class Granting(Setup, Protocol):
    """A setup that can ask the store who is meant."""

    def resolve(self) -> None:
        """Raises UsageError if the store knows nobody of that name."""


@dataclass(slots=True)
class _Log:
    """How a form ends names of objects."""

    suffix: str = ".log"
    content_type: str = "text/plain"

    def write(self, *_: Any) -> Any:
        """Nothing is written here."""
        raise NotImplementedError


@dataclass(frozen=True)
class Matter:
    """What it is about: a cloud, a load balancer, a bucket, and who."""

    resolved: Resolved
    asked: Asked

    @cached_property
    def given(self) -> Given:
        """Where clouds are looked for."""
        return Given.of(self.resolved)

    @cached_property
    def cloud(self) -> Cloud:
        """The cloud of the bucket."""
        return find(self.resolved.settings.region, self.given)

    @property
    def lb(self) -> AccessLogging:
        """The settings of the log."""
        return self.resolved.settings.lb

    @property
    def kind(self) -> Kind:
        """What the store is."""
        return self.lb.kind or msgspec.convert(self.cloud.kind.value, Kind)

    @property
    def way(self) -> Way:
        """How it grants access."""
        return way_of(self.kind, self.lb)

    @cached_property
    def balancer(self) -> Balancer:
        """The load balancer: of it only what the names of the bucket and of its objects begin with, which is not asked for in vain."""
        lb = self.lb
        words = f"{lb.bucket} {lb.layout}"
        if "eucalyptus" not in (lb.bucket, lb.layout):
            needless = {
                part: text for part, text in _SOMETHING.items() if f"{{{'lb' if part == 'name' else part}" not in words
            }
            lb = msgspec.structs.replace(lb, **{part: getattr(lb, part) or text for part, text in needless.items()})
        unnamed = "{account" not in words and lb.layout != "aws"
        if not lb.account and (_ACCOUNT.fullmatch(self.reader_told) or (self.reader_told and unnamed)):
            lb = msgspec.structs.replace(lb, account=self.reader_told)
        return balancer(lb, self.cloud.region.value or self.cloud.name)

    @property
    def reader_told(self) -> str:
        """Who is to read, if that is told."""
        return self.asked.to if not self.asked.write else self.lb.reader

    @cached_property
    def naming(self) -> Naming:
        """The names of bucket and objects."""
        return naming(self.lb, self.balancer, _Log(), self.kind)

    @cached_property
    def wanted(self) -> Wanted:
        """What is to be."""
        lb, asked = self.lb, self.asked
        if asked.write and not asked.to:
            raise UsageError("--write: say who is to write, by --to")
        region = self.cloud.region.value
        return Wanted(
            kind=self.kind,
            bucket=self.naming.bucket(self.balancer),
            who=asked.to or reader_of(lb, self.balancer),
            scope=scope_of(lb, self.naming, self.balancer),
            permission="write" if asked.write else "read",
            revoke=asked.revoke,
            expiring=beginning(self.naming, self.balancer),
            expire_days=None if asked.write or self.way == "none" else self.expire_days,
            all_of=all_of(self.naming, self.balancer),
            partition=partition_of(region) if self.kind == "aws" and region and not self.cloud.private else "aws",
        )

    @property
    def expire_days(self) -> int | None:
        """After which objects are to be gone. A rule that others may have made goes only if somebody says so."""
        days = self.lb.expire_days
        return days if days or "lb.expire_days" in self.resolved.origins else None

    @cached_property
    def client(self) -> Any:
        """The bucket's cloud, as whoever acts."""
        return connect(self.cloud, "s3")

    @cached_property
    def swift(self) -> Swift:
        """The same by Swift's own API, in the account of the owner where it is not ours."""
        theirs = is_theirs(self.lb, self.balancer) and not self.asked.write
        return Swift(self.login, account=reader_of(self.lb, self.balancer).partition(":")[0] if theirs else "")

    @property
    def login(self) -> Login:
        """Who we are to OpenStack."""
        table = self.resolved.settings.clouds.get(self.cloud.name, {})
        return _login(str(table.get("openrc") or ""))

    def setup(self) -> Granting:
        """What brings the bucket into the state that is wanted."""
        if self.kind == "swift":
            return Container(self.swift, self.wanted)
        return Bucket(self.client, self.wanted, self.way)

    def tenant(self) -> Cloud:
        """The cloud as the one who is to read."""
        told = self.asked.as_ or ""
        if "@" in told or told in names(self.given):
            return find(told, self.given)
        return find(f"{told}@{self.cloud.name}", self.given)


def grant(resolved: Resolved, asked: Asked) -> int:
    """Do what is asked; the exit code."""
    matter = Matter(resolved, asked)
    if asked.as_ and not asked.check:
        raise UsageError("--as: those credentials are used with --check only")
    if asked.check:
        return _check(matter)
    if is_theirs(matter.lb, matter.balancer) and not asked.write:
        return _instruct(matter)
    with closing(matter.setup()) as setup:
        if not asked.dry_run:
            setup.resolve()
        found = setup.look()
        changes = setup.plan(found)
        _show(changes)
        if not asked.revoke and not asked.write and is_shared(matter.wanted, matter.balancer):
            click.echo(
                f"all in {visible(matter.wanted.place)} can be read then, whoever's load balancer wrote it", err=True
            )
        if others := getattr(found, "others", 0):
            click.echo(f"{others} objects belong to somebody else, who alone can grant anything on them", err=True)
        if changes and not asked.dry_run:
            if not confirmed(yes=asked.yes, question="Change this?"):
                return EXIT_OK
            for change in changes:
                setup.apply(change)
            click.echo("done", err=True)
        _remind(matter, str(getattr(found, "owner", "")))
    return EXIT_OK


def _show(changes: Sequence[Change]) -> None:
    for change in changes[:_SHOWN]:
        click.echo(visible(f"{change.call}: {change.why}"))
    if len(changes) > _SHOWN:
        click.echo(f"… and {len(changes) - _SHOWN} more")
    if not changes:
        click.echo("nothing is to be changed")


def _remind(matter: Matter, owner: str) -> None:
    """Tell where others find a container, and what the agent needs to put objects that can be read."""
    if matter.asked.revoke or matter.asked.write:
        return
    if matter.kind == "swift":
        click.echo(f"others find it at {visible(matter.swift.storage)}/{visible(matter.wanted.bucket)}", err=True)
    if matter.way == "acl" and owner and matter.lb.bucket_owner != owner:
        needed = f'[lb] bucket_owner = "{visible(owner)}"'
        click.echo(f"the agent needs this to put objects that both can read: {needed}", err=True)


def _instruct(matter: Matter) -> int:
    """The bucket is not ours: tell its owner what to do."""
    who = matter.swift.session.project if matter.kind == "swift" else owner_of(matter.client)
    wanted = replace(matter.wanted, who=who, permission="write")
    owner = reader_of(matter.lb, matter.balancer)
    click.echo(
        f"the bucket {visible(wanted.bucket)} belongs to {visible(owner)}, who lets {visible(who)} put objects there by one of",
        err=True,
    )
    for line in instructions(wanted, matter.way, owner, matter.cloud.name):
        click.echo(visible(line))
    click.echo("the second one replaces what was granted before", err=True)
    return EXIT_OK


def _check(matter: Matter) -> int:
    if not matter.asked.as_:
        raise UsageError("--check: say by --as whose credentials are used to read")
    headers: Mapping[str, str] = put_headers(matter.kind, matter.lb, matter.balancer)
    good = True
    for seen in proof(*_sides(matter), matter.wanted, headers):
        good &= seen.good
        click.echo(visible(f"{'ok     ' if seen.good else 'REFUSED'} {seen.what}: {seen.text}"))
    return EXIT_OK if good else EXIT_FAILED_CHECK


def _sides(matter: Matter) -> tuple[Side, Side]:
    """Who writes, and who reads."""
    bucket = matter.wanted.bucket
    if matter.kind == "swift":
        reader = Swift(_login(matter.asked.as_ or ""), matter.swift.storage)
        return SwiftSide(matter.swift, bucket), SwiftSide(reader, bucket)
    client = connect(matter.tenant(), "s3")
    if matter.kind == "ceph":
        return S3Side(matter.client, bucket), S3Side(_any_name(client), _across(matter, bucket))
    return S3Side(matter.client, bucket), S3Side(client, bucket)


def _across(matter: Matter, bucket: str) -> str:
    """The bucket as somebody in another tenant of Ceph has to write it: with the tenant of its owner before it."""
    owner = owner_of(matter.client)
    ours, theirs = (each.partition("$")[0] if "$" in each else "" for each in (owner, matter.wanted.who))
    return bucket if ours == theirs else f"{ours}:{bucket}"


def _any_name(client: Any) -> Any:
    """Without boto3's own opinion of how buckets may be called."""
    from botocore.handlers import validate_bucket_name  # noqa: PLC0415 - an optional library

    client.meta.events.unregister("before-parameter-build.s3", validate_bucket_name)
    return client


def _login(path: str) -> Login:
    return login_in(Path(path).expanduser()) if path else login_of(os.environ)
