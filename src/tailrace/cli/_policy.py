"""Policies, filled in with the account and region for which they are asked."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from tailrace.cli._console import warn
from tailrace.clouds import failures
from tailrace.clouds.partitions import partition_of, suffix_of
from tailrace.deploy.policies import INLINE, MANAGED, Place, filled, length
from tailrace.deploy.roles import ROLES, Subject
from tailrace.errors import UsageError
from tailrace.hosts.clients import clients
from tailrace.settings import Resolved

_ACCOUNT: Final = re.compile(r"\d{12}")
_UNKNOWN: Final = "the account is not known ({}): name it with --account, or set AWS_PROFILE or credentials"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a policy is asked for: settings, environment, and buckets as they are written."""

    resolved: Resolved
    environment: str
    buckets: Sequence[str]
    load_balancers: bool

    @property
    def subject(self) -> Subject:
        """The same, with buckets and prefixes apart."""
        places = (each.removeprefix("s3://").partition("/") for each in self.buckets)
        return Subject(
            resolved=self.resolved,
            environment=self.environment,
            reads=[(name, prefix) for name, _, prefix in places],
            load_balancers=self.load_balancers,
        )


def show(role: str, asked: Asked, *, account: str, partition: str) -> None:
    """Print the policy of a role. Raises UsageError."""
    if role not in ROLES:
        message = f"there is no role {role!r}; there are: {', '.join(ROLES)}"
        raise UsageError(message)
    document = ROLES[role].document(asked.subject)
    told = filled(document, _place(asked.resolved, account, partition))
    click.echo(json.dumps(told, indent=2))
    if (size := length(told)) > MANAGED:
        where = "inline in a role" if size <= INLINE else "in no single policy: divide its statements among several"
        warn(f"the policy has {size:,} characters: IAM takes more than {MANAGED:,} {where}")


def _place(resolved: Resolved, account: str, partition: str) -> Place:
    if account and not _ACCOUNT.fullmatch(account):
        message = f"--account: expected the twelve digits of an account, not {account!r}"
        raise UsageError(message)
    region = resolved.settings.region
    if not account or not region:
        client = clients(resolved.settings)("sts")
        region = region or str(client.meta.region_name)
        if region.startswith("aws-"):  # STS can be asked without one
            raise UsageError("the region is not known: name it with --region, or set AWS_REGION or a profile with one")
        account = account or _account(client)
    partition = partition or partition_of(region)
    return Place(partition=partition, region=region, account=account, suffix=suffix_of(partition))


def _account(client: Any) -> str:
    """The account of the credentials. Raises UsageError."""
    try:
        return str(client.get_caller_identity()["Account"])
    except failures.raised() as error:
        raise UsageError(_UNKNOWN.format(failures.code_of(error))) from error
