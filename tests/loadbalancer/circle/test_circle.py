"""The circle: requests through HAProxy, the agent, a real store, a tenant's client, and back through `tailrace parse`."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest

from circling import Stage, stage
from delivering import Agent, Place, agent, await_lines, parse, read, run
from services.balancing import aws, s3cmd
from services.comparing import CONNECTIONS, differences, requests
from services.real import free_port
from services.traffic import KINDS

CLIENTS = {"s3cmd": s3cmd, "aws": aws}


@pytest.fixture(params=["on_ceph", "on_swift", "on_keystone"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


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
