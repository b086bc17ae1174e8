"""The servers of the private clouds, as other tests take them for granted."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError

from services.balancing import aws, haproxy, logrotate, rsyslog, s3cmd
from services.openstack import Keys, Swift, swift
from services.real import Ceph, ceph, free_port

_PROBE = f"tailrace-servers-{os.getpid()}"
_RSYSLOG = """
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{device}")
action(type="omfile" file="{log}")
"""
_HAPROXY = """
global
    stats socket {folder}/stats.sock mode 600 level admin
defaults
    timeout client 5s
    timeout connect 5s
    timeout server 5s
frontend f
    mode http
    log {device} len 8192 local0
    option httplog
    bind 127.0.0.1:{port}
    http-request return status 200
"""
_LOGROTATE = "{log} {{\n size 1\n rotate 2\n create\n postrotate\n  kill -HUP $(cat {pid})\n endscript\n}}\n"


@pytest.fixture(scope="module")
def openstack() -> Iterator[Swift]:
    with swift() as made:
        yield made


@pytest.fixture(scope="module")
def gateway() -> Iterator[Ceph]:
    with ceph() as made:
        yield made


def test_swift_knows_users_of_its_own(openstack: Swift) -> None:
    openstack.client().create_bucket(Bucket=_PROBE)
    listed = s3cmd(openstack.endpoint, openstack.owner.key, openstack.owner.secret, "ls")
    assert f"s3://{_PROBE}" in listed.stdout
    with pytest.raises(ClientError, match=r"InvalidAccessKeyId|SignatureDoesNotMatch"):
        openstack.client(Keys(openstack.owner.key, "wrong")).list_buckets()


def test_swift_knows_the_projects_of_keystone(openstack: Swift) -> None:
    project = openstack.keystone.project(_PROBE)
    assert openstack.keystone.project(_PROBE) == project
    openstack.client(project.keys, endpoint=openstack.by_keystone).create_bucket(Bucket=_PROBE)
    listed = aws(openstack.by_keystone, project.key, project.secret, "s3api", "list-buckets")
    assert [each["Name"] for each in json.loads(listed.stdout)["Buckets"]] == [_PROBE]


def test_ceph_has_tenants(gateway: Ceph) -> None:
    alice = gateway.user("north$alice")
    alice.client("s3").create_bucket(Bucket=_PROBE)
    assert gateway.user("north$alice") == alice
    listed = aws(gateway.endpoint, alice.key, alice.secret, "s3api", "list-buckets")
    assert _PROBE in listed.stdout
    with pytest.raises(ClientError, match=r"NoSuchBucket|AccessDenied|Not Found|Forbidden"):
        gateway.client("s3").head_bucket(Bucket=_PROBE)


def test_haproxy_logs_through_rsyslog_into_a_file_that_logrotate_rotates(tmp_path: Path) -> None:
    port, log, device = free_port(), tmp_path / "haproxy.log", tmp_path / "log.sock"
    (tmp_path / "rsyslog.conf").write_text(_RSYSLOG.format(device=device, log=log), encoding="utf-8")
    (tmp_path / "haproxy.cfg").write_text(_HAPROXY.format(folder=tmp_path, device=device, port=port), encoding="utf-8")
    rotating = tmp_path / "rotate.conf"
    with rsyslog(tmp_path / "rsyslog.conf", device) as logger, haproxy(tmp_path / "haproxy.cfg", port) as balancer:
        rotating.write_text(_LOGROTATE.format(log=log, pid=logger.pid_file), encoding="utf-8")
        rotating.chmod(0o600)
        _asked(port, "/before")
        _wait_for(log, "/before")
        logrotate(rotating)
        assert "CumReq: " in balancer.ask("show info")
        balancer.reload()
        _wait_for(log, "")  # the new file, which rsyslog opens when it is told to
        _asked(port, "/after")
        _wait_for(log, "/after")
    assert "/before" in (tmp_path / "haproxy.log.1").read_text(encoding="utf-8")


def _asked(port: int, path: str) -> None:
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        assert answer.status == 200


def _wait_for(log: Path, text: str) -> None:
    while not log.exists() or text not in log.read_text(encoding="utf-8"):
        time.sleep(0.01)
