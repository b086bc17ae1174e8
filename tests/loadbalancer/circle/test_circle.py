"""The circle: requests through HAProxy, the agent, a real store, a tenant's client, and back through `tailrace parse`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from circling import Stage, stage
from delivering import Agent, Place, agent, await_lines, lines_in, owner_of, parse, read, run
from services.balancing import aws, s3cmd
from services.comparing import CONNECTIONS, NO_REQUESTS, differences, requests
from services.openstack import GUEST, OWNER, swift
from services.real import ceph, free_port
from services.traffic import KINDS

TENANT = "tailrace-lb-tenant"
CLIENTS = {"s3cmd": s3cmd, "aws": aws}


@pytest.fixture(scope="module", params=["ceph", "swift", "keystone"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with ExitStack() as stack:
        if request.param == "ceph":
            gateway = stack.enter_context(ceph())
            tenant = gateway.user(TENANT)
            yield Place("ceph", gateway.endpoint, (gateway.key, gateway.secret), (tenant.key, tenant.secret), TENANT)
            return
        store = stack.enter_context(swift())
        if request.param == "swift":
            yield Place("swift", store.endpoint, OWNER[:2], GUEST[:2], GUEST.key)
            return
        owner, other = store.keystone.project("tailrace-lb"), store.keystone.project(TENANT)
        yield Place("swift", store.by_keystone, owner.keys[:2], other.keys[:2], other.id)


@pytest.mark.parametrize(("client", "way", "kind"), [("s3cmd", "unix", "classic"), ("aws", "udp", "application")])
def test_the_tenant_reads_what_was_sent(place: Place, client: str, way: str, kind: str, tmp_path: Path) -> None:
    bucket = f"lb-{uuid4().hex[:10]}"
    target = str(tmp_path / "log.sock") if way == "unix" else f"127.0.0.1:{free_port()}"
    own = {"type": kind, "receive": [f"{way}:{target}"], "reader": place.reader, "expire_days": 7}
    without = CONNECTIONS if kind == "application" else frozenset[str]()
    with agent(tmp_path / "agent", place, bucket, **own) as running:
        run("lb", "grant", "--config", str(running.settings), "--region", "here", "--yes")
        with stage(tmp_path, target) as scene:
            sent = scene.clients.run(4 * len(KINDS))
            _all_was_logged(scene, len(sent), len(requests(sent)))
        expected = requests(sent, without)
        await_lines(place, bucket, len(expected), lambda: running.output)
        records = parse(*read(place, bucket, tmp_path / "read", CLIENTS[client]))
        assert differences(expected, records) == []
        _rejected(running, len(sent) - len(expected))
    told = run("lb", "grant", "--check", "--config", str(running.settings), "--region", "here")
    assert "may" in told.stdout


def _all_was_logged(scene: Stage, lines: int, handled: int) -> None:
    """HAProxy, and whoever else has its log, know of as many as were sent."""
    scene.logged(lines)
    assert len(scene.witness.lines) == lines
    assert scene.handled() == handled
    assert scene.dropped() == 0


def _rejected(running: Agent, count: int) -> None:
    """What was no request is kept where it can be read."""
    dead = [json.loads(line) for path in (running.spool / "dead").rglob("*") if path.is_file() for line in path.open()]
    assert len(dead) == count
