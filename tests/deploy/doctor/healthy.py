"""The answers of an account in which a deployment is as it should be."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from deploy.doctor.answering import Answer, Recorded, refused
from making import StillClock
from tailrace.clouds import Vault
from tailrace.deploy.doctor.bucket import _statements
from tailrace.deploy.doctor.examining import Examination
from tailrace.deploy.doctor.finding import Finding
from tailrace.deploy.template import template
from tailrace.deploy.template.alarms import alarms
from tailrace.deploy.wanted import Wanted, wanted
from tailrace.kinds import Surroundings
from tailrace.settings import resolve
from tailrace.state.dynamodb import definition

ACCOUNT, REGION = "123456789012", "eu-west-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/tailrace-prod-processor-{REGION}"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:tailrace-prod-processor"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:tailrace-prod-events"
DEAD = f"{QUEUE}-dead"
URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/tailrace-prod-events"
ARN = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer"
INSTALLED = ("boto3>=1.37; extra == 'aws'", "msgspec>=0.19")
VPC = ("deploy.vpc.id=vpc-1", "deploy.vpc.subnets=subnet-1 subnet-2", "deploy.vpc.endpoints=false")


def deployment(*told: str) -> Wanted:
    """The deployment with these settings, in its place."""
    return wanted(resolve({}, told, {}), "prod", partition="aws", region=REGION, account=ACCOUNT)


def account(of: Wanted) -> Recorded:
    """Everything as it should be."""
    return Recorded(
        {**_of_stack(of), **_of_bucket(of), **_of_balancers(of), **_of_queues(of), **_of_function(of), **_of_network(),
         **_of_keys(), **_of_role(), **_of_logs()}
    )  # fmt: skip


def _of_stack(of: Wanted) -> dict[str, Answer]:
    stack = {"StackName": of.names.stack, "StackStatus": "UPDATE_COMPLETE", "CreationTime": 0}
    told = [
        {"AlarmName": each["Properties"]["AlarmName"], "StateValue": "OK", "ActionsEnabled": True}
        for each in alarms(of).values()
    ]
    who = {"UserId": "AIDA", "Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/ann"}
    return {
        "sts:GetCallerIdentity": {**who, "ResponseMetadata": _dated()},
        "cloudformation:DescribeStacks": {"Stacks": [stack]},
        "cloudwatch:DescribeAlarms": {"MetricAlarms": told},
    }


def _dated(date: str = "Mon, 21 Sep 2026 14:13:20 GMT") -> dict[str, Any]:
    """When a StillClock begins."""
    return {"HTTPStatusCode": 200, "HTTPHeaders": {"date": date}}


def _of_bucket(of: Wanted) -> dict[str, Answer]:
    rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    policy = {"Version": "2012-10-17", "Statement": list(_statements(of, ["application", "classic", "network"]))}
    entry = {"Events": ["s3:ObjectCreated:*"], "Filter": prefixed(of.prefix)}
    document: dict[str, Any] = {
        "sqs": {"QueueConfigurations": [{"Id": of.names.rule, "QueueArn": QUEUE, **entry}]},
        "s3": {"LambdaFunctionConfigurations": [{"Id": "x", "LambdaFunctionArn": f"{FUNCTION}:live", **entry}]},
        "eventbridge": {"EventBridgeConfiguration": {}},
    }[of.own.trigger]
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [of.bucket]}}}
    return {
        "s3:GetBucketLocation": {"LocationConstraint": REGION},
        "s3:GetBucketEncryption": {"ServerSideEncryptionConfiguration": {"Rules": rules}},
        "s3:GetBucketOwnershipControls": {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}},
        "s3:GetBucketPolicy": {"Policy": json.dumps(policy)},
        "s3:GetBucketNotificationConfiguration": document,
        "events:DescribeRule": {"Name": of.names.rule, "State": "ENABLED", "EventPattern": json.dumps(pattern)},
        "events:ListTargetsByRule": {"Targets": [{"Id": "events", "Arn": QUEUE}]},
    }


def prefixed(prefix: str) -> dict[str, Any]:
    """The filter of a notification."""
    return {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}}


def attributes(bucket: str, prefix: str = "", enabled: str = "true") -> list[dict[str, str]]:
    """Those of a load balancer that writes there."""
    told = {"enabled": enabled, "bucket": bucket, "prefix": prefix}
    return [{"Key": f"access_logs.s3.{key}", "Value": value} for key, value in told.items()]


def _of_balancers(of: Wanted) -> dict[str, Answer]:
    new = [
        {"LoadBalancerArn": f"{ARN}/app/web/1", "LoadBalancerName": "web", "Type": "application"},
        {"LoadBalancerArn": f"{ARN}/net/tcp/2", "LoadBalancerName": "tcp", "Type": "network"},
        {"LoadBalancerArn": f"{ARN}/gwy/gate/3", "LoadBalancerName": "gate", "Type": "gateway"},
    ]
    log = {"Enabled": True, "S3BucketName": of.bucket, "S3BucketPrefix": of.own.prefix, "EmitInterval": 5}
    return {
        "elbv2:DescribeLoadBalancers": {"LoadBalancers": new},
        "elbv2:DescribeLoadBalancerAttributes": {"Attributes": attributes(of.bucket, of.own.prefix)},
        "elb:DescribeLoadBalancers": {"LoadBalancerDescriptions": [{"LoadBalancerName": "old"}]},
        "elb:DescribeLoadBalancerAttributes": {"LoadBalancerAttributes": {"AccessLog": log}},
    }


def _of_queues(of: Wanted) -> dict[str, Answer]:
    policy = template(of)["Resources"]["EventQueuePolicy"]["Properties"]["PolicyDocument"]
    common = {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0"}
    redrive = json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": 10})
    events = {
        **common,
        "QueueArn": QUEUE,
        "VisibilityTimeout": "1800",
        "MessageRetentionPeriod": "604800",
        "RedrivePolicy": redrive,
        "Policy": json.dumps(policy),
    }
    dead = {**common, "QueueArn": DEAD, "MessageRetentionPeriod": "1209600"}

    def told(asked: Mapping[str, Any]) -> Any:
        return {"Attributes": dead if asked["QueueUrl"].endswith("-dead") else events}

    return {
        "sqs:GetQueueUrl": lambda asked: {"QueueUrl": URL.replace("tailrace-prod-events", asked["QueueName"])},
        "sqs:GetQueueAttributes": told,
    }


def _of_function(of: Wanted) -> dict[str, Answer]:
    configuration = {
        "FunctionName": of.names.function, "FunctionArn": FUNCTION, "Role": ROLE, "Timeout": 300, "MemorySize": 256,
        "State": "Active", "LastUpdateStatus": "Successful", "Architectures": ["arm64"], "Version": "7",
        "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        "Environment": {"Variables": {"TAILRACE_CONFIG": "toml:"}},
    }  # fmt: skip
    mapping = {
        "UUID": "0f0e0d0c-0000-4000-8000-000000000001", "FunctionArn": f"{FUNCTION}:live", "EventSourceArn": QUEUE, "State": "Enabled",
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    }  # fmt: skip
    where = {"ArnLike": {"AWS:SourceArn": f"arn:aws:s3:::{of.bucket}"}, "StringEquals": {"AWS:SourceAccount": ACCOUNT}}
    statement = {
        "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "lambda:InvokeFunction",
        "Resource": f"{FUNCTION}:live", "Condition": where,
    }  # fmt: skip
    limit = {"TotalCodeSize": 80_530_636_800, "ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 900}
    return {
        "lambda:GetFunctionConfiguration": configuration,
        "lambda:GetAlias": {"AliasArn": f"{FUNCTION}:live", "Name": "live", "FunctionVersion": "7"},
        "lambda:ListEventSourceMappings": {"EventSourceMappings": [mapping]},
        "lambda:GetPolicy": {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})},
        "lambda:GetAccountSettings": {"AccountLimit": limit, "AccountUsage": {"TotalCodeSize": 5_000_000_000}},
        "lambda:GetFunctionConcurrency": {},
    }


def nat(subnet: str, table: str) -> dict[str, Any]:
    """A route table with a way out."""
    routes = [
        {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"},
        {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "active"},
    ]
    return {"RouteTableId": table, "Associations": [{"SubnetId": subnet}], "Routes": routes}


def _of_network() -> dict[str, Answer]:
    subnets = [{"SubnetId": f"subnet-{each}", "VpcId": "vpc-1"} for each in (1, 2)]
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    group = {"GroupId": "sg-1", "IpPermissionsEgress": [rule], "IpPermissions": []}
    return {
        "ec2:DescribeSubnets": {"Subnets": subnets},
        "ec2:DescribeRouteTables": {"RouteTables": [nat("subnet-1", "rtb-1"), nat("subnet-2", "rtb-2")]},
        "ec2:DescribeVpcEndpoints": {"VpcEndpoints": []},
        "ec2:DescribeSecurityGroups": {"SecurityGroups": [group]},
    }


KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/k-1"


def key_policy(*statements: Mapping[str, Any]) -> dict[str, Any]:
    """The policy of a key; as AWS makes it, if nothing is told."""
    root = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}
    return {"Policy": json.dumps({"Version": "2012-10-17", "Statement": list(statements) or [root]})}


def _of_keys() -> dict[str, Answer]:
    return {
        "kms:DescribeKey": {"KeyMetadata": {"KeyId": "k-1", "Arn": KEY, "KeyState": "Enabled", "KeyManager": "CUSTOMER"}},
        "kms:GetKeyPolicy": key_policy(),
        "kms:ListGrants": {"Grants": []},
        "secretsmanager:DescribeSecret": {"KmsKeyId": KEY},
        "secretsmanager:GetSecretValue": {"SecretString": "s"},
        "ssm:GetParameter": {"Parameter": {"Name": "token", "Value": "s"}},
        "ssm:DescribeParameters": {"Parameters": [{"Name": "token", "Type": "SecureString", "KeyId": KEY}]},
    }  # fmt: skip


def simulation(*refused_: str, decision: str = "implicitDeny", **detail: Any) -> Answer:
    """What IAM says of a role that may do everything but these actions."""

    def told(asked: Mapping[str, Any]) -> Any:
        return {"EvaluationResults": [_result(action, asked["ResourceArns"]) for action in asked["ActionNames"]]}

    def _result(action: str, resources: Sequence[str]) -> dict[str, Any]:
        said = decision if action in refused_ else "allowed"
        own = [{"EvalResourceName": each, "EvalResourceDecision": said} for each in resources]
        common = detail if action in refused_ else {}
        return {
            "EvalActionName": action, "EvalResourceName": resources[0], "EvalDecision": said,
            "ResourceSpecificResults": own, **common,
        }  # fmt: skip

    return told


def _of_role() -> dict[str, Answer]:
    role = {
        "Path": "/", "RoleName": "tailrace-prod-processor-eu-west-1", "RoleId": "AROAEXAMPLEEXAMPLE", "Arn": ROLE, "CreateDate": 0,
    }  # fmt: skip
    return {"iam:GetRole": {"Role": role}, "iam:SimulatePrincipalPolicy": simulation()}


def _of_logs() -> dict[str, Answer]:
    names = ("/tailrace/web", "/tailrace/tcp", "/tailrace/old", "/logs")
    table = {key: value for key, value in definition("tailrace-prod-receipts").items() if key != "BillingMode"}
    return {
        "logs:DescribeLogGroups": {"logGroups": [{"logGroupName": each} for each in names]},
        "logs:DescribeSubscriptionFilters": refused("ResourceNotFoundException"),
        "dynamodb:DescribeTable": {"Table": {"TableStatus": "ACTIVE", **table}},
        "s3:CreateMultipartUpload": {"UploadId": "u"},
        "s3:AbortMultipartUpload": {},
    }


def examined(
    recorded: Recorded, *told: str, environment: str = "prod", requires: Sequence[str] = INSTALLED
) -> list[Finding]:
    """What the doctor finds in an account."""
    resolved = resolve({}, told, {})
    given = Surroundings(
        settings=resolved.settings, clock=StillClock(), stdin=io.BytesIO(), stdout=1, client=recorded.client,
        vault=Vault(recorded.client, {}), environ={},
    )  # fmt: skip
    return list(Examination(resolved, environment, given, requires).findings())
