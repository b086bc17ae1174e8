"""The circle: requests through HAProxy, the agent, a real store, a tenant's client, and back through `tailrace parse`."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from delivering import Agent, Place, agent, await_lines, lines_in, owner_of, parse, read, run
from services.balancing import swift
from services.comparing import CONNECTIONS, differences, requests
from services.real import free_port
from services.traffic import KINDS
from staging import Stage, stage, wait_for

_CASES = [
    ("on_ceph", "s3cmd", "unix", "classic"),
    pytest.param("on_ceph", "aws", "udp", "application", marks=pytest.mark.long),
    ("on_swift", "swift", "unix", "application"),
    pytest.param("on_keystone", "swift", "udp", "classic", marks=pytest.mark.long),
]


@pytest.mark.parametrize(("where", "client", "way", "kind"), _CASES)
def test_the_tenant_reads_what_was_sent(
    where: str, client: str, way: str, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    place: Place = request.getfixturevalue(where)
    bucket = f"lb-{uuid4().hex[:10]}"
    with closing(owner_of(place)) as owner:
        owner.create_bucket(Bucket=bucket)
    target = str(tmp_path / "log.sock") if way == "unix" else f"127.0.0.1:{free_port()}"
    own = {"type": kind, "receive": [f"{way}:{target}"], "reader": place.reader, "expire_days": 700}
    without = CONNECTIONS if kind == "application" else frozenset[str]()
    with agent(tmp_path / "agent", place, bucket, **own) as running:
        run("lb", "grant", *running.settled("--yes"))
        with stage(tmp_path, target) as scene:
            sent = scene.clients.run(4 * len(KINDS))
            _all_was_logged(scene, len(sent), len(requests(sent)))
        expected = requests(sent, without)
        await_lines(place, bucket, len(expected), lambda: running.output)
        records = parse(*read(place, bucket, tmp_path / "read", client))
        assert differences(expected, records) == []
        _rejected(running, len(sent) - len(expected))
        whom = str(running.folder / "tenant.openrc") if place.storage else "tenant"
        _expires(place, bucket)
        assert "REFUSED" not in run("lb", "grant", *running.settled("--check", "--as", whom)).stdout
    _shipped(running, bucket, len(expected), tmp_path)


def _expires(place: Place, bucket: str) -> None:
    """The store has been told when: by a rule, or each object for itself."""
    with closing(owner_of(place)) as owner:
        if place.kind == "ceph":
            (rule,) = owner.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
            assert rule["Expiration"]["Days"] == 700
            return
        key = owner.list_objects_v2(Bucket=bucket)["Contents"][0]["Key"]
    told = swift(place.storage, place.login, "stat", bucket, key)
    (until,) = (line.partition(":")[2] for line in told.stdout.splitlines() if "X-Delete-At" in line)
    assert 0 <= 700 * 86400 - (int(until) - time.time()) < 600


def _shipped(running: Agent, bucket: str, count: int, folder: Path) -> None:
    """The core carries the same objects into the local store."""
    run("ship", f"s3://{bucket}", *running.settled("--store", str(folder / "store")))
    told = run("query", "SELECT count(*) AS n FROM requests", "--json", "--store", str(folder / "store"))
    assert json.loads(told.stdout) == [{"n": count}]


def _all_was_logged(scene: Stage, lines: int, handled: int) -> None:
    """HAProxy, and whoever else has its log, know of as many as were sent."""
    scene.logged(lines)
    assert len(scene.witness.lines) == lines
    assert scene.handled() == handled
    assert scene.dropped() == 0


def _rejected(running: Agent, count: int) -> None:
    """What was no request is kept where it can be read."""
    files = [path for path in (running.spool / "dead").rglob("*") if path.is_file()]
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files) == count


@pytest.mark.long
def test_ceph_lets_objects_expire(on_ceph: Place, bucket: str, tmp_path: Path) -> None:
    """A day of this Ceph lasts ten seconds."""
    target = f"127.0.0.1:{free_port()}"
    own = {"receive": [f"udp:{target}"], "reader": on_ceph.reader, "expire_days": 1, "form": "haproxy"}
    with agent(tmp_path / "agent", on_ceph, bucket, **own) as running, stage(tmp_path, target) as scene:
        sent = scene.clients.run(8, kinds=("post",))
        await_lines(on_ceph, bucket, len(sent), lambda: running.output)
        run("lb", "grant", *running.settled("--yes"))
        wait_for(lambda: not lines_in(on_ceph, bucket), lambda: "objects do not expire", step=1)
