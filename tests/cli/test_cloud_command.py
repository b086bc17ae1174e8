"""`tailrace cloud list` and `show`: what is known of clouds, where it comes from, and no secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.conftest import Run
from cli.test_extras import bare
from homing import ACCESS, SECRET, Home, euca, user

TOML = f"""
[clouds.lab]
kind = "ceph"
region = "default"
endpoint_url = "https://rgw.example.net:8080"
signatures = {{ s3 = "v2" }}
access_key = "{ACCESS[::-1]}"
secret_key = "env:LAB_SECRET"
session_token = "hidden-token"
account = "lab$admin"

[clouds.tenant]
endpoints = {{ s3 = "http://osg.example.net:8773/services/objectstorage" }}
user = "tenant"
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "user")
    home.write(
        "~/.euca/prod.ini",
        f"[region prod]\n{euca(user='admin', name='eucalyptus')}{user('admin')}{user('tenant', 'AKIATENANT00')}",
    )
    (tmp_path / "tailrace.toml").write_text(TOML)
    return home


def variables(home: Home) -> dict[str, str]:
    return {"HOME": str(home.home), "LAB_SECRET": SECRET, "BOTO_PATH": "", "AWS_CA_BUNDLE": ""}


def test_all_clouds_are_listed(run: Run, home: Home) -> None:
    ran = run("cloud", "list", "--json", **variables(home))
    found = {document["name"]: document for document in map(json.loads, ran.out.splitlines())}
    nine = ["autoscaling", "cloudformation", "cloudwatch", "ec2", "elb", "elbv2", "iam", "s3", "sts", "swf"]
    assert (ran.code, ran.err) == (0, "")
    assert found == {
        "lab": {"name": "lab", "kind": "ceph", "region": "default", "services": ["s3", "all"], "user": "own keys", "from": ["tailrace.toml"]},
        "tenant": {"name": "tenant", "kind": "eucalyptus", "region": "tenant", "services": ["s3"], "user": "tenant", "from": ["tailrace.toml"]},
        "prod": {"name": "prod", "kind": "eucalyptus", "region": "eucalyptus", "services": nine, "user": "admin", "from": ["~/.euca/prod.ini"]},
    }  # fmt: skip
    table = run("cloud", "list", **variables(home)).out.splitlines()
    assert [line.split()[0] for line in table] == ["name", "lab", "tenant", "prod"]


def test_each_value_is_shown_with_its_origin(run: Run, home: Home) -> None:
    ran = run("cloud", "show", "tenant@prod", "--json", **variables(home))
    assert ran.code == 0
    rows = {
        (row["service"], row["setting"]): (row["value"], row["from"]) for row in map(json.loads, ran.out.splitlines())
    }
    assert {row["cloud"] for row in map(json.loads, ran.out.splitlines())} == {"prod"}
    assert rows[None, "kind"] == ("eucalyptus", "guessed from http://clc.example.net:8773/services/AutoScaling")
    assert rows[None, "region"] == ("eucalyptus", "~/.euca/prod.ini [region prod]")
    assert rows[None, "verify"] == ("true", "default")
    assert rows[None, "access key"] == ("AKIA…NT00", "~/.euca/prod.ini [user tenant]")
    assert rows[None, "account"] == ("000165102303", "~/.euca/prod.ini [user tenant]")
    assert rows["ec2", "endpoint"] == (
        "http://clc.example.net:8773/services/compute",
        "~/.euca/prod.ini [region prod] ec2-url",
    )
    assert rows["ec2", "signature"] == ("v4", "default")
    assert rows["s3", "signature"] == ("v2", "default of euca2ools")
    assert rows["s3", "user"] == ("tenant", "~/.euca/prod.ini [user tenant]")
    assert len(rows) == 6 + 3 * 10


def test_no_secret_is_shown(run: Run, home: Home) -> None:
    for words in (["list"], ["show", "lab"], ["show", "prod"], ["show", "tenant", "--json"]):
        ran = run("cloud", *words, **variables(home))
        assert ran.code == 0
        for secret in (SECRET, ACCESS, ACCESS[::-1], "hidden-token"):
            assert secret not in ran.out + ran.err
    lab = run("cloud", "show", "lab", **variables(home)).out
    assert f"{ACCESS[::-1][:4]}…{ACCESS[::-1][-4:]}" in lab
    assert "tailrace.toml [clouds.lab] env:LAB_SECRET" in lab
    assert "all others" in lab


def test_aws_needs_nothing(run: Run, home: Home) -> None:
    (home.home / ".euca/prod.ini").unlink()
    (home.folder.parent / "tailrace.toml").unlink()
    ran = run("cloud", "show", "eu-west-1", **variables(home))
    assert ran.code == 0
    assert "AWS's own" in ran.out
    assert (
        run("cloud", "list", **variables(home)).err
        == "no cloud but AWS is known here; write [clouds.NAME] into tailrace.toml\n"
    )
    named = run("cloud", "list", "--json", AWS_DEFAULT_REGION="eu-west-1", **variables(home))
    assert json.loads(named.out) == {
        "name": "eu-west-1", "kind": "aws", "region": "eu-west-1", "services": ["all"], "user": "as boto3 finds it", "from": ["AWS's table"],
    }  # fmt: skip


def test_what_is_wrong_with_one_hides_no_other(run: Run, home: Home) -> None:
    ran = run("cloud", "list", "--json", **(variables(home) | {"LAB_SECRET": ""}))
    assert ran.code == 1
    assert (
        ran.err
        == "warning: lab: tailrace.toml [clouds.lab] env:LAB_SECRET: secret_key is no key: it is empty, or holds blanks or characters that keys do not have\n"
    )
    assert len(ran.out.splitlines()) == 2
    unknown = run("cloud", "show", "labb", **variables(home))
    assert (unknown.code, unknown.out) == (2, "")
    assert (
        "there is no region labb: it is none of AWS, and nothing here tells its endpoints (known: lab, tenant, prod); did you mean lab?"
        in unknown.err
    )


def test_settings_may_come_from_elsewhere(run: Run, home: Home) -> None:
    ran = run(
        "cloud", "show", "x", "--json", "--set", "clouds.x.endpoint_url=http://x.example", "--set", "clouds.x.verify=false",
        TAILRACE_CLOUDS__X__ACCOUNT="7", TAILRACE_CLOUDS__X__USER="admin", **variables(home),
    )  # fmt: skip
    rows = {
        (row["service"], row["setting"]): (row["value"], row["from"]) for row in map(json.loads, ran.out.splitlines())
    }
    assert rows["all", "endpoint"] == ("http://x.example", "--set")
    assert rows[None, "verify"] == ("false", "--set")
    assert rows[None, "account"] == ("7", "TAILRACE_CLOUDS__X__ACCOUNT")


def test_clouds_are_known_without_boto3_too(run: Run, home: Home, tmp_path: Path) -> None:
    for words in (["list"], ["list", "--json"], ["show", "prod"], ["show", "us-gov-west-1"]):
        done = bare("cloud", *words, cwd=tmp_path, **variables(home))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == run("cloud", *words, **variables(home)).out
    assert bare("cloud", "show", "nowhere", cwd=tmp_path, **variables(home)).returncode == 2
