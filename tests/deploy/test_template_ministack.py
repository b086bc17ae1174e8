"""Templates on MiniStack: a stack of each trigger is made, an object becomes events of a log group, and the stack goes again."""

from __future__ import annotations

import gzip
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from templating import asked

from cloud import REGION, client_of
from deploy.circling import until
from making import alb
from tailrace.deploy.template import as_json, template
from tailrace.deploy.wanted import Wanted
from tailrace.state.dynamodb import definition

ACCOUNT = "123456789012"
HERE = {"partition": "aws", "region": REGION, "account": ACCOUNT}
KEY = (
    "123456789012/elasticloadbalancing/eu-west-1/2026/11/20/123456789012_elasticloadbalancing_eu-west-1_app.{}"
    ".50dc6c495c0c9188_20261120T0615Z_198.51.100.10_ttse2du9.log.gz"
)


@pytest.fixture
def client(shared_server: str) -> Iterator[Callable[[str], Any]]:
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        return made.setdefault(service, client_of(service, shared_server))

    yield client
    for each in made.values():
        each.close()


def bucket(client: Callable[[str], Any], name: str) -> None:
    client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})


def deployed(client: Callable[[str], Any], package: Path, wanted: Wanted) -> dict[str, str]:
    """Make the stack, of a template that knows no place; its outputs."""
    code = asked(*wanted.own.tags, environment=wanted.environment, **HERE).artifacts
    bucket(client, code)
    client("s3").put_object(Bucket=code, Key="packages/x.zip", Body=package.read_bytes())
    stacks, name = client("cloudformation"), wanted.names.stack
    stacks.create_stack(
        StackName=name,
        TemplateBody=as_json(template(wanted)),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[
            {"ParameterKey": "CodeBucket", "ParameterValue": code},
            {"ParameterKey": "CodeKey", "ParameterValue": "packages/x.zip"},
        ],
    )
    stack = until(lambda: settled(stacks, name))
    failed = [
        (each["LogicalResourceId"], each["ResourceStatusReason"])
        for each in stacks.describe_stack_events(StackName=name)["StackEvents"]
        if each["ResourceStatus"].endswith("FAILED")
    ]
    assert (stack["StackStatus"], failed) == ("CREATE_COMPLETE", [])
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


def settled(stacks: Any, name: str) -> Any:
    (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
    return None if stack["StackStatus"].endswith("IN_PROGRESS") else stack


def environment() -> str:
    return f"t{uuid4().hex[:8]}"


@pytest.mark.parametrize("trigger", ["sqs", "s3", "eventbridge"])
def test_an_object_in_the_bucket_becomes_events(client: Callable[[str], Any], package: Path, trigger: str) -> None:
    name = environment()
    runtime = f"deploy.runtime=python3.{sys.version_info.minor}"
    wanted = asked(f"deploy.trigger={trigger}", runtime, "deploy.prefix=front", environment=name)
    outputs = deployed(client, package, wanted)
    assert outputs == {
        "FunctionName": f"tailrace-{name}-processor",
        "AliasArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:tailrace-{name}-processor:live",
        "QueueUrl": outputs["QueueUrl"],
        "DeadLetterQueueUrl": f"{outputs['QueueUrl']}-dead",
        "LogsBucket": f"tailrace-{name}-logs-{ACCOUNT}-{REGION}",
        "ReceiptsTable": f"tailrace-{name}-receipts",
        "LogGroup": f"/aws/lambda/tailrace-{name}-processor",
    }
    content = [alb(time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86400)), number) for number in range(100)]
    logs, key = client("logs"), f"front/AWSLogs/{KEY.format(name)}"
    client("s3").put_object(Bucket=outputs["LogsBucket"], Key="elsewhere", Body=b"no log")
    client("s3").put_object(Bucket=outputs["LogsBucket"], Key=key, Body=gzip.compress(b"".join(content)))

    def events(group: str) -> list[str]:
        if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            return []
        return [each["message"] for each in logs.filter_log_events(logGroupName=group)["events"]]

    found = until(lambda: events(f"/tailrace/{name}"), lambda: events(outputs["LogGroup"]))
    assert sorted(found) == sorted(line.decode().rstrip("\n") for line in content)

    def receipts() -> str:
        return str(client("dynamodb").scan(TableName=outputs["ReceiptsTable"])["Items"])

    until(lambda: key in receipts(), receipts)
    assert "elsewhere" not in receipts()
    gone(client, wanted, outputs)


