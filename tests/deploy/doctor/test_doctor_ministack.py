"""The doctor of a deployment on MiniStack: what is broken is found, and what repairs it is found again to be right."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from cloud import REGION, client_of
from deploy.circling import until
from deploy.doctor.repairing import repair
from services.real import ministack
from tailrace.clock import SystemClock
from tailrace.clouds import Vault
from tailrace.deploy.doctor.examining import Examination
from tailrace.deploy.doctor.finding import Finding
from tailrace.deploy.doctor.permissions import needed
from tailrace.deploy.template import as_json, template
from tailrace.deploy.wanted import Wanted, wanted
from tailrace.kinds import Surroundings
from tailrace.settings import resolve

ACCOUNT = "123456789012"
INSTALLED = ("boto3>=1.37; extra == 'aws'",)


class World:
    """A deployment on a server, and its doctor."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._clients: dict[str, Any] = {}
        self.environment = f"d{uuid4().hex[:6]}"
        self.group = f"/doctor/{self.environment}"
        self.resolved = resolve({}, [f"to=cloudwatch:{self.group}"], {})
        self.wanted = wanted(self.resolved, self.environment, partition="aws", region=REGION, account=ACCOUNT)
        self.url = ""

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = client_of(service, self._endpoint)
        return self._clients[service]

    def findings(self) -> list[Finding]:
        given = Surroundings(
            settings=self.resolved.settings, clock=SystemClock(), stdin=io.BytesIO(), stdout=1, client=self.client,
            vault=Vault(self.client, {}), environ={},
        )  # fmt: skip
        return list(Examination(self.resolved, self.environment, given, INSTALLED).findings())

    def of(self, subject: str) -> list[Finding]:
        return [each for each in self.findings() if each.subject == subject]

    def deploy(self) -> None:
        asked: Wanted = wanted(self.resolved, self.environment)
        where = {"LocationConstraint": REGION}
        package = io.BytesIO()
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("tailrace/hosts/awslambda.py", "def handler(event, context): return {}")
        self.client("s3").create_bucket(Bucket=self.wanted.artifacts, CreateBucketConfiguration=where)
        self.client("s3").put_object(Bucket=self.wanted.artifacts, Key="x.zip", Body=package.getvalue())
        told = {"CodeBucket": self.wanted.artifacts, "CodeKey": "x.zip"}
        self.client("cloudformation").create_stack(
            StackName=self.wanted.names.stack, TemplateBody=as_json(template(asked)), Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in told.items()],
        )  # fmt: skip
        until(lambda: self._state() == "CREATE_COMPLETE")
        name = self.wanted.names.function
        version = self.client("lambda").publish_version(FunctionName=name)["Version"]
        self.client("lambda").update_alias(FunctionName=name, Name="live", FunctionVersion=version)
        self.client("logs").create_log_group(logGroupName=self.group)
        self.url = self.client("sqs").get_queue_url(QueueName=self.wanted.names.queue)["QueueUrl"]

    def _state(self) -> str:
        found = self.client("cloudformation").describe_stacks(StackName=self.wanted.names.stack)["Stacks"][0]
        return str(found["StackStatus"])

    def close(self) -> None:
        for each in self._clients.values():
            each.close()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with ministack() as endpoint:
        made = World(endpoint)
        before = made.findings()
        assert [each.found for each in before if each.subject == "stack"] == [
            f"there is no stack {made.wanted.names.stack}: nothing is deployed"
        ]
        made.deploy()
        yield made
        made.close()


def _queue(**attributes: str) -> Callable[[World], None]:
    return lambda world: world.client("sqs").set_queue_attributes(QueueUrl=world.url, Attributes=attributes)


def _encrypt(world: World) -> None:
    rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
    world.client("s3").put_bucket_encryption(
        Bucket=world.wanted.bucket, ServerSideEncryptionConfiguration={"Rules": rules}
    )


def _switch_off(world: World) -> None:
    found = world.client("lambda").list_event_source_mappings(FunctionName=f"{world.wanted.names.function}:live")
    world.client("lambda").update_event_source_mapping(UUID=found["EventSourceMappings"][0]["UUID"], Enabled=False)


