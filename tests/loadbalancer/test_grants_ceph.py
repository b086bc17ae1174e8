"""Who may read what in Ceph's gateway, asked of Ceph's gateway."""

from __future__ import annotations

import json
import time
from functools import cache
from typing import Any
from uuid import uuid4

import pytest

from granting import any_name, brought, code
from services.openstack import keystone
from services.real import Ceph, own_ceph
from tailrace.accesslogging import AccessLogging
from tailrace.errors import Fatal, UsageError
from tailrace.loadbalancer.grants import put_headers
from tailrace.loadbalancer.grants.bucket import Bucket
from tailrace.loadbalancer.grants.calls import UnknownGranteeError
from tailrace.loadbalancer.grants.headers import Way
from tailrace.loadbalancer.grants.wanted import Wanted
from tailrace.loadbalancer.model import Balancer

SCOPE = "AWSLogs/000865102303/"
OPERATOR, TENANT, STRANGER = "gr-operator", "gr-tenant", "gr-stranger"


@pytest.fixture
def bucket(gateway: Ceph) -> str:
    name = f"grants-{uuid4().hex[:12]}"
    s3 = as_(gateway, OPERATOR)
    s3.create_bucket(Bucket=name)
    for key in (f"{SCOPE}a", "AWSLogs/999999999999/b"):
        s3.put_object(Bucket=name, Key=key, Body=key.encode())
    return name


@cache
def as_(gateway: Ceph, user: str) -> Any:
    return any_name(gateway.user(user).client("s3"))


def wanted(bucket: str, **more: Any) -> Wanted:
    return Wanted(**{"kind": "ceph", "bucket": bucket, "who": TENANT, "scope": SCOPE, **more})


def read(s3: Any, bucket: str, key: str = f"{SCOPE}a") -> str:
    found = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    assert isinstance(found, bytes)
    return found.decode()


def listed(s3: Any, bucket: str, prefix: str = SCOPE) -> list[str]:
    return [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())]


@pytest.mark.parametrize("way", ["policy", "acl"])
def test_the_tenant_reads_and_nobody_else(gateway: Ceph, bucket: str, way: Way) -> None:
    operator, tenant, stranger = (as_(gateway, user) for user in (OPERATOR, TENANT, STRANGER))
    assert code(lambda: read(tenant, bucket)) == "AccessDenied"
    brought(operator, wanted(bucket), way)
    assert listed(tenant, bucket) == [f"{SCOPE}a"]
    assert read(tenant, bucket) == f"{SCOPE}a"
    assert code(lambda: read(tenant, bucket, "AWSLogs/999999999999/b")) == "AccessDenied"
    assert code(lambda: read(stranger, bucket)) == code(lambda: listed(stranger, bucket)) == "AccessDenied"
    assert code(lambda: tenant.put_object(Bucket=bucket, Key=f"{SCOPE}x")) == "AccessDenied"
    assert read(operator, bucket) == f"{SCOPE}a"


def test_by_policy_the_names_of_others_are_hidden(gateway: Ceph, bucket: str) -> None:
    brought(as_(gateway, OPERATOR), wanted(bucket), "policy")
    assert code(lambda: listed(as_(gateway, TENANT), bucket, "AWSLogs/")) == "AccessDenied"
    assert listed(as_(gateway, TENANT), bucket, SCOPE.rstrip("/"))


@pytest.mark.parametrize("way", ["policy", "acl"])
def test_what_is_put_later_is_readable_too(gateway: Ceph, bucket: str, way: Way) -> None:
    operator = as_(gateway, OPERATOR)
    brought(operator, wanted(bucket), way)
    lb = AccessLogging(access=way, reader=TENANT, bucket_owner=OPERATOR)
    headers = put_headers("ceph", lb, Balancer(name="lb", account="000865102303", region="r", address="192.0.2.1"))
    told = {"x-amz-grant-read": "GrantRead", "x-amz-grant-full-control": "GrantFullControl"}
    key = f"{SCOPE}later"
    operator.put_object(Bucket=bucket, Key=key, Body=b"later", **{told[name]: text for name, text in headers.items()})
    assert read(as_(gateway, TENANT), bucket, key) == read(operator, bucket, key) == "later"


@pytest.mark.parametrize("way", ["policy", "acl"])
def test_taken_back(gateway: Ceph, bucket: str, way: Way) -> None:
    operator, tenant = as_(gateway, OPERATOR), as_(gateway, TENANT)
    before = operator.get_bucket_acl(Bucket=bucket)["Grants"]
    brought(operator, wanted(bucket), way)
    brought(operator, wanted(bucket, revoke=True), way)
    assert code(lambda: read(tenant, bucket)) == code(lambda: listed(tenant, bucket)) == "AccessDenied"
    assert operator.get_bucket_acl(Bucket=bucket)["Grants"] == before
    assert code(lambda: operator.get_bucket_policy(Bucket=bucket)) == "NoSuchBucketPolicy"
    assert read(operator, bucket) == f"{SCOPE}a"