def gone(client: Callable[[str], Any], wanted: Wanted, outputs: dict[str, str]) -> None:
    """Remove the stack: logs stay in their bucket, and nothing else."""
    stacks, name = client("cloudformation"), wanted.names.stack
    stacks.delete_stack(StackName=name)
    until(lambda: not any(each["StackName"] == name for each in living(stacks)))
    left = [each["Name"] for each in client("s3").list_buckets()["Buckets"] if wanted.environment in each["Name"]]
    assert outputs["LogsBucket"] in left
    assert outputs["ReceiptsTable"] not in client("dynamodb").list_tables()["TableNames"]
    assert not client("sqs").list_queues(QueueNamePrefix=name).get("QueueUrls")
    assert not client("logs").describe_log_groups(logGroupNamePrefix=outputs["LogGroup"])["logGroups"]


def living(stacks: Any) -> list[Any]:
    found: list[Any] = stacks.list_stacks()["StackSummaries"]
    return [each for each in found if each["StackStatus"] != "DELETE_COMPLETE"]


def test_what_is_made_is_as_it_was_told(client: Callable[[str], Any], package: Path) -> None:
    name = environment()
    outputs = deployed(
        client, package, asked("deploy.reserved_concurrency=3", "deploy.tags=team=logs", environment=name)
    )
    s3, sqs, functions = client("s3"), client("sqs"), client("lambda")
    encryption = s3.get_bucket_encryption(Bucket=outputs["LogsBucket"])["ServerSideEncryptionConfiguration"]
    assert encryption["Rules"][0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert all(s3.get_public_access_block(Bucket=outputs["LogsBucket"])["PublicAccessBlockConfiguration"].values())
    told = sqs.get_queue_attributes(QueueUrl=outputs["QueueUrl"], AttributeNames=["All"])["Attributes"]
    assert int(told["VisibilityTimeout"]) == 1800
    assert f"tailrace-{name}-events-dead" in told["RedrivePolicy"]
    (mapping,) = functions.list_event_source_mappings(FunctionName=outputs["AliasArn"])["EventSourceMappings"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    tags = functions.list_tags(Resource=outputs["AliasArn"].removesuffix(":live"))["Tags"]
    assert (tags["team"], tags["tailrace:environment"]) == ("logs", name)
    alarms = client("cloudwatch").describe_alarms(AlarmNamePrefix=f"tailrace-{name}-")["MetricAlarms"]
    assert len(alarms) == 6
    table = client("dynamodb").describe_table(TableName=outputs["ReceiptsTable"])["Table"]
    assert table["KeySchema"] == definition("any")["KeySchema"]


def test_a_bucket_that_is_there_is_left_alone(client: Callable[[str], Any], package: Path) -> None:
    name = environment()
    theirs = f"theirs-{name}"
    bucket(client, theirs)
    outputs = deployed(client, package, asked(f"deploy.bucket={theirs}", "deploy.trigger=s3", environment=name))
    assert outputs["LogsBucket"] == theirs
    told = client("s3").get_bucket_notification_configuration(Bucket=theirs)
    assert told.keys() == {"ResponseMetadata"}


def test_a_vpc(client: Callable[[str], Any], package: Path) -> None:
    """MiniStack makes endpoints without names of their own, so variables name the services; nothing goes through the network."""
    network, name = client("ec2"), environment()
    vpc = network.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [network.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{each}.0/24")["Subnet"]["SubnetId"] for each in (1, 2)]
    table = network.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    outputs = deployed(
        client, package,
        asked(f"deploy.vpc.id={vpc}", f"deploy.vpc.subnets={' '.join(subnets)}", f"deploy.vpc.route_tables={table}", environment=name),
    )  # fmt: skip
    told = client("lambda").get_function_configuration(FunctionName=outputs["FunctionName"])
    assert told["Environment"]["Variables"]["AWS_ENDPOINT_URL_SQS"] == f"https://sqs.{REGION}.amazonaws.com"
    found = network.describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["VpcEndpoints"]
    assert {each["ServiceName"].rpartition(".")[2] for each in found} == {"s3", "dynamodb", "sqs", "logs"}
    groups = network.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
    made = {each["GroupName"]: each for each in groups if each["GroupName"].startswith("tailrace-")}
    assert made.keys() == {f"tailrace-{name}-{each}" for each in ("processor", "endpoints", "endpoints-entrance")}
    egress = made[f"tailrace-{name}-processor"]["IpPermissionsEgress"]
    assert {(each.get("FromPort"), each.get("ToPort")) for each in egress} == {(443, 443)}
