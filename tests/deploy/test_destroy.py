"""Deployments are taken away on MiniStack, in whatever state they are, until nothing is left; with the template that is deployed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any
from uuid import uuid4

import pytest

from cloud import REGION, client_of
from services.real import ministack
from tailrace.clock import SystemClock
from tailrace.deploy.cloud import Cloud, Place
from tailrace.deploy.destroy.destroying import Destruction
from tailrace.deploy.destroy.leftovers import leftovers, remove_log_group
from tailrace.deploy.destroy.needs import destroy_needs
from tailrace.deploy.ledger import Book, Ledger, Release
from tailrace.deploy.memory import Remembered
from tailrace.deploy.notifications import Notifications, canonical, notice_of
from tailrace.deploy.stack.artifacts import Artifacts
from tailrace.deploy.stack.kept import refuse_kept
from tailrace.deploy.stack.words import Step
from tailrace.deploy.template import as_json, template
from tailrace.deploy.wanted import Wanted, wanted
from tailrace.errors import UsageError
from tailrace.settings import resolve

ACCOUNT = "123456789012"
LOG = "AWSLogs/123456789012/elasticloadbalancing/eu-west-1/2026/11/20/a.log.gz"
Client = Callable[[str], Any]


class Quick(SystemClock):
    """A clock that goes faster than the world's."""

    def monotonic(self) -> float:
        return super().monotonic() * 20

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds / 20)


class Broken(BaseException):
    """Somebody has broken it off."""


class Deployed:
    """A deployment on MiniStack."""

    def __init__(self, endpoint: str, client: Client, *told: str) -> None:
        self.endpoint, self.client = endpoint, client
        self.environment = f"e{uuid4().hex[:6]}"
        self.told = told
        resolved = resolve({}, told, {})
        self.wanted: Wanted = wanted(resolved, self.environment, partition="aws", region=REGION, account=ACCOUNT)
        self.cloud = Cloud(client, Quick())
        self.said: list[str] = []
        self.s3, self.formation = client("s3"), client("cloudformation")

    def make(self) -> Deployed:
        self.make_artifacts()
        parameters = {"CodeBucket": self.wanted.artifacts, "CodeKey": "packages/aa.zip"}
        self.formation.create_stack(
            StackName=self.wanted.names.stack,
            TemplateBody=as_json(template(self.wanted)),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Tags=[{"Key": key, "Value": value} for key, value in self.wanted.tags.items()],
        )
        assert self.status() == "CREATE_COMPLETE"
        return self

    def make_artifacts(self) -> None:
        place = Place("aws", REGION, ACCOUNT)
        own = not self.wanted.own.artifacts_bucket
        artifacts = Artifacts(cloud=self.cloud, name=self.wanted.artifacts, place=place, tags=self.wanted.tags, own=own)
        for change in artifacts.plan(artifacts.look()):
            artifacts.apply(change)
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr("tailrace/hosts/awslambda.py", "def handler(event, context): pass")
        self.put(self.wanted.artifacts, "packages/aa.zip", content.getvalue())
        release = Release(version="1", package="aa", label="1", time=0.0)
        self.book.write(Ledger().with_release(release), self.book.read())

    def status(self) -> str:
        while True:
            (told,) = self.formation.describe_stacks(StackName=self.wanted.names.stack)["Stacks"]
            if not told["StackStatus"].endswith("_IN_PROGRESS"):
                return str(told["StackStatus"])
            time.sleep(0.05)

    def put(self, bucket: str, key: str, content: bytes = b"x") -> None:
        self.s3.put_object(Bucket=bucket, Key=key, Body=content)

    @property
    def book(self) -> Book:
        return Book(self.cloud, self.wanted.artifacts, self.wanted.names.stack)

    def destruction(self, cloud: Cloud | None = None, **how: Any) -> Destruction:
        return Destruction(
            cloud=cloud or self.cloud, wanted=self.wanted, moved=lambda _: None, said=self.said.append, **how
        )

    def destroy(self, cloud: Cloud | None = None, **how: Any) -> list[str]:
        made = self.destruction(cloud, **how)
        kept = list(made.apply(made.look()))
        assert made.left(kept) == []
        return kept

    def steps(self, **how: Any) -> list[Step]:
        made = self.destruction(**how)
        return list(made.plan(made.look()))

    def nothing_is_left(self) -> bool:
        left: list[str] = []
        for _ in range(20):  # MiniStack makes the function's log anew for a while, as Lambda does
            left = [*map(str, leftovers(self.cloud, self.wanted)), *map(str, self.steps())]
            if not left or "log group" not in left[0]:
                break
            remove_log_group(self.cloud, self.wanted)
            time.sleep(0.1)
        assert left == []
        return not left


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Client]]:
    with ministack() as endpoint:
        yield endpoint, cache(partial(client_of, endpoint=endpoint))


