"""Buckets tried at real stores: one's own, one that is shared, one that is not, and none; at Ceph's gateway and at Swift."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from loadbalancer.api.keepingshop import ALICE, asked, sent, shop
from services.openstack import Swift
from services.real import Ceph

TEST_FILE = f"p/AWSLogs/{ALICE}/ELBAccessLogTestFile"


def answer(folder: Path, client: Callable[[str], Any], bucket: str) -> tuple[int, str, str]:
    """What is answered to whoever wants logs in a bucket, with a classic load balancer and with one of the new kind."""
    log = {"Enabled": "true", "S3BucketName": bucket, "S3BucketPrefix": "p", "EmitInterval": "5"}
    told = {f"LoadBalancerAttributes__AccessLog__{key}": value for key, value in log.items()}
    new = folder / uuid4().hex
    new.mkdir()
    with shop(new, client) as made:
        found = sent(asked(made.url, Action="ModifyLoadBalancerAttributes", LoadBalancerName="web", **told))
        on = made.client().describe_load_balancer_attributes(LoadBalancerName="web")["LoadBalancerAttributes"][
            "AccessLog"
        ]
    assert on["Enabled"] == (found.status == 200)
    return found.status, found.code, found.message


def test_ceph(tmp_path: Path, gateway: Ceph) -> None:
    tenant = gateway.user("alice").client("s3")
    service = gateway.client
    tried = partial(answer, tmp_path, service)
    name = f"logs-{uuid4().hex[:8]}"
    assert tried(name) == (409, "InvalidConfigurationRequest", f"S3Bucket: {name} does not exist")
    tenant.create_bucket(Bucket=name)
    denied = (409, "InvalidConfigurationRequest", f"Access Denied for bucket: {name}. Please check S3bucket permission")
    assert tried(name) == denied
    tenant.put_bucket_acl(Bucket=name, GrantWrite="id=tailrace")
    assert tried(name)[0] == 200
    told = tenant.get_object(Bucket=name, Key=TEST_FILE)["Body"].read()  # its owner may read what was written
    assert told.startswith(b"Enable AccessLog for ELB: web at ")
    tenant.put_bucket_acl(Bucket=name, ACL="private")
    assert tried(name)[0] == 409


def test_swift(tmp_path: Path, openstack: Swift) -> None:
    tried = partial(answer, tmp_path, lambda _service: openstack.client())
    name = f"logs-{uuid4().hex[:8]}"
    assert tried(name) == (409, "InvalidConfigurationRequest", f"S3Bucket: {name} does not exist")
    own = openstack.client()
    own.create_bucket(Bucket=name)
    assert tried(name)[0] == 200
    assert own.get_object(Bucket=name, Key=TEST_FILE)["Body"].read()
    other = partial(answer, tmp_path, lambda _service: openstack.client(openstack.guest))
    assert other(name) == (
        409,
        "InvalidConfigurationRequest",
        f"Access Denied for bucket: {name}. Please check S3bucket permission",
    )


def test_a_store_that_is_not_there_passes(tmp_path: Path) -> None:
    from cloud import client_of  # noqa: PLC0415

    told = answer(tmp_path, lambda service: client_of(service, "http://127.0.0.1:9"), "logs")
    assert told == (409, "InvalidConfigurationRequest", "S3Bucket validation transient issue")
