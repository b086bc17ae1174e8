"""`tailrace cloud check` and `inventory`, as people call them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cloud import client_of, cloud
from tailrace.cli import main


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with cloud() as endpoint:
        client_of("s3", endpoint).create_bucket(
            Bucket="access-logs", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        yield endpoint


@pytest.fixture
def clouds(moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three: one that answers, one of which a service is elsewhere, and one that does not answer."""
    keys = 'region = "eu-west-1"\naccess_key = "AKIDEXAMPLE"\nsecret_key = "TOP-SECRET"\n'
    (tmp_path / "tailrace.toml").write_text(
        f'[clouds.here]\nendpoint_url = "{moto}"\n{keys}'
        f'[clouds.there]\nendpoints = {{s3 = "{moto}", ec2 = "{moto}"}}\n{keys}'
        f'[clouds.away]\nendpoints = {{s3 = "http://127.0.0.1:9/", ec2 = "http://127.0.0.1:9/"}}\n{keys}',
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def _told(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["cloud", *words])
    out, err = capfd.readouterr()
    assert "TOP-SECRET" not in out + err
    assert "Traceback" not in err
    assert isinstance(ended.value.code, int)
    return ended.value.code, out, err


@pytest.mark.usefixtures("clouds")
def test_check_tells_of_each_endpoint_and_what_is_wrong(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _told(capfd, "check", "here")
    assert code == 0
    assert out.count("accepted") == 9
    code, out, _ = _told(capfd, "check", "there", "away")
    assert code == 1
    assert (
        "http://127.0.0.1:9: it cannot be reached: Connection refused; it is told by tailrace.toml [clouds.away]" in out
    )
    code, out, _ = _told(capfd, "check", "all", "--json")
    found = [msgspec.json.decode(line) for line in out.splitlines()]
    assert [each["cloud"] for each in found if not each["good"]] == ["away", "away"]


@pytest.mark.usefixtures("clouds")
def test_inventory_shows_clouds_side_by_side(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _told(capfd, "inventory", "here", "buckets")
    assert (code, "access-logs" in out, "here: 1" in out) == (0, True, True)
    code, out, _ = _told(capfd, "inventory", "--region", "here", "--region", "there", "instance-types")
    head, *lines = out.splitlines()
    assert (code, head.split()) == (0, ["type", "here", "there"])
    (line,) = (each for each in lines if each.startswith("t3.micro "))
    assert line.count("2 × cpu, 1024 MiB") == 2


@pytest.mark.usefixtures("clouds")
def test_a_cloud_that_does_not_answer_hides_no_other(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = _told(capfd, "inventory", "--region", "all", "buckets", "--json")
    assert [msgspec.json.decode(line)["cloud"] for line in out.splitlines()] == ["here", "there"]
    assert (code, "away: http://127.0.0.1:9 cannot be reached for s3" in err) == (4, True)
    code, out, _ = _told(capfd, "inventory", "away", "volumes")
    assert (code, out) == (3, "")


@pytest.mark.usefixtures("clouds")
def test_a_service_that_a_private_cloud_does_not_have_is_not_asked_for_at_aws(
    capfd: pytest.CaptureFixture[str],
) -> None:
    code, _, err = _told(capfd, "inventory", "there", "load-balancers")
    assert code == 3
    assert "there: " in err
    assert "amazonaws" not in err


@pytest.mark.usefixtures("clouds")
@pytest.mark.parametrize(
    "words", [("inventory", "here", "nothing"), ("inventory", "nowhere", "buckets"), ("check", "nowhere"), ("check",)]
)
def test_wrong_words(words: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    assert _told(capfd, *words)[0] == 2


@pytest.mark.usefixtures("clouds")
def test_a_cloud_that_cannot_be_used_hides_no_other(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[profile x]\nregion = foo\n", encoding="utf-8")
    code, out, err = _told(capfd, "inventory", "all", "buckets", "--json")
    assert [msgspec.json.decode(line)["cloud"] for line in out.splitlines()] == ["here", "there"]
    assert (code, "foo" in err) == (4, True)
    code, out, err = _told(capfd, "check", "all", "--json")
    assert {"here", "there", "away"} <= {msgspec.json.decode(line)["cloud"] for line in out.splitlines()}
    assert (code, "foo" in err) == (1, True)
