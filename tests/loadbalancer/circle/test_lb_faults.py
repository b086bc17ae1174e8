"""Nothing is lost, whatever dies: what HAProxy logged is in the bucket, each line once."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from delivering import Agent, Place, agent, await_lines, lines_in, owner_of
from services.balancing import program
from services.gate import gate
from services.real import free_port
from services.traffic import Sent
from staging import Stage, stage, wait_for

LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
LOAD = ("plain", "tls", "v6", "post", "aborting", "nobody", "denied", "garbage", "tcp")
INTERVAL_S = 2
_FAR_S = 400


class Load:
    """Requests in a thread of their own, until it is told that it is enough."""

    def __init__(
        self, scene: Stage, kinds: Sequence[str] = LOAD, visits: int = 5 * len(LOAD), at_once: int = 16
    ) -> None:
        self.sent: list[Sent] = []
        self._how = {"kinds": kinds, "visits": visits, "at_once": at_once}
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(scene,))
        self._thread.start()

    def _run(self, scene: Stage) -> None:
        while not self._enough.is_set():
            self.sent += scene.clients.run(**self._how)

    def more(self, count: int) -> None:
        """Wait until so many more were sent."""
        goal = len(self.sent) + count
        wait_for(lambda: len(self.sent) >= goal, lambda: f"{len(self.sent)} of {goal} requests are sent")

    def end(self) -> int:
        """Let it be enough; how many were sent."""
        self._enough.set()
        self._thread.join()
        return len(self.sent)


def _each_once(running: Agent, scene: Stage, place: Place, bucket: str, count: int) -> None:
    """What the other receiver heard is in the bucket, each line once, and nothing else is."""
    heard = scene.logged(count)
    assert scene.handled() == len(heard) == count
    assert scene.dropped() == 0
    await_lines(place, bucket, count, lambda: running.output)
    assert Counter(line.partition(b" - - ")[2] for line in lines_in(place, bucket)) == Counter(heard)


@contextmanager
def _working(folder: Path, place: Place, bucket: str, **how: Any) -> Iterator[tuple[Agent, Stage]]:
    """Over UDP: at a unix socket HAProxy's own buffer is full after 170 lines that nobody has read."""
    target = f"127.0.0.1:{free_port()}"
    given = {"form": "haproxy", "receive": [f"udp:{target}"], **how}
    with agent(folder / "agent", place, bucket, **given) as running, stage(folder, target) as scene:
        yield running, scene


@pytest.mark.parametrize(
    "victim", ["agent", *(pytest.param(each, marks=pytest.mark.long) for each in ("worker", "shipper"))]
)
def test_killed_under_load(victim: str, on_ceph: Place, bucket: str, tmp_path: Path) -> None:
    with _working(tmp_path, on_ceph, bucket) as (running, scene):
        load = Load(scene)
        for _ in range(3):
            load.more(150)
            if victim == "agent":
                running.kill()
                running.start()
            else:
                os.kill(running.children()[("worker", "shipper").index(victim)], signal.SIGKILL)
        load.more(150)
        _each_once(running, scene, on_ceph, bucket, load.end())


def test_killed_with_all_its_processes(on_ceph: Place, bucket: str, tmp_path: Path) -> None:
    """What was received before stays; while nobody is there, nobody can receive."""
    with _working(tmp_path, on_ceph, bucket) as (running, scene):
        count = 0
        for _ in range(3):
            count += len(scene.clients.run(10 * len(LOAD), kinds=LOAD))
            scene.logged(count)
            time.sleep(0.5)  # what it has not yet read from its socket dies with it, if nobody else has the socket
            running.kill(whole=True)
            running.start()
        _each_once(running, scene, on_ceph, bucket, count)


def test_the_store_is_down_for_two_intervals(on_ceph: Place, bucket: str, tmp_path: Path) -> None:
    with gate(on_ceph.endpoint) as door, _working(tmp_path, replace(on_ceph, endpoint=door.url), bucket) as at:
        running, scene = at
        load = Load(scene)
        load.more(150)
        door.shut()
        for _ in range(2):
            load.more(150)
            time.sleep(INTERVAL_S)
        wait_for(lambda: door.refused > 1, lambda: running.output)
        door.open()
        load.more(150)
        _each_once(running, scene, on_ceph, bucket, load.end())


@pytest.mark.long
def test_the_store_dies_in_the_middle_of_puts(on_ceph: Place, bucket: str, tmp_path: Path) -> None:
    with gate(on_ceph.endpoint) as door, _working(tmp_path, replace(on_ceph, endpoint=door.url), bucket) as at:
        running, scene = at
        load = Load(scene)
        for _ in range(20):
            load.more(20)
            door.shut()
            time.sleep(0.1)
            door.open()
        _each_once(running, scene, on_ceph, bucket, load.end())


@pytest.mark.parametrize(
    "steps",
    [
        ("-30", "+600", "-90"),
        *(pytest.param(each, marks=pytest.mark.long) for each in (("+1200", "+0"), ("-600", "+0"))),
    ],
)
def test_the_clock_is_set(steps: tuple[str, ...], on_ceph: Place, bucket: str, tmp_path: Path) -> None:
    """Of the agent's processes; the store's and HAProxy's clocks go on."""
    program("faketime")
    told = tmp_path / "clock"
    told.write_text("+0", encoding="ascii")
    environment = {
        "LD_PRELOAD": LIBRARY, "FAKETIME_TIMESTAMP_FILE": str(told), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    with _working(tmp_path, on_ceph, bucket, environment=environment) as (running, scene):
        load = Load(scene)
        load.more(100)
        for step in steps:
            told.write_text(step, encoding="ascii")
            load.more(100)
            time.sleep(INTERVAL_S)
        load.more(100)
        _each_once(running, scene, on_ceph, bucket, load.end())
    assert max(_strayed(on_ceph, bucket)) > _FAR_S


def _strayed(place: Place, bucket: str) -> list[float]:
    """How far the times in the names of objects are from when the store got them."""
    with closing(owner_of(place)) as owner:
        told = [(each["Key"], each["LastModified"]) for each in owner.list_objects_v2(Bucket=bucket)["Contents"]]
    times = (
        datetime.strptime(key.rpartition("_")[0].split("_")[-2], "%Y%m%dT%H%MZ").replace(tzinfo=UTC) for key, _ in told
    )
    return [abs((time - put).total_seconds()) for time, (_, put) in zip(times, told, strict=True)]


@pytest.mark.long
def test_many_requests_while_processes_are_killed(on_ceph: Place, bucket: str, tmp_path: Path) -> None:
    with _working(tmp_path, on_ceph, bucket) as (running, scene):
        victims = itertools.cycle(("worker", "agent", "shipper"))
        load = Load(scene, kinds=("plain",), visits=1000, at_once=64)
        while len(load.sent) < 20_000:
            load.more(1000)
            victim = next(victims)
            if victim == "agent":
                running.kill()
                running.start()
            elif len(children := running.children()) == 2:
                os.kill(children[("worker", "shipper").index(victim)], signal.SIGKILL)
        _each_once(running, scene, on_ceph, bucket, load.end())
