"""Twelve profiles of settings, each from nothing to nothing by the command line, on MiniStack.

What MiniStack shows: the stack is made from the template and updated by change sets, which tell "no changes"; buckets with their
policies and notifications; queues, alias, event source mapping, permissions, rules; and the function really runs: each release is
proved by a control object that takes the whole way. What it does not: IAM and signatures (nothing is ever refused), the tags and
the lifecycle of buckets and the expiry of receipts (its CloudFormation leaves them out), endpoints and network interfaces that are
more than names, retention after a failed creation, processors (everything runs on this machine).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cloud import REGION
from deploy.circling import PROFILES, Account, everything, log_groups, outputs_of, repacked

NAMES = sorted(each.stem for each in PROFILES.glob("*.toml"))
LATER = ("existing-direct", "existing-rule", "logstash", "opensearch", "serverless")
"""Five seconds each: those that are most like others wait for `make test-long`."""
NOT_HERE = {"governed": ("deploy.reserved_concurrency=0",)}
"""MiniStack takes a concurrency that is a parameter of the stack for a text, and never reads the queue then."""
PATIENCE = "deploy.smoke_timeout=3h"
"""By the hasty clock."""


def test_there_are_twelve() -> None:
    assert len(NAMES) == 12


@pytest.fixture(scope="module")
def packages(package: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("packages")
    data = package.read_bytes()
    made = {}
    for architecture in ("arm64", "x86_64"):
        made[architecture] = folder / f"{architecture}.zip"
        made[architecture].write_bytes(repacked(data, architecture=architecture))
    return made


@pytest.fixture
def account(server: Account) -> Account:
    server.empty()
    return server


def supposed(account: Account) -> list[str]:
    """Make what the profiles suppose to be there; the settings that name it."""
    for name in ("their-logs", "their-archive"):
        account("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    account("sqs").create_queue(QueueName="theirs")
    theirs = {
        "Id": "theirs", "QueueArn": f"arn:aws:sqs:{REGION}:123456789012:theirs", "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "other/"}]}},
    }  # fmt: skip
    account("s3").put_bucket_notification_configuration(
        Bucket="their-logs", NotificationConfiguration={"QueueConfigurations": [theirs]}
    )
    account("ssm").put_parameter(Name="/search/password", Value="a-password", Type="SecureString")
    account("secretsmanager").create_secret(Name="logstash", SecretString='{"password": "a-password"}')
    account("sns").create_topic(Name="alarms")
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    account("iam").create_policy(PolicyName="boundary", PolicyDocument=document)
    return _network(account("ec2"))


def _network(network: Any) -> list[str]:
    vpc = network.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [network.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{each}.0/24")["Subnet"]["SubnetId"] for each in (1, 2)]
    table = network.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    return [f"deploy.vpc.id={vpc}", f"deploy.vpc.subnets={' '.join(subnets)}", f"deploy.vpc.route_tables={table}"]


def ours(account: Account) -> list[str]:
    return [line for line in everything(account) if "tailrace-" in line]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in LATER else name for name in NAMES]
)
def test_a_profile_from_nothing_to_nothing(account: Account, packages: dict[str, Path], name: str) -> None:
    profile = PROFILES / f"{name}.toml"
    network = supposed(account)
    architecture = "x86_64" if "x86_64" in profile.read_text() else "arm64"
    settings = (*(network if name == "private" else ()), *NOT_HERE.get(name, ()))
    told = ["--config", profile, *(word for each in settings for word in ("--set", each))]
    deploy = ["deploy", name, *told, "--package", packages[architecture], "--set", PATIENCE]
    before = everything(account)

    planned = account.run(*deploy, "--dry-run")
    assert (planned.code, everything(account)) == (0, before), planned.told
    assert "nothing was changed" in planned.err

    made = account.run(*deploy, "--yes")
    assert made.code == 0, (made.told, account.log(f"tailrace-{name}"))
    stack = outputs_of(account, f"tailrace-{name}")
    assert live(account, stack) == ("1", architecture)
    proved(account, stack, name)
    there = everything(account)
    assert set(before) - set(there) <= {each for each in before if "their-logs" in each}

    again = account.run(*deploy, "--yes")
    assert (again.code, again.out, everything(account)) == (0, "", there), again.told
    assert "nothing to do" in again.err

    changed = account.run(*deploy, "--yes", "--set", "deploy.memory=768", "--json")
    assert changed.code == 0, changed.told
    assert [line for line in changed.out.splitlines() if '"AWS::' in line and "Processor" not in line] == []
    assert live(account, stack) == ("2", architecture)
    assert account("lambda").get_function_configuration(FunctionName=stack["FunctionName"])["MemorySize"] == 768

    account.rest(f"tailrace-{name}")
    gone = account.run("destroy", name, *told, "--yes", "--delete-logs")
    assert (gone.code, everything(account)) == (0, before), gone.told
    assert f"nothing is left of tailrace-{name}" in gone.err
    assert account.run("destroy", name, *told, "--yes").code == 0


def live(account: Account, stack: Any) -> tuple[str, str]:
    """The version that is live, and its processor."""
    found = account("lambda").get_function_configuration(FunctionName=stack["FunctionName"], Qualifier="live")
    return found["Version"], found["Architectures"][0]


def proved(account: Account, stack: Any, name: str) -> None:
    """The control object has its receipts, and nothing else came of it."""
    items = account("dynamodb").scan(TableName=stack["ReceiptsTable"])["Items"]
    assert any("TailraceSmokeTest-" in str(each) for each in items)
    assert log_groups(account) == [f"/aws/lambda/tailrace-{name}-processor"]
    assert not account("s3").list_objects_v2(Bucket="their-archive").get("Contents")
    assert not account("s3").list_objects_v2(Bucket=stack["LogsBucket"]).get("Contents")
