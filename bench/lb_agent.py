"""What the agent on a load balancer's machine costs: memory and processor of all its processes at 20,000 lines a second.

    python bench/lb_agent.py [ROW…] [--seconds N] [--rate N]

A real HAProxy answers so many requests a second, which come pipelined over a few connections, and logs each with all fields that AWS's lines
need; the agent receives that, and puts an object every ten seconds into a store that counts lines. `replay` sends such lines without
HAProxy, `follow` writes them to a file. Lines that HAProxy itself drops are told apart: a unix socket takes no more than 167 of them at a time
unless net.core.wmem_default is raised. Memory is the sum of the proportional set sizes (PSS) of the agent's processes, the largest of
five looks a second; a line is lost if it is in no object.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from gzip import decompress
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tailrace.loadbalancer.logformat import HTTP, HTTP_RULES

BATCH = 50
CONNECTIONS = 4
REQUEST = b"GET /some/where/in/the/shop?article=12345&colour=blue HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench/1.0 (of the agent)\r\n\r\n"
ROWS = {
    "classic": "HAProxy → UDP → agent → form aws, classic",
    "application": "HAProxy → UDP → agent → form aws, application",
    "haproxy": "HAProxy → UDP → agent → form haproxy",
    "unix": "HAProxy → unix socket → agent → form aws, classic",
    "replay": "replayed lines → unix socket → agent → form aws, classic",
    "follow": "replayed lines → file → agent → form aws, classic",
}
PLAIN = ("replay", "follow")


class Store(http.server.BaseHTTPRequestHandler):
    """Takes objects and counts their lines."""

    protocol_version = "HTTP/1.1"
    lines = objects = 0

    def do_PUT(self) -> None:
        """Take one."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Store.lines += (decompress(body) if self.path.endswith(".gz") else body).count(b"\n")
        Store.objects += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


def store() -> http.server.ThreadingHTTPServer:
    """The store, in threads."""
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    return made


@dataclass
class Watch:
    """Looks at processes while they work."""

    main: int
    peak: int = 0
    parts: dict[str, int] = field(default_factory=dict)
    cpu: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        begun = {pid: _cpu(pid) for pid in _family(self.main)}
        at = time.monotonic()
        while not self._stop.wait(0.2):
            family = _family(self.main)
            sizes = {name: _pss(pid) for name, pid in zip(("supervisor", "worker", "shipper"), family, strict=False)}
            if sum(sizes.values()) > self.peak:
                self.peak, self.parts = sum(sizes.values()), sizes
        used = sum(_cpu(pid) - begun.get(pid, 0.0) for pid in _family(self.main))
        self.cpu = used / (time.monotonic() - at)


def _family(main: int) -> list[int]:
    children = Path(f"/proc/{main}/task/{main}/children").read_text(encoding="ascii").split()
    return [main, *map(int, children)]


def _pss(pid: int) -> int:
    told = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    found = re.search(r"^Pss:\s+(\d+)", told, re.MULTILINE)
    return int(found[1]) if found else 0


