"""What is asked of IAM and of policies, for any policy."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.doctor.healthy import ACCOUNT, account, deployment
from making import StillClock
from tailrace.deploy.balancers.policy import Request, Verdict, verdict
from tailrace.deploy.cloud import Cloud
from tailrace.deploy.doctor.bucket import Policy, _statements, delivery
from tailrace.deploy.doctor.looking import Looking
from tailrace.deploy.doctor.permissions import needed
from tailrace.deploy.doctor.simulating import context_of, sample, simulated

KINDS = ["application", "classic", "network"]
OWN = deployment()
BUCKET = f"arn:aws:s3:::{OWN.bucket}"

_services = st.sampled_from(
    ["logdelivery.elasticloadbalancing.amazonaws.com", "delivery.logs.amazonaws.com", "s3.amazonaws.com"]
)
_resources = st.sampled_from([BUCKET, f"{BUCKET}/*", f"{BUCKET}/AWSLogs/{ACCOUNT}/*", "arn:aws:s3:::other/*", "*"])
_actions = st.sampled_from(["s3:PutObject", "s3:*", "s3:Put*", "s3:GetBucketAcl", "s3:GetObject", "*"])
_conditions = st.sampled_from(
    [
        {},
        {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        {"StringEquals": {"aws:SourceAccount": "000000000000"}},
        {"Bool": {"aws:SecureTransport": "false"}},
        {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}},
        {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
    ]
)


@st.composite
def _any_statement(draw: Any) -> dict[str, Any]:
    who = draw(st.one_of(_services.map(lambda name: {"Service": name}), st.sampled_from(["*", {"AWS": "*"}])))
    return {
        "Effect": draw(st.sampled_from(["Allow", "Allow", "Deny"])), "Principal": who, "Action": draw(_actions),
        "Resource": draw(_resources), "Condition": draw(_conditions),
    }  # fmt: skip


_policies = st.lists(_any_statement(), max_size=5).map(lambda some: {"Statement": some})


@settings(deadline=None, max_examples=60)
@given(_policies)
def test_what_allows_delivery_is_enough_whatever_else_is_allowed(policy: Any) -> None:
    allowing = [each for each in policy["Statement"] if each["Effect"] == "Allow"]
    merged = {"Statement": [*allowing, *_statements(OWN, KINDS)]}
    assert [each.mark for each in delivery(OWN, Policy(merged, KINDS))] == ["ok"]


@settings(deadline=None, max_examples=60)
@given(_policies)
def test_a_denial_of_everything_counts_before_what_is_allowed(policy: Any) -> None:
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [BUCKET, f"{BUCKET}/*"]}
    found = list(delivery(OWN, Policy({"Statement": [*policy["Statement"], deny]}, KINDS)))
    assert {each.mark for each in found} == {"wrong"}
    assert all(each.remedy.startswith("aws s3api get-bucket-policy") for each in found)


@settings(deadline=None, max_examples=60)
@given(_policies, st.permutations(range(5)))
def test_the_order_of_statements_says_nothing(policy: Any, order: Any) -> None:
    some = policy["Statement"]
    turned = {"Statement": [some[place] for place in order if place < len(some)]}
    one, other = (list(delivery(OWN, Policy(each, KINDS))) for each in (policy, turned))
    assert [each.mark for each in one] == [each.mark for each in other]


@settings(deadline=None, max_examples=60)
@given(_policies)
def test_the_remedy_repairs_or_only_shows(policy: Any) -> None:
    import json  # noqa: PLC0415
    import shlex  # noqa: PLC0415

    for each in delivery(OWN, Policy(policy, KINDS)):
        if each.remedy.startswith("aws s3api put-bucket-policy"):
            merged = json.loads(shlex.split(each.remedy)[-1])
            assert "wrong" not in {again.mark for again in delivery(OWN, Policy(merged, KINDS))}
            assert [one for one in policy["Statement"] if one not in merged["Statement"]] == []


@settings(deadline=None, max_examples=60)
@given(st.text("abc*?/:", max_size=20))
def test_a_sample_is_one_of_what_a_pattern_stands_for(pattern: str) -> None:
    allow = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "a:b", "Resource": pattern or "x"}]}
    told = sample(pattern or "x")
    assert verdict(allow, Request(service="s", action="a:b", resource=told)) is Verdict.ALLOWED


def test_exactly_what_the_policy_allows_is_simulated() -> None:
    told = (
        "sinks.x.url=elasticsearch:https://elk.example/l",
        "sinks.x.username=u",
        "sinks.x.password=ssm:token",
        "to=x",
    )
    recorded, wanted = account(OWN), deployment(*told)
    looking = Looking(Cloud(recorded.client, StillClock()))
    for each in needed(wanted):
        found = simulated(looking, "arn:aws:iam::123456789012:role/tailrace-prod-processor-eu-west-1", each)
        assert {answer.action for answer in found} == set(each["Action"])
        assert len({answer.resource for answer in found}) == len({sample(one) for one in each["Resource"]})
    sent = recorded.asked["iam:SimulatePrincipalPolicy"]
    assert not any("*" in one or "?" in one for each in sent for one in each["ResourceArns"] if one != "*")
    keys = [entry for each in sent for entry in each.get("ContextEntries", ())]
    assert {entry["ContextKeyName"] for entry in keys} == {"kms:ViaService", "kms:EncryptionContext:PARAMETER_ARN"}


def test_conditions_become_what_is_told_to_the_simulation() -> None:
    where = {"StringLike": {"a": ["x*", "y"]}, "Bool": {"b": "true"}}
    assert context_of(where) == [
        {"ContextKeyName": "a", "ContextKeyType": "string", "ContextKeyValues": ["xtailrace"]},
        {"ContextKeyName": "b", "ContextKeyType": "boolean", "ContextKeyValues": ["true"]},
    ]