@pytest.fixture
def deployed(server: tuple[str, Client]) -> Deployed:
    return Deployed(*server).make()


def _words(steps: list[Step]) -> set[tuple[str, str]]:
    return {(step.action, step.what) for step in steps}


def test_nothing_is_left_where_no_logs_are(deployed: Deployed) -> None:
    names = deployed.wanted.names
    deployed.put(names.logs_bucket, f"AWSLogs/{ACCOUNT}/ELBAccessLogTestFile")
    told = {step.name: step for step in deployed.steps()}
    assert told[names.logs_bucket].why == "no logs are in it"
    assert told[names.stack].action == "remove"
    assert {
        names.function,
        names.role,
        names.queue,
        names.dead_letter_queue,
        names.receipts,
        names.function_log,
    } < told.keys()
    assert deployed.destroy() == []
    assert deployed.nothing_is_left()
    assert deployed.destroy() == []


def test_logs_and_dead_letters_stay_until_they_shall_go(deployed: Deployed) -> None:
    names = deployed.wanted.names
    deployed.put(names.logs_bucket, LOG)
    letter = f"{names.dead_letters}/1.ndjson"
    deployed.put(names.artifacts_bucket, letter)
    why = {step.name: step.why for step in deployed.steps() if step.action == "let go"}
    assert why == {
        names.logs_bucket: f"logs are in it, such as {LOG}: --delete-logs removes them too",
        names.artifacts_bucket: f"dead letters are in it, such as {letter}: --delete-logs removes them too",
    }
    assert deployed.destroy() == [names.logs_bucket, names.artifacts_bucket]
    kept = {bucket: [each["Key"] for each in deployed.s3.list_objects_v2(Bucket=bucket)["Contents"]] for bucket in why}
    assert kept == {names.logs_bucket: [LOG], names.artifacts_bucket: [letter]}
    policy = json.loads(deployed.s3.get_bucket_policy(Bucket=names.logs_bucket)["Policy"])
    assert {each["Effect"] for each in policy["Statement"]} == {"Allow", "Deny"}, "it can be used again as it is"
    with pytest.raises(UsageError, match=f"deploy.bucket={names.logs_bucket}"):
        refuse_kept(deployed.cloud, deployed.wanted)
    again = wanted(resolve({}, [f"deploy.bucket={names.logs_bucket}"], {}), deployed.wanted.environment)
    refuse_kept(deployed.cloud, again)
    # Nothing of the queue that is gone is left in the bucket, or S3 would refuse every other notification.
    assert "QueueConfigurations" not in deployed.s3.get_bucket_notification_configuration(Bucket=names.logs_bucket)
    assert deployed.destroy() == [names.logs_bucket, names.artifacts_bucket]
    assert _words(deployed.steps(delete_logs=True)) == {("remove", "bucket of logs"), ("remove", "bucket of packages")}
    assert deployed.destroy(delete_logs=True) == []
    assert deployed.nothing_is_left()


def test_logs_that_shall_go_are_removed_in_all_versions(deployed: Deployed) -> None:
    names = deployed.wanted.names
    deployed.s3.put_bucket_versioning(Bucket=names.logs_bucket, VersioningConfiguration={"Status": "Enabled"})
    for _ in range(2):
        deployed.put(names.logs_bucket, LOG)
    deployed.s3.delete_object(Bucket=names.logs_bucket, Key=LOG)
    assert deployed.destroy(delete_logs=True) == []
    assert f"3 objects removed from {names.logs_bucket}" in deployed.said
    assert deployed.nothing_is_left()


