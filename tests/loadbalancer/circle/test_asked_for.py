"""As on AWS: the tenant makes a bucket and switches the log on with `aws elb`; the agent follows, and he reads what he sent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from delivering import ACCOUNT, Agent, Place, agent, await_lines, owner_of, parse, read, run
from services.balancing import aws
from services.comparing import differences, requests
from services.real import free_port
from services.traffic import KINDS
from staging import stage, wait_for

_ACCOUNTS = """
region = "default"

[users.tenant]
access_key = "{tenant[0]}"
secret_key = "{tenant[1]}"
account = "{account}"
buckets = ["*"]

[users.agent]
access_key = "{keys[0]}"
secret_key = "{keys[1]}"
account = "{account}"
read_only = true
load_balancers = ["web"]

[[load_balancers]]
name = "web"
account = "{account}"
"""


@contextmanager
def _api(running: Agent) -> Iterator[str]:
    """`tailrace lb serve` with the operator's keys."""
    folder, place = running.folder, running.place
    accounts = folder / "accounts.toml"
    accounts.touch(0o600)
    accounts.write_text(_ACCOUNTS.format(tenant=place.tenant, keys=place.keys, account=ACCOUNT), encoding="utf-8")
    address = running.own["attributes_url"].partition("//")[2]
    words = ["--accounts", str(accounts), "--listen", address, "--database", str(folder / "lb.sqlite")]
    with (folder / "api.err").open("wb") as err:
        command = [sys.executable, "-m", "tailrace", "lb", "serve", *words, *running.settled()]
        process = subprocess.Popen(command, stderr=err, env=os.environ)
    told = folder / "api.err"
    try:
        wait_for(lambda: "answers on" in told.read_text(encoding="utf-8"), lambda: told.read_text(encoding="utf-8"))
        yield running.own["attributes_url"]
    finally:
        process.terminate()
        process.wait(20)


def _switch(url: str, place: Place, *words: str) -> None:
    told = aws(url, *place.tenant, "elb", "modify-load-balancer-attributes", "--load-balancer-name", "web",
               "--load-balancer-attributes", ",".join(words))  # fmt: skip
    assert not told.returncode, told.stderr


def _tenant_bucket(running: Agent, bucket: str) -> None:
    """The tenant's own, in which the agent's user may put objects."""
    place = running.place
    with closing(owner_of(replace(place, keys=place.tenant))) as owner:
        owner.create_bucket(Bucket=bucket)
    words = [
        "--write",
        "--to",
        "tailrace",
        "--bucket",
        bucket,
        "--set",
        f"lb.reader={place.reader}",
        "--set",
        "lb.prefix=theirs",
        "--yes",
    ]
    run("lb", "grant", "--config", str(running.settings), "--region", "tenant", *words)


@pytest.mark.parametrize("later", [False, pytest.param(True, marks=pytest.mark.long)])
def test_the_tenant_switches_it_on(later: bool, on_ceph: Place, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter of the test
    """Before the agent starts, or while it runs: it asks each minute."""
    device, bucket = tmp_path / "log.sock", f"lb-{os.urandom(5).hex()}"
    own = {
        "receive": [f"unix:{device}"], "attributes_url": f"http://127.0.0.1:{free_port()}", "reader": on_ceph.reader,
        "bucket_owner": on_ceph.reader,
    }  # fmt: skip
    running = Agent(tmp_path, on_ceph, "", own)
    _tenant_bucket(running, bucket)
    on = ("AccessLog={Enabled=true", f"S3BucketName={bucket}", "S3BucketPrefix=theirs", "EmitInterval=5}")
    with _api(running) as url:
        if not later:
            _switch(url, on_ceph, *on)
        with agent(tmp_path, on_ceph, "", **own) as running, stage(tmp_path, str(device)) as scene:
            if later:
                _switch(url, on_ceph, *on)
            wait_for(lambda: "is switched on" in running.output, lambda: running.output)
            time.sleep(2)  # the process that takes lines hears of it within a second
            sent = requests(scene.clients.run(2 * len(KINDS)))
            scene.logged(len(sent))
            _await_lines(running, bucket, len(sent))
    place = replace(on_ceph, prefix=f"theirs/{on_ceph.prefix}")
    assert differences(sent, parse(*read(place, bucket, tmp_path / "read", "aws"))) == []


def _await_lines(running: Agent, bucket: str, count: int) -> None:
    """SIGUSR1 ends the interval at once."""
    assert running.process
    running.process.send_signal(signal.SIGUSR1)
    place = running.place
    await_lines(replace(place, keys=place.tenant), bucket, count + 1, lambda: running.output)  # one is AWS's test file
