"""The whole examination, of an account that answers from memory."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.exceptions import EndpointConnectionError

from deploy.doctor.answering import Recorded, refused
from deploy.doctor.healthy import (
    ACCOUNT,
    ARN,
    DEAD,
    FUNCTION,
    KEY,
    QUEUE,
    REGION,
    ROLE,
    VPC,
    account,
    attributes,
    deployment,
    examined,
    key_policy,
    nat,
    prefixed,
    simulation,
)
from tailrace.deploy.doctor.examining import CHECKS
from tailrace.deploy.doctor.finding import Finding
from tailrace.deploy.doctor.needs import doctor_needs
from tailrace.deploy.doctor.permissions import sized

ENCRYPTED = (
    "sinks.x.url=elasticsearch:https://127.0.0.1:1/l",
    "sinks.x.username=u",
    "sinks.x.password=ssm:token",
    "to=x",
)
STORED = (
    "sinks.x.url=elasticsearch:https://127.0.0.1:1/l",
    "sinks.x.username=u",
    "sinks.x.password=secretsmanager:pw",
    "to=x",
)
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "as it comes": (),
    "S3 calls": ("deploy.trigger=s3",),
    "EventBridge": ("deploy.trigger=eventbridge",),
    "an existing bucket": ("deploy.bucket=theirs", "deploy.prefix=a/b", f"deploy.accounts={ACCOUNT} 210987654321"),
    "a VPC": VPC,
    "a group of its own": ("to=cloudwatch:/logs",),
    "groups that are there": ("to=cloudwatch:/tailrace/{load_balancer}",),
}


@pytest.mark.parametrize("told", SETTINGS.values(), ids=SETTINGS)
def test_nothing_is_wrong_in_a_healthy_account(told: tuple[str, ...]) -> None:
    recorded = account(deployment(*told))
    found = examined(recorded, *told)
    assert [each for each in found if each.mark != "ok"] == []
    assert {each.subject for each in CHECKS} - {each.subject for each in found} <= {"log groups", "security groups"}


def without(document: Any, key: str) -> Any:
    return {name: value for name, value in document.items() if name != key}


def _attributes(queue: str, **told: str) -> Callable[[Recorded], None]:
    """Other attributes of one of the queues; empty to take one away."""

    def change(recorded: Recorded) -> None:
        before: Any = recorded.answers["sqs:GetQueueAttributes"]

        def answer(asked: Mapping[str, Any]) -> Any:
            found = before(asked)["Attributes"]
            if asked["QueueUrl"].endswith(queue):
                found = {key: value for key, value in {**found, **told}.items() if value}
            return {"Attributes": found}

        recorded.answers["sqs:GetQueueAttributes"] = answer

    return change


def _answer(call: str, told: Any) -> Callable[[Recorded], None]:
    def change(recorded: Recorded) -> None:
        recorded.answers[call] = told

    return change


def _more(call: str, **told: Any) -> Callable[[Recorded], None]:
    def change(recorded: Recorded) -> None:
        before: Any = recorded.answers[call]
        recorded.answers[call] = {**before, **told}

    return change


def _encrypted(algorithm: str, key: str = "") -> dict[str, Any]:
    default = {"SSEAlgorithm": algorithm} | ({"KMSMasterKeyID": key} if key else {})
    return {"ServerSideEncryptionConfiguration": {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}}


def _owned(by: str) -> dict[str, Any]:
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": by}]}}


def _tables(*routes: Mapping[str, Any]) -> dict[str, Any]:
    return {"RouteTables": [{"RouteTableId": "rtb-1", "Associations": [{"Main": True}], "Routes": list(routes)}]}


def _rule(kind: str, **told: Any) -> dict[str, Any]:
    return {
        "SecurityGroups": [{"GroupId": "sg-1", kind: [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, **told}]}]
    }


def _mapping(**told: Any) -> dict[str, Any]:
    mapping = {"UUID": "0f0e0d0c-0000-4000-8000-000000000001", "FunctionArn": f"{FUNCTION}:live", "State": "Enabled",
               "FunctionResponseTypes": ["ReportBatchItemFailures"], **told}  # fmt: skip
    return {"EventSourceMappings": [mapping]}


def _policy(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Policy": json.dumps({"Version": "2012-10-17", "Statement": list(statements)})}


def _any_sender(principal: str, action: str, resource: str, **condition: Any) -> dict[str, Any]:
    return {
        "Effect": "Allow", "Principal": {"Service": principal}, "Action": action, "Resource": resource, "Condition": condition,
    }  # fmt: skip


INTERNET = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"}
TRANSIT = {"DestinationCidrBlock": "0.0.0.0/0", "TransitGatewayId": "tgw-1", "State": "active"}
DELETED = refused("ResourceNotFoundException", 404)
NO_STACK = refused("ValidationError", 400, "Stack with id tailrace-prod does not exist")
NO_QUEUE = refused("AWS.SimpleQueueService.NonExistentQueue")
VISIBLE = {"StateValue": "ALARM", "AlarmName": "tailrace-prod-errors", "AlarmDescription": "It has failed."}
ENTRY = {"Events": ["s3:ObjectCreated:*"]}
BUCKET = f"tailrace-prod-logs-{ACCOUNT}-{REGION}"

# What is changed in a healthy account; the subject; what is said of it; the remedy's beginning; further settings.
WRONG: list[tuple[Callable[[Recorded], None], str, str, str, tuple[str, ...]]] = [
    (_answer("cloudformation:DescribeStacks", NO_STACK), "stack", "nothing is deployed", "tailrace deploy prod", ()),
    (_answer("cloudformation:DescribeStacks", {"Stacks": [{"StackName": "x", "CreationTime": 0, "StackStatus": "ROLLBACK_COMPLETE"}]}),
     "stack", "is in ROLLBACK_COMPLETE", "tailrace deploy prod", ()),
    (_answer("s3:GetBucketLocation", refused("NoSuchBucket", 404)), "bucket", "there is no bucket theirs", "aws s3 mb s3://theirs", ("deploy.bucket=theirs",)),
    (_answer("s3:GetBucketLocation", refused("NoSuchBucket", 404)), "bucket", f"there is no bucket {BUCKET}", "tailrace deploy prod", ()),
    (_answer("s3:GetBucketLocation", {}), "bucket", "is in us-east-1 and the deployment in eu-west-1", "tailrace deploy prod --region us-east-1", ()),
    (_answer("s3:GetBucketEncryption", _encrypted("aws:kms", KEY)), "bucket encryption", "application and classic|SSE-S3", "aws s3api put-bucket-encryption", ()),
    (_answer("s3:GetBucketEncryption", _encrypted("aws:kms")), "bucket encryption", "which network load balancers may not use", "aws s3api put-bucket-encryption", ()),
    (_answer("s3:GetBucketPolicy", refused("NoSuchBucketPolicy", 404)), "bucket policy", "does not allow that logdelivery", "aws s3api put-bucket-policy", ()),
    (_answer("s3:GetBucketPolicy", _policy({"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"})),
     "bucket policy", "denies", "aws s3api get-bucket-policy", ()),
    (_answer("elbv2:DescribeLoadBalancerAttributes", {"Attributes": attributes(BUCKET, "elsewhere")}), "load balancers",
     "writes its access logs to s3://[^ ]+/elsewhere", "tailrace deploy prod --load-balancer", ()),
    (_answer("logs:DescribeLogGroups", {"logGroups": []}), "log groups", "there is no log group /tailrace/web", "aws logs create-log-group", ("to=cloudwatch:/tailrace/{load_balancer}",)),
    (_answer("s3:GetBucketNotificationConfiguration", {}), "notifications", f"does not tell {QUEUE}", "aws s3api put-bucket-notification-configuration", ()),
    (_answer("s3:GetBucketNotificationConfiguration", {"QueueConfigurations": [{"QueueArn": QUEUE, **ENTRY, "Filter": prefixed("other/")}]}),
     "notifications", "does not tell .* of all", "aws s3api put-bucket-notification-configuration", ()),
    (_answer("s3:GetBucketNotificationConfiguration", {"QueueConfigurations": [{"Id": "tailrace-prod-objects", "QueueArn": DEAD, **ENTRY}]}),
     "notifications", f"leads to {DEAD}, not to {QUEUE}", "aws s3api put-bucket-notification-configuration", ()),
    (_answer("s3:GetBucketNotificationConfiguration", {"LambdaFunctionConfigurations": [{"Id": "x", "LambdaFunctionArn": FUNCTION, **ENTRY}]}),
     "notifications", f"tells {FUNCTION} of the same objects", "tailrace deploy prod --set deploy.trigger=eventbridge", ()),
    (_answer("s3:GetBucketNotificationConfiguration", {"LambdaFunctionConfigurations": [{"Id": "tailrace-prod-objects", "LambdaFunctionArn": FUNCTION, **ENTRY}]}),
     "notifications", "leads to .*processor, not to .*:live", "aws s3api put-bucket-notification-configuration", ("deploy.trigger=s3",)),
    (_answer("s3:GetBucketNotificationConfiguration", {}), "notifications", "does not tell EventBridge", "aws s3api put-bucket-notification-configuration", ("deploy.trigger=eventbridge",)),
    (_answer("events:DescribeRule", DELETED), "notifications", "there is no rule", "aws cloudformation detect-stack-drift", ("deploy.trigger=eventbridge",)),
    (_more("events:DescribeRule", State="DISABLED"), "notifications", "is switched off", "aws events enable-rule", ("deploy.trigger=eventbridge",)),
    (_more("events:DescribeRule", EventPattern="{}"), "notifications", "is for other buckets", "aws cloudformation detect-stack-drift", ("deploy.trigger=eventbridge",)),
    (_answer("events:ListTargetsByRule", {}), "notifications", "does not lead to", "aws events put-targets", ("deploy.trigger=eventbridge",)),
    (_answer("dynamodb:DescribeTable", DELETED), "receipts", "there is no table", "aws dynamodb create-table", ()),
    (_answer("dynamodb:DescribeTable", DELETED), "receipts", "there is no table mine", "aws dynamodb create-table", ("state=dynamodb:mine",)),
    (_answer("dynamodb:DescribeTable", {"Table": {"TableStatus": "ACTIVE", "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}}),
     "receipts", "has other keys", "aws dynamodb create-table", ()),
    (_answer("dynamodb:DescribeTable", {"Table": {"TableStatus": "DELETING", "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]}}),
     "receipts", "is DELETING", "aws dynamodb describe-table", ()),
    (_answer("sqs:GetQueueUrl", NO_QUEUE), "queue policy", "there is no queue", "aws cloudformation detect-stack-drift", ()),
    (_attributes("events", Policy=""), "queue policy", "s3.amazonaws.com in the name of .* may not send", "aws sqs set-queue-attributes", ()),
    (_attributes("events", Policy=""), "queue policy", "events.amazonaws.com in the name of .* may not send", "aws sqs set-queue-attributes", ("deploy.trigger=eventbridge",)),
    (_attributes("events", **_policy(_any_sender("s3.amazonaws.com", "sqs:SendMessage", QUEUE))), "queue policy", "in anybody's name", "aws sqs set-queue-attributes", ()),
    (_attributes("events", KmsMasterKeyId="alias/aws/sqs"), "queue policy", "with AWS's own key", "aws sqs set-queue-attributes", ()),
    (_attributes("events", VisibilityTimeout="30"), "timeouts", "hidden for 30 s", "aws sqs set-queue-attributes .*1800", ()),
    (_attributes("events", RedrivePolicy=""), "timeouts", "are lost then", "aws sqs set-queue-attributes", ()),
    (_attributes("events", RedrivePolicy=json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": 2})), "timeouts", "after 2 tries", "aws sqs set-queue-attributes", ()),
    (_attributes("events", RedrivePolicy=json.dumps({"deadLetterTargetArn": QUEUE, "maxReceiveCount": 9})), "timeouts", "where nobody looks", "aws sqs set-queue-attributes", ()),
    (_attributes("dead", MessageRetentionPeriod="3600"), "timeouts", "may be gone at once", "aws sqs set-queue-attributes .*1209600", ()),
    (_attributes("dead", ApproximateNumberOfMessages="7"), "dead-letter queue", "7 messages could not be delivered", "aws sqs start-message-move-task", ()),
    (_answer("lambda:GetFunctionConfiguration", DELETED), "function", "there is no function", "aws cloudformation detect-stack-drift", ()),
    (_answer("lambda:GetFunctionConfiguration", DELETED), "permissions", "the role of .* is not there", "aws cloudformation detect-stack-drift", ()),
    (_more("lambda:GetFunctionConfiguration", State="Failed", StateReason="no subnet"), "function", "cannot run: no subnet", "tailrace deploy prod", ()),
    (_answer("lambda:GetAlias", DELETED), "alias", "has no alias live", "aws lambda create-alias", ()),
    (_more("lambda:GetAlias", FunctionVersion="$LATEST"), "alias", r"names \$LATEST", "tailrace deploy prod", ()),
    (_more("lambda:GetAlias", RoutingConfig={"AdditionalVersionWeights": {"6": 0.5}}), "alias", r"6 \(50%\)", "aws lambda update-alias", ()),
    (_answer("lambda:ListEventSourceMappings", {"EventSourceMappings": []}), "calls", "does not call", "aws lambda create-event-source-mapping", ()),
    (_answer("lambda:ListEventSourceMappings", _mapping(FunctionArn=FUNCTION)), "calls", "calls .* too", "aws lambda delete-event-source-mapping", ()),
    (_answer("lambda:ListEventSourceMappings", _mapping(State="Disabled")), "calls", "is disabled", "aws lambda update-event-source-mapping .*--enabled", ()),
    (_answer("lambda:ListEventSourceMappings", _mapping(FunctionResponseTypes=[])), "calls", "come again", "aws lambda update-event-source-mapping", ()),
    (_answer("lambda:GetPolicy", DELETED), "calls", "S3 may not call live", "aws lambda add-permission", ("deploy.trigger=s3",)),
    (_answer("lambda:GetPolicy", _policy(_any_sender("s3.amazonaws.com", "lambda:InvokeFunction", f"{FUNCTION}:live", ArnLike={"AWS:SourceArn": f"arn:aws:s3:::{BUCKET}"}))),
     "calls", "--source-account is missing", "aws lambda add-permission", ("deploy.trigger=s3",)),
    (_answer("ec2:DescribeSubnets", {"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1"}]}), "routes", "there is no subnet subnet-2", "aws ec2 describe-subnets", VPC),
    (_answer("ec2:DescribeSubnets", {"Subnets": [{"SubnetId": each, "VpcId": "vpc-2"} for each in ("subnet-1", "subnet-2")]}), "routes", "is in vpc-2", "tailrace deploy prod --set deploy.vpc.id=vpc-2", VPC),
    (_answer("ec2:DescribeRouteTables", _tables(INTERNET)), "routes", "has no way to s3", "aws ec2 create-vpc-endpoint .*Gateway", VPC),
    (_answer("ec2:DescribeRouteTables", _tables()), "routes", "has no way to logs", "aws ec2 create-vpc-endpoint .*Interface", VPC),
    (_answer("ec2:DescribeRouteTables", _tables()), "routes", r"has no route to 10\.1\.0\.0/16", "aws ec2 create-route",
     (*VPC, "to=elasticsearch:http://127.0.0.1:1/logs", "deploy.vpc.sink_cidrs=10.1.0.0/16")),
    (_more("lambda:GetFunctionConfiguration", VpcConfig={}), "security groups", "is in no VPC, though", "tailrace deploy prod", VPC),
    (_answer("ec2:DescribeSecurityGroups", _rule("IpPermissionsEgress", FromPort=80, ToPort=80)), "security groups", "nothing out to port 443", "aws ec2 authorize-security-group-egress", VPC),
    (_answer("ec2:DescribeVpcEndpoints", {"VpcEndpoints": [{"VpcEndpointId": "vpce-1", "ServiceName": f"com.amazonaws.{REGION}.logs", "State": "available",
      "VpcEndpointType": "Interface", "PrivateDnsEnabled": True, "Groups": [{"GroupId": "sg-1"}]}]}), "security groups", "lets the function not in", "aws ec2 authorize-security-group-ingress", VPC),
    (_answer("kms:DescribeKey", refused("NotFoundException")), "keys", "there is no key", "aws kms describe-key", STORED),
    (_more("kms:DescribeKey", KeyMetadata={"KeyId": "k", "Arn": KEY, "KeyState": "PendingDeletion"}), "keys", "is PendingDeletion", "aws kms cancel-key-deletion", STORED),
    (_answer("kms:GetKeyPolicy", key_policy({"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*"})), "keys", "denies that", "aws kms get-key-policy", ENCRYPTED),
    (_answer("iam:SimulatePrincipalPolicy", simulation("kms:Decrypt")), "keys", "may not decrypt", f"aws kms create-grant .*{ROLE}", ENCRYPTED),
    (_answer("iam:SimulatePrincipalPolicy", simulation("s3:GetObject")), "permissions", r"may not do s3:GetObject on arn:aws:s3:::.*: no policy allows it", "tailrace policy function prod > policy.json && aws iam put-role-policy", ()),
    (_answer("iam:SimulatePrincipalPolicy", simulation("logs:PutLogEvents", decision="explicitDeny", MatchedStatements=[{"SourcePolicyId": "frozen"}])), "permissions", "frozen denies it", "aws iam get-account-authorization-details", ()),
    (_answer("iam:SimulatePrincipalPolicy", simulation("s3:PutObject", PermissionsBoundaryDecisionDetail={"AllowedByPermissionsBoundary": False})), "permissions", "permissions boundary", "aws iam", ()),
    (_answer("iam:SimulatePrincipalPolicy", simulation("sqs:SendMessage", OrganizationsDecisionDetail={"AllowedByOrganizations": False})), "permissions", "of the organization", "aws iam", ()),
    (_answer("iam:GetRole", refused("NoSuchEntity", 404)), "permissions", "the role of .* is not there", "aws cloudformation detect-stack-drift", ()),
    (_answer("logs:DescribeSubscriptionFilters", {"subscriptionFilters": [{"filterName": "f", "destinationArn": f"{FUNCTION}:live"}]}), "recursion", "by the subscription f", "aws logs delete-subscription-filter", ()),
    (lambda _: None, "recursion", "the function's own log", "tailrace deploy prod --to", ("to=cloudwatch:/aws/lambda/{load_balancer}",)),
    (lambda _: None, "recursion", "is below AWSLogs/", "tailrace deploy prod --to s3://", (f"to=s3://{BUCKET}/AWSLogs/out",)),
    (lambda _: None, "recursion", "is below AWSLogs/", "tailrace deploy prod --set dead_letters=s3://", (f"dead_letters=s3://{BUCKET}/AWSLogs/dead",)),
    (_answer("lambda:GetFunctionConcurrency", {"ReservedConcurrentExecutions": 0}), "concurrency", "nobody can call", "aws lambda delete-function-concurrency", ()),
    (lambda _: None, "concurrency", "is more than the 800", "aws service-quotas request-service-quota-increase", ("deploy.reserved_concurrency=801",)),
    (_answer("lambda:GetAccountSettings", {"AccountLimit": {"ConcurrentExecutions": 10, "UnreservedConcurrentExecutions": 0, "TotalCodeSize": 10}, "AccountUsage": {"TotalCodeSize": 1}}),
     "concurrency", "reserved by other functions", "aws service-quotas", ()),
    (_answer("lambda:GetAccountSettings", {"AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000, "TotalCodeSize": 10}, "AccountUsage": {"TotalCodeSize": 9}}),
     "function storage", "remove old versions", "aws lambda list-versions-by-function", ()),
    (_attributes("events", ApproximateNumberOfMessagesNotVisible="119000"), "messages under way", "gives no more", "aws logs tail", ()),
    (_answer("cloudwatch:DescribeAlarms", {"MetricAlarms": []}), "alarms", "there is no alarm tailrace-prod-dead-letters, ", "aws cloudformation detect-stack-drift", ()),
    (_answer("cloudwatch:DescribeAlarms", {"MetricAlarms": [VISIBLE]}), "alarms", "tailrace-prod-errors is raised: It has failed", "aws logs tail", ()),
    (_answer("s3:GetBucketOwnershipControls", _owned("BucketOwnerEnforced")), "bucket ownership", "out takes no ACLs", "tailrace deploy prod --set acl=bucket-owner-full-control", ("to=s3://out/x", "acl=public-read")),
    (_answer("s3:CreateMultipartUpload", refused("AccessDenied", 403)), "dead letters", "is denied", "tailrace deploy prod", ()),
    (_answer("s3:CreateMultipartUpload", refused("NoSuchBucket", 404)), "sink", "there is no bucket out", "tailrace deploy prod", ("to=s3://out/x",)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "subject", "text", "remedy", "told"), WRONG, ids=[f"{each[1]}: {each[2]}" for each in WRONG]
)
def test_what_is_wrong_is_told_with_its_remedy(
    change: Callable[[Recorded], None], subject: str, text: str, remedy: str, told: tuple[str, ...]
) -> None:
    recorded = account(deployment(*told))
    change(recorded)
    found = examined(recorded, *told)
    meant = [each for each in found if each.subject == subject and each.mark == "wrong" and re.search(text, each.found)]
    assert meant, [each for each in found if each.subject == subject]
    assert re.match(remedy, meant[0].remedy), meant[0].remedy
    for each in found:
        _check_command(each)


def test_every_check_has_something_wrong() -> None:
    assert {each.subject for each in CHECKS} - {each[1] for each in WRONG} == {"policy size"}


_HIGH_LEVEL = {("s3", "mb"), ("logs", "tail"), ("sso", "login")}


def _check_command(finding: Finding) -> None:
    """A line for AWS's own command names a call that there is, and options that this call takes."""
    line = finding.remedy.rpartition("&& ")[2]
    if not line.startswith("aws "):
        assert line == "" or line.startswith(("tailrace ", "pip ", "curl ", "sudo ", "export "))
        return
    _, service, operation, *words = shlex.split(line)
    if (service, operation) in _HIGH_LEVEL:
        return
    client = boto3.client({"s3api": "s3"}.get(service, service), region_name=REGION)
    calls = {xform_name(name, "-"): name for name in client.meta.service_model.operation_names}
    model = client.meta.service_model.operation_model(calls[operation])
    known = {f"--{xform_name(name, '-')}" for name in model.input_shape.members}
    special = {"--query", "--output", "--enabled", "--cli-input-json", "--protocol", "--port", "--source-group",
               "--private-dns-enabled"}  # fmt: skip
    assert {each for each in words if each.startswith("--")} <= known | special, line