def test_what_lambda_makes_anew_is_removed(deployed: Deployed) -> None:
    deployed.destroy()
    deployed.client("logs").create_log_group(logGroupName=deployed.wanted.names.function_log)
    assert _words(deployed.steps()) == {("remove", "log group")}
    assert deployed.destroy() == []
    assert deployed.nothing_is_left()


def test_a_function_in_a_vpc_leaves_it_first(server: tuple[str, Client]) -> None:
    ec2 = server[1]("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = (ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{each}.0/24") for each in range(2))
    subnets = " ".join(each["Subnet"]["SubnetId"] for each in made)
    told = (
        f"deploy.vpc.id={vpc}",
        f"deploy.vpc.subnets={subnets}",
        "deploy.vpc.endpoints=false",
        "deploy.trigger=eventbridge",
    )
    deployed = Deployed(*server, *told).make()
    group = deployed.client("ec2").describe_security_groups(
        Filters=[
            {"Name": "vpc-id", "Values": [vpc]},
            {"Name": "group-name", "Values": [deployed.wanted.names.security_group]},
        ]
    )["SecurityGroups"][0]["GroupId"]
    where = {"SubnetIds": subnets.split(), "SecurityGroupIds": [group]}  # which MiniStack's CloudFormation leaves out
    deployed.client("lambda").update_function_configuration(
        FunctionName=deployed.wanted.names.function, VpcConfig=where
    )
    assert ("do", "function") in _words(deployed.steps())
    assert {each.what for each in leftovers(deployed.cloud, deployed.wanted)} == {
        "stack", "function", "log group", "role", "queue", "table", "rule", "alarm", "security group", "bucket",
    }  # fmt: skip
    assert deployed.destroy() == []
    assert deployed.nothing_is_left()


# --- what belongs to others ---


@pytest.mark.parametrize("trigger", ["sqs", "s3", "eventbridge"])
def test_a_bucket_that_was_there_is_as_it_was(server: tuple[str, Client], trigger: str) -> None:
    bucket, (_, client) = f"theirs-{uuid4().hex[:8]}", server
    client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    deployed = Deployed(*server, f"deploy.bucket={bucket}", f"deploy.trigger={trigger}").make()
    theirs = deployed.client("sqs").create_queue(QueueName=f"{bucket}-q", Attributes={"Policy": json.dumps({
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}]})})  # fmt: skip
    assert theirs["QueueUrl"]
    other = {"QueueArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{bucket}-q", "Events": ["s3:ObjectRemoved:*"]}
    deployed.s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [other]}
    )
    before = _notifications(deployed, bucket)
    if trigger == "s3":
        deployed.client("lambda").add_permission(
            FunctionName=deployed.wanted.names.function, StatementId="s3", Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com", Qualifier="live", SourceArn=f"arn:aws:s3:::{bucket}",
        )  # fmt: skip
    memory = Remembered(deployed.book)
    setup = Notifications(notice_of(deployed.wanted), deployed.cloud, memory)
    for change in setup.plan(setup.look()):
        setup.apply(change)
    assert canonical(_notifications(deployed, bucket)) != canonical(before)
    deployed.put(bucket, LOG)
    assert ("change", "notification") in _words(deployed.steps(delete_logs=True))
    assert deployed.destroy(delete_logs=True) == []
    assert canonical(_notifications(deployed, bucket)) == canonical(before)
    assert deployed.s3.head_object(Bucket=bucket, Key=LOG)
    assert deployed.nothing_is_left()


def _notifications(deployed: Deployed, bucket: str) -> dict[str, Any]:
    told = deployed.s3.get_bucket_notification_configuration(Bucket=bucket)
    return {key: value for key, value in told.items() if key != "ResponseMetadata"}


