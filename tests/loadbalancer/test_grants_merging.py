"""What is merged with what is there: for any that is there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.accesslogging import AccessLogging
from tailrace.cli.lb._grant import Asked, Matter
from tailrace.errors import UsageError
from tailrace.loadbalancer.grants import acl, lifecycle, policy
from tailrace.loadbalancer.grants.bucket import Bucket, Found
from tailrace.loadbalancer.grants.wanted import Wanted, all_of, beginning, scope_of
from tailrace.loadbalancer.model import Balancer, Naming, Slot
from tailrace.loadbalancer.naming import naming
from tailrace.privatecloud import Kind
from tailrace.settings import Resolved, Settings

LB = Balancer(name="web", account="000865102303", region="eucalyptus", address="192.0.2.1", instance="i-5f3a2b1c")
ids = st.sampled_from(["owner", "reader", "a", "b"])
permissions = st.sampled_from(["READ", "WRITE", "READ_ACP", "FULL_CONTROL"])
EVERYBODY = {
    "Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"},
    "Permission": "READ",
}
actions = st.sampled_from(["s3:GetObject", "s3:PutObject"])
statements = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]), "Principal": st.just("*"), "Action": actions | st.lists(actions)},
    optional={"Sid": st.sampled_from(["a", "b", "TailraceLbGet"]), "Resource": st.just("arn:aws:s3:::b/*")},
)
rules = st.lists(
    st.fixed_dictionaries(
        {"Status": st.sampled_from(["Enabled", "Disabled"]), "Filter": st.just({"Prefix": "x/"}), "Expiration": st.just({"Days": 1})},
        optional={"ID": st.sampled_from(["a", lifecycle.identity("p/")])},
    )
)  # fmt: skip


def listed(*grants: tuple[str, str]) -> acl.Acl:
    made = [{"Grantee": {"Type": "CanonicalUser", "ID": who}, "Permission": what} for who, what in grants]
    return {"Owner": {"ID": "owner"}, "Grants": [*made, EVERYBODY]}


def told(there: acl.Acl) -> set[tuple[str, str]]:
    return {(each["Grantee"]["ID"], each["Permission"]) for each in there["Grants"] if each != EVERYBODY}


@given(st.sets(st.tuples(ids, permissions)), st.sampled_from(["", "owner", "bucket-owner"]))
def test_a_list_keeps_what_is_there_and_its_owner(grants: set[tuple[str, str]], owner: str) -> None:
    there = listed(*sorted(grants))
    after = acl.merged(there, "reader", "READ", owner) or there
    full = {(each, "FULL_CONTROL") for each in ("owner", owner) if each}
    reads = set() if ("reader", "FULL_CONTROL") in grants else {("reader", "READ")}
    assert told(after) == grants | full | reads
    assert EVERYBODY in after["Grants"]
    assert acl.merged(after, "reader", "READ", owner) is None
    taken = acl.merged(after, "reader", "READ", owner, revoke=True) or after
    assert told(taken) == told(after) - {("reader", "READ")}


def wanted(**more: Any) -> Wanted:
    return Wanted(**{"kind": "aws", "bucket": "b", "who": "000865102303", "scope": "p/", **more})


@given(st.lists(statements), st.booleans())
def test_a_policy_keeps_what_is_there(others: list[dict[str, Any]], version: bool) -> None:  # noqa: FBT001
    there = {"Version": "2008-10-17", "Id": "x", "Statement": others} if version else {"Statement": others}
    after = policy.merged(there, wanted())
    assert after
    assert after["Version"] == ("2008-10-17" if version else "2012-10-17")
    assert after["Statement"][: len(others)] == others
    assert policy.merged(json.loads(json.dumps(after)), wanted()) is None
    second = policy.merged(after, wanted(who="111111111111", scope=""))
    assert second
    assert len(second["Statement"]) == len(others) + 6
    one = policy.merged(second, wanted(revoke=True))
    assert one
    none = policy.merged(one, wanted(who="111111111111", scope="", revoke=True))
    assert none
    assert none["Statement"] == others
    assert policy.merged(none, wanted(revoke=True)) is None


def test_a_statement_that_somebody_changed_is_put_right() -> None:
    after = policy.merged(None, wanted())
    assert after
    for part, value in (
        ("Effect", "Deny"),
        ("Action", "s3:*"),
        ("Resource", "*"),
        ("Condition", {"Bool": {"x": "true"}}),
    ):
        changed = json.loads(json.dumps(after))
        changed["Statement"][1][part] = value
        again = policy.merged(changed, wanted())
        assert again
        assert sorted(map(str, again["Statement"])) == sorted(map(str, after["Statement"]))


@pytest.mark.parametrize(
    ("kind", "who", "principal"),
    [
        ("ceph", "bob", {"AWS": ["arn:aws:iam:::user/bob"]}),
        ("ceph", "acme$bob", {"AWS": ["arn:aws:iam::acme:user/bob"]}),
        ("ceph", "000865102303", {"AWS": ["arn:aws:iam:::user/000865102303"]}),
        ("ceph", "0a" * 16, {"AWS": [f"arn:aws:iam:::user/{'0a' * 16}", f"arn:aws:iam::{'0a' * 16}:user/{'0a' * 16}"]}),
        ("eucalyptus", "000865102303", {"AWS": ["arn:aws:iam::000865102303:root"]}),
        ("other", "minio-user", {"AWS": ["arn:aws:iam:::user/minio-user"]}),
    ],
)
def test_principals(kind: Kind, who: str, principal: dict[str, Any]) -> None:
    assert policy.principal(wanted(kind=kind, who=who)) == principal


@given(rules, st.integers(1, 100))
def test_rules_keep_what_is_there(there: list[dict[str, Any]], days: int) -> None:
    others = [each for each in there if each.get("ID") != lifecycle.identity("p/")]
    after = lifecycle.merged("aws", there, "p/", days)
    assert after
    assert after[:-1] == others
    assert after[-1]["Expiration"] == {"Days": days}
    assert lifecycle.merged("aws", after, "p/", days) is None
    assert lifecycle.merged("aws", after, "p/", 0) == others
    assert lifecycle.merged("aws", others, "p/", 0) is None


def test_as_many_rules_as_there_may_be() -> None:
    there = [{"ID": str(number), "Filter": {}, "Status": "Enabled"} for number in range(999)]
    assert lifecycle.merged("aws", there, "p/", 1)
    with pytest.raises(UsageError, match="1000 lifecycle rules"):
        lifecycle.merged("aws", [*there, {"ID": "x", "Filter": {}, "Status": "Enabled"}], "p/", 1)


class Log:
    suffix, content_type = ".log", "text/plain"

    def write(self, *_: Any) -> Any:
        raise NotImplementedError


def names(lb: AccessLogging) -> Naming:
    return naming(lb, LB, Log(), "eucalyptus")


@pytest.mark.parametrize(
    ("settings", "begin", "scope"),
    [
        ({"bucket": "logs"}, "AWSLogs/000865102303/elasticloadbalancing/eucalyptus/", "AWSLogs/000865102303/"),
        (
            {"bucket": "logs", "prefix": "a/b"},
            "a/b/AWSLogs/000865102303/elasticloadbalancing/eucalyptus/",
            "a/b/AWSLogs/000865102303/",
        ),
        ({"bucket": "logs-{account}"}, "AWSLogs/000865102303/elasticloadbalancing/eucalyptus/", ""),
        ({"bucket": "logs-{lb}"}, "AWSLogs/000865102303/elasticloadbalancing/eucalyptus/", "AWSLogs/000865102303/"),
        ({"bucket": "eucalyptus", "layout": "eucalyptus"}, "elb-access-", ""),
        ({"bucket": "logs", "layout": "{account}%Y%m%d%H%M%S-{random}"}, "000865102303", "000865102303"),
        ({"bucket": "logs", "layout": "{lb}/%a%d.%b.%y-%H%M%S{instance}"}, "web/", "web/"),
        ({"bucket": "logs", "layout": "{random}/{lb}/%s"}, "", ""),
    ],
)
def test_what_names_begin_with(settings: dict[str, str], begin: str, scope: str) -> None:
    lb = AccessLogging(**settings)  # type: ignore[arg-type]
    assert (beginning(names(lb), LB), scope_of(lb, names(lb), LB)) == (begin, scope)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"bucket": "logs"}, "all load balancers of account 000865102303 in eucalyptus"),
        ({"bucket": "logs-{lb}"}, ""),
        ({"bucket": f"{'l' * 60}{{lb}}"}, ""),
        ({"bucket": "eucalyptus", "layout": "eucalyptus"}, ""),
        ({"bucket": "logs", "layout": "{lb}/%Y/{random}"}, ""),
        ({"bucket": "logs", "layout": "{account}/%Y/{lb}/%s-{random}"}, "all load balancers of account 000865102303"),
        ({"bucket": "logs", "layout": "x/%Y/{lb}/%s-{random}"}, "all load balancers"),
    ],
)
def test_whose_objects_expire(settings: dict[str, str], told: str) -> None:
    lb = AccessLogging(**settings)  # type: ignore[arg-type]
    assert all_of(names(lb), LB) == told


@pytest.mark.parametrize(
    ("before", "days", "why"),
    [
        (0, 3, "s3://b/p/*, of all load balancers, expires after 3 days; other rules stay"),
        (30, 3, "s3://b/p/*, of all load balancers, expires after 3 days (30 days become 3); other rules stay"),
        (30, 0, "s3://b/p/*, of all load balancers, is kept for ever (no longer 30 days)"),
        (30, None, None),
    ],
)
def test_what_becomes_of_a_rule_is_told(before: int, days: int | None, why: str | None) -> None:
    asked = wanted(expiring="p/", expire_days=days, all_of="all load balancers")
    found = Found(
        owner="o", who="w", access=listed(), policy=policy.merged(None, asked), rules=[lifecycle.rule("aws", "p/", before)] if before else []
    )  # fmt: skip
    assert [change.why for change in Bucket(None, asked, "policy").plan(found)] == ([why] if why else [])


@pytest.mark.parametrize(
    ("days", "origins", "told"),
    [(0, {}, None), (0, {"lb.expire_days": "--set"}, 0), (3, {"lb.expire_days": "tailrace.toml"}, 3)],
)
def test_only_who_says_so_takes_a_rule_away_that_may_be_of_another_load_balancer(
    days: int, origins: dict[str, str], told: int | None
) -> None:
    resolved = Resolved(settings=Settings(lb=AccessLogging(expire_days=days)), origins=origins)
    assert Matter(resolved, Asked()).expire_days == told


@given(
    st.floats(0, 4e9),
    st.floats(0, 4e9),
    st.sampled_from(["aws", "eucalyptus", "{lb}-%Y/%j/{random}", "%d{lb}%s{random}"]),
)
def test_no_name_begins_otherwise(one: float, other: float, layout: str) -> None:
    made = names(AccessLogging(bucket="logs", layout=layout))
    for end in (one, other):
        assert made.key(LB, Slot(end - 1, end), "k3k3k3k3").startswith(beginning(made, LB))