def test_what_others_were_granted_stays(gateway: Ceph, bucket: str) -> None:
    operator, stranger = as_(gateway, OPERATOR), as_(gateway, STRANGER)
    brought(operator, wanted(bucket, who=STRANGER, scope="AWSLogs/999999999999/"), "policy")
    brought(operator, wanted(bucket), "policy")
    brought(operator, wanted(bucket, who=STRANGER), "acl")
    assert read(stranger, bucket, "AWSLogs/999999999999/b")
    assert read(stranger, bucket)
    brought(operator, wanted(bucket), "acl")
    brought(operator, wanted(bucket, revoke=True), "acl")
    brought(operator, wanted(bucket, revoke=True), "policy")
    assert read(stranger, bucket) == f"{SCOPE}a"
    assert read(stranger, bucket, "AWSLogs/999999999999/b")


def test_a_user_in_a_tenant_of_ceph(gateway: Ceph, bucket: str) -> None:
    bob = as_(gateway, "acme$bob")
    brought(as_(gateway, OPERATOR), wanted(bucket, who="acme$bob"), "policy")
    assert read(bob, f":{bucket}") == f"{SCOPE}a"
    brought(as_(gateway, OPERATOR), wanted(bucket, who="acme$bob", revoke=True), "policy")
    brought(as_(gateway, OPERATOR), wanted(bucket, who="acme$bob"), "acl")
    assert (read(bob, f":{bucket}"), len(listed(bob, f":{bucket}"))) == (f"{SCOPE}a", 1)


@pytest.mark.parametrize("way", ["policy", "acl"])
@pytest.mark.parametrize("who", ["gr-nobody", "acme$nobody"])
def test_somebody_whom_ceph_does_not_know(gateway: Ceph, bucket: str, way: Way, who: str) -> None:
    setup = Bucket(as_(gateway, OPERATOR), wanted(bucket, who=who), way)
    with pytest.raises(UnknownGranteeError, match="does not know"):
        setup.resolve()
    assert len(listed(as_(gateway, OPERATOR), bucket, "")) == 2
    brought(as_(gateway, OPERATOR), wanted(bucket, who=who, revoke=True), way)


def test_the_tenant_lets_the_operator_write(gateway: Ceph) -> None:
    """The other way round: the bucket is the tenant's, and who writes there lets him read."""
    operator, tenant = as_(gateway, OPERATOR), as_(gateway, TENANT)
    for way in ("policy", "acl"):
        name = f"grants-{uuid4().hex[:12]}"
        tenant.create_bucket(Bucket=name)
        assert code(lambda name=name: operator.put_object(Bucket=name, Key=f"{SCOPE}x")) == "AccessDenied"
        brought(tenant, wanted(name, who=OPERATOR, permission="write"), way)  # type: ignore[arg-type]
        (canned,) = put_headers(
            "ceph",
            AccessLogging(bucket_owner=TENANT, reader=TENANT),
            Balancer(name="lb", account="1", region="r", address=""),
        ).values()
        operator.put_object(Bucket=name, Key=f"{SCOPE}x", Body=b"line", ACL=canned)
        assert read(tenant, name, f"{SCOPE}x") == "line"
        assert code(lambda name=name: listed(operator, name)) == "AccessDenied"
        brought(tenant, wanted(name, who=OPERATOR, permission="write", revoke=True), way)  # type: ignore[arg-type]
        assert code(lambda name=name: operator.put_object(Bucket=name, Key=f"{SCOPE}x")) == "AccessDenied"


def test_objects_of_others_in_the_bucket_are_counted(gateway: Ceph, bucket: str) -> None:
    operator, tenant = as_(gateway, OPERATOR), as_(gateway, TENANT)
    brought(operator, wanted(bucket, permission="write"), "policy")
    tenant.put_object(Bucket=bucket, Key=f"{SCOPE}theirs")
    found = Bucket(operator, wanted(bucket), "acl").look()
    assert (found.others, len(found.objects)) == (1, 1)