def test_what_may_not_be_looked_at_ends_nothing() -> None:
    tried = {"sts:GetCallerIdentity"}
    for told in (*SETTINGS.values(), ENCRYPTED):
        whole = account(deployment(*told))
        examined(whole, *told)
        for call in sorted(whole.asked.keys() - tried):
            recorded = account(deployment(*told))
            recorded.denied.add(call)
            _check_denied(call, examined(recorded, *told))
        tried |= whole.asked.keys()
    assert len(tried) > 30


def _check_denied(call: str, found: list[Finding]) -> None:
    assert len(found) >= 20
    if call in ("s3:CreateMultipartUpload", "s3:AbortMultipartUpload"):
        assert [each.subject for each in found if each.mark == "wrong"] == ["dead letters"]
        return
    unseen = [each for each in found if each.mark == "unknown"]
    if call not in ("ssm:GetParameter", "secretsmanager:GetSecretValue"):
        assert any("these credentials may not" in each.found for each in unseen), call
    assert {each.remedy for each in unseen} <= {"tailrace policy doctor prod"}
    # There is no search server, and of a secret that may not be read its sink tells.
    assert [each for each in found if each.mark == "wrong" and each.subject != "sink"] == []


def test_a_service_that_does_not_answer_is_waited_for_once() -> None:
    recorded, waited = account(deployment()), []

    def nobody(asked: Mapping[str, Any]) -> Any:
        waited.append(asked)
        raise EndpointConnectionError(endpoint_url="https://lambda.example")

    for call in [each for each in recorded.answers if each.startswith("lambda:")]:
        recorded.answers[call] = nobody
    found = examined(recorded)
    calls = [each for each in recorded.asked if each.startswith("lambda:")]
    assert len(calls) == 1
    unseen = {each.subject for each in found if each.mark == "unknown"}
    assert {"function", "alias", "calls", "timeouts", "permissions", "concurrency", "function storage"} == unseen
    assert all("cannot be reached" in each.found for each in found if each.mark == "unknown")


