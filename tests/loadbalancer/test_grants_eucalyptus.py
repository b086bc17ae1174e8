"""Who may read what on Eucalyptus: a strict stand-in, for there is none to run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from granting import brought, code
from services.eucalyptus_s3 import Eucalyptus, canonical, eucalyptus
from tailrace.accesslogging import AccessLogging
from tailrace.clouds.cloud import Cloud, Endpoint, Told, User
from tailrace.clouds.connecting import connect
from tailrace.errors import UsageError
from tailrace.loadbalancer.grants import put_headers
from tailrace.loadbalancer.grants.bucket import Bucket
from tailrace.loadbalancer.grants.calls import UnknownGranteeError
from tailrace.loadbalancer.grants.proof import S3Side, proof
from tailrace.loadbalancer.grants.wanted import Wanted
from tailrace.loadbalancer.model import Balancer

SYSTEM, TENANT, STRANGER = "000111222333", "000865102303", "000999999999"
SCOPE = f"AWSLogs/{TENANT}/"
BUCKET = "access_logs-web_192.0.2.1_5f3a2b1c"
LB = Balancer(name="web", account=TENANT, region="eucalyptus", address="192.0.2.1")


@pytest.fixture
def store() -> Iterator[Eucalyptus]:
    with eucalyptus({f"AKID{number}": number for number in (SYSTEM, TENANT, STRANGER)}) as made:
        system = as_(made, SYSTEM)
        system.create_bucket(Bucket=BUCKET)
        system.put_object(Bucket=BUCKET, Key=f"{SCOPE}a", Body=b"hi")
        yield made


def as_(store: Eucalyptus, account: str, signature: str = "v4") -> Any:
    told = {
        name: Told(text, "test")
        for name, text in (("name", account), ("access_key", f"AKID{account}"), ("secret_key", "x"))
    }
    return connect(
        Cloud(
            name="euca",
            kind=Told("eucalyptus", "test"),
            region=Told("eucalyptus", "test"),
            private=True,
            endpoints={"s3": Endpoint(Told(store.url, "test"), Told(signature, "test"))},
            user=User(**told),
        ),
        "s3",
    )


def wanted(**more: Any) -> Wanted:
    return Wanted(**{"kind": "eucalyptus", "bucket": BUCKET, "who": TENANT, "scope": SCOPE, **more})


def read(s3: Any, key: str = f"{SCOPE}a") -> bytes:
    return bytes(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())


@pytest.mark.parametrize("signature", ["v2", "v4"])
def test_an_account_by_its_number(store: Eucalyptus, signature: str) -> None:
    system, tenant, stranger = (as_(store, account, signature) for account in (SYSTEM, TENANT, STRANGER))
    assert code(lambda: read(tenant)) == "AccessDenied"
    assert brought(system, wanted(), "acl") == ["put_bucket_acl", "put_object_acl"]
    assert (read(tenant), read(system)) == (b"hi", b"hi")
    assert len(tenant.list_objects(Bucket=BUCKET)["Contents"]) == 1
    assert code(lambda: read(stranger)) == code(lambda: stranger.list_objects(Bucket=BUCKET)) == "AccessDenied"
    assert brought(system, wanted(), "acl") == []
    brought(system, wanted(revoke=True), "acl")
    assert code(lambda: read(tenant)) == code(lambda: tenant.list_objects(Bucket=BUCKET)) == "AccessDenied"
    assert read(system) == b"hi"


def test_what_the_agent_puts_is_read_by_both(store: Eucalyptus) -> None:
    brought(as_(store, SYSTEM), wanted(), "acl")
    sides = S3Side(as_(store, SYSTEM), BUCKET), S3Side(as_(store, TENANT), BUCKET)
    headers = put_headers("eucalyptus", AccessLogging(bucket_owner=SYSTEM), LB)
    assert [seen.good for seen in proof(*sides, wanted(), headers)] == [True] * 4
    seen = list(proof(*sides, wanted(), {}))
    assert [each.good for each in seen] == [True, True, False, True]
    assert "put just now: refused (AccessDenied, HTTP 403)" in seen[2].text
    assert list(store.buckets[BUCKET].objects) == [f"{SCOPE}a"]


def test_a_canonical_id(store: Eucalyptus) -> None:
    brought(as_(store, SYSTEM), wanted(who=canonical(TENANT)), "acl")
    assert read(as_(store, TENANT)) == b"hi"


def test_an_account_that_is_not_known(store: Eucalyptus) -> None:
    setup = Bucket(as_(store, SYSTEM), wanted(who="000000000001"), "acl")
    with pytest.raises(UnknownGranteeError, match=r"does not know '000000000001'.*\(InvalidArgument\)"):
        setup.resolve()
    assert list(store.buckets[BUCKET].objects) == [f"{SCOPE}a"]


def test_the_tenants_bucket_as_eucalyptus_itself_has_it(store: Eucalyptus) -> None:
    system, tenant = as_(store, SYSTEM), as_(store, TENANT)
    tenant.create_bucket(Bucket="theirs")
    assert code(lambda: system.put_object(Bucket="theirs", Key="k")) == "AccessDenied"
    brought(tenant, wanted(bucket="theirs", who=SYSTEM, permission="write"), "acl")
    headers = put_headers("eucalyptus", AccessLogging(bucket_owner=TENANT), LB)
    sides = S3Side(system, "theirs"), S3Side(tenant, "theirs")
    assert all(seen.good for seen in proof(*sides, wanted(bucket="theirs"), headers))


def test_expiry_in_the_form_of_old(store: Eucalyptus) -> None:
    system = as_(store, SYSTEM)
    assert brought(system, wanted(expiring=SCOPE, expire_days=30), "acl")[-1] == "put_bucket_lifecycle_configuration"
    (rule,) = system.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert (rule["Prefix"], rule["Expiration"]["Days"], "Filter" in rule) == (SCOPE, 30, False)
    brought(system, wanted(expiring=SCOPE, expire_days=0), "acl")
    assert not store.buckets[BUCKET].rules


def test_no_expiry_for_a_bucket_with_versions(store: Eucalyptus) -> None:
    system = as_(store, SYSTEM)
    system.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    setup = Bucket(system, wanted(expiring=SCOPE, expire_days=30), "acl")
    with pytest.raises(UsageError, match=r"keeps old versions.*set lb\.expire_days to 0"):
        setup.plan(setup.look())
    brought(system, wanted(expiring=SCOPE, expire_days=0), "acl")
