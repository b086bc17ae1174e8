"""The bucket's policy and lifecycle on Ceph's gateway, which reads and enforces both: load balancers stand for somebody unknown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session
from templating import Place, asked, made

from services.real import Ceph, ceph

THEIRS = "AWSLogs/123456789012/elasticloadbalancing/x.log.gz"


@pytest.fixture(scope="module")
def gateway() -> Iterator[Ceph]:
    with ceph() as made_:
        yield made_


@pytest.fixture
def s3(gateway: Ceph) -> Iterator[Any]:
    client = gateway.client("s3")
    yield client
    client.close()


@pytest.fixture
def somebody(gateway: Ceph) -> Iterator[Any]:
    client = Session().create_client(
        "s3", endpoint_url=gateway.endpoint, region_name="default",
        config=Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}),
    )  # fmt: skip
    yield client
    client.close()


@pytest.fixture
def bucket(s3: Any) -> str:
    """Named as this environment's bucket of logs is."""
    name = asked(environment=f"c{uuid4().hex[:8]}", partition="aws", region="eu-west-1", account="123456789012").bucket
    s3.create_bucket(Bucket=name)
    return name


def properties(bucket: str, resource: str) -> Any:
    environment = bucket.split("-")[1]
    template = made(environment=environment)
    return Place(template, "eu-west-1").value(template["Resources"][resource]["Properties"])


def may(somebody: Any, bucket: str, key: str, **more: str) -> bool:
    try:
        somebody.put_object(Bucket=bucket, Key=key, Body=b"1", **more)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return False
    return True


def test_the_whole_policy_is_understood_and_opens_the_bucket_to_nobody_else(
    s3: Any, somebody: Any, bucket: str
) -> None:
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(properties(bucket, "LogsBucketPolicy")["PolicyDocument"]))
    assert not may(somebody, bucket, THEIRS)
    with pytest.raises(ClientError, match="AccessDenied"):
        somebody.list_objects_v2(Bucket=bucket)


def test_load_balancers_write_below_their_account_only(s3: Any, somebody: Any, bucket: str) -> None:
    statements = {each["Sid"]: each for each in properties(bucket, "LogsBucketPolicy")["PolicyDocument"]["Statement"]}
    told = {**statements["LoadBalancersWrite"], "Principal": "*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [told]}))
    assert may(somebody, bucket, THEIRS)
    for other in ("x.log.gz", "AWSLogs/x.log.gz", "AWSLogs/123456789013/x.log.gz", "front/" + THEIRS):
        assert not may(somebody, bucket, other)
    with pytest.raises(ClientError, match="AccessDenied"):
        somebody.get_object(Bucket=bucket, Key=THEIRS)


def test_network_load_balancers_give_the_log_to_the_owner(s3: Any, somebody: Any, bucket: str) -> None:
    statements = {each["Sid"]: each for each in properties(bucket, "LogsBucketPolicy")["PolicyDocument"]["Statement"]}
    told = statements["NetworkLoadBalancersWrite"]
    acl = {"StringEquals": {"s3:x-amz-acl": told["Condition"]["StringEquals"]["s3:x-amz-acl"]}}
    for condition, allowed in ((told["Condition"], False), (acl, True)):  # somebody has no account
        statement = {**told, "Principal": "*", "Condition": condition}
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
        assert may(somebody, bucket, THEIRS, ACL="bucket-owner-full-control") is allowed
        assert not may(somebody, bucket, THEIRS)


def test_the_lifecycle_is_understood(s3: Any, bucket: str) -> None:
    rules = [_rule(each) for each in properties(bucket, "LogsBucket")["LifecycleConfiguration"]["Rules"]]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    found = {each["ID"]: each for each in s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]}
    assert found["expire-logs"]["Expiration"] == {"Days": 7}
    assert found["abort-unfinished-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert {each["Status"] for each in found.values()} == {"Enabled"}


def _rule(told: dict[str, Any]) -> dict[str, Any]:
    """As S3's API writes what CloudFormation writes shorter."""
    rule = {"ID": told["Id"], "Status": told["Status"], "Filter": {"Prefix": ""}}
    if "ExpirationInDays" in told:
        return {**rule, "Expiration": {"Days": told["ExpirationInDays"]}}
    return {**rule, "AbortIncompleteMultipartUpload": told["AbortIncompleteMultipartUpload"]}