def test_a_secret_may_be_named_by_its_arn() -> None:
    arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:pw-AbCdEf"
    told = (*STORED[:2], f"sinks.x.password=secretsmanager:{arn}", "to=x")
    for settings, name in ((told, arn), (STORED, "pw")):
        recorded = account(deployment(*settings))
        examined(recorded, *settings)
        assert [each["SecretId"] for each in recorded.asked["secretsmanager:DescribeSecret"]] == [name]


def test_a_look_asks_for_each_thing_once() -> None:
    recorded = account(deployment())
    examined(recorded)
    for call, asked in recorded.asked.items():
        distinct = {json.dumps(each, sort_keys=True, default=str) for each in asked}
        assert len(distinct) == len(asked), call


def test_nothing_is_changed() -> None:
    recorded = account(deployment(*VPC))
    examined(recorded, *VPC)
    reading = re.compile(r"[a-z0-9]+:(Get|List|Describe|Simulate)")
    changing = {call for call in recorded.asked if not reading.match(call)}
    # Whether a bucket can be written to is seen by an upload that is begun and given up.
    assert changing == {"s3:CreateMultipartUpload", "s3:AbortMultipartUpload"}


@pytest.mark.parametrize(
    ("status", "whole"),
    [("CREATE_COMPLETE", True), ("UPDATE_ROLLBACK_FAILED", True), ("UPDATE_IN_PROGRESS", True), ("ROLLBACK_COMPLETE", False),
     ("CREATE_IN_PROGRESS", False), ("DELETE_FAILED", False), ("REVIEW_IN_PROGRESS", False)],
)  # fmt: skip
def test_of_a_stack_that_is_not_whole_the_rest_is_not_missed(status: str, whole: bool) -> None:  # noqa: FBT001
    recorded = account(deployment())
    stack = {"StackName": "tailrace-prod", "CreationTime": 0, "StackStatus": status}
    recorded.answers["cloudformation:DescribeStacks"] = {"Stacks": [stack]}
    found = examined(recorded)
    assert ("alias" in {each.subject for each in found}) is whole
    assert {each.subject for each in found if each.mark != "ok"} == (
        {"stack"} if status != "CREATE_COMPLETE" else set()
    )


