"""Clients, and objects put without boto3, at real stores: Ceph's gateway with its STS, Swift with its S3 API."""

from __future__ import annotations

import io
import json
import subprocess
from contextlib import closing
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from services.openstack import Swift, keystone
from services.real import Ceph, own_ceph
from tailrace.clock import SystemClock
from tailrace.clouds.cloud import Cloud, Endpoint, Told, User
from tailrace.clouds.connecting import connect
from tailrace.clouds.connecting.federation import federated
from tailrace.clouds.direct.putting import Putting, UserKeys, target_of
from tailrace.clouds.secrets import Vault
from tailrace.errors import Fatal

KEY = "AWSLogs/a b+é/c//d.log"


def cloud_of(url: str, keys: tuple[str, str], region: str, signature: str) -> Cloud:
    user = User(name=Told("me", "test"), access_key=Told(keys[0], "test"), secret_key=Told(keys[1], "test"))
    shared = Endpoint(Told(url, "test"), Told("v4", "test"))
    return Cloud(
        name="home",
        kind=Told("other", "test"),
        region=Told(region, "test"),
        private=True,
        endpoints={"s3": Endpoint(Told(url, "test"), Told(signature, "test"))},
        shared=shared,
        user=user,
    )


@pytest.fixture(params=["v4", "v2"])
def of_ceph(gateway: Ceph, request: pytest.FixtureRequest) -> Cloud:
    return cloud_of(gateway.endpoint, (gateway.key, gateway.secret), "default", request.param)


@pytest.fixture(params=["v4", "v2"])
def of_swift(openstack: Swift, request: pytest.FixtureRequest) -> Cloud:
    return cloud_of(openstack.endpoint, (openstack.owner.key, openstack.owner.secret), "us-east-1", request.param)


def name() -> str:
    return f"connecting-{uuid4().hex[:12]}"


def put(cloud: Cloud, bucket: str, content: bytes) -> None:
    assert cloud.user is not None
    store = Putting(target_of(cloud), UserKeys(cloud.user, Vault(lambda _: None, {})), SystemClock())
    store.put(bucket, KEY, io.BytesIO(content), {"Content-Type": "text/plain"})


def carry(cloud: Cloud) -> None:
    """All that is done with a bucket and its objects."""
    bucket = name()
    with closing(connect(cloud, "s3")) as s3:
        s3.create_bucket(Bucket=bucket)
        s3.head_bucket(Bucket=bucket)
        put(cloud, bucket, b"content" * 100_000)
        s3.put_object(Bucket=bucket, Key="other", Body=b"x")
        assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix="AWSLogs/a b")["Contents"]] == [KEY]
        assert s3.get_object(Bucket=bucket, Key=KEY)["Body"].read() == b"content" * 100_000
        with urlopen(
            s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": KEY}), timeout=10
        ) as answer:
            assert answer.read(7) == b"content"
        deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": KEY}, {"Key": "other"}]})["Deleted"]
        assert {each["Key"] for each in deleted} == {KEY, "other"}
        s3.delete_bucket(Bucket=bucket)


def test_ceph_takes_what_is_sent(of_ceph: Cloud) -> None:
    carry(of_ceph)


def test_swift_takes_what_is_sent(of_swift: Cloud) -> None:
    carry(of_swift)


def test_swift_takes_keys_of_keystone(openstack: Swift) -> None:
    project = openstack.keystone.project("connecting")
    carry(cloud_of(openstack.by_keystone, (project.key, project.secret), "us-east-1", "v4"))


@pytest.mark.long
@pytest.mark.parametrize("signature", ["v4", "v2"])
def test_ceph_takes_keys_of_keystone(signature: str) -> None:
    with keystone() as identity, own_ceph(identity.url) as store:
        project = identity.project("connecting")
        carry(cloud_of(store.endpoint, (project.key, project.secret), "default", signature))


