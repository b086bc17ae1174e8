"""Clients work with a cloud that refuses what Eucalyptus refuses, whichever signature it knows."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from botocore.config import Config
from botocore.exceptions import SSLError

from services.certificates import Authority
from services.eucalyptus import ACCESS, PATHS, REGION, SECRET, Eucalyptus, eucalyptus
from tailrace.clock import SystemClock
from tailrace.clouds import connect_to_region
from tailrace.clouds.cloud import Cloud, Endpoint, Told
from tailrace.clouds.connecting import connect
from tailrace.clouds.direct.putting import Putting, UserKeys, target_of
from tailrace.clouds.finding import Given
from tailrace.clouds.secrets import Vault
from tailrace.errors import Fatal, UsageError

OLD = set(PATHS) - {"swf"}
"""All that have had a signature before version 4."""
LISTENER = {"Protocol": "http", "LoadBalancerPort": 80, "InstancePort": 80}


@pytest.fixture(scope="module", params=["v4", "old"])
def euca(request: pytest.FixtureRequest) -> Iterator[Eucalyptus]:
    with eucalyptus(OLD if request.param == "old" else set()) as made:
        yield made


@pytest.fixture(autouse=True)
def _nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("autoscaling", "describe_auto_scaling_groups", {}),
    ("cloudformation", "list_stacks", {}),
    ("cloudwatch", "put_metric_data", {"Namespace": "n", "MetricData": [{"MetricName": "m", "Value": 1.5}]}),
    ("monitoring", "list_metrics", {"Namespace": "n"}),
    ("ec2", "describe_volumes", {"Filters": [{"Name": "status", "Values": ["available"]}]}),
    ("elasticloadbalancing", "describe_load_balancers", {}),
    ("elbv2", "describe_load_balancers", {}),
    ("iam", "list_users", {}),
    ("s3", "list_buckets", {}),
    ("sts", "get_caller_identity", {}),
    ("swf", "list_domains", {"registrationStatus": "REGISTERED"}),
]


@pytest.mark.parametrize(("service", "operation", "told"), CALLS)
def test_every_service_answers(euca: Eucalyptus, service: str, operation: str, told: dict[str, Any]) -> None:
    with closing(connect(euca.cloud(), service)) as client:
        assert getattr(client, operation)(**told)["ResponseMetadata"]["HTTPStatusCode"] == 200
    name, request, verified = euca.asked[-1]
    assert PATHS[name] == PATHS.get(service, PATHS[name])
    assert request.header("host") in euca.url
    assert (verified.version == "v4") == (name not in euca.old)
    assert not euca.refused


def test_access_logs_keep_their_interval(euca: Eucalyptus) -> None:
    wanted = {"Enabled": True, "S3BucketName": "b", "EmitInterval": 5, "S3BucketPrefix": "p"}
    with closing(connect(euca.cloud(), "elb")) as elb:
        elb.create_load_balancer(LoadBalancerName="lb", Listeners=[LISTENER], AvailabilityZones=["us-east-1a"])
        elb.modify_load_balancer_attributes(LoadBalancerName="lb", LoadBalancerAttributes={"AccessLog": wanted})
        assert (
            elb.describe_load_balancer_attributes(LoadBalancerName="lb")["LoadBalancerAttributes"]["AccessLog"]
            == wanted
        )
    assert not euca.refused


def test_objects_come_and_go(euca: Eucalyptus) -> None:
    bucket, key, large = "objects", "AWSLogs/a b/é+&.log", "x" * (9 << 20)
    with closing(connect(euca.cloud(), "s3")) as s3:
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key=key, Body=b"content", ACL="bucket-owner-full-control")
        s3.upload_fileobj(io.BytesIO(large.encode()), bucket, "large")  # in parts
        assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix="AWSLogs/a b")["Contents"]] == [key]
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"content"
        assert s3.head_object(Bucket=bucket, Key="large")["ContentLength"] == len(large)
        told = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}, {"Key": "large"}]})
        assert len(told["Deleted"]) == 2
        s3.delete_bucket(Bucket=bucket)
    assert not euca.refused


def test_what_s3_asks_a_sum_for_has_one(euca: Eucalyptus) -> None:
    rule = {"ID": "a", "Prefix": "", "Status": "Enabled", "Expiration": {"Days": 3}}
    policy = {"Version": "2012-10-17", "Statement": []}
    cors = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}
    with closing(connect(euca.cloud(), "s3")) as s3:
        s3.create_bucket(Bucket="summed")
        s3.put_bucket_lifecycle_configuration(Bucket="summed", LifecycleConfiguration={"Rules": [rule]})
        s3.put_bucket_policy(Bucket="summed", Policy=json.dumps(policy))
        s3.put_bucket_cors(Bucket="summed", CORSConfiguration={"CORSRules": [cors]})
        s3.put_bucket_tagging(Bucket="summed", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
        s3.put_bucket_acl(Bucket="summed", GrantRead='id="000865102303"', GrantFullControl='id="me"')
        assert s3.get_bucket_lifecycle_configuration(Bucket="summed")["Rules"] == [rule]
    assert not euca.refused
    assert {request.query for _, request, _ in euca.asked if request.header("content-md5")} >= {
        "lifecycle",
        "policy",
        "cors",
    }


def test_queues_are_asked_by_query(euca: Eucalyptus) -> None:
    with closing(connect(euca.cloud(), "sqs")) as sqs:
        url = sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "0"}, tags={"a": "b"})["QueueUrl"]
        assert sqs.list_queues()["QueueUrls"] == [url]
        assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"a": "b"}
        attributes = {"k": {"DataType": "String", "StringValue": "v"}}
        entries = [{"Id": "1", "MessageBody": "é&<", "MessageAttributes": attributes}, {"Id": "2", "MessageBody": "b"}]
        assert [each["Id"] for each in sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]] == [
            "1",
            "2",
        ]
        told = {"MessageSystemAttributeNames": ["All"], "MessageAttributeNames": ["All"]}
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, **told)["Messages"]
        assert [each["Body"] for each in messages] == ["é&<", "b"]
        assert messages[0]["MessageAttributes"] == attributes
        assert messages[0]["Attributes"]["ApproximateReceiveCount"] == "1"
        gone = [{"Id": str(number), "ReceiptHandle": each["ReceiptHandle"]} for number, each in enumerate(messages)]
        assert len(sqs.delete_message_batch(QueueUrl=url, Entries=gone)["Successful"]) == 2
        left = sqs.get_queue_attributes(
            QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "VisibilityTimeout"]
        )
        assert left["Attributes"] == {"ApproximateNumberOfMessages": "0", "VisibilityTimeout": "0"}
    assert not euca.refused


def test_presigned_urls_lead_there() -> None:
    """Those of the old signatures are tested with Ceph: this cloud does not know them."""
    with eucalyptus() as euca, closing(connect(euca.cloud(), "s3")) as s3:
        s3.create_bucket(Bucket="presigned")
        s3.put_object(Bucket="presigned", Key="a b", Body=b"content")
        url = s3.generate_presigned_url("get_object", Params={"Bucket": "presigned", "Key": "a b"})
        assert url.startswith(f"{euca.url}{PATHS['s3']}/presigned/a%20b?")
        with urlopen(url, timeout=10) as answer:
            assert answer.read() == b"content"


def test_a_plain_client_would_be_refused(euca: Eucalyptus) -> None:
    """So that the cloud of these tests is as strict as they think."""
    import boto3  # noqa: PLC0415 - as users would, without this library

    def refused(service: str, call: str, **told: Any) -> str:
        keys = {"aws_access_key_id": ACCESS, "aws_secret_access_key": SECRET}
        usual = Config(signature_version={"s3": "s3"}.get(service, "v2")) if service in euca.old else Config()
        config = usual.merge(Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}))
        url = euca.url + PATHS[service]
        client = boto3.client(service, endpoint_url=url, region_name=REGION, config=config, **keys)
        with closing(client), pytest.raises(Exception, match=r"Refused|400|could not be found|JSON|signature"):
            getattr(client, call)(**told)
        return euca.refused.pop() if euca.refused else ""

    try:
        assert "MissingContentMD5" in refused(
            "s3", "delete_objects", Bucket="b", Delete={"Objects": [{"Key": "k"}]}
        ) or (
            "s3" in euca.old  # its requests for buckets are signed otherwise than they are made
        )
        if "cloudwatch" not in euca.old:
            assert "JSON" in refused("cloudwatch", "list_metrics")
            assert "JSON" in refused("sqs", "list_queues")
    finally:
        euca.refused.clear()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("old", [set(), OLD], ids=["v4", "old"])
def test_over_tls_bodies_are_sent_as_ever(authority: Authority, old: set[str]) -> None:
    """Over TLS botocore would send bodies in chunks, with their sums behind them."""
    with eucalyptus(old, tls=authority.server(authority.pair("cloud"))) as euca:
        for verify in (str(authority.path), "false"):
            cloud = euca.cloud(verify=Told(verify, "test"))
            with closing(connect(cloud, "s3")) as s3:
                s3.create_bucket(Bucket="bucket")
                s3.put_object(Bucket="bucket", Key="a", Body=io.BytesIO(b"content"))
                s3.upload_fileobj(io.BytesIO(b"x" * (9 << 20)), "bucket", "large")
                s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "large"}]})
                put(cloud, "bucket", "b", b"content")
                assert {s3.get_object(Bucket="bucket", Key=key)["Body"].read() for key in "ab"} == {b"content"}
        assert not euca.refused


def test_a_certificate_that_is_not_trusted_is_told(authority: Authority) -> None:
    with eucalyptus(tls=authority.server(authority.pair("cloud"))) as euca:
        config = Config(retries={"total_max_attempts": 1})
        with closing(connect(euca.cloud(), "s3", config=config)) as s3, pytest.raises(SSLError):
            s3.list_buckets()
        with pytest.raises(Fatal, match=r"is not trusted .* name its authorities in ca_certificates of its cloud"):
            put(euca.cloud(), "bucket", "b", b"content")
        assert not euca.asked


def put(cloud: Cloud, bucket: str, key: str, content: bytes) -> None:
    assert cloud.user
    store = Putting(target_of(cloud), UserKeys(cloud.user, Vault(lambda _: None, {})), SystemClock())
    store.put(bucket, key, io.BytesIO(content), {"Content-Type": "text/plain"})


# Regions by name


def looked(tmp_path: Path, clouds: dict[str, dict[str, Any]] | None = None) -> Given:
    return Given(environ={"HOME": str(tmp_path)}, home=tmp_path, clouds=clouds or {}, root=tmp_path)


def boto2(tmp_path: Path, euca: Eucalyptus) -> Given:
    host = euca.url.removeprefix("http://").partition(":")[0]
    endpoints = {service: {REGION: host} for service in ("ec2", "s3", "elasticloadbalancing")}
    (tmp_path / "endpoints.json").write_text(json.dumps(endpoints))
    (tmp_path / ".boto").write_text(
        f"[Credentials]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {SECRET}\n"
        f"[Boto]\nis_secure = False\nendpoints_path = {tmp_path}/endpoints.json\n"
    )
    return looked(tmp_path)


def test_a_region_of_boto_2_with_its_port_and_path(tmp_path: Path) -> None:
    with eucalyptus() as euca:
        port = int(euca.url.rpartition(":")[2])
        given = boto2(tmp_path, euca)
        with closing(connect_to_region("ec2", REGION, port=port, path="/services/compute", given=given)) as ec2:
            assert ec2.meta.endpoint_url == f"{euca.url}/services/compute"
            assert ec2.describe_instances()["Reservations"] == []
        assert not euca.refused
        with closing(connect_to_region("ec2", REGION, port=8773, given=given)) as ec2:
            assert ec2.meta.endpoint_url == "http://127.0.0.1:8773"
        with closing(connect_to_region("ec2", REGION, host="::1", is_secure=True, path="/x", given=given)) as ec2:
            assert ec2.meta.endpoint_url == "https://[::1]/x"


def test_a_cloud_of_the_settings(tmp_path: Path) -> None:
    with eucalyptus() as euca:
        told = {"endpoints": {"s3": euca.url + PATHS["s3"]}, "access_key": ACCESS, "secret_key": SECRET}
        with closing(connect_to_region("s3", REGION, given=looked(tmp_path, {REGION: told}))) as s3:
            assert s3.list_buckets()["Buckets"] == []
        with closing(
            connect_to_region("s3", "home", given=looked(tmp_path, {"home": {**told, "region": REGION}}))
        ) as s3:
            assert s3.meta.region_name == REGION
            assert s3.list_buckets()["Buckets"] == []


def test_an_endpoint_that_is_given_needs_no_known_region(tmp_path: Path) -> None:
    with eucalyptus() as euca:
        keys = {"aws_access_key_id": ACCESS, "aws_secret_access_key": SECRET}
        url = euca.url + PATHS["iam"]
        with closing(connect_to_region("iam", REGION, endpoint_url=url, given=looked(tmp_path), **keys)) as iam:
            assert iam.list_users()["Users"] == []
        with closing(connect(euca.cloud(endpoints={}), "iam", endpoint_url=url)) as iam:
            assert iam.list_users()["Users"] == []


def test_a_configuration_of_the_callers_counts_first() -> None:
    with closing(connect(_cloud(), "s3", config=Config(read_timeout=7))) as s3:
        config = s3.meta.config
        assert (config.read_timeout, config.connect_timeout, config.s3["addressing_style"]) == (7, 10, "path")
        assert config.request_checksum_calculation == "when_required"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"service": "nosuch", "region": "home"}, "there is no service nosuch"),
        ({"service": "sts", "region": "home"}, r"the cloud home has no endpoint of sts, and it is not asked for elsewhere; .*AWS_ENDPOINT_URL_STS"),
        ({"service": "elb", "region": "home"}, "AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING$"),
        ({"service": "sts", "region": "home", "port": 8773}, "the cloud home has no endpoint of sts"),
        ({"service": "s3", "region": "hone"}, "there is no region hone.*did you mean home"),
        ({"service": "ec2", "region": "eu-frankfurt-1"}, "there is no region eu-frankfurt-1: it is none of AWS"),
        ({"service": "s3", "region": "home", "endpoint_url": "nonsense"}, "argument: the endpoint of a service must be a URL"),
        ({"service": "s3", "region": "home", "endpoint_url": "https://s3.us-east-1.amazonaws.com"}, "is AWS's, but the cloud home is none of AWS"),
        ({"service": "s3", "region": "home", "aws_access_key_id": "a"}, "give aws_access_key_id and aws_secret_access_key together"),
        ({"service": "s3", "region": "nobody@home"}, "there is no user nobody"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_told(tmp_path: Path, arguments: dict[str, Any], told: str) -> None:
    given = looked(tmp_path, {"home": {"endpoints": {"s3": "http://s3.example:8773"}}})
    with pytest.raises(UsageError, match=told):
        connect_to_region(given=given, **arguments)


def _cloud(**own: Any) -> Cloud:
    endpoint = Endpoint(Told("http://127.0.0.1:1/services/objectstorage", "test"), Told("v4", "default"))
    told: dict[str, Any] = {
        "name": "home",
        "kind": Told("other", "test"),
        "region": Told("home", "test"),
        "private": True,
    }
    return Cloud(**{**told, "endpoints": {"s3": endpoint}, **own})


@pytest.mark.parametrize(("verify", "expected"), [("true", None), ("false", False), ("/etc/hosts", "/etc/hosts")])
def test_certificates_are_checked_as_told(verify: str, *, expected: bool | str | None) -> None:
    class Stopped(Exception):
        pass

    def stop(_service: str, **told: Any) -> None:
        assert told["verify"] == expected
        raise Stopped

    from tailrace.clouds.connecting.connection import _Private  # noqa: PLC0415 - for this test only

    with pytest.raises(Stopped):
        _Private(_cloud(verify=Told(verify, "test")), None, stop).client("s3")


def test_aws_is_called_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(connect_to_region("elasticloadbalancing", "eu-west-1", given=looked(tmp_path))) as elb:
        assert elb.meta.endpoint_url == "https://elasticloadbalancing.eu-west-1.amazonaws.com"
        assert elb.meta.config.signature_version == "v4"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    keys = {"aws_access_key_id": "AKIDGIVEN", "aws_secret_access_key": "secret", "aws_session_token": "token"}
    with closing(connect_to_region("cloudwatch", "eu-west-1", given=looked(tmp_path), **keys)) as cloudwatch:
        assert cloudwatch.meta.service_model.resolved_protocol != "query"
        assert cloudwatch._request_signer._credentials.access_key == "AKIDGIVEN"


def test_what_is_shared_is_not_changed() -> None:
    """The descriptions of services are kept by botocore; other clients of this process must not find ours there."""
    import boto3  # noqa: PLC0415 - as users would

    connect(_cloud(shared=_cloud().endpoints["s3"]), "sqs").close()
    with closing(boto3.client("sqs", region_name="eu-west-1")) as sqs:
        assert sqs.meta.service_model.resolved_protocol == "json"
