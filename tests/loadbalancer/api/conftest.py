"""A store for buckets, and the API before it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from cloud import client_of, cloud
from loadbalancer.api.keepingshop import Shop, shop


@pytest.fixture(scope="package")
def store() -> Iterator[str]:
    with cloud() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(store: str) -> str:
    name = f"logs-{uuid4().hex[:8]}"
    client_of("s3", store).create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return name


@pytest.fixture
def api(tmp_path: Path, store: str) -> Iterator[Shop]:
    with shop(tmp_path, store) as made:
        yield made
