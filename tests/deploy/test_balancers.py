"""Logs of load balancers: found, checked, switched on, and put back, on moto and with answers that AWS gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any
from uuid import uuid4

import pytest
from botocore.stub import Stubber

from cloud import REGION, client_of, cloud
from deploy.kept import Kept
from making import StillClock
from tailrace.deploy.balancers.finding import Balancer, at, find
from tailrace.deploy.balancers.restoring import Restoring
from tailrace.deploy.balancers.switching import Logging, needs
from tailrace.deploy.cloud import Cloud, Place
from tailrace.deploy.wanted import Wanted, wanted
from tailrace.errors import Fatal, UsageError
from tailrace.settings import resolve

ACCOUNT = "123456789012"
PLACE = Place("aws", REGION, ACCOUNT)
DELIVERY = "logdelivery.elasticloadbalancing.amazonaws.com"


class Yard:
    """An account with load balancers and a bucket on moto."""

    def __init__(self, endpoint: str, client: Callable[[str], Any]) -> None:
        self.endpoint = endpoint
        self.said: list[str] = []
        self.memory = Kept()
        self.cloud = Cloud(client, StillClock())
        self.new, self.old, self.s3, ec2 = map(client, ("elbv2", "elb", "s3", "ec2"))
        self.bucket = f"logs-{uuid4().hex[:8]}"
        self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.allow(self.bucket)
        self.subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]][:2]

    def allow(self, bucket: str, *statements: Mapping[str, Any]) -> None:
        below = f"arn:aws:s3:::{bucket}/lb/AWSLogs/{ACCOUNT}/*"
        usual = [
            {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*",
             "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
            {"Effect": "Allow", "Principal": {"Service": DELIVERY}, "Action": "s3:PutObject", "Resource": below},
            {"Effect": "Allow", "Principal": {"Service": "delivery.logs.amazonaws.com"}, "Action": "s3:PutObject", "Resource": [below],
             "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control", "aws:SourceAccount": [ACCOUNT]},
                           "ArnLike": {"aws:SourceArn": f"arn:aws:logs:{REGION}:{ACCOUNT}:*"}}},
            {"Effect": "Allow", "Principal": {"Service": "delivery.logs.amazonaws.com"}, "Action": "s3:GetBucketAcl",
             "Resource": f"arn:aws:s3:::{bucket}"},
        ]  # fmt: skip
        policy = {"Version": "2012-10-17", "Statement": list(statements) or usual}
        self.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))

    def balancer(self, name: str, kind: str = "application", **attributes: str) -> str:
        tags = [{"Key": "team", "Value": "shop"}]
        told = self.new.create_load_balancer(Name=name, Subnets=self.subnets, Type=kind, Tags=tags)
        arn = str(told["LoadBalancers"][0]["LoadBalancerArn"])
        if kind == "network":  # moto makes ARNs of application load balancers only
            assert "/app/" in arn
        known = {f"access_logs.s3.{key}": value for key, value in attributes.items()}
        if kind == "application":  # as AWS tells; moto only when they were set, and knows no health-check logs
            known |= {"connection_logs.s3.enabled": "false"}
        self._set(arn, {"access_logs.s3.enabled": "false", **known})
        return arn

    def classic(self, name: str) -> None:
        listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 80}
        tags = [{"Key": "team", "Value": "shop"}]
        self.old.create_load_balancer(
            LoadBalancerName=name, Listeners=[listener], AvailabilityZones=[f"{REGION}a"], Tags=tags
        )

    def _set(self, arn: str, attributes: Mapping[str, str]) -> None:
        pairs = [{"Key": key, "Value": value} for key, value in attributes.items()]
        self.new.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=pairs)

    def logs(self, arn: str) -> dict[str, str]:
        told = self.new.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
        return {each["Key"]: each["Value"] for each in told if "_logs.s3." in each["Key"]}

    def classic_log(self, name: str) -> dict[str, Any]:
        told = self.old.describe_load_balancer_attributes(LoadBalancerName=name)["LoadBalancerAttributes"]["AccessLog"]
        return dict(told)

    def logging(self, *words: str, replace: bool = False, **told: str) -> Logging:
        return Logging(
            wanted=self.wanted(**told), words=words, cloud=self.cloud, place=PLACE, memory=self.memory, notice=self.said.append, replace=replace,
        )  # fmt: skip

    def wanted(self, bucket: str = "", prefix: str = "lb") -> Wanted:
        told = [f"deploy.bucket={bucket or self.bucket}", f"deploy.prefix={prefix}"]
        return wanted(resolve({}, told, {}), "prod", partition="aws", region=REGION, account=ACCOUNT)

    def restoring(self) -> Restoring:
        return Restoring(cloud=self.cloud, memory=self.memory, notice=self.said.append)


def _done(setup: Any) -> list[str]:
    changes = setup.plan(setup.look())
    for change in changes:
        setup.apply(change)
    setup.close()
    return [change.why for change in changes]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Callable[[str], Any]]]:
    with cloud() as endpoint:
        yield endpoint, cache(partial(client_of, endpoint=endpoint))


@pytest.fixture
def yard(server: tuple[str, Callable[[str], Any]]) -> Yard:
    made = Yard(*server)
    for each in made.new.describe_load_balancers()["LoadBalancers"]:  # making the server new takes longer
        made.new.delete_load_balancer(LoadBalancerArn=each["LoadBalancerArn"])
    for each in made.old.describe_load_balancers()["LoadBalancerDescriptions"]:
        made.old.delete_load_balancer(LoadBalancerName=each["LoadBalancerName"])
    return made


def test_load_balancers_are_found_by_name_arn_and_tag(yard: Yard) -> None:
    arn = yard.balancer("front")
    yard.classic("old")
    for word, names in ((arn, ["front"]), ("front", ["front"]), ("old", ["old"]), ("tag:team=shop", ["front", "old"])):
        assert [each.name for each in find(yard.cloud, PLACE, [word])] == names
    old = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/old"
    assert find(yard.cloud, PLACE, ["old", old, "tag:team=shop"])[-1] == Balancer(old, "classic", "old")


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("nowhere", "there is none in eu-west-1"),
        ("tag:team=other", "there is none"),
        ("tag:team", "write tag:KEY=VALUE"),
        ("arn:aws:s3:::b", "this is no ARN of a load balancer"),
        (
            f"arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT}:loadbalancer/app/front/1",
            "in us-east-1 .* buckets of their own region only",
        ),
        (f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/app/front/1", "there is none"),
        (f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/gone", "there is none"),
        ("gate", "gateway load balancer gate writes no logs"),
        ("both", "both: there is a classic one and another one of that name; write the ARN"),
    ],
)
def test_what_is_not_meant_is_told(yard: Yard, word: str, error: str) -> None:
    yard.balancer("gate", "gateway")
    yard.balancer("both")
    yard.classic("both")
    with pytest.raises(UsageError, match=error):
        find(yard.cloud, PLACE, [word])


@pytest.mark.parametrize(
    ("part", "kind"), [("app/a/1", "application"), ("net/a/1", "network"), ("gwy/a/1", "gateway"), ("a", "classic")]
)
def test_an_arn_tells_the_kind(part: str, kind: str) -> None:
    arn = f"arn:aws-cn:elasticloadbalancing:cn-north-1:1:loadbalancer/{part}"
    assert at(arn) == Balancer(arn, kind, "a")


def test_all_logs_are_switched_on_once_and_put_back(yard: Yard) -> None:
    arn, net = yard.balancer("front"), yard.balancer("net", "network")
    yard.classic("old")
    before = {each: yard.logs(each) for each in (arn, net)}
    words = ("front", "net", "old")
    assert len(_done(yard.logging(*words))) == 2 + 1 + 1
    on = yard.logs(arn)
    for kind in ("access_logs", "connection_logs"):
        assert on[f"{kind}.s3.enabled"] == "true"
        assert on[f"{kind}.s3.bucket"] == yard.bucket
        assert on[f"{kind}.s3.prefix"] == "lb"
    assert set(yard.logs(net)) == {f"access_logs.s3.{each}" for each in ("enabled", "bucket", "prefix")}
    assert yard.classic_log("old") == {
        "Enabled": True,
        "S3BucketName": yard.bucket,
        "S3BucketPrefix": "lb",
        "EmitInterval": 5,
    }
    assert _done(yard.logging(*words)) == []
    restored = _done(yard.restoring())
    assert "access logs of the application load balancer front are switched off, as before" in restored
    for each in (arn, net):
        off = {key: value for key, value in yard.logs(each).items() if key.endswith(".enabled")}
        assert off == {key: value for key, value in before[each].items() if key.endswith(".enabled")}
    assert yard.classic_log("old") == {"Enabled": False}
    assert yard.memory.kinds == {"load_balancers": {}}
    assert _done(yard.restoring()) == []
    assert set(yard.said) == {
        "the application load balancer front: this endpoint does not know health-check logs; they are left out"
    }


def test_logs_that_go_elsewhere_are_taken_only_when_told_and_go_back_to_the_letter(yard: Yard) -> None:
    arn = yard.balancer("front", enabled="true", bucket="audit", prefix="x")
    before = yard.logs(arn)
    with pytest.raises(
        UsageError, match=r"front writes its access logs to s3://audit/x already; with --replace-logging"
    ):
        _done(yard.logging("front"))
    assert yard.logs(arn) == before
    done = _done(yard.logging("front", replace=True))
    assert (
        f"access logs of the application load balancer front go to s3://{yard.bucket}/lb and no more to s3://audit/x"
        in done
    )
    assert "access logs of the application load balancer front go to s3://audit/x again, as before" in _done(
        yard.restoring()
    )
    assert yard.logs(arn).items() >= before.items()


def test_another_prefix_of_ours_is_followed_and_what_was_before_stays_known(yard: Yard) -> None:
    arn = yard.balancer("front", enabled="true", bucket="audit", prefix="x")
    _done(yard.logging("front", replace=True))
    yard.allow(yard.bucket, {"Effect": "Allow", "Principal": "*", "Action": "s3:Put*", "Resource": "*"})
    _done(yard.logging("front", prefix="other"))
    assert yard.logs(arn)["access_logs.s3.prefix"] == "other"
    _done(yard.restoring())
    assert yard.logs(arn)["access_logs.s3.bucket"] == "audit"


def test_what_was_changed_since_or_is_gone_is_left(yard: Yard) -> None:
    arn, gone = yard.balancer("front"), yard.balancer("gone")
    _done(yard.logging("front", "gone"))
    yard._set(arn, {"access_logs.s3.bucket": "theirs"})
    yard.new.delete_load_balancer(LoadBalancerArn=gone)
    done = _done(yard.restoring())
    assert "the application load balancer gone is gone" in done
    assert "the application load balancer front: its access logs were changed by somebody else and stay so" in done
    assert yard.logs(arn)["access_logs.s3.bucket"] == "theirs"
    assert yard.logs(arn)["connection_logs.s3.enabled"] == "false"
    assert yard.memory.kinds == {"load_balancers": {}}


def test_a_change_that_does_not_fit_any_more_is_not_made(yard: Yard) -> None:
    arn = yard.balancer("front")
    setup = yard.logging("front")
    change, *_ = setup.plan(setup.look())
    yard._set(arn, {"access_logs.s3.enabled": "true", "access_logs.s3.bucket": "theirs"})
    with pytest.raises(UsageError, match="changed by somebody else meanwhile"):
        setup.apply(change)
    assert yard.memory.kinds == {}


def test_an_endpoint_that_does_not_know_all_logs_is_told_of(yard: Yard) -> None:
    told = yard.new.create_load_balancer(Name="front", Subnets=yard.subnets)
    arn = told["LoadBalancers"][0]["LoadBalancerArn"]
    _done(yard.logging("front"))
    assert not [key for key in yard.logs(arn) if key.startswith("health")]
    told = "the application load balancer front: this endpoint does not know connection logs and health-check logs; they are left out"
    assert yard.said == [told]


# --- the bucket ---


def _errors(yard: Yard, *words: str) -> str:
    with pytest.raises(UsageError) as caught:
        _done(yard.logging(*words))
    return str(caught.value)


def test_a_bucket_must_let_the_deliverer_write(yard: Yard) -> None:
    yard.balancer("front")
    yard.balancer("net", "network")
    yard.s3.delete_bucket_policy(Bucket=yard.bucket)
    told = _errors(yard, "front", "net")
    assert f"does not allow that {DELIVERY} writes logs of application" in told
    assert "let it do s3:PutObject on arn:aws:s3:::" in told
    assert "delivery.logs.amazonaws.com writes logs of network" in told
    assert "s3:GetBucketAcl" in told
    yard.allow(yard.bucket)
    everything = {
        "Effect": "Deny",
        "NotPrincipal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "*",
        "Resource": "*",
    }
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": DELIVERY},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{yard.bucket}/*",
    }
    yard.allow(yard.bucket, statement, everything)
    assert "denies that" in _errors(yard, "front")


def test_the_older_account_of_a_region_is_enough(yard: Yard) -> None:
    yard.balancer("front")
    root = {"AWS": "arn:aws:iam::156460612806:root"}
    below = f"arn:aws:s3:::{yard.bucket}/lb/AWSLogs/{ACCOUNT}/*"
    yard.allow(yard.bucket, {"Effect": "Allow", "Principal": root, "Action": ["s3:PutObject"], "Resource": below})
    assert len(_done(yard.logging("front"))) == 2


def test_a_condition_that_only_aws_can_judge_is_told_of(yard: Yard) -> None:
    yard.balancer("front")
    where = {"ArnLike": {"aws:SourceArn": f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/*"}}
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": DELIVERY},
        "Action": "s3:PutObject",
        "Resource": "*",
        "Condition": where,
    }
    yard.allow(yard.bucket, statement)
    assert len(_done(yard.logging("front"))) == 2
    assert any("conditions that only AWS knows" in each for each in yard.said)


@pytest.mark.parametrize(
    ("name", "key", "error"),
    [
        ("front", "arn:aws:kms:eu-west-1:1:key/a", "application load balancers write with the keys of S3"),
        ("old", "arn:aws:kms:eu-west-1:1:key/a", "classic load balancers write with the keys of S3"),
        ("net", "", "AWS's own key of KMS, which network load balancers may not use"),
        ("net", "arn:aws:kms:eu-west-1:1:key/a", ""),
    ],
)
def test_encryption_with_kms_keeps_most_from_writing(yard: Yard, name: str, key: str, error: str) -> None:
    yard.balancer("front")
    yard.balancer("net", "network")
    yard.classic("old")
    default = {"SSEAlgorithm": "aws:kms", **({"KMSMasterKeyID": key} if key else {})}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
    yard.s3.put_bucket_encryption(Bucket=yard.bucket, ServerSideEncryptionConfiguration=rules)
    if error:
        assert error in _errors(yard, name)
    else:
        assert len(_done(yard.logging(name))) == 1


def test_a_bucket_of_another_region_is_refused(yard: Yard) -> None:
    yard.balancer("front")
    far = client_of("s3", yard.endpoint, "eu-central-1")
    far.create_bucket(Bucket="far-away", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yard.allow("far-away")
    with pytest.raises(
        UsageError, match="the bucket far-away is in eu-central-1, and load balancers write to buckets of their own"
    ):
        _done(yard.logging("front", bucket="far-away"))
    with pytest.raises(UsageError, match="there is no bucket not-there"):
        _done(yard.logging("front", bucket="not-there"))


def test_a_bucket_that_is_to_be_made_is_planned_for(yard: Yard) -> None:
    yard.balancer("front")
    setup = yard.logging("front")
    made = wanted(resolve({}, ["deploy.prefix=lb"], {}), "prod", partition="aws", region=REGION, account=ACCOUNT)
    planned = Logging(
        wanted=made, words=("front",), cloud=setup.cloud, place=PLACE, memory=yard.memory, notice=yard.said.append
    )
    assert f"go to s3://tailrace-prod-logs-{ACCOUNT}-{REGION}/lb" in planned.plan(planned.look())[0].why


# --- what AWS answers, checked against the service's model ---


class Recorded:
    """An account with one load balancer, whose next answers to changes are these codes and texts; '' for a success."""

    def __init__(self, yard: Yard, name: str, *answers: tuple[str, str]) -> None:
        self.service = "elb" if name == "old" else "elbv2"
        self.clock = StillClock()
        real = yard.cloud.client
        client = client_of(self.service, yard.endpoint)
        self.stubber = Stubber(client)
        for code, text in answers:
            if code:
                self.stubber.add_client_error(
                    "modify_load_balancer_attributes", code, text, 409 if name == "old" else 400
                )
            else:
                answer = {"LoadBalancerName": name} if name == "old" else {"Attributes": []}
                self.stubber.add_response("modify_load_balancer_attributes", answer)
        self.calls: list[Mapping[str, Any]] = []
        original = client.modify_load_balancer_attributes

        def modify(**arguments: Any) -> Any:
            self.calls.append(arguments)
            with self.stubber:
                return original(**arguments)

        client.modify_load_balancer_attributes = modify
        yard.cloud = Cloud(lambda service: client if service == self.service else real(service), self.clock)


DENIED = ("InvalidConfigurationRequest", "Access Denied for bucket: b. Please check S3bucket permission")
TRANSIENT = ("InvalidConfigurationRequest", "S3Bucket validation transient issue")
UNKNOWN_KEY = ("ValidationError", "Load balancer attribute key 'connection_logs.s3.enabled' is not recognized")
EMPTY = ("ValidationError", "The value of 'access_logs.s3.bucket' cannot be empty")
OK = ("", "")


@pytest.mark.parametrize("name", ["net", "old"])
def test_a_policy_that_has_not_come_through_is_waited_for(yard: Yard, name: str) -> None:
    yard.balancer("net", "network")
    yard.classic("old")
    recorded = Recorded(yard, name, DENIED, TRANSIENT, DENIED, OK)
    began = recorded.clock.now()
    assert len(_done(yard.logging(name))) == 1
    assert 10 < recorded.clock.now() - began < 30
    recorded.stubber.assert_no_pending_responses()


def test_a_bucket_that_stays_closed_is_told(yard: Yard) -> None:
    yard.balancer("net", "network")
    Recorded(yard, "net", *[DENIED] * 100)
    with pytest.raises(UsageError, match=r"net cannot write to s3://.*Access Denied.*tailrace doctor prod"):
        _done(yard.logging("net"))


def test_kinds_of_logs_that_are_rejected_are_told_and_left(yard: Yard) -> None:
    yard._set(yard.balancer("front"), {"health_check_logs.s3.enabled": "false"})
    recorded = Recorded(yard, "front", OK, UNKNOWN_KEY, UNKNOWN_KEY)
    _done(yard.logging("front"))
    recorded.stubber.assert_no_pending_responses()
    assert [each.partition(": its ")[2].partition(" stay")[0] for each in yard.said] == [
        "connection logs",
        "health-check logs",
    ]


def test_other_refusals_end_it(yard: Yard) -> None:
    yard.balancer("net", "network")
    Recorded(yard, "net", ("OperationNotPermitted", "no"))
    with pytest.raises(Fatal, match="OperationNotPermitted"):
        _done(yard.logging("net"))


def test_no_empty_name_of_a_bucket_is_sent(yard: Yard) -> None:
    """AWS refuses it."""
    arn = yard.balancer("net", "network")
    yard.memory.kinds["load_balancers"] = {}
    _done(yard.logging("net"))
    recorded = Recorded(yard, "net", OK)
    yard.cloud.client("elbv2")
    _done(yard.restoring())
    assert recorded.calls == [
        {"LoadBalancerArn": arn, "Attributes": [
            {"Key": "access_logs.s3.enabled", "Value": "false"}, {"Key": "access_logs.s3.prefix", "Value": ""}]}
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["net", "old"])
def test_logs_that_cannot_go_back_are_switched_off(yard: Yard, name: str) -> None:
    arn = yard.balancer("net", "network", enabled="true", bucket="audit", prefix="x")
    yard.classic("old")
    log = {"Enabled": True, "S3BucketName": "audit", "S3BucketPrefix": "x", "EmitInterval": 60}
    yard.old.modify_load_balancer_attributes(LoadBalancerName="old", LoadBalancerAttributes={"AccessLog": log})
    _done(yard.logging(name, replace=True))
    recorded = Recorded(yard, name, ("InvalidConfigurationRequest", "S3Bucket: audit does not exist"), OK)
    _done(yard.restoring())
    assert "they are switched off instead" in yard.said[0]
    off: dict[str, Any] = {"LoadBalancerArn": arn, "Attributes": [{"Key": "access_logs.s3.enabled", "Value": "false"}]}
    if name == "old":
        assert recorded.calls[0]["LoadBalancerAttributes"] == {"AccessLog": log}
        off = {"LoadBalancerName": "old", "LoadBalancerAttributes": {"AccessLog": {"Enabled": False}}}
    assert recorded.calls[-1] == off


def test_what_is_called_is_told(yard: Yard) -> None:
    told = {need.call for need in needs(yard.wanted())}
    assert {"elb:ModifyLoadBalancerAttributes", "elbv2:ModifyLoadBalancerAttributes", "s3:GetBucketPolicy"} <= told
    assert all(need.resource for need in needs(yard.wanted()))
