"""Clients go where they are told, and never to AWS by mistake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tailrace.clouds import client
from tailrace.errors import MissingExtra, UsageError

PRIVATE = "http://cloud.example:8773/services/objectstorage"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


def is_private(made: object) -> bool:
    """Whether a client calls as private clouds want it."""
    config = made.meta.config  # type: ignore[attr-defined]
    settings = (config.request_checksum_calculation, config.response_checksum_validation)
    addressing = (config.s3 or {}).get("addressing_style")
    assert (addressing == "path") == (settings == ("when_required", "when_required"))
    return addressing == "path"


def test_without_an_endpoint_aws_is_called() -> None:
    made = client("s3", region="eu-west-1")
    assert made.meta.endpoint_url == "https://s3.eu-west-1.amazonaws.com"
    assert not is_private(made)
    assert not is_private(client("s3"))
    assert not is_private(client("s3", region="cn-north-1"))


def test_an_endpoint_is_called_with_paths_and_without_new_checksums() -> None:
    made = client("s3", endpoint_url=PRIVATE)
    assert made.meta.endpoint_url == PRIVATE
    assert is_private(made)
    assert is_private(client("s3", endpoint_url=PRIVATE, region="eucalyptus"))


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_an_endpoint_in_the_environment_is_as_good(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, PRIVATE)
    made = client("s3", region="eucalyptus")
    assert made.meta.endpoint_url == PRIVATE
    assert is_private(made)
    assert client("s3", endpoint_url="http://other.example").meta.endpoint_url == "http://other.example"


def test_an_endpoint_in_the_profile_is_as_good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(f"[profile euca]\nregion = eucalyptus\nendpoint_url = {PRIVATE}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    made = client("s3", profile="euca")
    assert (made.meta.endpoint_url, made.meta.region_name) == (PRIVATE, "eucalyptus")
    assert is_private(made)


def test_a_private_region_without_an_endpoint_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"^the region eucalyptus is none of AWS; name the endpoint of its cloud"):
        client("s3", region="eucalyptus")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eucalyptus")
    with pytest.raises(UsageError, match=r"^the configured region is none of AWS"):
        client("s3")


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"endpoint_url": "cloud.example:8773"}, "the endpoint of s3 must be a URL such as https://"),
        ({"profile": "nobody"}, "no client for s3 can be made: .*nobody"),
        ({"region": "no region"}, "no client for s3 can be made: .*no region"),
    ],
)
def test_settings_that_do_not_fit_are_told(wanted: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        client("s3", **wanted)


def test_a_service_that_needs_a_region_asks_for_it() -> None:
    with pytest.raises(UsageError, match="no region is known for sqs: set AWS_REGION"):
        client("sqs")


def test_calls_are_tried_again_and_do_not_wait_for_ever() -> None:
    for made in (client("s3"), client("s3", endpoint_url=PRIVATE)):
        config = made.meta.config
        assert config.retries == {"mode": "standard", "total_max_attempts": 6}
        assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (10, 60, 32)


def test_without_the_library_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtra, match=r"the client for s3 .*pip install 'tailrace\[aws\]'"):
        client("s3")


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    program = (
        "import sys, tailrace.sources.s3, tailrace.sources.files, tailrace.clouds.failures;"
        "print(sorted({'boto3', 'botocore', 'urllib3', 'zstandard'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_region_is_found_where_other_tools_of_aws_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert client("logs").meta.endpoint_url == "https://logs.eu-north-1.amazonaws.com"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    assert client("logs").meta.region_name == "eu-west-3"
    assert client("logs", region="eu-central-1").meta.region_name == "eu-central-1"


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
@pytest.mark.parametrize("endpoint", ["", PRIVATE])
def test_a_region_that_is_empty_is_none(monkeypatch: pytest.MonkeyPatch, name: str, endpoint: str) -> None:
    monkeypatch.setenv(name, "")
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(UsageError, match="no region is known for sqs: set AWS_REGION, or region in the settings"):
        client("sqs")
    assert client("sqs", region="eu-west-3").meta.region_name == "eu-west-3"
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert client("sqs").meta.region_name == "eu-north-1"


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
@pytest.mark.parametrize("endpoint", [None, PRIVATE])
def test_without_a_region_s3_is_called_all_the_same(
    monkeypatch: pytest.MonkeyPatch, name: str, endpoint: str | None
) -> None:
    expected = client("s3", endpoint_url=endpoint).meta
    monkeypatch.setenv(name, "")
    found = client("s3", endpoint_url=endpoint).meta
    assert (found.endpoint_url, found.region_name) == (expected.endpoint_url, expected.region_name)


def test_an_empty_region_does_not_hide_the_profiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("[default]\nregion = eu-west-1\n[profile north]\nregion = eu-north-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "")
    assert client("sqs").meta.region_name == "eu-west-1"
    assert client("sqs", profile="north").meta.region_name == "eu-north-1"
    monkeypatch.setenv("AWS_PROFILE", "north")
    assert client("sqs").meta.region_name == "eu-north-1"
