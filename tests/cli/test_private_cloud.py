"""`--region NAME` of a private cloud, in a cloud that refuses what Eucalyptus refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cli.conftest import Run
from making import alb
from services.eucalyptus import ACCESS, PATHS, REGION, SECRET, Eucalyptus, eucalyptus
from tailrace.clouds.connecting import connect

KEY = "AWSLogs/123456789012/elasticloadbalancing/eucalyptus/2026/09/23/a.log"


@pytest.fixture(scope="module")
def euca() -> Iterator[Eucalyptus]:
    with eucalyptus({"s3"}) as made:
        with closing(connect(made.cloud(), "s3")) as s3:
            s3.create_bucket(Bucket="logs")
            s3.put_object(Bucket="logs", Key=KEY, Body=b"".join(alb("2026-09-23", number) for number in range(3)))
            s3.create_bucket(Bucket="copies")
        yield made


def settings(euca: Eucalyptus, keys: str = f'access_key = "{ACCESS}"\nsecret_key = "env:EUCA_SECRET"\n') -> None:
    Path("tailrace.toml").write_text(
        f'[clouds.{REGION}]\n{keys}[clouds.{REGION}.endpoints]\ns3 = "{euca.url}{PATHS["s3"]}"\n'
        f'[clouds.{REGION}.signatures]\ns3 = "v2"\n'
    )


def test_logs_of_a_private_cloud_are_shipped(run: Run, euca: Eucalyptus) -> None:
    settings(euca)
    ran = run("ship", "s3://logs/AWSLogs/", "--region", REGION, "--to", "stdout", EUCA_SECRET=SECRET)
    assert ran.code == 0, ran.err
    assert len(ran.out.splitlines()) == 3
    assert "/search/2" in ran.out
    assert {verified.version for _, _, verified in euca.asked} == {"s3"}
    assert not euca.refused


def test_the_region_may_stand_in_the_settings_and_the_sink_be_there_too(run: Run, euca: Eucalyptus) -> None:
    settings(euca)
    path = Path("tailrace.toml")
    path.write_text(f'region = "{REGION}"\n{path.read_text()}')
    ran = run("ship", "s3://logs/AWSLogs/", "--to", "s3://copies/all", EUCA_SECRET=SECRET)
    assert ran.code == 0, ran.err
    with closing(connect(euca.cloud(), "s3")) as s3:
        assert s3.list_objects_v2(Bucket="copies")["KeyCount"] > 0
    assert not euca.refused


def test_user_at_region(run: Run, euca: Eucalyptus, tmp_path: Path) -> None:
    settings(euca, keys="")
    folder = tmp_path / ".euca"
    folder.mkdir()
    (folder / "me.ini").write_text(f"[user me]\nkey-id = {ACCESS}\nsecret-key = {SECRET}\n")
    words = ("ship", "s3://logs/AWSLogs/", "--to", "stdout", "--region")
    ran = run(*words, f"me@{REGION}", HOME=str(tmp_path))
    assert ran.code == 0, ran.err
    assert all("time" in json.loads(line) for line in ran.out.splitlines())
    ran = run(*words, f"you@{REGION}", HOME=str(tmp_path))
    assert ran.code == 2
    assert "there is no user you" in ran.err
    assert SECRET not in ran.err


def test_what_the_cloud_does_not_have_is_not_asked_for_elsewhere(run: Run, euca: Eucalyptus) -> None:
    settings(euca)
    ran = run("ship", "s3://logs/AWSLogs/", "--region", REGION, "--to", "cloudwatch:///group", EUCA_SECRET=SECRET)
    assert ran.code == 2
    assert f"the cloud {REGION} has no endpoint of logs, and it is not asked for elsewhere" in ran.err
    ran = run("ship", "s3://logs/AWSLogs/", "--region", "elsewhere", "--to", "stdout", EUCA_SECRET=SECRET)
    assert ran.code == 2
    assert "there is no region elsewhere: it is none of AWS" in ran.err
