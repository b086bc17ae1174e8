"""The actions of the load balancing API, called with boto3; buckets are on moto."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from cloud import client_of, cloud
from loadbalancer.api.keepingshop import ALICE, BOB, FRONT, Shop, shop


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with cloud() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(store: str) -> str:
    name = f"logs-{uuid4().hex[:8]}"
    client_of("s3", store).create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return name


@pytest.fixture
def api(tmp_path: Path, store: str) -> Iterator[Shop]:
    with shop(tmp_path, store) as made:
        yield made


def refusal(call: Any, **arguments: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    told = caught.value.response
    assert told["ResponseMetadata"]["RequestId"]
    return told["Error"]["Code"], told["ResponseMetadata"]["HTTPStatusCode"], told["Error"]["Message"]


def test_a_classic_access_log_is_switched_on_and_off(api: Shop, store: str, bucket: str) -> None:
    elb = api.client()
    log = {"Enabled": True, "S3BucketName": bucket, "EmitInterval": 5, "S3BucketPrefix": "a/b"}
    assert elb.describe_load_balancer_attributes(LoadBalancerName="web")["LoadBalancerAttributes"] == {
        "AccessLog": {"Enabled": False}
    }
    told = elb.modify_load_balancer_attributes(LoadBalancerName="web", LoadBalancerAttributes={"AccessLog": log})
    assert told["LoadBalancerName"] == "web"
    assert told["LoadBalancerAttributes"] == {"AccessLog": log}
    assert elb.describe_load_balancer_attributes(LoadBalancerName="web")["LoadBalancerAttributes"] == {"AccessLog": log}
    test_file = client_of("s3", store).get_object(Bucket=bucket, Key=f"a/b/AWSLogs/{ALICE}/ELBAccessLogTestFile")
    assert test_file["Body"].read().startswith(b"Enable AccessLog for ELB: web at 20")
    off = {"AccessLog": {"Enabled": False}}
    told = elb.modify_load_balancer_attributes(LoadBalancerName="web", LoadBalancerAttributes=off)
    assert told["LoadBalancerAttributes"] == {"AccessLog": {**log, "Enabled": False}}


def test_an_application_access_log_is_switched_on_in_parts(api: Shop, bucket: str) -> None:
    elbv2 = api.client(service="elbv2")

    def modify(**told: str) -> dict[str, str]:
        pairs = [{"Key": f"access_logs.s3.{key}", "Value": value} for key, value in told.items()]
        answer = elbv2.modify_load_balancer_attributes(LoadBalancerArn=FRONT, Attributes=pairs)
        return {each["Key"]: each["Value"] for each in answer["Attributes"]}

    def log(*values: str) -> dict[str, str]:
        keys = ("enabled", "bucket", "prefix")
        return {f"access_logs.s3.{key}": value for key, value in zip(keys, values, strict=True)}

    assert modify(bucket=bucket) == log("false", bucket, "")
    assert modify(enabled="true") == log("true", bucket, "")
    assert modify(prefix="p") == log("true", bucket, "p")
    assert modify(enabled="false") == log("false", bucket, "p")
    told = elbv2.describe_load_balancer_attributes(LoadBalancerArn=FRONT)["Attributes"]
    assert {each["Key"]: each["Value"] for each in told} == log("false", bucket, "p")


def test_each_tenant_sees_and_changes_only_his_own(api: Shop, bucket: str) -> None:
    on = {"AccessLog": {"Enabled": True, "S3BucketName": bucket}}
    alice, bob = api.client("alice"), api.client("bob")
    alice.modify_load_balancer_attributes(LoadBalancerName="web", LoadBalancerAttributes=on)
    assert not bob.describe_load_balancer_attributes(LoadBalancerName="web")["LoadBalancerAttributes"]["AccessLog"][
        "Enabled"
    ]
    for client, name in ((alice, "back"), (bob, "mail"), (alice, f"{BOB}/web")):
        code = "LoadBalancerNotFound"
        assert refusal(client.describe_load_balancer_attributes, LoadBalancerName=name)[:2] == (code, 400)
        assert refusal(client.modify_load_balancer_attributes, LoadBalancerName=name, LoadBalancerAttributes=on)[:2] == (code, 400)  # fmt: skip
        assert refusal(client.describe_load_balancers, LoadBalancerNames=[name])[:2] == (code, 400)
    found = [each["LoadBalancerName"] for each in bob.describe_load_balancers()["LoadBalancerDescriptions"]]
    assert found == ["back", "web"]
    assert refusal(api.client("bob", "elbv2").describe_load_balancer_attributes, LoadBalancerArn=FRONT)[0] == "LoadBalancerNotFound"  # fmt: skip
    assert api.client("bob", "elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert api.client("alice", "elbv2").describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"] == FRONT
