"""The actions of the load balancing API, called with boto3; buckets are on moto."""

from __future__ import annotations

import json
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud import client_of
from loadbalancer.api.keepingshop import ACCOUNTS, ALICE, BOB, FRONT, Shop, asked, sent, shop
from tailrace.clock import SystemClock
from tailrace.errors import Fatal
from tailrace.loadbalancer.agent.attributes import read
from tailrace.loadbalancer.api.accounts import Registered
from tailrace.loadbalancer.api.buckets import Buckets
from tailrace.loadbalancer.model import Attributes


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


def test_an_operator_sees_all_and_a_watcher_only_reads(api: Shop, bucket: str) -> None:
    operator, watcher = api.client("operator"), api.client("watcher")
    on = {"AccessLog": {"Enabled": True, "S3BucketName": bucket}}
    operator.modify_load_balancer_attributes(LoadBalancerName=f"{ALICE}/web", LoadBalancerAttributes=on)
    assert watcher.describe_load_balancer_attributes(LoadBalancerName="web")["LoadBalancerAttributes"]["AccessLog"][
        "Enabled"
    ]
    described = operator.describe_load_balancer_attributes
    assert not described(LoadBalancerName=f"{BOB}/web")["LoadBalancerAttributes"]["AccessLog"]["Enabled"]
    code, status, message = refusal(described, LoadBalancerName="web")
    assert (code, status) == ("ValidationError", 400)
    assert f"{BOB}/web or {ALICE}/web" in message
    assert not described(LoadBalancerName="back")["LoadBalancerAttributes"]["AccessLog"]["Enabled"]
    refused = refusal(watcher.modify_load_balancer_attributes, LoadBalancerName="web", LoadBalancerAttributes=on)
    assert refused[:2] == ("AccessDenied", 403)
    assert refusal(watcher.describe_load_balancer_attributes, LoadBalancerName="mail")[0] == "LoadBalancerNotFound"
    names = [each["LoadBalancerName"] for each in watcher.describe_load_balancers()["LoadBalancerDescriptions"]]
    assert names == ["web"]


def test_who_follows_an_application_load_balancer_needs_its_name_only(api: Shop, bucket: str) -> None:
    pairs = [
        {"Key": f"access_logs.s3.{key}", "Value": value} for key, value in (("enabled", "true"), ("bucket", bucket))
    ]
    api.client(service="elbv2").modify_load_balancer_attributes(LoadBalancerArn=FRONT, Attributes=pairs)
    for name in ("front", f"{ALICE}/front"):
        told = api.client("operator").describe_load_balancer_attributes(LoadBalancerName=name)["LoadBalancerAttributes"]
        assert told == {"AccessLog": {"Enabled": True, "S3BucketName": bucket, "EmitInterval": 5, "S3BucketPrefix": ""}}
    assert (
        refusal(api.client().describe_load_balancer_attributes, LoadBalancerName="front")[0] == "LoadBalancerNotFound"
    )
    refused = refusal(api.client("watcher").describe_load_balancer_attributes, LoadBalancerName="front")
    assert refused[0] == "LoadBalancerNotFound"  # it is bound to another one


def test_a_user_names_only_buckets_that_he_may(tmp_path: Path, store: str, bucket: str) -> None:
    accounts = ACCOUNTS.replace('buckets = ["*"]', 'buckets = ["alices-*"]', 1)
    on = {"AccessLog": {"Enabled": True, "S3BucketName": bucket}}
    with shop(tmp_path, store, accounts=accounts) as made:
        modify = made.client().modify_load_balancer_attributes
        code, status, message = refusal(modify, LoadBalancerName="web", LoadBalancerAttributes=on)
        assert (code, status) == ("AccessDenied", 403)
        assert bucket in message
        made.client("bob").modify_load_balancer_attributes(LoadBalancerName="web", LoadBalancerAttributes=on)


