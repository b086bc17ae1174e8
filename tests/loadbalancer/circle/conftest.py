"""The stores of these tests."""

from __future__ import annotations

from contextlib import closing
from uuid import uuid4

import pytest

from delivering import Place, owner_of
from logins import cataloged
from services.openstack import OTHER, OWNER, Swift
from services.real import Ceph

TENANT = "tailrace-lb-tenant"


@pytest.fixture(scope="session")
def on_ceph(gateway: Ceph) -> Place:
    """Two users of Ceph."""
    tenant = gateway.user(TENANT)
    return Place("ceph", gateway.endpoint, (gateway.key, gateway.secret), (tenant.key, tenant.secret), TENANT)


@pytest.fixture(scope="session")
def on_swift(openstack: Swift) -> Place:
    """Two accounts of Swift, whose users are in its configuration."""
    logins = [
        {"ST_AUTH": f"{openstack.endpoint}/auth/v1.0", "ST_USER": keys.key, "ST_KEY": keys.secret}
        for keys in (OWNER, OTHER)
    ]
    storage = f"{openstack.endpoint}/v1/AUTH_{OWNER.account}"
    return Place(
        "swift",
        openstack.endpoint,
        OWNER[:2],
        OTHER[:2],
        OTHER.account,
        storage=storage,
        login=logins[0],
        tenant_login=logins[1],
    )


@pytest.fixture(scope="session")
def on_keystone(openstack: Swift) -> Place:
    """Two projects of Keystone."""
    cataloged(openstack)
    owner, other = openstack.keystone.project("tailrace-lb"), openstack.keystone.project(TENANT)
    logins = [
        {
            "OS_AUTH_URL": f"{openstack.keystone.url}/v3", "OS_IDENTITY_API_VERSION": "3", "OS_USERNAME": name,
            "OS_PASSWORD": "secret", "OS_PROJECT_NAME": name, "OS_USER_DOMAIN_ID": "default",
            "OS_PROJECT_DOMAIN_ID": "default", "OS_REGION_NAME": "RegionOne",
        }
        for name in ("tailrace-lb", TENANT)
    ]  # fmt: skip
    storage = f"{openstack.by_keystone}/v1/AUTH_{owner.id}"
    endpoint = openstack.by_keystone
    return Place(
        "swift",
        endpoint,
        owner.keys[:2],
        other.keys[:2],
        other.id,
        storage=storage,
        login=logins[0],
        tenant_login=logins[1],
    )


@pytest.fixture
def bucket(on_ceph: Place) -> str:
    """A new bucket of Ceph, which is the agent's own."""
    name = f"lb-{uuid4().hex[:10]}"
    with closing(owner_of(on_ceph)) as client:
        client.create_bucket(Bucket=name)
    return name