def test_a_policy_that_is_too_long_for_a_role_is_told() -> None:
    (fits,), (large,) = (list(sized(deployment(), size)) for size in (10_240, 10_241))
    assert (fits.mark, large.mark, large.remedy) == ("ok", "wrong", "tailrace policy function prod")


def test_before_the_first_deployment_only_what_is_there_is_looked_at() -> None:
    told = ("deploy.bucket=theirs",)
    recorded = account(deployment(*told))
    recorded.answers["cloudformation:DescribeStacks"] = NO_STACK
    found = examined(recorded, *told)
    assert [each.subject for each in found if each.mark == "wrong"] == ["stack"]
    assert {"bucket policy", "load balancers", "routes", "concurrency"} <= {each.subject for each in found}
    assert {"function", "alias", "receipts", "alarms", "dead-letter queue"}.isdisjoint(each.subject for each in found)


def test_settings_that_cannot_be_a_functions_are_told() -> None:
    recorded = account(deployment())
    recorded.answers["cloudformation:DescribeStacks"] = NO_STACK
    found = examined(recorded, "to=store")
    assert [each.found for each in found if each.subject == "settings"] == [
        "sink store cannot be one of a function: it is a folder on a disk, and a Lambda keeps none"
    ]


def test_load_balancers_that_log_nowhere_are_told_of_with_the_command() -> None:
    recorded = account(deployment())
    recorded.answers["elbv2:DescribeLoadBalancerAttributes"] = {"Attributes": attributes("", enabled="false")}
    (told,) = [each for each in examined(recorded) if each.subject == "load balancers" and "nowhere" in each.found]
    assert (told.mark, told.found) == ("ok", "tcp, web write access logs nowhere") or told.found.startswith("web, tcp")
    assert set(told.remedy.split("--load-balancer ")[1:]) <= {"web", "tcp", "web ", "tcp "}