@pytest.mark.parametrize(
    ("log", "code", "status", "message"),
    [
        ({"Enabled": True, "S3BucketName": "not-there"}, "InvalidConfigurationRequest", 409, "S3Bucket: not-there does not exist"),
        ({"Enabled": True}, "ValidationError", 400, "S3Bucket name cannot be empty"),
        ({"Enabled": True, "S3BucketName": ""}, "ValidationError", 400, "S3Bucket name cannot be empty"),
        ({"Enabled": True, "S3BucketName": "a/b"}, "InvalidConfigurationRequest", 409, "not a name of a bucket"),
        ({"Enabled": True, "S3BucketName": "arn:aws:s3:::b"}, "InvalidConfigurationRequest", 409, "not a name of a bucket"),
        ({"S3BucketName": "logs"}, "ValidationError", 400, "loadBalancerAttributes.accessLog.enabled"),
        ({"Enabled": False, "EmitInterval": 7}, "InvalidConfigurationRequest", 409, "5 or 60 minutes"),
        ({"Enabled": False, "EmitInterval": "often"}, "ValidationError", 400, "must be a whole number"),
        ({"Enabled": False, "EmitInterval": "60٠"}, "ValidationError", 400, "must be a whole number"),
        ({"Enabled": False, "S3BucketPrefix": "/a"}, "InvalidConfigurationRequest", 409, "cannot begin or end with a slash"),
        ({"Enabled": False, "S3BucketPrefix": "a/"}, "InvalidConfigurationRequest", 409, "cannot begin or end with a slash"),
        ({"Enabled": False, "S3BucketPrefix": "a/AWSLogs"}, "InvalidConfigurationRequest", 409, "cannot contain AWSLogs"),
        ({"Enabled": False, "S3BucketPrefix": "a//b"}, "InvalidConfigurationRequest", 409, "empty parts"),
        ({"Enabled": False, "S3BucketPrefix": "a/../b"}, "InvalidConfigurationRequest", 409, "dots only"),
        ({"Enabled": False, "S3BucketPrefix": "a\nb"}, "InvalidConfigurationRequest", 409, "control characters"),
        ({"Enabled": False, "S3BucketPrefix": "ä" * 257}, "InvalidConfigurationRequest", 409, "longer than 512 bytes"),
    ],
)  # fmt: skip
def test_a_classic_log_that_cannot_be_is_refused(
    api: Shop, log: dict[str, Any], code: str, status: int, message: str
) -> None:
    elb = api.client()
    told = refusal(
        elb.modify_load_balancer_attributes, LoadBalancerName="web", LoadBalancerAttributes={"AccessLog": log}
    )
    assert told[:2] == (code, status)
    assert message in told[2]
    after = elb.describe_load_balancer_attributes(LoadBalancerName="web")["LoadBalancerAttributes"]
    assert after == {"AccessLog": {"Enabled": False}}


@pytest.mark.parametrize(
    ("pairs", "code", "message"),
    [
        ({"access_logs.s3.enabled": "true", "access_logs.s3.bucket": "not-there"}, "InvalidConfigurationRequest", "S3Bucket: not-there does not exist"),
        ({"access_logs.s3.enabled": "true"}, "ValidationError", "S3Bucket name cannot be empty"),
        ({"access_logs.s3.enabled": "1"}, "ValidationError", "must be true or false"),
        ({"access_logs.s3.prefix": "AWSLogs"}, "InvalidConfigurationRequest", "cannot contain AWSLogs"),
        ({"access_logs.s3.interval": "5"}, "InvalidConfigurationRequest", "only access_logs.s3.* is kept here"),
        ({"idle_timeout.timeout_seconds": "60"}, "InvalidConfigurationRequest", "not idle_timeout.timeout_seconds"),
        ({"what ever": "60"}, "ValidationError", "'what ever' is not recognized"),
        ({"access_logs.s3.prefix": "x" * 1025}, "ValidationError", "longer than 1024"),
        ({}, "ValidationError", "Value null at 'attributes'"),
        ({f"key{number}": "" for number in range(21)}, "ValidationError", "less than or equal to 20"),
    ],
)  # fmt: skip
def test_an_application_log_that_cannot_be_is_refused(
    api: Shop, pairs: dict[str, str], code: str, message: str
) -> None:
    told = [{"Key": key, "Value": value} for key, value in pairs.items()]
    modify = api.client(service="elbv2").modify_load_balancer_attributes
    refused = refusal(modify, LoadBalancerArn=FRONT, Attributes=told)
    assert refused[:2] == (code, 400)
    assert message in refused[2]


