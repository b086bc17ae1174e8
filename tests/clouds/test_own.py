"""[clouds.NAME] of tailrace.toml, and what contradicts itself there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from homing import ACCESS, SECRET, Home, user
from tailrace.clouds.cloud import Told
from tailrace.clouds.finding import find, names
from tailrace.errors import UsageError

KEYS = {"access_key": ACCESS, "secret_key": SECRET}
URL = "https://x.example"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def refused(home: Home) -> str:
    with pytest.raises(UsageError) as error:
        find("x", home.given())
    assert SECRET not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({}, "the cloud x has no endpoint of any service; write endpoint_url or endpoints into [clouds.x]"),
        ({"endpoint": URL}, "tailrace.toml [clouds.x]: there is no setting endpoint; did you mean endpoints?"),
        ({"endpoint_url": "x.example:80"}, "tailrace.toml [clouds.x]: the endpoint of a service must be a URL"),
        ({"endpoints": {"s33": URL}}, "tailrace.toml [clouds.x] endpoints.s33: there is no service s33; did you mean s3?"),
        ({"endpoints": {"cloudwatch": URL, "monitoring": f"{URL}/b"}}, "cloudwatch and monitoring are the same service, but are told differently"),
        ({"endpoint_url": URL, "signatures": {"s3": "v3"}}, "tailrace.toml [clouds.x]: signatures"),
        ({"endpoint_url": URL, "kind": "minio"}, "expected one of aws, eucalyptus, ceph, swift, other"),
        ({"endpoint_url": URL, "access_key": ACCESS}, "there are keys, but no secret_key; add it"),
        ({"endpoint_url": URL, "secret_key": SECRET}, "there are keys, but no access_key; add it"),
        ({"endpoint_url": URL, "user": "a", **KEYS}, "user and access_key contradict each other"),
        ({"endpoint_url": URL, "user": "a", "profile": "b"}, "user and profile contradict each other"),
        ({"endpoint_url": URL, "user": "a"}, "there is no user a with keys; known are: admin"),
        ({"endpoint_url": URL, "profile": "a"}, "there is no profile a in ~/.aws (none)"),
        ({"endpoint_url": URL, "access_key": ACCESS, "secret_key": "env:NOTHING"}, "the secret env:NOTHING: there is no such variable"),
        ({"endpoint_url": URL, "access_key": ACCESS, "secret_key": "ssm:/lab"}, "[clouds.x] ssm:/lab: secrets in AWS (ssm) are not asked for here"),
        ({"endpoint_url": URL, "access_key": ACCESS, "secret_key": f"{SECRET}\n"}, "secret_key is no key"),
        ({"endpoint_url": URL, "verify": False, "ca_certificates": "/ca.pem"}, "verify = false and ca_certificates contradict"),
        ({"endpoint_url": URL, "ca_certificates": "/nowhere.pem"}, "there is no file /nowhere.pem of certificate authorities"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(home: Home, table: dict[str, Any], told: str) -> None:
    home.write("~/.euca/x.ini", user("admin"))
    home.clouds["x"] = table
    assert told in refused(home)


@pytest.mark.parametrize("name", ["", "a@b", "a b", "a\n"])
def test_a_name_that_nobody_could_ask_for_is_told(home: Home, name: str) -> None:
    home.clouds[name] = {"endpoint_url": URL}
    with pytest.raises(UsageError, match="name has no blanks and no @"):
        names(home.given())


def test_one_name_of_load_balancing_is_for_both_services(home: Home) -> None:
    home.clouds["x"] = {
        "endpoints": {"elasticloadbalancing": URL, "elbv2": f"{URL}/v2"},
        "signatures": {"loadbalancing": "v2", "elb": "v4"},
    }
    found = find("x", home.given()).endpoints
    assert {service: (each.url.value, each.signature.value) for service, each in found.items()} == {
        "elb": (URL, "v4"),
        "elbv2": (f"{URL}/v2", "v2"),
    }


def test_the_order_of_its_names_does_not_matter(home: Home) -> None:
    home.clouds["x"] = {"endpoints": {"elbv2": f"{URL}/v2", "loadbalancing": URL, "elb": f"{URL}/v1"}}
    found = find("x", home.given()).endpoints
    assert {service: each.url.value for service, each in found.items()} == {"elb": f"{URL}/v1", "elbv2": f"{URL}/v2"}


def test_what_it_says_of_signatures_counts_before_the_environment(home: Home) -> None:
    home.write("~/.euca/x.ini", "[region x]\ns3-url = http://a\nec2-url = http://a\n[region y]\ns3-url = http://a\n")
    home.environ |= {"S3_USE_SIGV4": "1", "EC2_USE_SIGV4": "1"}
    home.clouds["x"] = {"signatures": {"s3": "v2"}}
    found = find("x", home.given()).endpoints
    assert found["s3"].signature == Told("v2", "tailrace.toml [clouds.x]")
    assert found["ec2"].signature == Told("v4", "EC2_USE_SIGV4")
    assert find("y", home.given()).endpoints["s3"].signature == Told("v4", "S3_USE_SIGV4")


def test_keys_of_its_own_count_before_the_environment(home: Home) -> None:
    home.environ |= {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "x", "KEY": SECRET}
    path = home.write("~/token", "token\n")
    home.clouds["x"] = {
        "endpoint_url": URL,
        "access_key": ACCESS,
        "secret_key": "env:KEY",
        "session_token": f"file:{path}",
        "account": "7",
    }
    found = find("x", home.given()).user
    assert found is not None
    assert (found.access_key.value, found.secret_key.value) == (ACCESS, SECRET)
    assert found.session_token == Told("token", f"tailrace.toml [clouds.x] file:{path}")
    assert found.account == Told("7", "tailrace.toml [clouds.x]")
    home.write("~/.aws/credentials", f"[lab]\naws_access_key_id = AKIALAB\naws_secret_access_key = {SECRET}\n")
    profile = home.given(profile=Told("lab", "--profile"))
    assert find("x", profile).user == found
    home.clouds["x"] = {"endpoint_url": URL}
    other = find("x", profile).user
    assert other is not None
    assert other.name == Told("lab", "~/.aws/credentials [lab]")
    found = find("x", home.given()).user
    assert found is not None
    assert found.name == Told("environment", "AWS_ACCESS_KEY_ID")


def test_a_user_or_profile_of_others_files(home: Home) -> None:
    home.write("~/.euca/x.ini", user("admin"))
    home.write("~/.aws/credentials", f"[lab]\naws_access_key_id = AKIALAB\naws_secret_access_key = {SECRET}\n")
    home.write("~/.aws/config", "[profile role]\nrole_arn = arn:aws:iam::1:role/x\n")
    home.environ |= {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "x"}
    home.clouds |= {
        "u": {"endpoint_url": URL, "user": "admin"},
        "p": {"endpoint_url": URL, "profile": "lab"},
        "r": {"endpoint_url": URL, "profile": "role"},
    }
    found = {name: find(name, home.given()) for name in "upr"}
    keys = {name: cloud.user and cloud.user.access_key.value for name, cloud in found.items()}
    assert keys == {"u": ACCESS, "p": "AKIALAB", "r": None}
    assert found["r"].profile == Told("role", "tailrace.toml [clouds.r]")


def test_what_it_says_of_its_kind_counts(home: Home) -> None:
    home.clouds["x"] = {
        "endpoints": {"s3": "https://s3.us-northwest-9.amazonaws.com"},
        "kind": "aws",
        "region": "us_new",
    }
    cloud = find("x", home.given())
    assert (cloud.private, cloud.kind.value, cloud.region.value) == (False, "aws", "us_new")
    home.clouds["x"] = {"endpoint_url": "http://localhost:4566", "kind": "aws", "region": "us-east-1"}
    cloud = find("x", home.given())
    assert (cloud.private, cloud.kind.value) == (True, "aws")