def test_a_way_through_a_transit_gateway_is_not_known_from_here() -> None:
    recorded = account(deployment(*VPC))
    recorded.answers["ec2:DescribeRouteTables"] = _tables(TRANSIT)
    marks = {each.mark for each in examined(recorded, *VPC) if each.subject == "routes"}
    assert marks == {"unknown"}


def test_endpoints_are_a_way() -> None:
    recorded = account(deployment(*VPC))
    gateways = [{"ServiceName": f"com.amazonaws.{REGION}.{each}", "VpcEndpointType": "Gateway", "RouteTableIds": ["rtb-1"], "State": "available"}
                for each in ("s3", "dynamodb")]  # fmt: skip
    interfaces = [{"ServiceName": f"com.amazonaws.{REGION}.{each}", "VpcEndpointType": "Interface", "PrivateDnsEnabled": True, "State": "available"}
                  for each in ("logs", "sqs")]  # fmt: skip
    recorded.answers["ec2:DescribeRouteTables"] = _tables()
    recorded.answers["ec2:DescribeVpcEndpoints"] = {"VpcEndpoints": [*gateways, *interfaces]}
    assert {each.mark for each in examined(recorded, *VPC) if each.subject == "routes"} == {"ok"}
    for each in (*gateways, *interfaces):
        fewer = [other for other in (*gateways, *interfaces) if other is not each]
        recorded.answers["ec2:DescribeVpcEndpoints"] = {"VpcEndpoints": fewer}
        service = each["ServiceName"].rpartition(".")[2]
        told = [each.found for each in examined(recorded, *VPC) if each.subject == "routes" and each.mark == "wrong"]
        assert told
        assert all(f"has no way to {service}" in text for text in told)