@pytest.mark.parametrize(
    ("parameters", "code", "status", "message"),
    [
        ({}, "MissingAction", 400, "Action"),
        ({"Action": "CreateLoadBalancer"}, "InvalidAction", 400, "CreateLoadBalancer for version 2012-06-01"),
        ({"Action": "DescribeLoadBalancers", "Version": "2011-01-01"}, "InvalidAction", 400, "for version 2011-01-01"),
        ({"Action": "DescribeLoadBalancers", "Version": ""}, "InvalidAction", 400, "NO_VERSION_SPECIFIED"),
        ({"Action": "DescribeLoadBalancerAttributes"}, "ValidationError", 400, "Value null at 'loadBalancerName'"),
        ({"Action": "ModifyLoadBalancerAttributes", "LoadBalancerName": "web"}, "ValidationError", 400, "'loadBalancerAttributes'"),
        ({"Action": "ModifyLoadBalancerAttributes", "LoadBalancerName": "web", "LoadBalancerAttributes__AccessLog__Enable": "true"}, "ValidationError", 400, "is no parameter"),
        ({"Action": "ModifyLoadBalancerAttributes", "LoadBalancerName": "web", "LoadBalancerAttributes__ConnectionSettings__IdleTimeout": "9"}, "InvalidConfigurationRequest", 409, "only AccessLog is kept here"),
        ({"Action": "ModifyLoadBalancerAttributes", "LoadBalancerName": "web", "LoadBalancerAttributes__AccessLog__Enabled": "yes"}, "ValidationError", 400, "must be true or false"),
        ({"Action": "DescribeLoadBalancers", "LoadBalancerNames__1": "web"}, "ValidationError", 400, "is no member of a list"),
        ({"Action": "DescribeLoadBalancers", "LoadBalancerNames__member__1__x": "web"}, "ValidationError", 400, "is a list of texts"),
        ({"Action": "DescribeLoadBalancers", "PageSize": "0"}, "ValidationError", 400, "from 1 to 400"),
        ({"Action": "DescribeLoadBalancers", "Marker": "x"}, "ValidationError", 400, "is no marker"),
        ({"Action": "DescribeLoadBalancerAttributes", "Version": "2015-12-01", "LoadBalancerArn": "front"}, "ValidationError", 400, "not a valid load balancer ARN"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(
    api: Shop, parameters: dict[str, str], code: str, status: int, message: str
) -> None:
    for version, method in (("v4", "POST"), ("v4", "GET"), ("v2", "POST"), ("v2", "GET")):
        told = sent(asked(api.url, version=version, method=method, **parameters))
        assert (told.status, told.code) == (status, code)
        assert message in told.message


def test_load_balancers_are_listed_page_by_page(api: Shop) -> None:
    pages = api.client("operator").get_paginator("describe_load_balancers").paginate(PaginationConfig={"PageSize": 3})
    told = [[each["LoadBalancerName"] for each in page["LoadBalancerDescriptions"]] for page in pages]
    assert told == [["back", "web", "mail"], ["web"]]


def test_answers_are_in_the_words_of_aws(api: Shop, bucket: str) -> None:
    """The reference's own example, tag by tag."""
    log = {"Enabled": "true", "S3BucketName": bucket, "EmitInterval": "5", "S3BucketPrefix": "<p>&"}
    told = {f"LoadBalancerAttributes__AccessLog__{key}": value for key, value in log.items()}
    body = sent(asked(api.url, Action="ModifyLoadBalancerAttributes", LoadBalancerName="web", **told)).body.decode()
    flat = re.sub(r">\s+<", "><", re.sub(r"<RequestId>[0-9a-f-]{36}</RequestId>", "<RequestId/>", body)).strip()
    assert flat == (
        '<ModifyLoadBalancerAttributesResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2012-06-01/">'
        "<ModifyLoadBalancerAttributesResult><LoadBalancerName>web</LoadBalancerName><LoadBalancerAttributes><AccessLog>"
        f"<Enabled>true</Enabled><S3BucketName>{bucket}</S3BucketName><EmitInterval>5</EmitInterval>"
        "<S3BucketPrefix>&lt;p&gt;&amp;</S3BucketPrefix></AccessLog></LoadBalancerAttributes>"
        "</ModifyLoadBalancerAttributesResult><ResponseMetadata><RequestId/></ResponseMetadata>"
        "</ModifyLoadBalancerAttributesResponse>"
    )


def test_who_changed_what_is_remembered_and_told_without_secrets(api: Shop, bucket: str) -> None:
    on = {"AccessLog": {"Enabled": True, "S3BucketName": bucket, "EmitInterval": 5}}
    api.client().modify_load_balancer_attributes(LoadBalancerName="web", LoadBalancerAttributes=on)
    with closing(sqlite3.connect(api.folder / "lb.sqlite")) as database:
        rows = database.execute('SELECT "user", address, account, kind, name, before, after FROM history').fetchall()
    ((*who, before, after),) = rows
    assert who == ["alice", "127.0.0.1", ALICE, "classic", "web"]
    assert json.loads(before) is None
    assert json.loads(after) == {"enabled": True, "bucket": bucket, "prefix": "", "interval": 300.0}
    (line,) = api.lines
    assert line.items() >= {"user": "alice", "action": "ModifyLoadBalancerAttributes", "balancer": f"{ALICE}/web", "status": 200}.items()  # fmt: skip
    told = f"{api.lines} {api.said}" + "".join(path.read_bytes().decode("latin-1") for path in api.folder.glob("lb.*"))
    assert "secret" not in told


def test_a_store_that_hangs_is_not_waited_for() -> None:
    class Hanging:
        def put_object(self, **_: Any) -> None:
            self.over.wait(30)

        over = Event()
        meta = SimpleNamespace(endpoint_url="https://store.example")

    hanging, said = Hanging(), list[str]()
    buckets = Buckets(lambda _service: hanging, SystemClock(), said.append, patience_s=0.1)
    web = Registered(account=ALICE, name="web")
    wanted = Attributes(enabled=True, bucket="logs")
    assert buckets.fault(web, wanted) == "S3Bucket validation transient issue"
    assert said == ["warning: the bucket logs could not be tried at https://store.example: no answer in 0.1 s"]
    hanging.over.set()
    buckets.close()


def test_changes_at_the_same_time_are_laid_over_one_another(api: Shop) -> None:
    """Each change begins with what the one before has left, so that no part of any is lost."""
    keys = ("bucket", "prefix", "enabled")

    def change(number: int) -> int:
        value = {"bucket": f"logs-{number}", "prefix": f"p{number}", "enabled": "false"}[keys[number % 3]]
        pair = {
            "Attributes__member__1__Key": f"access_logs.s3.{keys[number % 3]}",
            "Attributes__member__1__Value": value,
        }
        named = {"Action": "ModifyLoadBalancerAttributes", "Version": "2015-12-01", "LoadBalancerArn": FRONT}
        return sent(asked(api.url, ("alice", "operator")[number % 2], **named, **pair)).status

    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(change, range(60)))
    with closing(sqlite3.connect(api.folder / "lb.sqlite")) as database:
        told = [
            tuple(map(json.loads, row)) for row in database.execute("SELECT before, after FROM history ORDER BY id")
        ]
    assert len(told) == statuses.count(200) > 30  # those that switch it off twice in a second sign the same
    assert [before for before, _ in told] == [None, *(after for _, after in told[:-1])]


def test_the_agent_reads_what_is_told(api: Shop, bucket: str) -> None:
    describe = {"Action": "DescribeLoadBalancerAttributes", "LoadBalancerName": "web"}
    assert read(sent(asked(api.url, "watcher", **describe)).body) == Attributes(enabled=False, bucket="")
    on = {"AccessLog": {"Enabled": True, "S3BucketName": bucket, "EmitInterval": 5, "S3BucketPrefix": "<a> & b"}}
    api.client().modify_load_balancer_attributes(LoadBalancerName="web", LoadBalancerAttributes=on)
    expected = Attributes(enabled=True, bucket=bucket, prefix="<a> & b", interval=300.0)
    assert read(sent(asked(api.url, "watcher", **describe)).body) == expected


def test_a_bucket_for_which_no_keys_can_be_had_cannot_be_tried() -> None:
    def refused(**_: object) -> None:
        raise Fatal("the role has no keys")

    said: list[str] = []
    client = SimpleNamespace(put_object=refused, meta=SimpleNamespace(endpoint_url="http://store"))
    buckets = Buckets(lambda _service: client, SystemClock(), said.append)
    told = buckets.fault(Registered(account="1", name="web"), Attributes(enabled=True, bucket="b"))
    buckets.close()
    assert told == "S3Bucket validation transient issue"
    assert said == ["warning: the bucket b could not be tried at http://store: the role has no keys"]
