"""`tailrace lb grant`, as people use it, against Ceph's gateway and Swift."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from cli.conftest import Run
from services.openstack import Swift
from services.real import Ceph

ACCOUNT = "000865102303"
SCOPE = f"AWSLogs/{ACCOUNT}/"
OPERATOR, TENANT = "cli-operator", "cli-tenant"
Verb = Callable[..., Any]


def cloud(name: str, user: Ceph) -> str:
    keys = f'access_key = "{user.key}"\nsecret_key = "{user.secret}"'
    return f'[clouds.{name}]\nkind = "ceph"\nregion = "default"\nendpoint_url = "{user.endpoint}"\n{keys}\n'


@pytest.fixture
def bucket(gateway: Ceph, tmp_path: Path) -> str:
    name = f"weblogs-{uuid4().hex[:8]}"
    operator, tenant = gateway.user(OPERATOR), gateway.user(TENANT)
    s3 = operator.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key=f"{SCOPE}elasticloadbalancing/default/x.log", Body=b"line")
    lb = f'[lb]\naccount = "{ACCOUNT}"\nbucket = "{name}"\n'
    (tmp_path / "tailrace.toml").write_text(lb + cloud("lab", operator) + cloud("bob", tenant))
    return name


@pytest.fixture
def grant(run: Run) -> Verb:
    return lambda *words, **variables: run("lb", "grant", *words, **variables)


def test_planned_granted_proved_and_taken_back(grant: Verb, bucket: str) -> None:
    words = ("--region", "lab", "--to", TENANT)
    check = (*words, "--check", "--as", "bob")
    may = f"put_bucket_policy: {TENANT} may list and read s3://{bucket}/{SCOPE}; other statements stay\n"
    assert (ran := grant(*words, "--dry-run")).out == may, ran
    ran = grant(*check)
    assert (ran.code, ran.err) == (1, "")
    assert [line.split()[:2] for line in ran.out.splitlines()] == [
        ["ok", "put"],
        ["REFUSED", "list"],
        ["REFUSED", "read"],
    ]
    assert "refused (AccessDenied, HTTP 403) by http://" in ran.out
    assert (ran := grant(*words)).code == 2
    assert "nobody can be asked here; say --yes" in ran.err
    ran = grant(*words, "--yes", "--set", "lb.expire_days=3")
    assert (ran.code, ran.out.splitlines()[0]) == (0, may.strip())
    place = f"s3://{bucket}/{SCOPE}elasticloadbalancing/default/*"
    assert f"{place}, of all load balancers of account {ACCOUNT} in default, expires after 3 days" in ran.out
    ran = grant(*check)
    assert (ran.code, [line.split()[:2] for line in ran.out.splitlines()]) == (
        0, [["ok", "put"], ["ok", "list"], ["ok", "read"], ["ok", "read"]]
    )  # fmt: skip
    assert grant(*words, "--yes", "--set", "lb.expire_days=3").out == "nothing is to be changed\n"
    assert grant(*words, "--yes").out == "nothing is to be changed\n"
    assert "expires after 4 days (3 days become 4)" in grant(*words, "--dry-run", "--set", "lb.expire_days=4").out
    assert "is kept for ever (no longer 3 days)" in grant(*words, "--dry-run", "--set", "lb.expire_days=0").out
    assert "may no longer list" in grant(*words, "--revoke", "--yes").out
    assert grant(*check).code == 1


@pytest.mark.long
def test_by_lists_the_agent_is_told_what_it_needs(grant: Verb, bucket: str) -> None:
    words = ("--region", "lab", "--to", TENANT, "--set", "lb.access=acl")
    ran = grant(*words, "--yes")
    assert ran.out.splitlines() == [
        f"put_bucket_acl: {TENANT} may list s3://{bucket}",
        f"put_object_acl: {TENANT} may read {SCOPE}elasticloadbalancing/default/x.log",
    ]
    assert f'[lb] bucket_owner = "{OPERATOR}"' in ran.err
    ran = grant(*words, "--check", "--as", "bob")
    assert (ran.code, "lb.bucket_owner is not set" in ran.err) == (2, True)
    owner = ("--set", f"lb.bucket_owner={OPERATOR}")
    assert grant(*words, *owner, "--check", "--as", "@bob").code == 0
    assert "agent" not in grant(*words, *owner, "--yes").err


@pytest.mark.usefixtures("bucket")
def test_in_the_tenants_bucket_he_is_told_what_to_do(grant: Verb, gateway: Ceph) -> None:
    name = f"theirs-{uuid4().hex[:8]}"
    gateway.user(TENANT).client("s3").create_bucket(Bucket=name)
    words = ("--region", "lab", "--to", TENANT, "--bucket", name, "--set", f"lb.bucket_owner={TENANT}")
    ran = grant(*words)
    assert ran.code == 0
    own, native = ran.out.splitlines()
    assert own == f"tailrace lb grant --write --bucket {name} --to {OPERATOR} --region lab --set lb.kind=ceph"
    assert native.startswith(f"aws s3api put-bucket-policy --bucket {name} --policy '{{")
    check = (*words, "--check", "--as", "bob")
    assert grant(*check).out.startswith("REFUSED put")
    told = own.replace("--region lab", "--region bob").split()[3:]
    ran = grant(*told, "--yes")
    assert (ran.code, ran.out.split(":")[0]) == (0, "put_bucket_policy")
    ran = grant(*check)
    assert ([line.split()[:2] for line in ran.out.splitlines()], ran.code) == (
        [["ok", "put"], ["ok", "list"], ["ok", "read"]],
        0,
    ), ran
    assert "Contents" not in gateway.user(TENANT).client("s3").list_objects(Bucket=name)


@pytest.mark.long
@pytest.mark.usefixtures("bucket")
def test_errors_are_sentences(grant: Verb) -> None:
    words = ("--region", "lab", "--to", TENANT)
    for more, code, told in (
        (("--bucket", "none-such-here"), 2, "there is no bucket none-such-here at http"),
        (("--to", "gr-nobody", "--yes"), 2, "does not know 'gr-nobody'"),
        (("--to", "gr-nobody", "--region", "bob"), 3, "belongs to somebody else"),
        (("--check",), 2, "say by --as whose credentials"),
        (("--as", "bob"), 2, "with --check only"),
        (("--check", "--as", "carol"), 2, "there is no user carol"),
        (("--set", "lb.kind=other"), 2, "set lb.kind to what it is"),
        (("--set", "lb.kind=swift"), 2, "no credentials for Swift"),
        (("--set", "lb.bucket="), 2, "lb.bucket is not set"),
        (("--region", "nowhere"), 2, "there is no region nowhere"),
    ):
        ran = grant(*words, *more)
        assert (ran.code, told in ran.err, ran.err.count("\n")) == (code, True, 1), ran
    ran = grant("--region", "lab", "--write")
    assert (ran.code, "say who is to write" in ran.err) == (2, True)
    metadata = ("--set", "lb.metadata=http://127.0.0.1:1", "--set", "lb.account=")
    ran = grant("--region", "lab", *metadata)
    assert ("set lb.account" in ran.err, ran.code) == (True, 4)


def test_swift(grant: Verb, openstack: Swift, tmp_path: Path) -> None:
    name = f"weblogs-{uuid4().hex[:8]}"
    openstack.client().create_bucket(Bucket=name)
    for who, keys in (("op", openstack.owner), ("tenant", openstack.other)):
        (tmp_path / f"{who}.rc").write_text(
            f"export ST_AUTH={openstack.endpoint}/auth/v1.0\nexport ST_USER={keys.key}\nexport ST_KEY={keys.secret}\n"
        )
    table = f'[clouds.sw]\nkind = "swift"\nendpoint_url = "{openstack.endpoint}"\nopenrc = "op.rc"\n'
    (tmp_path / "tailrace.toml").write_text(f'[lb]\naccount = "{ACCOUNT}"\nbucket = "{name}"\nexpire_days = 2\n{table}')
    words = ("--region", "sw", "--to", "test2")
    assert grant(*words, "--check", "--as", "tenant.rc").code == 1
    ran = grant(*words, "--yes")
    assert (ran.code, ran.out) == (
        0,
        f"POST container: test2 may list and read the container {name}; others stay in its list\n",
    )
    assert f"{openstack.endpoint}/v1/AUTH_test" in ran.err
    ran = grant(*words, "--check", "--as", "tenant.rc")
    assert (ran.code, ran.err) == (0, ""), ran
    assert "testing" not in ran.out
    assert grant(*words, "--check", "--as", "none.rc").code == 2