def test_swift_tells_what_is_wrong(openstack: Swift, of_swift: Cloud) -> None:
    bucket = name()
    with closing(connect(of_swift, "s3")) as s3:
        s3.create_bucket(Bucket=bucket)
    signature = of_swift.endpoints["s3"].signature.value
    wrong = cloud_of(openstack.endpoint, (openstack.owner.key, "wrong"), "us-east-1", signature)
    with pytest.raises(
        Fatal, match=r"credentials are not accepted by .* \((SignatureDoesNotMatch|AccessDenied)\)|is denied"
    ):
        put(wrong, bucket, b"x")
    with pytest.raises(Fatal, match="there is no bucket"):
        put(of_swift, name(), b"x")
    if signature == "v4":
        elsewhere = cloud_of(openstack.endpoint, (openstack.owner.key, openstack.owner.secret), "elsewhere", signature)
        with pytest.raises(Fatal, match="is in another region"):
            put(elsewhere, bucket, b"x")


def test_ceph_grants_and_lets_expire(gateway: Ceph, of_ceph: Cloud) -> None:
    other, bucket = gateway.user("connecting-other"), name()
    rule = {"ID": "a", "Prefix": "", "Status": "Enabled", "Expiration": {"Days": 3}}
    with (
        closing(connect(of_ceph, "s3")) as s3,
        closing(connect(cloud_of(other.endpoint, (other.key, other.secret), "default", "v4"), "s3")) as theirs,
    ):
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        with pytest.raises(ClientError):
            theirs.get_object(Bucket=bucket, Key="k")
        grants = {"GrantRead": 'id="connecting-other"', "GrantFullControl": 'id="tailrace"'}
        s3.put_bucket_acl(Bucket=bucket, **grants)
        s3.put_object_acl(Bucket=bucket, Key="k", **grants)
        assert theirs.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
        assert [each["Key"] for each in theirs.list_objects_v2(Bucket=bucket)["Contents"]] == ["k"]
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
        (found,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        assert (found["Expiration"], found["Status"]) == ({"Days": 3}, "Enabled")


def _admin(gateway: Ceph, *words: str) -> None:
    command = ["radosgw-admin", "-c", str(gateway.folder / "ceph.conf"), *words]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def test_session_tokens_and_roles_of_cephs_own_sts(gateway: Ceph) -> None:
    user, role = gateway.user("connecting-sts"), f"reader-{uuid4().hex[:8]}"
    cloud = cloud_of(user.endpoint, (user.key, user.secret), "default", "v4")
    _admin(gateway, "caps", "add", "--uid=connecting-sts", "--caps=user-policy=*")

    def policy(*actions: str, **more: Any) -> str:
        return json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), **more}]}
        )

    bucket = name()
    with closing(connect(cloud, "iam")) as iam, closing(connect(cloud, "s3")) as s3:
        told = policy("sts:GetSessionToken", Resource="*")
        iam.put_user_policy(UserName="connecting-sts", PolicyName="sts", PolicyDocument=told)
        s3.create_bucket(Bucket=bucket)
    temporary = federated(cloud, cloud)
    assert temporary.user
    assert temporary.user.session_token
    put(temporary, bucket, b"by a session")
    with closing(connect(temporary, "s3")) as s3:
        assert s3.get_object(Bucket=bucket, Key=KEY)["Body"].read() == b"by a session"
    trust = policy("sts:AssumeRole", Principal={"AWS": ["arn:aws:iam:::user/connecting-sts"]})
    _admin(gateway, "role", "create", f"--role-name={role}", f"--assume-role-policy-doc={trust}")
    all_of_s3 = policy("s3:*", Resource="arn:aws:s3:::*")
    _admin(gateway, "role-policy", "put", f"--role-name={role}", "--policy-name=s3", f"--policy-doc={all_of_s3}")
    with closing(connect(cloud, "s3", role_arn=f"arn:aws:iam:::role/{role}")) as s3:
        assert s3.get_object(Bucket=bucket, Key=KEY)["Body"].read() == b"by a session"
    nobody = pytest.raises(Fatal, match="gives no keys for the role arn:aws:iam:::role/nobody")
    with closing(connect(cloud, "s3", role_arn="arn:aws:iam:::role/nobody")) as s3, nobody:
        s3.list_buckets()