def test_endpoints_without_private_names_are_a_way_by_variables_only() -> None:
    recorded = account(deployment(*VPC))
    gateways = [{"ServiceName": f"com.amazonaws.{REGION}.{each}", "VpcEndpointType": "Gateway", "RouteTableIds": ["rtb-1"], "State": "available"}
                for each in ("s3", "dynamodb")]  # fmt: skip
    interfaces = [{"ServiceName": f"com.amazonaws.{REGION}.{each}", "VpcEndpointType": "Interface", "PrivateDnsEnabled": False, "State": "available",
                   "DnsEntries": [{"DnsName": f"vpce-1.{each}.{REGION}.vpce.amazonaws.com"}]} for each in ("logs", "sqs")]  # fmt: skip
    recorded.answers["ec2:DescribeRouteTables"] = _tables()
    recorded.answers["ec2:DescribeVpcEndpoints"] = {"VpcEndpoints": [*gateways, *interfaces]}
    missing = {each.found.rpartition(" ")[2] for each in examined(recorded, *VPC) if each.subject == "routes"}
    assert missing == {"logs", "sqs"}
    urls = {f"AWS_ENDPOINT_URL_{name}": f"https://vpce-1.{each}.{REGION}.vpce.amazonaws.com"
            for name, each in (("CLOUDWATCH_LOGS", "logs"), ("SQS", "sqs"))}  # fmt: skip
    _more("lambda:GetFunctionConfiguration", Environment={"Variables": urls})(recorded)
    assert {each.mark for each in examined(recorded, *VPC) if each.subject == "routes"} == {"ok"}


