"""What the template holds, for any settings: nothing that waits for itself, nothing wider than it is argued, always the same bytes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto.iam.policy_validation import IAMPolicyDocumentValidator
from templating import ENDPOINTS, LOGSTASH, SEARCH, VPC, Place, asked, made, pairwise

from tailrace.deploy.template import as_json, as_yaml, template

ALL = pairwise()
NAMES = {
    "AWS::S3::Bucket": "BucketName", "AWS::SQS::Queue": "QueueName", "AWS::DynamoDB::Table": "TableName",
    "AWS::IAM::Role": "RoleName", "AWS::Lambda::Function": "FunctionName", "AWS::Events::Rule": "Name",
    "AWS::CloudWatch::Alarm": "AlarmName", "AWS::EC2::SecurityGroup": "GroupName", "AWS::Logs::LogGroup": "LogGroupName",
}  # fmt: skip
NAMELESS = {
    "AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::Lambda::Alias", "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission", "AWS::Lambda::EventInvokeConfig", "AWS::EC2::VPCEndpoint",
}  # fmt: skip
REGIONS = {"eu-west-1": "aws", "cn-north-1": "aws-cn", "us-gov-east-1": "aws-us-gov", "il-central-1": "aws"}


def of_type(template: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {name: each["Properties"] for name, each in template["Resources"].items() if each["Type"] == f"AWS::{kind}"}


def the(template: Mapping[str, Any], kind: str) -> Any:
    (found,) = of_type(template, kind).values()
    return found


def mentioned(value: Any) -> Iterator[str]:
    """Logical ids and pseudo-parameters that functions in a value name."""
    if isinstance(value, list):
        for each in value:
            yield from mentioned(each)
    if not isinstance(value, Mapping):
        return
    for key, each in value.items():
        own: set[str] = set()
        match key, each:
            case "Ref", str():
                yield each
            case "Fn::GetAtt", [name, _]:
                yield name
            case "Fn::Sub", str() | [str(), _]:
                text, own = (each, set()) if isinstance(each, str) else (each[0], set(each[1]))
                yield from {name.partition(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", text)} - own
        yield from mentioned(each)


def policies(template: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, each in template["Resources"].items():
        told = each["Properties"]
        for policy in (told.get("PolicyDocument"), told.get("AssumeRolePolicyDocument")):
            if policy:
                yield name, policy
        for own in told.get("Policies", ()):
            yield name, own["PolicyDocument"]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("assignments", ALL, ids=lambda each: str(ALL.index(each)))
class TestAny:
    def test_nothing_waits_for_itself(self, assignments: tuple[str, ...]) -> None:
        template = made(*assignments)
        known = {*template["Resources"], *template["Parameters"]}
        graph = {}
        for name, each in template["Resources"].items():
            found = {*mentioned(each["Properties"]), *each.get("DependsOn", ())}
            assert all(other in known or other.startswith("AWS::") for other in found), (name, found - known)
            graph[name] = found & template["Resources"].keys()
        list(TopologicalSorter(graph).static_order())
        used = {
            *mentioned(template["Resources"]),
            *mentioned(template["Outputs"]),
            *mentioned(template.get("Conditions")),
        }
        assert template["Parameters"].keys() <= used
        assert set(re.findall(r'"Fn::If":\["(\w+)"', as_json(template))) == (template.get("Conditions", {}).keys())

    def test_names(self, assignments: tuple[str, ...]) -> None:
        template = made(*assignments)
        for region, partition in REGIONS.items():
            place = Place(template, region, partition)
            for each in template["Resources"].values():
                if each["Type"] in NAMELESS:
                    continue
                name = place.value(each["Properties"][NAMES[each["Type"]]])
                assert name.removeprefix("/aws/lambda/").startswith("tailrace-prod-")
                assert len(name) <= 64

    def test_tags(self, assignments: tuple[str, ...]) -> None:
        for each in made(*assignments)["Resources"].values():
            if each["Type"] in {*NAMES, "AWS::EC2::VPCEndpoint", "AWS::Lambda::EventSourceMapping"}:
                told = {tag["Key"]: tag["Value"] for tag in each["Properties"]["Tags"]}
                assert told["tailrace:environment"] == "prod"
                assert told.get("team") == ("logs" if "deploy.tags=team=logs cost-centre=7" in assignments else None)

    def test_policies(self, assignments: tuple[str, ...]) -> None:
        template = made(*assignments)
        for region, partition in REGIONS.items():
            place = Place(template, region, partition)
            for name, policy in policies(template):
                told = place.value(policy)
                assert told["Version"] == "2012-10-17"
                sids = [each["Sid"] for each in told["Statement"]]
                assert len(set(sids)) == len(sids)
                assert all(re.fullmatch(r"[A-Za-z0-9]+", sid) for sid in sids), sids
                text = json.dumps(told)
                assert "${" not in text
                assert set(re.findall(r"arn:([a-z-]*):", text)) <= {partition}, name
        role = place.value(the(template, "IAM::Role"))
        IAMPolicyDocumentValidator(json.dumps(role["Policies"][0]["PolicyDocument"])).validate()
        assert len(json.dumps(role["Policies"][0]["PolicyDocument"], separators=(",", ":"))) <= 10_240

    def test_what_is_wide_is_argued(self, assignments: tuple[str, ...]) -> None:
        """Every resource or action for all is one of these."""
        for name, policy in policies(made(*assignments)):
            for each in policy["Statement"]:
                if "Fn::If" in each:
                    each = each["Fn::If"][1]  # noqa: PLW2901
                wide = [action for action in listed(each["Action"]) if "*" in action]
                if wide:
                    assert each["Sid"] in {"OnlyByTls", "OthersAsBefore"}, (name, each)
                if "*" not in listed(each.get("Resource", "")):
                    continue
                if (
                    each["Sid"] == "OthersAsBefore"
                ):  # whoever is not the function keeps what it had without the endpoint
                    assert each["Condition"].keys() == {"ArnNotEquals"}
                    continue
                # Interfaces have no names before they are made, and traces never have.
                assert all(re.match("(ec2|xray):", action) for action in each["Action"]), (name, each)

    def test_it_fits(self, assignments: tuple[str, ...]) -> None:
        template = made(*assignments)
        assert len(as_json(template).encode()) < 51_200
        for region, partition in REGIONS.items():
            told = Place(template, region, partition).value(the(template, "Lambda::Function"))["Environment"][
                "Variables"
            ]
            assert all(isinstance(value, str) and value for value in told.values())
            assert sum(len(name) + len(value) for name, value in told.items()) <= 4096

    def test_yaml_and_json_say_the_same(self, assignments: tuple[str, ...]) -> None:
        template = made(*assignments)
        assert yaml.safe_load(as_yaml(template)) == json.loads(as_json(template)) == template
        assert "&id" not in as_yaml(template)


@pytest.mark.parametrize("assignments", ALL[:6], ids=lambda each: str(ALL.index(each)))
@pytest.mark.parametrize("region", ["eu-west-1", "cn-north-1", "xx-new-1"])
def test_one_that_knows_its_place_says_the_same(assignments: tuple[str, ...], region: str) -> None:
    """`tailrace deploy` knows it; also in a region that is younger than this program."""
    place = {"partition": REGIONS.get(region, "aws"), "region": region, "account": "123456789012"}
    known = template(asked(*assignments, **place))
    there = Place(known, region, place["partition"]).value(known["Resources"])
    if region == "xx-new-1":
        assert "LoadBalancersOfOlderRegionsWrite" not in json.dumps(there)
        return
    unknown = made(*assignments)
    assert Place(unknown, region, place["partition"]).value(unknown["Resources"]) == there


def test_the_same_bytes_in_every_process() -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]; from templating import *; from tailrace.deploy.template import *;"
        " [print(as_json(made(*each)), as_yaml(made(*each))) for each in pairwise()[:4]]"
    )
    paths = [str(Path(__file__).parent), *filter(None, os.environ.get("PYTHONPATH", "").split(":"))]
    found = {
        subprocess.run(
            [sys.executable, "-c", code, *paths],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_the_bucket() -> None:
    told = the(made("deploy.log_expiration_days=30"), "S3::Bucket")
    assert made("deploy.log_expiration_days=30")["Parameters"]["LogExpirationDays"]["Default"] == 30
    assert made()["Parameters"]["LogExpirationDays"]["Default"] == 7
    expiry, unfinished = told["LifecycleConfiguration"]["Rules"]
    assert expiry["ExpirationInDays"] == {"Ref": "LogExpirationDays"}
    assert unfinished["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    (encryption,) = told["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert set(told["PublicAccessBlockConfiguration"].values()) == {True}
    assert told["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def statements(template: Mapping[str, Any], kind: str, region: str, partition: str = "aws") -> dict[str, Any]:
    policy = Place(template, region, partition).value(the(template, kind)["PolicyDocument"])
    return {each["Sid"]: each for each in policy["Statement"]}


@pytest.mark.parametrize(
    ("region", "partition", "account"),
    [
        ("eu-west-1", "aws", "156460612806"),
        ("us-east-1", "aws", "127311923021"),
        ("cn-north-1", "aws-cn", "638102146993"),
        ("us-gov-west-1", "aws-us-gov", "048591011584"),
        ("eu-south-2", "aws", None),
        ("il-central-1", "aws", None),
    ],
)
def test_load_balancers_may_write(region: str, partition: str, account: str | None) -> None:
    template = made("deploy.accounts=111111111111 222222222222", "deploy.prefix=front")
    told = statements(template, "S3::BucketPolicy", region, partition)
    bucket = f"arn:{partition}:s3:::tailrace-prod-logs-123456789012-{region}"
    below = [f"{bucket}/front/AWSLogs/{each * 12}/*" for each in "12"]
    assert told["LoadBalancersWrite"] == {
        "Sid": "LoadBalancersWrite",
        "Effect": "Allow",
        "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": below,
    }
    older = told.get("LoadBalancersOfOlderRegionsWrite")
    assert (older and older["Principal"]) == (account and {"AWS": f"arn:{partition}:iam::{account}:root"})
    assert older is None or older["Resource"] == below
    accounts = ["111111111111", "222222222222"]
    where = {
        "StringEquals": {"aws:SourceAccount": accounts},
        "ArnLike": {"aws:SourceArn": [f"arn:{partition}:logs:{region}:{each}:*" for each in accounts]},
    }
    look, write = told["NetworkLoadBalancersLook"], told["NetworkLoadBalancersWrite"]
    assert (look["Action"], look["Resource"], look["Condition"]) == ("s3:GetBucketAcl", bucket, where)
    where["StringEquals"]["s3:x-amz-acl"] = "bucket-owner-full-control"  # type: ignore[assignment]
    assert (write["Action"], write["Resource"], write["Condition"]) == ("s3:PutObject", below, where)
    assert look["Principal"] == write["Principal"] == {"Service": "delivery.logs.amazonaws.com"}
    tls = told["OnlyByTls"]
    assert (tls["Effect"], tls["Principal"], tls["Resource"]) == ("Deny", "*", [bucket, f"{bucket}/*"])
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_queue() -> None:
    template = made("deploy.timeout=900")
    place = Place(template, "eu-west-1")
    events, dead = (template["Resources"][name]["Properties"] for name in ("EventQueue", "DeadLetterQueue"))
    assert events["VisibilityTimeout"] == 6 * 900
    assert events["RedrivePolicy"]["maxReceiveCount"] >= 5
    assert place.value(dead["RedriveAllowPolicy"]["sourceQueueArns"]) == [
        "arn:aws:sqs:eu-west-1:123456789012:tailrace-prod-events"
    ]
    assert dead["MessageRetentionPeriod"] > events["MessageRetentionPeriod"]
    assert events["SqsManagedSseEnabled"] is dead["SqsManagedSseEnabled"] is True


@pytest.mark.parametrize("bucket", ["", "their-logs"])
def test_the_queue_tells_of_objects(bucket: str) -> None:
    template = made(f"deploy.bucket={bucket}")
    policy = Place(template, "eu-west-1").value(
        template["Resources"]["EventQueuePolicy"]["Properties"]["PolicyDocument"]
    )
    (sends,) = (each for each in policy["Statement"] if each["Effect"] == "Allow")
    name = bucket or "tailrace-prod-logs-123456789012-eu-west-1"
    assert sends["Principal"] == {"Service": "s3.amazonaws.com"}
    assert sends["Condition"] == {
        "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{name}"},
        "StringEquals": {"aws:SourceAccount": "123456789012"},
    }
    assert bool(of_type(template, "S3::Bucket")) is not bool(bucket)
    assert ("Notification" in template["Metadata"]["Tailrace"]) is bool(bucket)
    if not bucket:
        made_ = template["Resources"]["LogsBucket"]
        assert made_["DependsOn"] == ["EventQueuePolicy"]
        (told,) = made_["Properties"]["NotificationConfiguration"]["QueueConfigurations"]
        assert told["Event"] == "s3:ObjectCreated:*"
        assert told["Filter"]["S3Key"]["Rules"] == [{"Name": "prefix", "Value": "AWSLogs/"}]


@pytest.mark.parametrize("bucket", ["", "their-logs"])
def test_s3_calls_the_alias(bucket: str) -> None:
    template = made("deploy.trigger=s3", f"deploy.bucket={bucket}")
    name = bucket or "tailrace-prod-logs-123456789012-eu-west-1"
    assert Place(template, "eu-west-1").value(the(template, "Lambda::Permission")) == {
        "FunctionName": "Live",
        "Action": "lambda:InvokeFunction",
        "Principal": "s3.amazonaws.com",
        "SourceArn": f"arn:aws:s3:::{name}",
        "SourceAccount": "123456789012",
    }
    failed = the(template, "Lambda::EventInvokeConfig")
    assert (failed["Qualifier"], failed["MaximumRetryAttempts"]) == ("live", 2)
    assert failed["DestinationConfig"] == {"OnFailure": {"Destination": {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}}}
    if not bucket:
        assert template["Resources"]["LogsBucket"]["DependsOn"] == ["BucketPermission"]
        (told,) = the(template, "S3::Bucket")["NotificationConfiguration"]["LambdaConfigurations"]
        assert told["Function"] == {"Ref": "Live"}
    role = json.dumps(Place(template, "eu-west-1").value(the(template, "IAM::Role")["Policies"]))
    assert "arn:aws:sqs:eu-west-1:123456789012:tailrace-prod-events-dead" in role


def test_eventbridge_tells_the_queue() -> None:
    template = made("deploy.trigger=eventbridge", "deploy.prefix=front")
    place = Place(template, "eu-west-1")
    rule = place.value(the(template, "Events::Rule"))
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": ["tailrace-prod-logs-123456789012-eu-west-1"]},
            "object": {"key": [{"prefix": "front/AWSLogs/"}]},
        },
    }
    (target,) = rule["Targets"]
    assert (target["Arn"], target["DeadLetterConfig"]["Arn"]) == ("EventQueue.Arn", "DeadLetterQueue.Arn")
    for queue in ("EventQueuePolicy", "DeadLetterQueuePolicy"):
        policy = place.value(template["Resources"][queue]["Properties"]["PolicyDocument"])
        (sends,) = (each for each in policy["Statement"] if each["Effect"] == "Allow")
        assert sends["Condition"] == {
            "ArnEquals": {"aws:SourceArn": "arn:aws:events:eu-west-1:123456789012:rule/tailrace-prod-objects"}
        }
    assert the(template, "S3::Bucket")["NotificationConfiguration"] == {
        "EventBridgeConfiguration": {"EventBridgeEnabled": True}
    }


def test_the_function() -> None:
    plain = made()
    told = the(plain, "Lambda::Function")
    assert (told["Architectures"], told["TracingConfig"]) == (["arm64"], {"Mode": "PassThrough"})
    assert not {"ReservedConcurrentExecutions", "VpcConfig", "DeadLetterConfig"} & told.keys()
    assert told["RecursiveLoop"] == "Allow"
    assert plain["Resources"]["Processor"]["DependsOn"] == ["ProcessorLog"]
    assert the(plain, "Lambda::Alias") == {
        "Name": "live",
        "FunctionName": {"Ref": "Processor"},
        "FunctionVersion": "$LATEST",
    }
    source = the(plain, "Lambda::EventSourceMapping")
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert (source["FunctionName"], "ScalingConfig" in source) == ({"Ref": "Live"}, False)


def test_what_is_set_of_the_function() -> None:
    template = made(
        "deploy.architecture=x86_64", "deploy.runtime=python3.13", "deploy.memory=512", "deploy.tracing=true",
        "deploy.reserved_concurrency=2000", "deploy.function_log_days=90",
        "deploy.permissions_boundary=arn:aws:iam::1:policy/b",
    )  # fmt: skip
    told = Place(template, "eu-west-1").value(the(template, "Lambda::Function"))
    assert (told["Architectures"], told["Runtime"], told["MemorySize"]) == (["x86_64"], "python3.13", 512)
    assert (told["TracingConfig"], told["ReservedConcurrentExecutions"]) == ({"Mode": "Active"}, 2000)
    assert the(template, "Lambda::EventSourceMapping")["ScalingConfig"] == {"MaximumConcurrency": 1000}
    assert Place(template, "eu-west-1").value(the(template, "Logs::LogGroup"))["RetentionInDays"] == 90
    role = the(template, "IAM::Role")
    assert role["PermissionsBoundary"] == "arn:aws:iam::1:policy/b"
    (trust,) = Place(template, "eu-west-1").value(role["AssumeRolePolicyDocument"])["Statement"]
    assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_the_table() -> None:
    told = the(made(), "DynamoDB::Table")
    assert (told["TableName"], told["BillingMode"]) == ("tailrace-prod-receipts", "PAY_PER_REQUEST")
    assert told["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert told["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    other = made("state=dynamodb:theirs")
    assert not of_type(other, "DynamoDB::Table")
    assert other["Outputs"]["ReceiptsTable"]["Value"] == "theirs"


def test_alarms() -> None:
    topic = "arn:aws:sns:eu-west-1:123456789012:alarms"
    template = made(f"deploy.alarm_topic={topic}", "deploy.lag_alarm=1h")
    found = {each["AlarmName"]: each for each in of_type(template, "CloudWatch::Alarm").values()}
    assert found.keys() == {
        f"tailrace-prod-{each}" for each in ("dead-letters", "errors", "throttles", "lag", "completeness", "rejects")
    }
    assert all(each["AlarmActions"] == [topic] for each in found.values())
    assert Place(template, "eu-west-1").value(found["tailrace-prod-lag"])["Threshold"] == 3600
    assert found["tailrace-prod-completeness"]["Namespace"] == "Tailrace"
    silent = of_type(made("awslambda.metrics_namespace="), "CloudWatch::Alarm")
    assert len(silent) == 4
    assert not any("AlarmActions" in each for each in silent.values())


def test_alarms_are_of_metrics_that_the_function_writes() -> None:
    from tailrace.hosts._lambda_report import Report  # noqa: PLC0415

    (line,) = map(json.loads, Report().metrics("Tailrace", "f", 0.0))
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    written = {each["Name"] for each in directive["Metrics"]}
    ours = [each for each in of_type(made(), "CloudWatch::Alarm").values() if each["Namespace"] == "Tailrace"]
    assert {each["MetricName"] for each in ours} <= written
    assert [[dimension["Name"] for dimension in each["Dimensions"]] for each in ours] == directive["Dimensions"] * 2


def rules(template: Mapping[str, Any], group: str, **parameters: str) -> list[tuple[int, str]]:
    told = Place(template, "eu-west-1", **parameters).value(template["Resources"][group]["Properties"])
    to = ("CidrIp", "DestinationPrefixListId", "DestinationSecurityGroupId")
    assert all(each["FromPort"] == each["ToPort"] for each in told["SecurityGroupEgress"])
    return [(each["FromPort"], next(each[key] for key in to if key in each)) for each in told["SecurityGroupEgress"]]


def test_the_function_may_connect_to_little() -> None:
    assert not of_type(made(), "EC2::SecurityGroup")
    template = made(*ENDPOINTS, *SEARCH)
    lists = {"S3PrefixList": "pl-1", "DynamoDBPrefixList": "pl-2"}
    group = "ProcessorSecurityGroup"
    sinks = [(9200, "10.1.0.0/16"), (9200, "10.2.0.0/16")]
    assert rules(template, group, **lists) == [
        (443, "EndpointSecurityGroup.GroupId"), (443, "pl-1"), (443, "pl-2"), *sinks,
    ]  # fmt: skip
    assert (443, "0.0.0.0/0") in rules(template, group)
    assert rules(made(*VPC, "deploy.vpc.endpoints=false", *LOGSTASH), group) == [
        (443, "0.0.0.0/0"), (5044, "10.3.0.0/24"),
    ]  # fmt: skip
    assert (
        rules(template, "EndpointSecurityGroup")
        == rules(template, "EndpointEntranceSecurityGroup")
        == [(1, "127.0.0.1/32")]
    )
    (entrance,) = template["Resources"]["EndpointEntranceSecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert entrance["SourceSecurityGroupId"] == {"Fn::GetAtt": [group, "GroupId"]}


def test_endpoints_are_those_that_are_needed() -> None:
    def services(*assignments: str, region: str = "eu-west-1", partition: str = "aws") -> set[str]:
        template = made(*ENDPOINTS, *assignments)
        place = Place(template, region, partition)
        return {place.value(each["ServiceName"]) for each in of_type(template, "EC2::VPCEndpoint").values()}

    usual = {f"com.amazonaws.eu-west-1.{each}" for each in ("s3", "dynamodb", "sqs")}
    assert services("to=s3://b/p") == usual
    assert services() == usual | {"com.amazonaws.eu-west-1.logs"}
    assert services(*SEARCH) == usual | {"com.amazonaws.eu-west-1.secretsmanager"}
    assert services(*LOGSTASH) == usual | {"com.amazonaws.eu-west-1.ssm"}
    assert services("to=s3://b/p", region="cn-north-1", partition="aws-cn") == {
        "com.amazonaws.cn-north-1.s3", "com.amazonaws.cn-north-1.dynamodb", "cn.com.amazonaws.cn-north-1.sqs",
    }  # fmt: skip
    assert not of_type(made(*VPC, "deploy.vpc.endpoints=false"), "EC2::VPCEndpoint")


def test_endpoints_leave_others_alone() -> None:
    template = made(*ENDPOINTS)
    place = Place(template, "eu-west-1")
    role = "arn:aws:iam::123456789012:role/tailrace-prod-processor-eu-west-1"
    assert place.value(the(template, "IAM::Role")["RoleName"]) == role.rpartition("/")[2]
    variables = place.value(the(template, "Lambda::Function"))["Environment"]["Variables"]
    for name, told in of_type(template, "EC2::VPCEndpoint").items():
        others = [
            each for each in place.value(told["PolicyDocument"])["Statement"]
            if each["Condition"].get("ArnEquals", {}).get("aws:PrincipalArn") != role
        ]  # fmt: skip
        if told["VpcEndpointType"] == "Gateway":
            assert told["RouteTableIds"] == ["rtb-12345678"]
            assert [each["Condition"] for each in others] == [{"ArnNotEquals": {"aws:PrincipalArn": role}}]
            continue
        assert (others, told["PrivateDnsEnabled"]) == ([], False)
        key = {"LogsEndpoint": "CLOUDWATCH_LOGS", "SqsEndpoint": "SQS"}[name]
        assert variables[f"AWS_ENDPOINT_URL_{key}"] == "https://first.example.com"


def test_clients_know_these_variables() -> None:
    """They are called as botocore calls them, or they would change nothing."""
    from botocore.session import Session  # noqa: PLC0415

    from tailrace.deploy.template.network import _INTERFACES  # noqa: PLC0415

    for service, name in _INTERFACES.items():
        told = Session().get_service_model(service).service_id
        assert name == str(told).replace(" ", "_").upper()


def test_every_region_is_in_the_map() -> None:
    from boto3.session import Session  # noqa: PLC0415

    there = made()["Mappings"]["RegionalLogAccounts"]
    known = {name for part in ("aws", "aws-cn", "aws-us-gov") for name in Session().get_available_regions("s3", part)}
    assert known <= there.keys()
    assert all(re.fullmatch(r"\d{12}|none", each["Account"]) for each in there.values())
    accounts = [each["Account"] for each in there.values() if each["Account"] != "none"]
    assert len(accounts) == len(set(accounts)) == 26


def test_no_reader_of_yaml_takes_an_account_for_a_number() -> None:
    text = as_yaml(made("deploy.accounts=012345670123"))
    assert not re.search(r"(?m)(: |- )0\d+$", text)