def _cpu(pid: int) -> float:
    told = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def agent(folder: Path, row: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The agent, ready."""
    form = "haproxy" if row == "haproxy" else "aws"
    kind = "application" if row == "application" else "classic"
    unix = f'receive = ["unix:{folder}/log"]'
    source = {"unix": unix, "replay": unix, "follow": f'follow = ["{folder}/log"]'}
    text = f"""region = "bench"
[clouds.bench]
endpoint_url = "http://127.0.0.1:{port}"
access_key = "AKIA"
secret_key = "secret"
[lb]
name = "shop"
account = "123456789012"
address = "10.0.0.1"
bucket = "logs"
spool = "{folder}/spool"
interval = "10s"
form = "{form}"
type = "{kind}"
{source.get(row, f'receive = ["udp:127.0.0.1:{_UDP}"]')}
"""
    (folder / "log").touch() if row == "follow" else None
    (folder / "tailrace.toml").write_text(text, encoding="utf-8")
    words = [sys.executable, "-m", "tailrace", "lb", "agent", f"{folder}/tailrace.toml", "--status", f"{folder}/status"]
    with subprocess.Popen(words) as process:
        until(lambda: len(_family(process.pid)) > len(PLAIN))
        time.sleep(0.5)
        yield process
        process.send_signal(signal.SIGTERM)


_UDP = 22_490
_HTTP = 22_491


@contextmanager
def haproxy(folder: Path, target: str) -> Iterator[Path]:
    """HAProxy, which answers everything itself; the path of its control socket."""
    rules = "\n".join(f"    {rule}" for rule in HTTP_RULES)
    text = f"""global
    stats socket {folder}/control
    maxconn 100
    nbthread 1
defaults
    mode http
    timeout client 30s
    timeout connect 5s
    timeout server 30s
    timeout http-keep-alive 30s
frontend shop
    bind 127.0.0.1:{_HTTP}
    log {target} len 65535 format rfc5424 local0 info
    log-format '{HTTP}'
{rules}
    http-request return status 200 content-type text/plain string hello
"""
    (folder / "haproxy.cfg").write_text(text, encoding="utf-8")
    with subprocess.Popen(
        [shutil.which("haproxy") or "haproxy", "-f", f"{folder}/haproxy.cfg", "-db"], stderr=subprocess.DEVNULL
    ) as process:
        until((folder / "control").exists)
        time.sleep(0.3)
        yield folder / "control"
        process.terminate()


def dropped(control: Path) -> int:
    """So many lines HAProxy has dropped itself."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(control))
        asking.sendall(b"show info\n")
        told = b"".join(iter(lambda: asking.recv(65536), b"")).decode()
    found = re.search(r"^DroppedLogs: (\d+)", told, re.MULTILINE)
    return int(found[1]) if found else 0


def requests(rate: int, seconds: float) -> int:
    """Requests to HAProxy at a rate; so many were answered."""
    connections = [socket.create_connection(("127.0.0.1", _HTTP)) for _ in range(CONNECTIONS)]
    first = connections[0]
    first.sendall(REQUEST)
    size = len(first.recv(65536))
    done = 1

    def send() -> int:
        for each in connections:
            each.sendall(REQUEST * BATCH)
        for each in connections:
            left = size * BATCH
            while left:
                left -= len(each.recv(min(left, 65536)))
        return BATCH * CONNECTIONS

    done += paced(send, rate, seconds)
    for each in connections:
        each.close()
    return done


class Paced:
    """How fast it was the last time."""

    rate = 0.0


def paced(send: Callable[[], int], rate: int, seconds: float) -> int:
    """Send so often that the rate is kept; so many were sent."""
    begin, done = time.monotonic(), 0
    while time.monotonic() - begin < seconds:
        done += send()
        if (wait := begin + done / rate - time.monotonic()) > 0:
            time.sleep(wait)
    Paced.rate = done / (time.monotonic() - begin)
    return done


def replayed(folder: Path, row: str, rate: int, seconds: float) -> int:
    """The line that HAProxy writes for such a request, again and again; so many were sent."""
    line = sample(folder)
    if row == "follow":
        with (folder / "log").open("ab", buffering=0) as file:
            return paced(lambda: file.write(line * 100) // len(line), rate, seconds)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.connect(f"{folder}/log")

        def send() -> int:
            for _ in range(100):
                out.send(line)
            return 100

        return paced(send, rate, seconds)


def sample(folder: Path) -> bytes:
    """A line of HAProxy itself."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as taking:
        taking.bind(f"{folder}/sample")
        with haproxy(folder, f"{folder}/sample"), socket.create_connection(("127.0.0.1", _HTTP)) as asking:
            asking.sendall(REQUEST)
            asking.recv(65536)
            return taking.recv(65536)


def until(condition: Callable[[], object]) -> None:
    """Wait for something, half a minute at most."""
    end = time.monotonic() + 30
    while not condition():
        if time.monotonic() > end:
            sys.exit("nothing came")
        time.sleep(0.05)


def measure(row: str, given: Namespace) -> list[str]:
    """The figures of a row."""
    Store.lines = 0
    with tempfile.TemporaryDirectory() as name:
        folder, keeping = Path(name), store()
        lost_by_haproxy = 0
        with agent(folder, row, keeping.server_address[1]) as process:
            watch = Watch(process.pid)
            watch.start()
            if row in PLAIN:
                sent = replayed(folder, row, given.rate, given.seconds)
            else:
                target = f"{folder}/log" if row == "unix" else f"127.0.0.1:{_UDP}"
                with haproxy(folder, target) as control:
                    sent = requests(given.rate, given.seconds)
                    lost_by_haproxy = dropped(control)
            end = time.monotonic() + 40
            while Store.lines < sent - lost_by_haproxy and time.monotonic() < end:
                time.sleep(0.1)
            watch.stop()
        keeping.shutdown()
        told = json.loads((folder / "status").read_bytes().splitlines()[-1])
    parts = " + ".join(f"{size / 1024:.1f}" for size in watch.parts.values())
    lost = sent - lost_by_haproxy - Store.lines
    dropped_here = told["kernel_dropped"] + told["dropped"]
    assert not lost or dropped_here, f"{lost} lines are lost without a word"
    return [
        f"{Paced.rate:,.0f}",
        f"{lost_by_haproxy:,}",
        f"{lost:,}",
        f"{watch.peak / 1024:.1f} ({parts})",
        f"{watch.cpu:.0%}",
    ]


def main() -> None:
    """Measure and show."""
    words = ArgumentParser(description=__doc__)
    words.add_argument("only", nargs="*", metavar="ROW")
    words.add_argument("--seconds", type=float, default=30)
    words.add_argument("--rate", type=int, default=20_000)
    given = words.parse_args()
    shown = Table(title="The agent for access logging", title_justify="left", box=None, pad_edge=False)
    for head in ("row", "lines/s", "dropped by HAProxy", "lost", "peak MiB, all processes", "CPU of a core"):
        shown.add_column(head, justify="left" if head == "row" else "right")
    for row, about in ROWS.items():
        if not given.only or row in given.only:
            shown.add_row(about, *measure(row, given))
    Console().print(shown)


if __name__ == "__main__":
    main()
