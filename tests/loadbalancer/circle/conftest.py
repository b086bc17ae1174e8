"""The stores of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest

from delivering import Place, owner_of
from services.openstack import GUEST, OWNER, Swift, swift
from services.real import Ceph, ceph

TENANT = "tailrace-lb-tenant"


@pytest.fixture(scope="session")
def gateway() -> Iterator[Ceph]:
    with ceph() as made:
        yield made


@pytest.fixture(scope="session")
def openstack() -> Iterator[Swift]:
    with swift() as made:
        yield made


@pytest.fixture(scope="session")
def on_ceph(gateway: Ceph) -> Place:
    """Two users of Ceph."""
    tenant = gateway.user(TENANT)
    return Place("ceph", gateway.endpoint, (gateway.key, gateway.secret), (tenant.key, tenant.secret), TENANT)


@pytest.fixture(scope="session")
def on_swift(openstack: Swift) -> Place:
    """An account of Swift, and a user of it who may do nothing unless he is allowed to."""
    return Place("swift", openstack.endpoint, OWNER[:2], GUEST[:2], GUEST.key)


@pytest.fixture(scope="session")
def on_keystone(openstack: Swift) -> Place:
    """Two projects of Keystone, with EC2 keys."""
    owner, other = openstack.keystone.project("tailrace-lb"), openstack.keystone.project(TENANT)
    return Place("swift", openstack.by_keystone, owner.keys[:2], other.keys[:2], other.id)


@pytest.fixture
def bucket(on_ceph: Place) -> str:
    """A new bucket of Ceph, which is the agent's own."""
    name = f"lb-{uuid4().hex[:10]}"
    with closing(owner_of(on_ceph)) as client:
        client.create_bucket(Bucket=name)
    return name
