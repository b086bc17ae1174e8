"""Who may read a container of Swift, asked of Swift."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from logins import GUEST, OTHER, OWNER, cataloged, project_of, v1, v3
from services.openstack import Swift as Server
from tailrace.accesslogging import AccessLogging
from tailrace.clock import SystemClock
from tailrace.clouds.direct.swift import RefusedError, Swift
from tailrace.errors import Fatal, UsageError
from tailrace.loadbalancer.agent.parts import Making
from tailrace.loadbalancer.grants import put_headers
from tailrace.loadbalancer.grants.container import Container
from tailrace.loadbalancer.grants.wanted import Wanted
from tailrace.loadbalancer.model import Balancer
from tailrace.settings import Document, resolve

SCOPE = "AWSLogs/000865102303/"


@pytest.fixture
def container(openstack: Server) -> str:
    name = f"grants-{uuid4().hex[:12]}"
    openstack.client().create_bucket(Bucket=name)
    Swift(v1(openstack)).put(name, f"{SCOPE}a", io.BytesIO(b"hi"), {})
    return name


def as_(openstack: Server, user: tuple[str, str]) -> Swift:
    """Somebody, looking into the owner's account."""
    return Swift(v1(openstack, user), f"{openstack.endpoint}/v1/AUTH_test")


def wanted(container: str, **more: Any) -> Wanted:
    return Wanted(**{"kind": "swift", "bucket": container, "who": "test2", "scope": SCOPE, **more})


def brought(store: Swift, wanted: Wanted) -> list[object]:
    setup = Container(store, wanted)
    setup.resolve()
    changes = setup.plan(setup.look())
    for change in changes:
        setup.apply(change)
    assert setup.plan(setup.look()) == []
    return [change.arguments for change in changes]


def test_the_tenant_lists_and_reads_and_nobody_else(openstack: Server, container: str) -> None:
    owner, tenant, stranger = (as_(openstack, user) for user in (OWNER, OTHER, GUEST))
    with pytest.raises(RefusedError):
        tenant.read(container, f"{SCOPE}a")
    assert brought(owner, wanted(container)) == [{"X-Container-Read": "test2"}]
    assert (list(tenant.names(container)), tenant.read(container, f"{SCOPE}a")) == ([f"{SCOPE}a"], b"hi")
    for refused in (lambda: list(stranger.names(container)), lambda: stranger.read(container, f"{SCOPE}a"),
                    lambda: tenant.put(container, "x", io.BytesIO(b""), {})):  # fmt: skip
        with pytest.raises(RefusedError):
            refused()
    assert brought(owner, wanted(container, revoke=True)) == [{"X-Container-Read": ""}]
    with pytest.raises(RefusedError):
        list(tenant.names(container))


def test_the_tenant_lets_somebody_write(openstack: Server, container: str) -> None:
    tenant, writer = as_(openstack, OWNER), as_(openstack, GUEST)
    brought(tenant, wanted(container, who="test:tester3", permission="write"))
    writer.put(container, f"{SCOPE}b", io.BytesIO(b"line"), {"X-Delete-After": "1000"})
    assert tenant.read(container, f"{SCOPE}b") == b"line"
    with pytest.raises(RefusedError):
        list(writer.names(container))


def test_what_others_were_granted_stays(openstack: Server, container: str) -> None:
    owner = as_(openstack, OWNER)
    owner.change(container, {"X-Container-Read": ".r:example.com, test:tester3 ,.rlistings"})
    theirs = [".r:example.com", "test:tester3", ".rlistings"]
    assert brought(owner, wanted(container)) == [{"X-Container-Read": ",".join([*theirs, "test2"])}]
    assert brought(owner, wanted(container, revoke=True)) == [{"X-Container-Read": ",".join(theirs)}]
    assert as_(openstack, GUEST).read(container, f"{SCOPE}a") == b"hi"


