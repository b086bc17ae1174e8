"""Policies as documents: valid, small, narrow, always the same, and made of actions that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciding import formats_of, wrong
from permitting import permits
from tailrace.deploy import notifications
from tailrace.deploy.actions import CALLS, OF_OBJECTS, PAGES, actions_of
from tailrace.deploy.balancers import switching
from tailrace.deploy.destroy.needs import destroy_needs
from tailrace.deploy.doctor.needs import doctor_needs
from tailrace.deploy.policies import (
    INLINE,
    Place,
    by_code,
    by_lambda,
    document,
    filled,
    function_document,
    length,
    run_document,
)
from tailrace.deploy.roles import ROLES, Subject
from tailrace.deploy.stack.needs import deploy_needs, rollback_needs, status_needs
from tailrace.deploy.wanted import wanted
from tailrace.errors import UsageError
from tailrace.hosts.asking import asked_for
from tailrace.permissions import Need, domain, key, log_group, log_stream, parameter, queue, secret, table
from tailrace.settings import Document, Resolved, resolve

VPC = '[deploy]\nvpc = { id = "vpc-1", subnets = ["subnet-1"], route_tables = ["rtb-1"] }'
PLACE = Place("aws-cn", "cn-north-1", "123456789012", "amazonaws.com.cn")
HERE = "${AWS::Region}:${AWS::AccountId}"
UNRESTRICTED = {
    # They know no resources: https://docs.aws.amazon.com/service-authorization/latest/reference/list_xray.html
    "xray:PutTelemetryRecords", "xray:PutTraceSegments",
    # Lambda refuses roles that have them on certain resources only; a Deny keeps the function's own code from them.
    "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
}  # fmt: skip


def told(text: str = "") -> Resolved:
    return resolve({}, (), {}, Document("tailrace.toml", text))


def function(text: str = "") -> dict[str, Any]:
    return function_document(wanted(told(text), "test"))


SINKS = {
    "logs": 'url = "cloudwatch:/lb/{load_balancer}/x"\ncreate_group = true\nretention_days = 7\nstream = "{account}/s"',
    "plain": 'url = "cloudwatch:lb"',
    "search": 'url = "elasticsearch:https://search-mine-abcdefghijklmnopqrstuvwxyz.eu-west-1.es.amazonaws.com/logs"\naws = "es"',
    "vpc": 'url = "elasticsearch:https://vpc-a-b-abcdefghijklmnopqrstuvwxyz.eu-west-1.es.amazonaws.com/p/logs-{date}"\naws = "es"',
    "own": 'url = "elasticsearch:https://search.example.net/logs"\naws = "es"\ndead_letter_index = "dead"',
    "aoss": 'url = "elasticsearch:https://abc123.eu-west-1.aoss.amazonaws.com/logs"\naws = "aoss"',
    "user": 'url = "elasticsearch:https://search.example.net/logs"\nusername = "u"\npassword = "secretsmanager:s#k"',
    "objects": 'url = "s3://a-bucket/some/where"\nkms_key = "alias/mine"\nacl = "bucket-owner-full-control"',
    "sealed": 'url = "s3://b-bucket"\nsse = "aws:kms"\nkms_key = "1234abcd-12ab-34cd-56ef-1234567890ab"',
    "stash": 'url = "logstash:http://logs.example.net:8080"\npassword = "ssm:/a/b"\nusername = "u"',
}
DEPLOYMENTS = st.fixed_dictionaries(
    {
        "sinks": st.lists(st.sampled_from(sorted(SINKS)), unique=True, max_size=4),
        "trigger": st.sampled_from(["sqs", "s3", "eventbridge"]),
        "bucket": st.sampled_from(["", "existing"]),
        "prefix": st.sampled_from(["", "a/b"]),
        "tracing": st.booleans(),
        "vpc": st.booleans(),
        "redact": st.sampled_from(["", 'redact_key = "ssm:plain"\nredact = { client_ip = "hash" }']),
        "region": st.sampled_from(["", 'region = "eu-west-1"']),
    }
)


def text_of(deployment: dict[str, Any]) -> str:
    to = [f"sink_{name}" for name in deployment["sinks"]]
    sinks = [f"[sinks.sink_{name}]\n{SINKS[name]}\n{deployment['redact']}" for name in deployment["sinks"]]
    own = [f'{name} = "{deployment[name]}"' for name in ("trigger", "bucket", "prefix")]
    own.append(f"tracing = {str(deployment['tracing']).lower()}")
    if deployment["vpc"]:
        own.append('vpc = { id = "vpc-1", subnets = ["subnet-1"], route_tables = ["rtb-1"] }')
    return "\n".join([deployment["region"], f"to = {json.dumps(to)}" if to else "", "[deploy]", *own, *sinks])


@settings(max_examples=60, deadline=None)
@given(DEPLOYMENTS)
def test_the_functions_policy_is_valid_small_and_narrow_whatever_the_settings(deployment: dict[str, Any]) -> None:
    found = function(text_of(deployment))
    assert found == function(text_of(deployment))
    check(found)
    assert length(filled(found, PLACE)) <= INLINE
    wide = {
        action
        for statement in found["Statement"]
        if statement["Effect"] == "Allow" and "*" in statement["Resource"]
        for action in statement["Action"]
    }
    assert wide <= UNRESTRICTED


def check(found: dict[str, Any]) -> None:
    """Whether IAM takes the document, by its grammar: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html"""
    assert json.loads(json.dumps(found)) == found
    assert set(found) == {"Version", "Statement"}
    assert found["Version"] == "2012-10-17"
    sids = [statement["Sid"] for statement in found["Statement"]]
    assert len(set(sids)) == len(sids)
    assert all(re.fullmatch("[A-Za-z0-9]+", sid) for sid in sids)
    for statement in found["Statement"]:
        assert set(statement) - {"Condition"} == {"Sid", "Effect", "Action", "Resource"}
        assert statement["Action"] == sorted(set(statement["Action"]))
        assert len({action.partition(":")[0] for action in statement["Action"]}) == 1
        for resource in statement["Resource"]:
            assert resource == "*" or re.fullmatch(
                r"arn:(?:aws[a-z-]*|\$\{AWS::Partition\}):[a-z0-9-]+:[^:]*(?:::[^:]*)*:.+", resource
            )
    assert "${" not in json.dumps(filled(found, PLACE))


def test_the_same_from_sinks_in_another_order() -> None:
    sinks = "\n".join(f"[sinks.{name}]\n{SINKS[name]}" for name in ("logs", "objects", "search"))
    assert function(f'to = ["logs", "objects", "search"]\n{sinks}') == function(
        f'to = ["search", "logs", "objects"]\n{sinks}'
    )


def test_names_with_fields_stand_for_any_name_and_nothing_else() -> None:
    found = filled(function('to = ["cloudwatch:/tailrace/{load_balancer}"]'), PLACE)
    at = "arn:aws-cn:logs:cn-north-1:123456789012:log-group:"
    assert permits(found, "logs:PutLogEvents", f"{at}/tailrace/shop:log-stream:shop")
    assert not permits(found, "logs:PutLogEvents", f"{at}/other/shop:log-stream:shop")
    assert not permits(found, "logs:CreateLogGroup", f"{at}/tailrace/shop:log-stream:")
    assert permits(found, "s3:GetObject", "arn:aws-cn:s3:::tailrace-test-logs-123456789012-cn-north-1/AWSLogs/1/x")
    assert not permits(found, "s3:GetObject", "arn:aws-cn:s3:::tailrace-test-logs-123456789012-cn-north-1/other")
    assert not permits(found, "s3:PutObject", "arn:aws-cn:s3:::tailrace-test-logs-123456789012-cn-north-1/AWSLogs/x")
    assert not permits(found, "s3:PutObject", "arn:aws-cn:s3:::tailrace-test-code-123456789012-cn-north-1/packages/x")
    assert not permits(found, "sqs:SendMessage", "arn:aws-cn:sqs:cn-north-1:123456789012:tailrace-test-events-dead")


def test_another_region_of_the_settings_is_that_of_all_that_the_code_calls() -> None:
    found = json.dumps(function('region = "eu-north-1"'))
    assert "dynamodb:eu-north-1:" in found
    assert "log-group:/aws/lambda/tailrace-test-processor" in found
    assert "logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/lambda" in found
    assert "tailrace-test-logs-${AWS::AccountId}-${AWS::Region}" in found


def test_a_boundary_for_network_interfaces() -> None:
    found = function('[deploy]\nvpc = { id = "vpc-1", subnets = ["subnet-1"], route_tables = ["rtb-1"] }')
    deny = found["Statement"][-1]
    assert deny["Effect"] == "Deny"
    assert deny["Condition"] == {
        "ArnEquals": {
            "lambda:SourceFunctionArn": [f"arn:${{AWS::Partition}}:lambda:{HERE}:function:tailrace-test-processor"]
        }
    }


@pytest.mark.parametrize(
    ("arn", "resource"),
    [
        (log_group("/a/{region}"), f"arn:${{AWS::Partition}}:logs:{HERE}:log-group:/a/*:*"),
        (log_stream("/a", "{date}/$x"), f"arn:${{AWS::Partition}}:logs:{HERE}:log-group:/a:log-stream:*/?x"),
        (queue("events"), f"arn:${{AWS::Partition}}:sqs:{HERE}:events"),
        (
            queue("https://sqs.eu-west-1.amazonaws.com/111122223333/events.fifo"),
            "arn:${AWS::Partition}:sqs:${AWS::Region}:111122223333:events.fifo",
        ),
        (queue("arn:aws:sqs:eu-west-1:111122223333:q"), "arn:aws:sqs:eu-west-1:111122223333:q"),
        (table("receipts"), f"arn:${{AWS::Partition}}:dynamodb:{HERE}:table/receipts"),
        (table("arn:aws:dynamodb:x:1:table/t"), "arn:aws:dynamodb:x:1:table/t"),
        (parameter("/a/b"), f"arn:${{AWS::Partition}}:ssm:{HERE}:parameter/a/b"),
        (parameter("a:3"), f"arn:${{AWS::Partition}}:ssm:{HERE}:parameter/a"),
        (parameter("arn:aws:ssm:x:1:parameter/a:3"), "arn:aws:ssm:x:1:parameter/a"),
        (secret("a/b"), f"arn:${{AWS::Partition}}:secretsmanager:{HERE}:secret:a/b-??????"),
        (key("alias/x"), f"arn:${{AWS::Partition}}:kms:{HERE}:key/*"),
        (key("1234"), f"arn:${{AWS::Partition}}:kms:{HERE}:key/1234"),
        (key("arn:aws:kms:x:1:key/1234"), "arn:aws:kms:x:1:key/1234"),
        (
            domain("search-a-b-abcdefghijklmnopqrstuvwxyz.eu-west-1.es.amazonaws.com", "/i/_bulk"),
            f"arn:${{AWS::Partition}}:es:{HERE}:domain/a-b/i/_bulk",
        ),
        (domain("search.example.net", "/_bulk"), f"arn:${{AWS::Partition}}:es:{HERE}:domain/*/_bulk"),
    ],
)
def test_arns(arn: str, resource: str) -> None:
    assert arn == resource


def test_a_worker_reads_where_it_is_told_that_announced_objects_are() -> None:
    resolved = told('from = ["sqs:events"]\nto = ["cloudwatch:lb"]')
    found = filled(run_document(resolved, [("logs", "a/"), ("more", "")]), PLACE)
    check(found)
    for arn in ("logs/a/x", "more/x"):
        assert permits(found, "s3:GetObjectVersion", f"arn:aws-cn:s3:::{arn}")
    assert not permits(found, "s3:GetObject", "arn:aws-cn:s3:::logs/b")
    with pytest.raises(UsageError, match="sqs:events does not tell which buckets its objects are in"):
        run_document(resolved)
    with pytest.raises(UsageError, match="a worker needs a source"):
        run_document(told())


def test_secrets_are_decrypted_through_their_service_only() -> None:
    found = function('to = ["x"]\n[sinks.x]\n' + SINKS["user"])
    (statement,) = [each for each in found["Statement"] if each["Action"] == ["kms:Decrypt"]]
    arn = f"arn:${{AWS::Partition}}:secretsmanager:{HERE}:secret:s-??????"
    assert statement["Condition"] == {
        "StringEquals": {"kms:ViaService": "secretsmanager.${AWS::Region}.${AWS::URLSuffix}"},
        "StringLike": {"kms:EncryptionContext:SecretARN": arn},
    }


def test_a_call_that_the_table_does_not_know_is_a_defect() -> None:
    with pytest.raises(LookupError):
        document([Need("s3:Anything", "arn:aws:s3:::b")])
    with pytest.raises(LookupError, match="asks for nothing on"):
        actions_of(Need("s3:PutObject", "arn:aws:s3:::b"))


def test_every_action_is_one_of_awss_and_its_resources_are_those_that_it_knows() -> None:
    everything = {**{name: name for name in SINKS}}
    text = text_of(
        {"sinks": sorted(everything), "trigger": "s3", "bucket": "", "prefix": "", "tracing": True, "vpc": True,
         "redact": "", "region": ""}
    )  # fmt: skip
    found = filled(function(text), PLACE)
    worker = told('from = ["sqs:events", "s3://logs/x", "cloudwatch:lb"]\nto = ["cloudwatch:lb"]\n[sources.x]')
    for each in (found, filled(run_document(worker, [("logs", "")]), PLACE)):
        assert not list(wrong(each))


def test_a_policy_that_says_something_else_would_be_noticed() -> None:
    arn = "arn:aws:s3:::bucket/x"
    bad = document([Need("s3:GetObject", arn)])
    assert not list(wrong(bad))
    (statement,) = bad["Statement"]
    assert list(wrong({"Statement": [{**statement, "Action": ["s3:HeadObject"]}]}))
    assert list(wrong({"Statement": [{**statement, "Resource": ["arn:aws:sqs:::x"]}]}))
    assert list(wrong({"Statement": [{**statement, "Action": ["s3:ListBucket"], "Resource": [arn]}]}))


def test_the_table_names_a_page_for_each_service_and_actions_that_there_are() -> None:
    for needed in CALLS.values():
        for action in needed:
            assert action.partition(":")[0] in PAGES
            assert formats_of(action), action
    objects = {
        action for needed in CALLS.values() for action in needed if "${ObjectName}" in "".join(formats_of(action))
    }
    assert objects == {action for needed in CALLS.values() for action in needed if action in OF_OBJECTS}
    assert objects <= OF_OBJECTS


@pytest.mark.parametrize(
    "text", ["", '[deploy]\nbucket = "existing"\ntrigger = "eventbridge"', f"{VPC}\ntrigger = 's3'"]
)
@pytest.mark.parametrize("role", [name for name in ROLES if name != "run"])
def test_the_policy_of_every_role_means_something_to_aws(role: str, text: str) -> None:
    found = ROLES[role].document(Subject(resolved=told(text), environment="test", load_balancers=True))
    check(found)
    assert not list(wrong(filled(found, PLACE)))
    assert length(filled(found, PLACE)) <= INLINE
    unlimited = {action for each in found["Statement"] if "*" in each["Resource"] for action in each["Action"]}
    # Of what an action cannot know resources, there is nothing but these; looks hurt nobody.
    assert {each for each in unlimited if not re.match("[a-z0-9]+:(?:Describe|Get|List)", each)} <= {
        *UNRESTRICTED, "lambda:CreateEventSourceMapping", "route53:AssociateVPCWithHostedZone",
    }  # fmt: skip


def test_the_table_has_every_call_that_is_needed_and_no_other() -> None:
    needed = {each.call for each in every_need()}
    assert set(CALLS) == needed


def every_need() -> Iterator[Need]:
    """What everything needs in any deployment."""
    for trigger, bucket in product(("sqs", "s3", "eventbridge"), ("", "existing")):
        deployment = {
            "sinks": sorted(SINKS), "trigger": trigger, "bucket": bucket, "prefix": "", "tracing": True, "vpc": True,
            "redact": "", "region": "",
        }  # fmt: skip
        asked = wanted(told(text_of(deployment)), "test")
        for needs in (
            by_code, by_lambda, deploy_needs, rollback_needs, status_needs, destroy_needs, doctor_needs, switching.needs,
            notifications.needs,
        ):  # fmt: skip
            yield from needs(asked)
    sources = '[sources.q]\nurl = "sqs:q"\ndead_letter_queue = "d"\n[sources.n]\nurl = "s3://b"\nlist = "-"'
    words = ["q", "n", "s3://b", "cloudwatch:g"]
    for origin in asked_for(told(sources), words).sources:
        yield from origin.needs()
