"""An agent with a form, names and a store of the tests' own, in processes of its own: for tests of everything between them.

As a script: `python spooling.py '{"folder": ..., "bucket": ..., ...}'` runs the agent until SIGTERM.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from making import StillClock
from tailrace.clock import SystemClock
from tailrace.errors import Fatal, Retryable
from tailrace.loadbalancer.agent import supervise
from tailrace.loadbalancer.agent.background import Background
from tailrace.loadbalancer.agent.counters import Counters
from tailrace.loadbalancer.agent.receive import Listening, handed_over
from tailrace.loadbalancer.agent.ship import Parts, Shipper, ship
from tailrace.loadbalancer.agent.supervise import Agent, Supervisor
from tailrace.loadbalancer.agent.working import Wanted, Worker
from tailrace.loadbalancer.model import Attributes, Balancer, Slot, Written
from tailrace.model import Reject

BALANCER = Balancer(name="lb", account="123456789012", region="here", address="10.0.0.1", instance="i-1")


class Verbatim:
    """Lines as they are; those with `reject` in them are no records."""

    suffix, content_type = ".log", "text/plain"

    def write(self, lines: BinaryIO, out: BinaryIO, _slot: Slot) -> Written:
        rejects, number, records, offset = [], 0, 0, 0
        for line in lines:
            number += 1
            if b"reject" in line:
                text = line.rstrip(b"\n")
                rejects.append(Reject(offset, 1, "unknown_format", text, len(text), sha256(text).hexdigest()))
            else:
                out.write(line)
                records += 1
            offset += len(line)
        return Written(number, records, len(rejects), rejects)


class Named:
    """Names by the slot's end and the random part."""

    def __init__(self, attributes: Attributes) -> None:
        self._attributes = attributes

    def bucket(self, _balancer: Balancer) -> str:
        return self._attributes.bucket

    def key(self, _balancer: Balancer, slot: Slot, random: str) -> str:
        return f"{self._attributes.prefix}{slot.end * 1000:.0f}_{random}.log"


class Timed(Named):
    """Names by the slot's end in seconds alone."""

    def key(self, _balancer: Balancer, slot: Slot, _random: str) -> str:
        return f"{slot.end:.0f}.log"


class Shelf:
    """A store that is a folder of buckets. `DIR/down` makes it fail, `DIR/refuse` refuse; `DIR/half` store half and fail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.puts: list[str] = []

    def put(self, bucket: str, key: str, body: BinaryIO, _headers: Mapping[str, str]) -> None:
        self.puts.append(key)
        if (self.folder / "down").exists():
            raise Retryable("the store is down")
        if (self.folder / "refuse").exists() or not (self.folder / bucket).is_dir():
            message = f"there is no bucket {bucket}"
            raise Fatal(message)
        target = self.folder / bucket / key
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}")
        with temporary.open("wb") as file:
            shutil.copyfileobj(body, file)
        temporary.replace(target)
        if (self.folder / "half").exists():
            (self.folder / "half").unlink()
            raise Retryable("the store has closed the connection")

    def objects(self, bucket: str = "logs") -> dict[str, bytes]:
        folder = self.folder / bucket
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name[0] != "."
        }

    def lines(self, bucket: str = "logs") -> list[bytes]:
        return [line for content in self.objects(bucket).values() for line in content.splitlines()]


def parts(shelf: Shelf, naming: type[Named] = Named) -> Parts:
    return Parts(
        lambda: BALANCER, lambda _balancer: Verbatim(), lambda _balancer, _form, attributes: naming(attributes), shelf
    )


class Ashore:
    """An agent's worker and shipper in this process, with a clock that is told to go."""

    def __init__(self, folder: Path, clock: StillClock, **told: Any) -> None:
        self.folder, self.clock = folder, clock
        self.spool = folder / "spool"
        self.shelf = told.pop("shelf", None) or Shelf(folder / "store")
        (folder / "store" / "logs").mkdir(parents=True, exist_ok=True)
        self.fixed = told.pop("fixed", Attributes(enabled=True, bucket="logs", interval=300))
        self.naming = told.pop("naming", Named)
        self.dead_limit = told.pop("dead_limit", 1 << 30)
        self.told = {"limit": 1 << 30, "follow": (), "interval": 300.0, **told}
        self.counters = Counters()
        self.said: list[str] = []
        self.start()

    def start(self, listening: Sequence[Listening] = ()) -> None:
        wanted = Wanted(folder=self.spool, fixed=self.fixed, **self.told)
        self.worker = Worker(wanted, listening, self.counters, self.clock, self.said.append)
        self.shipper = Shipper(
            self.spool,
            parts(self.shelf, self.naming),
            self.fixed,
            self.counters,
            self.clock,
            self.said.append,
            lambda: 1.0,
            self.dead_limit,
        )

    def crash(self) -> None:
        """What SIGKILL leaves: open files go, nothing is written any more."""
        spool = self.worker._spool
        if spool._open:
            os.close(spool._descriptor)
        for follower in self.worker._followers:
            follower.close()
        self.start()

    def log(self, *lines: bytes) -> None:
        """Receive datagrams."""
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with near, far:
            for line in lines:
                near.send(line)
                while not self.worker._inbox.receive(far):
                    self.worker._flush()
        self.worker._flush()

    def pass_time(self, seconds: float) -> None:
        self.clock.time += seconds
        self.worker.tick()

    def put(self) -> list[bytes]:
        self.shipper.look()
        return self.shelf.lines()

    def everything(self) -> list[bytes]:
        """All lines, wherever they are."""
        self.worker.close_segment()
        return self.put()