def _unmap(world: World) -> None:
    found = world.client("lambda").list_event_source_mappings(FunctionName=f"{world.wanted.names.function}:live")
    world.client("lambda").delete_event_source_mapping(UUID=found["EventSourceMappings"][0]["UUID"])


def _subscribe(world: World) -> None:
    names = world.wanted.names
    world.client("logs").put_subscription_filter(
        logGroupName=world.group, filterName="round", filterPattern="",
        destinationArn=names.arn("lambda", f"function:{names.function}"),
    )  # fmt: skip


def _block(world: World) -> None:
    world.client("lambda").put_function_concurrency(
        FunctionName=world.wanted.names.function, ReservedConcurrentExecutions=0
    )


BROKEN: dict[str, tuple[str, Callable[[World], None], str]] = {
    "visibility": ("timeouts", _queue(VisibilityTimeout="30"), "hidden for 30 s"),
    "tries": ("timeouts", _queue(RedrivePolicy=""), "are lost then"),
    "senders": ("queue policy", _queue(Policy=""), "may not send"),
    "delivery": ("bucket policy", lambda world: world.client("s3").delete_bucket_policy(Bucket=world.wanted.bucket), "does not allow"),
    "encryption": ("bucket encryption", _encrypt, "encrypts with KMS"),
    "mapping": ("calls", _switch_off, "is disabled"),
    "no mapping": ("calls", _unmap, "does not call"),
    "circle": ("recursion", _subscribe, "by the subscription round"),
    "concurrency": ("concurrency", _block, "nobody can call"),
}  # fmt: skip


def test_a_deployment_is_healthy(world: World) -> None:
    assert [each for each in world.findings() if each.mark != "ok"] == []


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_found_and_its_remedy_repairs_it(world: World, what: str) -> None:
    subject, broken, text = BROKEN[what]
    broken(world)
    found = [each for each in world.of(subject) if each.mark == "wrong"]
    assert any(re.search(text, each.found) for each in found), world.of(subject)
    for line in dict.fromkeys(each.remedy for each in found):
        repair(line, world.client)
    assert {each.mark for each in world.of(subject)} == {"ok"}


def test_a_permission_that_is_missing_is_simulated(world: World) -> None:
    names, iam = world.wanted.names, world.client("iam")
    policy = {"RoleName": names.role, "PolicyName": names.function}
    iam.delete_role_policy(**policy)
    (found,) = world.of("permissions")
    assert (found.mark, "logs:PutLogEvents" in found.found, "no policy allows it" in found.found) == (
        "wrong",
        True,
        True,
    )
    printed, _, line = found.remedy.partition(" && ")
    assert printed == f"tailrace policy function {world.environment} > policy.json"
    assert line.startswith(f"aws iam put-role-policy --role-name {names.role} --policy-name {names.function} ")
    document = {"Version": "2012-10-17", "Statement": list(needed(world.wanted))}
    iam.put_role_policy(**policy, PolicyDocument=json.dumps(document))
    assert [each.mark for each in world.of("permissions")] == ["ok"]
    for each in document["Statement"]:
        each["Action"] = [action for action in each["Action"] if action != "sqs:SendMessage"] or ["sqs:Nothing"]
    iam.put_role_policy(**policy, PolicyDocument=json.dumps(document))
    (found,) = world.of("permissions")
    assert "may not do sqs:SendMessage on" in found.found
    iam.put_role_policy(
        **policy, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(needed(world.wanted))})
    )


def test_an_alias_of_what_changes_is_wrong(world: World) -> None:
    functions, name = world.client("lambda"), world.wanted.names.function
    before = functions.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
    functions.update_alias(FunctionName=name, Name="live", FunctionVersion="$LATEST")
    assert [each.mark for each in world.of("alias")] == ["wrong"]
    functions.update_alias(FunctionName=name, Name="live", FunctionVersion=before)
    assert [each.mark for each in world.of("alias")] == ["ok"]


