"""What is AWS is known by name, without botocore as with it."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest
from botocore.loaders import create_loader
from hypothesis import given
from hypothesis import strategies as st

from tailrace.clouds import amazon
from tailrace.errors import MissingExtra

PARTITIONS: list[Any] = create_loader().load_data("partitions")["partitions"]
REGIONS = [region for partition in PARTITIONS for region in partition["regions"]]
OTHERS = ["", "eucalyptus", "default", "nova", "RegionOne", "us-east", "us-east-1a", "useast-1", "lab-us-east-1", "us-east-1.lab", "US-EAST-1", "nz-por-1", "us_east_1"]  # fmt: skip


def without_botocore(region: str) -> NoReturn:
    raise MissingExtra(region, "aws")


@pytest.mark.parametrize("region", [*REGIONS, "eu-north-9", "us-gov-south-1"])
def test_regions_of_aws(region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert amazon.is_region(region)
    monkeypatch.setattr(amazon, "partition_of", without_botocore)
    assert amazon.is_region(region)


def test_regions_that_are_known_are_those_of_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(map(amazon.is_known_region, REGIONS))
    assert not any(map(amazon.is_known_region, [*OTHERS, "eu-north-9", "us-gov-south-1"]))
    monkeypatch.setattr(amazon, "is_listed", without_botocore)
    assert amazon.is_known_region("eu-north-9")
    assert not any(map(amazon.is_known_region, OTHERS))


@pytest.mark.parametrize("region", OTHERS)
def test_no_regions_of_aws(region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not amazon.is_region(region)
    monkeypatch.setattr(amazon, "partition_of", without_botocore)
    assert not amazon.is_region(region)


@pytest.mark.parametrize("partition", PARTITIONS, ids=lambda partition: str(partition["id"]))
def test_hosts_of_aws(partition: Any) -> None:
    for suffix in (partition["outputs"]["dnsSuffix"], partition["outputs"]["dualStackDnsSuffix"]):
        for host in (suffix, f"s3.{suffix}", f"S3.{suffix.upper()}.", f"vpce-1.s3.x.vpce.{suffix}:443"):
            assert amazon.is_host(f"https://{host}/path"), host


@given(st.sampled_from(["https://{}", "http://{}:8773/services/x", "https://b.{}"]), st.sampled_from(["amazonaws.com.example.net", "myamazonaws.com", "example.net", "127.0.0.1", "[::1]", "amazonaws.computer"]))  # fmt: skip
def test_no_hosts_of_aws(form: str, host: str) -> None:
    assert not amazon.is_host(form.format(host)) or "[" in host