def test_a_project_of_keystone(openstack: Server) -> None:
    cataloged(openstack)
    tenant_project = project_of(openstack.keystone, "gr-tenant")
    name = f"grants-{uuid4().hex[:12]}"
    operator = Swift(v3(openstack, "gr-operator", OS_REGION_NAME="RegionOne"))
    keys = project_of(openstack.keystone, "gr-operator").keys
    openstack.client(keys, endpoint=openstack.by_keystone).create_bucket(Bucket=name)
    operator.put(name, f"{SCOPE}a", io.BytesIO(b"hi"), {})
    tenant = Swift(v3(openstack, "gr-tenant", OS_REGION_NAME="RegionOne"), operator.storage)
    with pytest.raises(RefusedError):
        tenant.read(name, f"{SCOPE}a")
    assert brought(operator, wanted(name, who=tenant_project.id)) == [{"X-Container-Read": f"{tenant_project.id}:*"}]
    assert (list(tenant.names(name)), tenant.read(name, f"{SCOPE}a")) == ([f"{SCOPE}a"], b"hi")
    with pytest.raises(UsageError, match="ids of projects"):
        Container(operator, wanted(name, who="gr-tenant")).plan(Container(operator, wanted(name)).look())
    with pytest.raises(Fatal, match="the container is not in his account"):
        Container(Swift(tenant.login, operator.storage), wanted(f"{name}-x")).look()


def test_a_container_of_several_owners_is_not_shown_as_a_whole(openstack: Server, container: str) -> None:
    owner = as_(openstack, OWNER)
    owner.put(container, "AWSLogs/999999999999/b", io.BytesIO(b""), {})
    setup = Container(owner, wanted(container))
    with pytest.raises(UsageError, match="holds logs of others too"):
        setup.plan(setup.look())


def test_a_container_that_is_missing(openstack: Server, container: str) -> None:
    with pytest.raises(UsageError, match=f"there is no container {container}-x at http"):
        Container(as_(openstack, OWNER), wanted(f"{container}-x")).look()


@pytest.mark.parametrize("who", [".r:*", "*", "a,b", "a b", "a:b:c", ""])
def test_who_would_be_more_than_one(openstack: Server, container: str, who: str) -> None:
    setup = Container(as_(openstack, OWNER), wanted(container, who=who))
    with pytest.raises(UsageError, match="cannot stand in Swift's access lists"):
        setup.plan(setup.look())


def test_into_the_tenants_account(openstack: Server, container: str) -> None:
    """What the agent does where lb.bucket_owner is another project."""
    brought(as_(openstack, OWNER), wanted(container, who="test2", permission="write"))
    writer = Swift(v1(openstack, OTHER), account="test")
    headers = put_headers(
        "swift",
        AccessLogging(expire_days=1, bucket_owner="test"),
        Balancer(name="w", account="test", region="", address=""),
    )
    writer.put(container, f"{SCOPE}b", io.BytesIO(b"line"), headers)
    owner = as_(openstack, OWNER)
    assert owner.read(container, f"{SCOPE}b") == b"line"
    assert "x-delete-at" in (owner.describe(container, f"{SCOPE}b") or {})


def test_an_object_is_really_gone(openstack: Server, container: str) -> None:
    owner = as_(openstack, OWNER)
    owner.put(container, "k", io.BytesIO(b""), {"X-Delete-After": "1"})
    for _ in range(40):
        if owner.describe(container, "k") is None:
            break
        time.sleep(0.1)
    assert owner.describe(container, "k") is None


def test_the_agent_puts_there_too(openstack: Server, container: str, tmp_path: Path) -> None:
    """There is no S3 API that leads to another project's container."""
    brought(as_(openstack, OWNER), wanted(container, who="test2", permission="write"))
    rc = tmp_path / "openrc"
    rc.write_text(f"ST_AUTH={openstack.endpoint}/auth/v1.0\nST_USER={OTHER[0]}\nST_KEY={OTHER[1]}\n")
    table = f'[clouds.sw]\nkind = "swift"\nendpoint_url = "{openstack.endpoint}"\nopenrc = "{rc}"\n[lb]\nbucket_owner = "test"\n'
    settings = resolve({"region": "sw"}, (), {}, Document("test", table))
    parts = Making(settings, {"HOME": str(tmp_path)}, SystemClock(), print).parts()
    parts.store.put(container, "k", io.BytesIO(b"line"), {})
    assert as_(openstack, OWNER).read(container, "k") == b"line"