def test_notifications_of_others_stay_when_ours_is_put_back(world: World) -> None:
    s3, bucket, name = world.client("s3"), world.wanted.bucket, f"{world.wanted.names.stack}-theirs"
    world.client("sqs").create_queue(QueueName=name)
    theirs = {
        "Id": "theirs", "QueueArn": world.wanted.names.arn("sqs", name),
        "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "other/"}]}},
    }  # fmt: skip
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [theirs]}, SkipDestinationValidation=True
    )
    (found,) = world.of("notifications")
    assert (found.mark, "does not tell" in found.found) == ("wrong", True)
    repair(found.remedy, world.client)
    (found,) = world.of("notifications")
    assert (found.mark, "1 of others stay" in found.found) == ("ok", True)
    there = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    assert {each["Id"] for each in there} == {"theirs", world.wanted.names.rule}


def test_messages_that_were_set_aside_are_sent_back(world: World) -> None:
    sqs = world.client("sqs")
    url = sqs.get_queue_url(QueueName=world.wanted.names.dead_letter_queue)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    (found,) = world.of("dead-letter queue")
    assert (found.mark, found.found.partition(" ")[0]) == ("wrong", "1")
    assert found.remedy.startswith("aws sqs start-message-move-task --source-arn ")
    sqs.purge_queue(QueueUrl=url)


def test_an_alarm_that_is_raised_is_told(world: World) -> None:
    alarm = {"AlarmName": world.wanted.names.alarm("errors"), "StateReason": "the test"}
    world.client("cloudwatch").set_alarm_state(**alarm, StateValue="ALARM")
    assert [each.found.partition(" ")[0] for each in world.of("alarms") if each.mark == "wrong"] == [alarm["AlarmName"]]
    world.client("cloudwatch").set_alarm_state(**alarm, StateValue="OK")
    assert {each.mark for each in world.of("alarms")} == {"ok"}


def test_load_balancers_are_told_by_where_they_write(world: World) -> None:
    client, names = world.client("elbv2"), {}
    for name, prefix in (("carried", ""), ("beside", "elsewhere"), ("silent", None)):
        name = f"{name}-{uuid4().hex[:6]}"  # noqa: PLW2901 - the server is others' too
        arn = client.create_load_balancer(Name=name, Type="application", Subnets=[])["LoadBalancers"][0][
            "LoadBalancerArn"
        ]
        names[name] = arn
        if prefix is not None:
            told = {"enabled": "true", "bucket": world.wanted.bucket, "prefix": prefix}
            client.modify_load_balancer_attributes(
                LoadBalancerArn=arn,
                Attributes=[{"Key": f"access_logs.s3.{key}", "Value": value} for key, value in told.items()],
            )
    found = world.of("load balancers")
    assert [each.mark for each in found if "elsewhere" in each.found] == ["wrong"]
    assert any(
        each.mark == "ok" and "carried-" in each.found and f"s3://{world.wanted.bucket}" in each.found for each in found
    )
    assert any(
        "silent-" in each.found and "nowhere" in each.found and "--load-balancer" in each.remedy for each in found
    )
    for arn in names.values():
        client.delete_load_balancer(LoadBalancerArn=arn)


def test_a_key_that_the_function_may_not_use_is_granted(world: World) -> None:
    key = world.client("kms").create_key(Description="of the doctor's test")["KeyMetadata"]
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key["Arn"]}
    before = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    s3, bucket = world.client("s3"), world.wanted.bucket
    s3.put_bucket_encryption(
        Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
    )
    (found,) = world.of("keys")
    assert (found.mark, f"may not decrypt with {key['Arn']}" in found.found) == ("wrong", True)
    repair(found.remedy, world.client)
    assert [each.mark for each in world.of("keys")] == ["ok"]
    world.client("kms").disable_key(KeyId=key["KeyId"])
    (found,) = world.of("keys")
    assert (found.mark, "is Disabled" in found.found) == ("wrong", True)
    repair(found.remedy, world.client)
    assert [each.mark for each in world.of("keys")] == ["ok"]
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=before)
