"""Buckets are tried at Ceph's real gateway: one's own, one that others may write to, one that nobody may, and none."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from loadbalancer.api.keepingshop import ALICE, Shop, shop
from services.real import SCRIPTS, Ceph, ceph


@pytest.fixture(scope="module")
def gateway() -> Iterator[Ceph]:
    with ceph() as made:
        yield made