def test_load_balancers_write_as_before(server: tuple[str, Client]) -> None:
    deployed = Deployed(*server).make()
    client, ec2 = deployed.client("elbv2"), deployed.client("ec2")
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]][:2]
    arn = client.create_load_balancer(Name=deployed.environment, Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    now = {
        "access_logs.s3.enabled": "true",
        "access_logs.s3.bucket": deployed.wanted.bucket,
        "access_logs.s3.prefix": "",
    }
    pairs = [{"Key": key, "Value": value} for key, value in now.items()]
    client.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=pairs)
    known = {"before": {"access_logs.s3.enabled": "false", "access_logs.s3.prefix": ""}, "now": now}
    Remembered(deployed.book).remember("load_balancers", arn, known)
    assert ("change", "logs of a load balancer") in _words(deployed.steps())
    assert deployed.destroy() == []
    told = client.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    assert {"Key": "access_logs.s3.enabled", "Value": "false"} in told


def test_a_bucket_of_packages_that_others_use_keeps_theirs(server: tuple[str, Client]) -> None:
    bucket = f"shared-{uuid4().hex[:8]}"
    server[1]("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    told = f"deploy.artifacts_bucket={bucket}"
    mine, other = Deployed(*server, told).make(), Deployed(*server, told)
    mine.put(bucket, f"{other.wanted.names.dead_letters}/theirs.ndjson")
    mine.put(bucket, "packages/bb.zip")
    releases = Ledger().with_release(Release(version="1", package="aa", label="1", time=0.0))
    other.book.write(releases, other.book.read())
    own = Release(version="2", package="bb", label="2", time=0.0)
    mine.book.write(mine.book.read().ledger.with_release(own), mine.book.read())
    assert mine.destroy(delete_logs=True) == [bucket]
    assert [each["Key"] for each in mine.s3.list_objects_v2(Bucket=bucket)["Contents"]] == [
        f"{other.wanted.names.dead_letters}/theirs.ndjson", other.book.key, "packages/aa.zip",
    ]  # fmt: skip
    assert mine.destroy(delete_logs=True) == [bucket], "MiniStack may have made the function's log anew"
    assert {step.action for step in mine.steps(delete_logs=True) if step.what != "log group"} == {"let go"}


# --- any state ---


def test_a_stack_that_was_only_planned_goes(server: tuple[str, Client]) -> None:
    deployed = Deployed(*server)
    deployed.make_artifacts()
    deployed.formation.create_change_set(
        StackName=deployed.wanted.names.stack, ChangeSetName="first", ChangeSetType="CREATE",
        TemplateBody=as_json(template(deployed.wanted)), Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": each, "ParameterValue": "x"} for each in ("CodeBucket", "CodeKey")],
    )  # fmt: skip
    assert [step.why for step in deployed.steps() if step.what == "stack"] == ["it is REVIEW_IN_PROGRESS"]
    assert deployed.destroy() == []
    assert deployed.nothing_is_left()


def test_a_stack_that_is_protected_stays(deployed: Deployed) -> None:
    name = deployed.wanted.names.stack
    deployed.formation.update_termination_protection(StackName=name, EnableTerminationProtection=True)
    with pytest.raises(UsageError, match="is protected"):
        deployed.steps()
    deployed.formation.update_termination_protection(StackName=name, EnableTerminationProtection=False)
    assert deployed.destroy() == []


def test_what_is_tagged_as_of_others_stays(deployed: Deployed) -> None:
    tags = [{"Key": "tailrace:environment", "Value": "other"}]
    deployed.s3.put_bucket_tagging(Bucket=deployed.wanted.names.logs_bucket, Tagging={"TagSet": tags})
    with pytest.raises(UsageError, match="and so not of this deployment"):
        deployed.steps()
    deployed.s3.delete_bucket_tagging(Bucket=deployed.wanted.names.logs_bucket)
    deployed.destroy()


def test_what_is_left_is_told_with_what_removes_it(deployed: Deployed) -> None:
    role = deployed.wanted.names.role
    deployed.destroy()
    deployed.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument="{}")
    (left,) = leftovers(deployed.cloud, deployed.wanted)
    assert str(left).startswith(f"role {role}: aws iam delete-role-policy")
    assert leftovers(deployed.cloud, deployed.wanted, [role]) == []
    deployed.client("iam").delete_role(RoleName=role)


