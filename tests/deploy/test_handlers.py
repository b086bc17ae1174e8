"""What CloudFormation calls for a stack's resources, against what the registry's schemas tell of each type, as cfn-lint has them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cfnlint
import pytest

from deciding import wrong
from permitting import actions
from tailrace.deploy.handlers import TYPES, grants
from tailrace.deploy.policies import Place, document, filled
from tailrace.deploy.template import template
from tailrace.deploy.wanted import wanted
from tailrace.settings import Document, resolve

SCHEMAS = Path(cfnlint.__file__).parent / "data/schemas"
UNUSED = {
    # Properties that the template never has.
    "S3::Bucket": "s3tables:.*|iam:PassRole|s3:(?:Put|Get|Delete|Create|Update)(?:Bucket)?(?:Accelerate|Analytics|Abac|CORS|Cors"
    "|IntelligentTiering|Inventory|Logging|Metadata|Metrics|ObjectLock|Replication|Versioning|Website|Acl).*"
    "|s3:PutObjectAcl|s3:DeleteObject"
    # The template always has encryption and rules: they are replaced and never taken away.
    "|s3:DeleteBucket(?:Encryption|Lifecycle)",
    "DynamoDB::Table": "(?:kms|kinesis|logs|s3|iam):.*"  # own keys, streams, imports, replicas
    "|dynamodb:(?:AssociateTableReplica|CreateTableReplica|ImportTable|DescribeImport|(?:Enable|Disable|Update)Kinesis.*"
    "|UpdateContributorInsights|(?:Put|Delete)ResourcePolicy|BatchWriteItem|(?:Delete|Get|Put|Update)Item|Query|Scan)",
    # No managed policies are attached; a boundary is never taken away, for that would widen the role.
    "IAM::Role": "iam:(?:Attach|Detach)RolePolicy|iam:DeleteRolePermissionsBoundary",
    "Logs::LogGroup": "firehose:.*|s3:.*|logs:(?:CreateLogDelivery|(?:Put|Delete)ResourcePolicy|(?:Put|Delete)DataProtectionPolicy"
    "|(?:Put|Delete)IndexPolicy|PutBearerTokenAuthentication|PutLogGroupDeletionProtection|(?:Associate|Disassociate)KmsKey)",
    "Lambda::Function": "(?:elasticfilesystem|s3files|kms):.*|s3:GetObjectVersion|lambda:(?:AssociateRuntimeAlias|GetLayerVersion"
    "|PassCapacityProvider|PublishVersion|PutFunctionScalingConfig|PutRuntimeManagementConfig|GetCodeSigningConfig"
    "|(?:Put|Delete)FunctionCodeSigningConfig)",
    "Lambda::Alias": "codedeploy:.*|lambda:(?:Put|Delete)ProvisionedConcurrencyConfig",
    "Lambda::EventSourceMapping": "kms:.*",
    "Events::Rule": "iam:PassRole",
    "EC2::VPCEndpoint": "vpc-lattice:.*|vpce:.*",
}
BESIDE = {
    # AWS's reference of EC2 tells of it.
    "EC2::VPCEndpoint": {"route53:AssociateVPCWithHostedZone"},
}
"""Actions that the schema does not have."""
VPC = 'vpc = { id = "vpc-1", subnets = ["subnet-1"], route_tables = ["rtb-1"] }'
DEPLOYMENTS = [
    "",
    f'[deploy]\ntrigger = "s3"\n{VPC}\nreserved_concurrency = 3',
    '[deploy]\ntrigger = "eventbridge"\nbucket = "existing"',
]
PLACE = Place("aws", "eu-west-1", "123456789012")


def schema(kind: str) -> Any:
    known = json.loads((SCHEMAS / "providers/eu-west-1.json").read_bytes())
    return json.loads((SCHEMAS / f"resources/{known[f'AWS::{kind}']}.json").read_bytes())


def types_of(text: str) -> list[str]:
    found = template(wanted(resolve({}, (), {}, Document("tailrace.toml", text)), "test"))
    return [each["Type"] for each in found["Resources"].values()]


@pytest.mark.parametrize("kind", [each.removeprefix("AWS::") for each in TYPES])
def test_the_actions_of_a_type_are_those_of_its_handlers_but_for_what_is_never_used(kind: str) -> None:
    handlers = schema(kind)["handlers"]
    told = {
        each
        for name in ("create", "update", "delete", "read")
        for each in handlers.get(name, {}).get("permissions", ())
    }
    ours = {
        f"{each.service}:{name}"
        for each in TYPES[f"AWS::{kind}"]
        for name in f"{each.make} {each.read} {each.remove}".split()
    }
    assert ours - told <= BESIDE.get(kind, set())
    unused = {each for each in told - ours if re.fullmatch(UNUSED.get(kind, ""), each)}
    assert told - ours == unused
    assert not {each for each in ours if re.fullmatch(UNUSED.get(kind, ""), each)}


def test_what_removes_a_resource_is_there_when_it_is_only_removed() -> None:
    for name, handled in TYPES.items():
        handlers = schema(name.removeprefix("AWS::"))["handlers"]
        told = set(handlers.get("delete", {}).get("permissions", ()))
        ours = {f"{each.service}:{action}" for each in handled for action in f"{each.read} {each.remove}".split()}
        left = {each for each in told - ours if not re.fullmatch(UNUSED.get(name.removeprefix("AWS::"), ""), each)}
        assert left <= {"iam:TagRole", "iam:UntagRole", "ec2:CreateTags", "ec2:DeleteTags"}, name


@pytest.mark.parametrize("text", DEPLOYMENTS)
def test_every_type_of_the_template_is_known_and_its_policy_means_something(text: str) -> None:
    deployment = wanted(resolve({}, (), {}, Document("tailrace.toml", text)), "test")
    found = filled(document([], grants(deployment, types_of(text), make=True)), PLACE)
    assert not list(wrong(found))
    fewer = filled(document([], grants(deployment, types_of(text), make=False)), PLACE)
    assert actions(fewer) < actions(found)
    assert not {each for each in actions(fewer) if ":Create" in each or "PassRole" in each}


def test_no_type_is_known_that_no_template_has() -> None:
    assert {each for text in DEPLOYMENTS for each in types_of(text)} == set(TYPES)