class Running:
    """An agent in processes of its own."""

    def __init__(self, folder: Path, **told: Any) -> None:
        self.folder = folder
        self.shelf = Shelf(folder / "store")
        (folder / "store" / "logs").mkdir(parents=True, exist_ok=True)
        self.spool = folder / "spool"
        self.socket = folder / "log"
        self.told = {"folder": str(folder), "receive": [f"unix:{self.socket}"], "interval": 1.0, **told}
        self.errors = folder / "stderr"
        self.process: subprocess.Popen[bytes] | None = None
        self.held: socket.socket | None = None
        """A socket that is handed over as systemd does it."""

    def start(self) -> None:
        words = [sys.executable, __file__, json.dumps(self.told)]
        paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
        environment = {**os.environ, "PYTHONPATH": paths}
        how: dict[str, Any] = {}
        if self.held:
            number = self.held.fileno()
            words = ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", *words]
            how = {"close_fds": False, "preexec_fn": lambda: os.dup2(number, 3)}
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(words, stderr=errors, env=environment, **how)
        until(lambda: (self.folder / "ready").exists() or self.process.poll() is not None, self.said)
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        return self.errors.read_text(encoding="utf-8")

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def children(self) -> dict[str, int]:
        """Process ids of the worker and the shipper: the worker has the sockets."""
        found = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii").split()
        named = {}
        for pid in map(int, found):
            with suppress(OSError):
                held = [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()]
                named["worker" if any("socket:" in each for each in held) else "shipper"] = pid
        return named

    def kill_worker(self) -> None:
        before = self.children().get("worker")
        if before:
            os.kill(before, signal.SIGKILL)

    def kill(self) -> None:
        """Kill the process that was started; the others are left."""
        assert self.process
        (self.folder / "ready").unlink(missing_ok=True)
        self.process.kill()
        self.process.wait()

    def kill_all(self) -> None:
        """Kill all its processes, the youngest first, so that none can start another."""
        assert self.process
        os.kill(self.pid, signal.SIGSTOP)
        for pid in self.children().values():
            os.kill(pid, signal.SIGKILL)
        self.kill()

    def stop(self) -> int:
        assert self.process
        (self.folder / "ready").unlink(missing_ok=True)
        self.process.terminate()
        return self.process.wait(30)


@contextmanager
def running(folder: Path, **told: Any) -> Iterator[Running]:
    agent = Running(folder, **told)
    agent.start()
    try:
        yield agent
    finally:
        if agent.process and agent.process.poll() is None:
            agent.stop()


def until(condition: Callable[[], object], why: Callable[[], str] = str, seconds: float = 20.0) -> None:
    """Wait for something. Fails if it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, why()
        time.sleep(0.01)


def main() -> None:
    told = json.loads(sys.argv[1])
    folder, clock = Path(told["folder"]), SystemClock()
    fixed = Attributes(enabled=True, bucket="logs", interval=told["interval"])
    spool = folder / "spool"

    def say(text: str) -> None:
        os.write(2, f"{text}\n".encode())

    def worker(listening: Sequence[Listening], counters: Counters) -> Worker:
        wanted = Wanted(
            folder=spool, limit=told.get("limit", 1 << 30), follow=told.get("follow", ()), fixed=fixed,
            interval=fixed.interval,
        )  # fmt: skip
        made = Worker(wanted, listening, counters, clock, say, later=Background())
        (folder / "ready").touch()
        return made

    def shipper(counters: Counters, parent: int) -> None:
        ship(
            Shipper(spool, parts(Shelf(folder / "store")), fixed, counters, clock, say, lambda: 0.1),
            None,
            parent=parent,
        )

    supervise.ORPHAN_S = told.get("orphan_s", supervise.ORPHAN_S)
    agent = Agent(
        folder=spool, receive=told["receive"], handed=handed_over(os.environ), worker=worker, shipper=shipper, clock=clock,
        say=say, tell=lambda line: (folder / "status").open("ab").write(line), status_s=0.2,
    )  # fmt: skip
    sys.exit(Supervisor(agent).run())


if __name__ == "__main__":
    main()
