"""Who may read what on AWS: what is put there is looked at in moto, which keeps it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud import client_of, cloud
from granting import brought
from tailrace.errors import UsageError
from tailrace.loadbalancer.grants.bucket import Bucket
from tailrace.loadbalancer.grants.wanted import Wanted

TENANT, CANONICAL = "000865102303", "9a" * 32
SCOPE = f"logs/AWSLogs/{TENANT}/"
BUCKET = "web-logs"


@pytest.fixture
def s3() -> Iterator[Any]:
    with cloud() as endpoint:
        made = client_of("s3", endpoint)
        made.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield made


def wanted(**more: Any) -> Wanted:
    return Wanted(**{"kind": "aws", "bucket": BUCKET, "who": TENANT, "scope": SCOPE, **more})


def policy(s3: Any) -> list[dict[str, Any]]:
    found = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])["Statement"]
    assert isinstance(found, list)
    return found


def test_a_policy_for_an_account(s3: Any) -> None:
    theirs = {"Sid": "Elb", "Effect": "Allow", "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
              "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}  # fmt: skip
    s3.put_bucket_policy(
        Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Id": "mine", "Statement": [theirs]})
    )
    assert brought(s3, wanted(), "policy") == ["put_bucket_policy"]
    kept, find, listing, get = policy(s3)
    root = {"AWS": [f"arn:aws:iam::{TENANT}:root"]}
    assert kept == theirs
    assert (find["Action"], find["Resource"]) == (["s3:GetBucketLocation"], [f"arn:aws:s3:::{BUCKET}"])
    assert (listing["Action"], listing["Principal"]) == (["s3:ListBucket"], root)
    assert listing["Condition"] == {"StringLike": {"s3:prefix": [SCOPE.rstrip("/"), f"{SCOPE}*"]}}
    assert (get["Action"], get["Resource"]) == (["s3:GetObject"], [f"arn:aws:s3:::{BUCKET}/{SCOPE}*"])
    assert json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])["Id"] == "mine"
    brought(s3, wanted(revoke=True), "policy")
    assert policy(s3) == [theirs]


@pytest.mark.parametrize("who", [CANONICAL, "arn:aws:iam::000865102303:role/reader"])
def test_others_than_accounts(s3: Any, who: str) -> None:
    brought(s3, wanted(who=who), "policy")
    assert {json.dumps(each["Principal"]) for each in policy(s3)} in (
        {json.dumps({"CanonicalUser": who})},
        {json.dumps({"AWS": [who]})},
    )


def test_a_principal_that_aws_tells_otherwise_is_not_put_again(s3: Any) -> None:
    """AWS turns canonical ids into ARNs, and those of users who are gone into their ids."""
    brought(s3, wanted(who=CANONICAL), "policy")
    told = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])
    for each in told["Statement"]:
        each["Principal"] = {"AWS": "AIDAEXAMPLE"}
        each["Action"] = each["Action"][0]
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(told))
    setup = Bucket(s3, wanted(who=CANONICAL), "policy")
    assert setup.plan(setup.look()) == []


@pytest.mark.parametrize("who", ["web", "12345", "a$b", "x" * 64])
def test_who_is_nobody_on_aws(s3: Any, who: str) -> None:
    setup = Bucket(s3, wanted(who=who), "policy")
    with pytest.raises(UsageError, match="the 12 digits of an account, a canonical id or an ARN"):
        setup.plan(setup.look())


def test_a_bucket_whose_owner_owns_all_has_no_lists(s3: Any) -> None:
    s3.put_bucket_ownership_controls(
        Bucket=BUCKET, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    setup = Bucket(s3, wanted(who=CANONICAL), "acl")
    with pytest.raises(UsageError, match=r"BucketOwnerEnforced\); set lb\.access to policy"):
        setup.plan(setup.look())


def test_a_policy_that_would_be_too_long(s3: Any) -> None:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{BUCKET}/{'x' * 20_100}"],
    }
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    setup = Bucket(s3, wanted(), "policy")
    with pytest.raises(UsageError, match="longer than 20 KiB"):
        setup.plan(setup.look())


def test_rules_of_both_forms_are_not_mixed(s3: Any) -> None:
    """AWS takes rules with Filter and rules with Prefix, but not beside each other."""
    old = {"ID": "old", "Prefix": "tmp/", "Status": "Enabled", "Expiration": {"Days": 1}}
    setup = Bucket(s3, wanted(expiring=SCOPE, expire_days=9), "policy")
    found = setup.look()
    (change,) = (each for each in setup.plan(found) if "lifecycle" in each.call)
    assert change.arguments["LifecycleConfiguration"]["Rules"][0]["Filter"] == {"Prefix": SCOPE}
    (change,) = (each for each in setup.plan(with_rules(found, [old])) if "lifecycle" in each.call)
    rules = change.arguments["LifecycleConfiguration"]["Rules"]
    assert [(each["Prefix"], "Filter" in each) for each in rules] == [("tmp/", False), (SCOPE, False)]


def with_rules(found: Any, rules: list[dict[str, Any]]) -> Any:
    return replace(found, rules=rules)


def test_a_lifecycle_is_brought_there(s3: Any) -> None:
    brought(s3, wanted(expiring=SCOPE, expire_days=9), "policy")
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    assert (rule["Filter"], rule["Expiration"], rule["Status"]) == ({"Prefix": SCOPE}, {"Days": 9}, "Enabled")


def test_a_store_that_refuses_lists_is_told_of(s3: Any) -> None:
    """As AWS does where the bucket owns all objects; moto does not."""

    def refuse(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessControlListNotSupported"}}, "PutObject")

    s3.meta.events.register("before-call.s3.PutObject", refuse)
    with pytest.raises(UsageError, match=r"set lb\.access to policy"):
        Bucket(s3, wanted(who=CANONICAL), "acl").resolve()