def test_a_bucket_of_somebody_else_and_none_at_all(gateway: Ceph, bucket: str) -> None:
    tenant = as_(gateway, TENANT)
    with pytest.raises(Fatal, match=rf"refuses to get bucket acl of {bucket} \(AccessDenied\): the bucket belongs to"):
        Bucket(tenant, wanted(bucket), "policy").look()
    with pytest.raises(UsageError, match=f"there is no bucket {bucket}-x at http"):
        Bucket(tenant, wanted(f"{bucket}-x"), "policy").look()
    operator = as_(gateway, OPERATOR)
    operator.put_bucket_acl(Bucket=bucket, GrantFullControl=f'id="{OPERATOR}",id="{TENANT}"')
    with pytest.raises(Fatal, match=f"belongs to {OPERATOR}, whose credentials these are not"):
        Bucket(tenant, wanted(bucket), "policy").look()


def test_rules_of_ours_among_others(gateway: Ceph, bucket: str) -> None:
    operator = as_(gateway, OPERATOR)
    other = {"ID": "theirs", "Filter": {"Prefix": "x/"}, "Status": "Enabled", "Expiration": {"Days": 9}}
    operator.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [other]})

    def rules() -> dict[str, int]:
        told = operator.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        return {each["Filter"]["Prefix"]: each["Expiration"]["Days"] for each in told}

    for days in (3, 5):
        assert "put_bucket_lifecycle_configuration" in brought(
            operator, wanted(bucket, expiring=SCOPE, expire_days=days), "policy"
        )
        assert rules() == {"x/": 9, SCOPE: days}
    brought(operator, wanted(bucket, expiring=SCOPE, expire_days=0), "policy")
    assert rules() == {"x/": 9}


def test_the_last_rule_goes_with_the_lifecycle(gateway: Ceph, bucket: str) -> None:
    operator = as_(gateway, OPERATOR)
    brought(operator, wanted(bucket, expiring=SCOPE, expire_days=3), "policy")
    assert brought(operator, wanted(bucket, expiring=SCOPE, expire_days=0), "policy") == ["delete_bucket_lifecycle"]
    assert code(lambda: operator.get_bucket_lifecycle_configuration(Bucket=bucket)) == "NoSuchLifecycleConfiguration"


@pytest.mark.long
def test_objects_are_really_gone(gateway: Ceph, bucket: str) -> None:
    """A day of this gateway has ten seconds."""
    operator = as_(gateway, OPERATOR)
    brought(operator, wanted(bucket, expiring=SCOPE, expire_days=1), "policy")
    for _ in range(90):
        if not listed(operator, bucket):
            break
        time.sleep(1)
    assert listed(operator, bucket, "") == ["AWSLogs/999999999999/b"]


def test_nothing_expires_that_is_not_known_to_be_ours(gateway: Ceph, bucket: str) -> None:
    setup = Bucket(as_(gateway, OPERATOR), wanted(bucket, scope="", expire_days=3), "policy")
    with pytest.raises(UsageError, match=r"set lb\.prefix"):
        setup.plan(setup.look())


def test_a_policy_of_the_users_own_stays(gateway: Ceph, bucket: str) -> None:
    operator = as_(gateway, OPERATOR)
    theirs = {
        "Sid": "mine",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::x/y",
    }
    operator.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": theirs}))
    brought(operator, wanted(bucket), "policy")
    brought(operator, wanted(bucket, revoke=True), "policy")
    assert json.loads(operator.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"] == [theirs]


def test_what_cannot_be_said_in_a_policy(gateway: Ceph, bucket: str) -> None:
    setup = Bucket(as_(gateway, OPERATOR), wanted(bucket, who="a/b c"), "policy")
    with pytest.raises(UsageError, match="cannot be granted anything by a bucket policy"):
        setup.plan(setup.look())
    setup = Bucket(as_(gateway, OPERATOR), wanted(bucket), "none")
    with pytest.raises(UsageError, match=r"set lb\.kind"):
        setup.plan(setup.look())


@pytest.mark.long
def test_a_project_of_keystone() -> None:
    with keystone() as identity, own_ceph(identity.url) as gateway:
        operator = as_(gateway, OPERATOR)
        project = identity.project("gr-project")
        tenant = any_name(gateway.client("s3", project.key, project.secret))
        ways: tuple[Way, ...] = ("acl", "policy")
        for way in ways:
            operator.create_bucket(Bucket=way)
            operator.put_object(Bucket=way, Key=f"{SCOPE}a", Body=b"hi")
        with pytest.raises(UnknownGranteeError):
            Bucket(operator, wanted("acl", who=project.id), "acl").resolve()
        Bucket(operator, wanted("policy", who=project.id), "policy").resolve()
        tenant.list_buckets()  # from now on Ceph knows it
        for way in ways:
            brought(operator, wanted(way, who=project.id), way)
            assert (read(tenant, way), listed(tenant, way)) == ("hi", [f"{SCOPE}a"])
