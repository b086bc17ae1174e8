"""A deployment as it is wanted: the settings of an environment, read for the function that will run with them."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from tailrace.deploy.naming import Names
from tailrace.deployment import RUNTIMES, Deploy
from tailrace.errors import UsageError
from tailrace.settings import Resolved, Settings

DEFAULT_TO = "cloudwatch:/tailrace/{load_balancer}"
"""Where records go if nothing is told: in Lambda there is no local store. The log groups are made as load balancers appear."""
_ACCOUNT = re.compile(r"[0-9]{12}")
_LOG_GROUPS = "log_groups"
"""The table of this sink."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be there.

    `own`: what concerns the deployment. `settings`: what the function runs with, with all names filled in. `resolved`: the same
    with where each came from. `names`: of everything.
    """

    environment: str
    own: Deploy
    settings: Settings
    resolved: Resolved
    names: Names

    @property
    def bucket(self) -> str:
        """The bucket of logs."""
        return self.own.bucket or self.names.logs_bucket

    @property
    def artifacts(self) -> str:
        """The bucket of packages."""
        return self.own.artifacts_bucket or self.names.artifacts_bucket

    @property
    def prefix(self) -> str:
        """What the keys of logs begin with."""
        return f"{self.own.prefix}/AWSLogs/" if self.own.prefix else "AWSLogs/"

    @property
    def runtime(self) -> str:
        """Lambda's Python."""
        return runtime_of(self.own)

    @property
    def tags(self) -> Mapping[str, str]:
        """The tags of everything. Raises UsageError."""
        told = {}
        for each in self.own.tags:
            key, equals, value = each.partition("=")
            if not key or not equals:
                message = f"deploy.tags: write KEY=VALUE, not {each!r}"
                raise UsageError(message)
            told[key] = value
        return {**self.marks, **told}

    @property
    def marks(self) -> Mapping[str, str]:
        """The tags that tell whose something is; the others may change."""
        return {"tailrace:component": self.own.component, "tailrace:environment": self.environment}

    def in_account(self, *, partition: str, region: str, account: str) -> Wanted:
        """The same with the names that it has there."""
        return wanted(self.resolved, self.environment, partition=partition, region=region, account=account)


def runtime_of(own: Deploy) -> str:
    """Lambda's Python that the settings of a deployment mean."""
    if own.runtime != "auto":
        return own.runtime
    running = f"python3.{sys.version_info.minor}"
    return running if running in RUNTIMES else RUNTIMES[-1]


def wanted(resolved: Resolved, environment: str, **place: str) -> Wanted:
    """The deployment that the settings of an environment ask for; `place`: partition, region and account if they are known. Raises UsageError."""
    own = resolved.settings.deploy
    names = Names(component=own.component, environment=environment, **place)
    _check(own)
    settings, artifacts = resolved.settings, own.artifacts_bucket or names.artifacts_bucket
    told = msgspec.structs.replace(
        settings,
        to=settings.to or (_LOG_GROUPS,),
        sinks=settings.sinks
        if settings.to
        else {**settings.sinks, _LOG_GROUPS: {"url": DEFAULT_TO, "create_group": True}},
        state=settings.state or f"dynamodb:{names.receipts}",
        dead_letters=settings.dead_letters or f"s3://{artifacts}/{names.dead_letters}",
    )
    return Wanted(environment=environment, own=own, settings=told, resolved=resolved, names=names)


def _check(own: Deploy) -> None:
    vpc = own.vpc
    if bool(vpc.subnets) != bool(vpc.id):
        raise UsageError("deploy.vpc: id and subnets are given together, or neither")
    if vpc.subnets and vpc.endpoints and not vpc.route_tables:
        raise UsageError(
            "deploy.vpc.route_tables: the endpoints of S3 and DynamoDB need them; or set deploy.vpc.endpoints=false"
        )
    if wrong := [each for each in own.accounts if not _ACCOUNT.fullmatch(each)]:
        message = f"deploy.accounts: {wrong[0]!r} is no number of an account, which has twelve digits"
        raise UsageError(message)
    for key in ("alarm_topic", "permissions_boundary"):
        if (told := getattr(own, key)) and not told.startswith("arn:"):
            message = f"deploy.{key}: {told!r} is no ARN"
            raise UsageError(message)
    if own.prefix and (own.prefix.strip("/") != own.prefix or "AWSLogs" in own.prefix):
        message = f"deploy.prefix: {own.prefix!r} must have no slash at its ends and no AWSLogs in it"
        raise UsageError(message)