def test_a_subnet_without_a_table_of_its_own_has_the_main_one() -> None:
    recorded = account(deployment(*VPC))
    main = {**nat("", "rtb-0"), "Associations": [{"Main": True}]}
    recorded.answers["ec2:DescribeRouteTables"] = {"RouteTables": [main]}
    assert {each.mark for each in examined(recorded, *VPC) if each.subject == "routes"} == {"ok"}


def test_the_remedy_of_a_bucket_policy_repairs_it() -> None:
    told = ("deploy.bucket=theirs",)
    theirs = {"Sid": "Theirs", "Effect": "Allow", "Principal": {"AWS": "210987654321"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::theirs/*"}  # fmt: skip
    recorded = account(deployment(*told))
    recorded.answers["s3:GetBucketPolicy"] = _policy(theirs)
    (first, *_) = [each for each in examined(recorded, *told) if each.subject == "bucket policy"]
    policy = shlex.split(first.remedy)[-1]
    assert theirs in json.loads(policy)["Statement"]
    recorded.answers["s3:GetBucketPolicy"] = {"Policy": policy}
    assert [each.mark for each in examined(recorded, *told) if each.subject == "bucket policy"] == ["ok"]


def test_the_remedy_of_a_queue_policy_repairs_it() -> None:
    recorded = account(deployment())
    _attributes("events", Policy="")(recorded)
    (first,) = [each for each in examined(recorded) if each.subject == "queue policy"]
    policy = json.loads(shlex.split(first.remedy)[-1])["Policy"]
    _attributes("events", Policy=policy)(recorded)
    assert [each.mark for each in examined(recorded) if each.subject == "queue policy"] == ["ok"]


@pytest.mark.parametrize(
    ("grants", "statements", "simulated", "mark"),
    [
        ([{"GranteePrincipal": ROLE, "Operations": ["Decrypt"]}], [{"Effect": "Allow", "Principal": {"AWS": "210987654321"}, "Action": "kms:*", "Resource": "*"}], simulation("kms:Decrypt"), "ok"),
        ([{"GranteePrincipal": ROLE, "Operations": ["Encrypt"]}], [{"Effect": "Allow", "Principal": {"AWS": "210987654321"}, "Action": "kms:*", "Resource": "*"}], simulation(), "wrong"),
        ([], [{"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:Decrypt", "Resource": "*"}], simulation("kms:Decrypt"), "ok"),
        ([], [{"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:Decrypt", "Resource": "*", "Condition": {"StringEquals": {"kms:EncryptionContext:a": "b"}}}], simulation("kms:Decrypt"), "unknown"),
        ([], [], simulation(), "ok"),
        ([], [], simulation("kms:Decrypt"), "wrong"),
    ],
    ids=["a grant", "a grant for something else", "by name", "by name if", "by the account", "by the account only"],
)  # fmt: skip
def test_who_may_decrypt(grants: Any, statements: Any, simulated: Any, mark: str) -> None:
    recorded = account(deployment(*ENCRYPTED))
    recorded.answers |= {
        "kms:ListGrants": {"Grants": grants}, "kms:GetKeyPolicy": key_policy(*statements), "iam:SimulatePrincipalPolicy": simulated,
    }  # fmt: skip
    assert [each.mark for each in examined(recorded, *ENCRYPTED) if each.subject == "keys"] == [mark]


def test_kinds_that_are_not_there_need_no_permission() -> None:
    recorded = account(deployment())
    recorded.answers["elbv2:DescribeLoadBalancers"] = {
        "LoadBalancers": [{"LoadBalancerArn": f"{ARN}/net/tcp/2", "LoadBalancerName": "tcp", "Type": "network"}]
    }
    recorded.answers["elb:DescribeLoadBalancers"] = {"LoadBalancerDescriptions": []}
    recorded.answers["s3:GetBucketEncryption"] = _encrypted("aws:kms", KEY)
    assert [each.mark for each in examined(recorded) if each.subject == "bucket encryption"] == ["ok"]


@pytest.mark.parametrize("told", [*SETTINGS.values(), ENCRYPTED, STORED], ids=[*SETTINGS, "a parameter", "a secret"])
def test_what_is_called_is_what_is_said_to_be_needed(told: tuple[str, ...]) -> None:
    wanted = deployment(*told)
    recorded = account(wanted)
    recorded.answers["s3:GetBucketEncryption"] = _encrypted("aws:kms", KEY)
    examined(recorded, *told)
    needed = {need.call for need in doctor_needs(wanted)}
    by_servers = {each for each in needed if each.startswith(("es:", "kms:Decrypt"))}
    conditional = {"s3:CreateMultipartUpload?ACL"}
    assert set(recorded.asked) <= needed
    assert needed - by_servers - conditional <= set(recorded.asked)


def test_endpoints_that_are_made_yet_are_a_way() -> None:
    told = (*VPC[:2], "deploy.vpc.route_tables=rtb-9")
    recorded = account(deployment(*told))
    recorded.answers["cloudformation:DescribeStacks"] = NO_STACK
    recorded.answers["lambda:GetFunctionConfiguration"] = DELETED
    recorded.answers["ec2:DescribeRouteTables"] = _tables()
    found = [each for each in examined(recorded, *told) if each.subject == "routes"]
    assert {each.found.rpartition(" ")[2] for each in found} == {"dynamodb", "s3"}
    assert {each.remedy for each in found} == {"tailrace deploy prod --set 'deploy.vpc.route_tables=rtb-9 rtb-1'"}
    (*vpc, _) = told
    assert {
        each.mark for each in examined(recorded, *vpc, "deploy.vpc.route_tables=rtb-1") if each.subject == "routes"
    } == {"ok"}


def test_a_key_s_service_need_not_be_reached() -> None:
    recorded = account(deployment(*VPC, *ENCRYPTED, "deploy.vpc.sink_cidrs=10.0.0.0/16"))
    recorded.answers["ec2:DescribeRouteTables"] = _tables({"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"})
    found = examined(recorded, *VPC, *ENCRYPTED, "deploy.vpc.sink_cidrs=10.0.0.0/16")
    missing = {each.found.rpartition(" ")[2] for each in found if each.subject == "routes"}
    assert missing == {"dynamodb", "s3", "sqs", "ssm"}