def _breaking(deployed: Deployed, after: int) -> tuple[Cloud, list[str]]:
    """A cloud in which somebody breaks off after so many calls, and the calls that were made."""
    calls: list[str] = []

    def counted(service: str) -> Any:
        client = client_of(service, deployed.endpoint)

        def called(model: Any, **_: Any) -> None:
            calls.append(f"{service}:{model.name}")
            if len(calls) == after:
                raise Broken

        client.meta.events.register("before-call", called)
        return client

    return Cloud(cache(counted), Quick()), calls


@pytest.fixture
def full(server: tuple[str, Client]) -> Callable[[], Deployed]:
    def made() -> Deployed:
        deployed = Deployed(*server).make()
        deployed.put(deployed.wanted.names.logs_bucket, LOG)
        deployed.put(deployed.wanted.names.artifacts_bucket, f"{deployed.wanted.names.dead_letters}/1.ndjson")
        return deployed

    return made


def _broken_off(deployed: Deployed, after: int) -> None:
    cloud, calls = _breaking(deployed, after)
    made = deployed.destruction(cloud, delete_logs=True)
    with pytest.raises(Broken):
        made.apply(made.look())
    assert len(calls) == after
    assert deployed.destroy(delete_logs=True) == [], (after, calls[-1])
    assert deployed.nothing_is_left()


@pytest.mark.parametrize("after", [20, 32, 40, 47, 60])
def test_whoever_breaks_it_off_can_go_on(full: Callable[[], Deployed], after: int) -> None:
    _broken_off(full(), after)


@pytest.mark.long
def test_whoever_breaks_it_off_at_any_call_can_go_on(full: Callable[[], Deployed]) -> None:
    whole = full()
    cloud, calls = _breaking(whole, -1)
    made = whole.destruction(cloud, delete_logs=True)
    made.apply(made.look())
    for after in range(1, len(calls) - 5, 2):
        _broken_off(full(), after)


# --- what people see ---


def _run(deployed: Deployed, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "TAILRACE_"))},
        "AWS_ENDPOINT_URL": deployed.endpoint, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    }  # fmt: skip
    command = [sys.executable, "-m", "tailrace", "destroy", deployed.environment, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=environ, check=False, stdin=subprocess.DEVNULL, timeout=120
    )


def test_the_command_tells_asks_and_proves(deployed: Deployed) -> None:
    names = deployed.wanted.names
    deployed.put(names.logs_bucket, LOG)
    shown = _run(deployed, "--dry-run", "--json")
    assert shown.returncode == 0, shown.stderr
    told = [json.loads(line) for line in shown.stdout.splitlines()]
    assert {"action": "let go", "what": "bucket of logs", "name": names.logs_bucket,
            "why": f"logs are in it, such as {LOG}: --delete-logs removes them too"} in told  # fmt: skip
    unasked = _run(deployed)
    assert (unasked.returncode, "nobody can be asked" in unasked.stderr) == (2, True)
    done = _run(deployed, "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"nothing is left of {names.stack} in {REGION} of the account {ACCOUNT} but {names.logs_bucket}, as said above"
    )
    gone = _run(deployed, "--yes", "--delete-logs")
    assert gone.returncode == 0, gone.stderr
    assert gone.stderr.splitlines()[-1] == f"nothing is left of {names.stack} in {REGION} of the account {ACCOUNT}"
    again = _run(deployed)
    assert (again.returncode, again.stdout) == (0, "")
    assert again.stderr == f"there is nothing of {names.stack} in {REGION} of the account {ACCOUNT}\n"


def test_every_call_is_told(full: Callable[[], Deployed]) -> None:
    """And, the other way round, those that this made are in the list."""
    deployed = full()
    cloud, calls = _breaking(deployed, -1)
    made = deployed.destruction(cloud, delete_logs=True)
    made.left(made.apply(made.look()))
    told = {need.call for need in destroy_needs(deployed.wanted)}
    assert set(calls) <= told, set(calls) - told
