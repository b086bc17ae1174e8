"""Deployments from the command line to servers of this machine, and a look at all that is there."""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.request import Request, urlopen

from cloud import REGION, client_of
from deploy.hasty import Hasty
from tailrace.cli import _deploying, main
from tailrace.deploy.package.archive import zipped

ACCOUNT = "123456789012"
PROFILES = Path(__file__).parent / "profiles"
MANIFEST = "manifest.json"
OURS = "tailrace:component"


@dataclass(frozen=True)
class Ran:
    """What a run has told, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> str:
        return self.out + self.err


@dataclass
class Account:
    """An account on a server; everything that is in it at first belongs to others."""

    endpoint: str
    key: str = "AKIDEXAMPLE"
    secret: str = "example"
    _clients: dict[str, Any] = field(default_factory=dict)

    def __call__(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = client_of(service, self.endpoint)
        return self._clients[service]

    def close(self) -> None:
        for each in self._clients.values():
            each.close()

    def empty(self) -> None:
        """Let MiniStack forget everything."""
        with urlopen(Request(f"{self.endpoint}/_ministack/reset", method="POST"), timeout=30) as answer:
            answer.read()

    @property
    def environment(self) -> dict[str, str]:
        """The variables of who works in it, and no others of this machine."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TAILRACE_", "AWS_"))}
        return {
            **kept,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_EC2_METADATA_DISABLED": "true",
            "HOME": "/nonexistent",
            "COLUMNS": "200",
        }

    def run(self, *words: str | Path) -> Ran:
        """Run the program here, as by its command line, with a clock that has no time."""
        out, err, code = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(io.BytesIO()), -1
        with (
            patch.dict(os.environ, self.environment, clear=True),
            patch.object(_deploying, "SystemClock", Hasty),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                main([str(word) for word in words])
            except SystemExit as ended:
                code = int(ended.code or 0)
        ran = Ran(code, _text(out), _text(err))
        assert "internal error" not in ran.told, ran.told
        assert self.secret not in ran.told
        return ran

    def log(self, stack: str) -> list[str]:
        """The function's own log."""
        events = self("logs").filter_log_events(logGroupName=f"/aws/lambda/{stack}-processor")["events"]
        return [each["message"] for each in events]

    def rest(self, stack: str) -> None:
        """Wait until the function is not running: what ends after it was removed makes its log anew, as in Lambda."""
        last = time.monotonic() + 30
        while (
            time.monotonic() < last
            and self("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{stack}-")["logGroups"]
        ):
            told = [each.partition(" ")[0] for each in self.log(stack)]
            if told.count("START") == told.count("REPORT"):
                return
            time.sleep(0.1)

    @property
    def buckets(self) -> list[str]:
        return [each["Name"] for each in self("s3").list_buckets()["Buckets"]]


def until(what: Callable[[], Any], told: Callable[[], Any] = str) -> Any:
    """Wait for it; what it is. `told`: says more if it never comes."""
    last = time.monotonic() + 100
    while not (found := what()):
        assert time.monotonic() < last, told()
        time.sleep(0.1)
    return found


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def everything(account: Account) -> list[str]:
    """All that is in the account, over all services that a deployment could leave something in."""
    return sorted(line for look in _LOOKS for line in look(account))


def _listed(service: str, call: str, key: str, name: str = "", **arguments: Any) -> Callable[[Account], Iterator[str]]:
    """A look at one listing."""

    def look(account: Account) -> Iterator[str]:
        for each in getattr(account(service), call)(**arguments).get(key, ()):
            yield f"{service} {key} {each[name] if name else each}"

    return look


def _buckets(account: Account) -> Iterator[str]:
    s3 = account("s3")
    for bucket in account.buckets:
        yield f"bucket {bucket}"
        for each in s3.list_object_versions(Bucket=bucket).get("Versions", ()):
            yield f"object {bucket}/{each['Key']}"
        told = s3.get_bucket_notification_configuration(Bucket=bucket)
        del told["ResponseMetadata"]
        if told:
            yield f"notification of {bucket}: {json.dumps(told, sort_keys=True)}"


def log_groups(account: Account) -> list[str]:
    """Without those of functions that are gone: MiniStack makes such a group anew for what a call ends with, and asks no role for it.

    Whether a group is removed is looked at in `test_destroy.py`.
    """
    functions = {each["FunctionName"] for each in account("lambda").list_functions()["Functions"]}
    found = [each["logGroupName"] for each in account("logs").describe_log_groups()["logGroups"]]
    return [name for name in found if not name.startswith("/aws/lambda/") or name.rpartition("/")[2] in functions]


def _log_groups(account: Account) -> Iterator[str]:
    return (f"log group {name}" for name in log_groups(account))


def _stacks(account: Account) -> Iterator[str]:
    for each in account("cloudformation").describe_stacks()["Stacks"]:
        if each["StackStatus"] != "DELETE_COMPLETE":
            yield f"stack {each['StackName']}"
            for made in account("cloudformation").list_change_sets(StackName=each["StackName"])["Summaries"]:
                yield f"change set {made['ChangeSetName']} {made['Status']}"


def _versions(account: Account) -> Iterator[str]:
    for each in account("lambda").list_functions()["Functions"]:
        for version in account("lambda").list_versions_by_function(FunctionName=each["FunctionName"])["Versions"]:
            yield f"version {each['FunctionName']} {version['Version']}"


_LOOKS: tuple[Callable[[Account], Iterator[str]], ...] = (
    _buckets,
    _stacks,
    _versions,
    _listed("sqs", "list_queues", "QueueUrls"),
    _listed("lambda", "list_event_source_mappings", "EventSourceMappings", "UUID"),
    _log_groups,
    _listed("logs", "describe_metric_filters", "metricFilters", "filterName"),
    _listed("iam", "list_roles", "Roles", "RoleName"),
    _listed("iam", "list_policies", "Policies", "PolicyName", Scope="Local"),
    _listed("dynamodb", "list_tables", "TableNames"),
    _listed("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    _listed("events", "list_rules", "Rules", "Name"),
    _listed("ec2", "describe_security_groups", "SecurityGroups", "GroupName"),
    _listed("ec2", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    _listed("ec2", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    _listed("ssm", "describe_parameters", "Parameters", "Name"),
    _listed("secretsmanager", "list_secrets", "SecretList", "Name"),
    _listed("sns", "list_topics", "Topics", "TopicArn"),
)


def repacked(
    data: bytes, *, architecture: str = "", version: str = "", files: Mapping[str, bytes] | None = None
) -> bytes:
    """A package that says something else of itself.

    MiniStack runs every function on this machine, so a package "for arm64" holds this machine's libraries. Another version is
    other code: each has a file of its own.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    compiled = [
        name for name in held for other in files or {} if Path(name).match(f"__pycache__/{Path(other).stem}.*.pyc")
    ]
    held = {name: content for name, content in held.items() if name not in compiled}
    manifest = json.loads(held[MANIFEST])
    others = {**({"tailrace_circle.py": f"VERSION = {version!r}\n".encode()} if version else {}), **(files or {})}
    manifest["files"] = {name: digest for name, digest in manifest["files"].items() if name in held}
    manifest["files"] |= {name: sha256(content).hexdigest() for name, content in others.items()}
    manifest["version"], manifest["architecture"] = (
        version or manifest["version"],
        architecture or manifest["architecture"],
    )
    return zipped({**held, **others, MANIFEST: json.dumps(manifest).encode()})


def outputs_of(account: Account, stack: str) -> Mapping[str, str]:
    (found,) = account("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in found["Outputs"]}
