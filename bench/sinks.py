"""What each sink costs the client: CPU time for a record, beside what others do, and what the receiver takes at most.

    python bench/sinks.py [ROW…] [--lines N]

A receiver in a process of its own reads requests and throws them away, so that what is measured is the sending alone. Lines are
parsed beforehand, and every row but the receiver's begins with the parsed records. Each row is a process of its own. A row is a
function below with the name that ROWS gives it; it is told the receiver's URL and how many lines, and returns work that can be
done again and again.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from data import DATA, made
from jobs import cpu

HERE = Path(__file__).parent
Work = Callable[[], object]
REPEAT = 6
"""So often a row is done; the best counts."""
GROUP = "/logs/bench"
KEY = "123456789012_elasticloadbalancing_us-east-1_app.bench.0123456789abcdef_20261119T0805Z_198.51.100.1_aaaaaaaa.log"


@dataclass(frozen=True)
class Row:
    """What is measured, how many of the lines, and beside which row it is put."""

    name: str
    share: float = 1.0
    beside: str = ""


ROWS = {
    "receiver": Row("HTTP receiver's bare speed, 1 MiB requests"),
    "cloudwatch": Row("tailrace → cloudwatch"),
    "cloudwatch_json": Row("tailrace → cloudwatch, message=json"),
    "cloudwatch_gzip": Row("tailrace → cloudwatch, gzip=true"),
    "boto3_batch": Row("boto3 put_log_events, a list of dicts a batch", beside="cloudwatch"),
    "boto3_line": Row("boto3 put_log_events, one call a line", 0.01, beside="cloudwatch"),
}


def receiver(url: str, lines: int) -> Work:
    """The same number of bytes by http.client, not signed and not made."""
    import http.client

    body, size = bytes(1 << 20), sum(map(len, _lines(lines)))

    def work() -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        for _ in range(max(1, size >> 20)):
            connection.request("POST", "/", body)
            connection.getresponse().read()
        connection.close()

    return work


def cloudwatch(url: str, lines: int, **own: Any) -> Work:
    """Our sink, from parsed batches to the receipt of the last answer."""
    from tailrace.sinks.cloudwatch import SINK, CloudwatchSettings

    item, batches, clock = parsed(lines)
    sink = SINK.open(GROUP, CloudwatchSettings(**own), surroundings(clock, lambda _service: _client(url)))()

    def work() -> None:
        for batch in batches:
            sink.write(item, batch, 0)
        sink.flush()

    return work


def cloudwatch_json(url: str, lines: int) -> Work:
    """Records as JSON."""
    return cloudwatch(url, lines, message="json")


def cloudwatch_gzip(url: str, lines: int) -> Work:
    """Compressed requests."""
    return cloudwatch(url, lines, gzip=True)


def boto3_batch(url: str, lines: int) -> Work:
    """What one writes with boto3, from the same parsed batches: requests as large as may be, cut by the same rules."""
    client, batches = _client(url), parsed(lines)[1]

    def send(events: list[dict[str, Any]]) -> None:
        client.put_log_events(logGroupName=GROUP, logStreamName="bench", logEvents=events)

    def work() -> None:
        events: list[dict[str, Any]] = []
        size = 0
        for batch in batches:
            for time, message in _events(batch):
                count = len(message.encode()) + 26
                if size + count > 1_048_576 or len(events) == 10_000:  # noqa: PLR2004 - the API's limits
                    send(events)
                    events, size = [], 0
                events.append({"timestamp": time, "message": message})
                size += count
        send(events)

    return work


def boto3_line(url: str, lines: int) -> Work:
    """What scripts do: a call for each line."""
    client, batches = _client(url), parsed(lines)[1]

    def work() -> None:
        for time, message in chain.from_iterable(map(_events, batches)):
            client.put_log_events(
                logGroupName=GROUP, logStreamName="bench", logEvents=[{"timestamp": time, "message": message}]
            )

    return work


def parsed(lines: int, rendering: Any = None) -> tuple[Any, list[Any], Any]:
    """An item, its batches as the loop makes them for a sink of that rendering, and a clock at which they are fresh."""
    from tailrace.hosts.reading import parsers
    from tailrace.model import Identity, Item
    from tailrace.settings import Settings

    content = b"".join(_lines(lines))
    item = Item(Identity("s3", "bucket", KEY, "1"), io.BytesIO, None, 0.0)
    parser = parsers(Settings(), lambda _: None)(item, 0, rendering)
    batches = [parser.feed(content[begin : begin + (64 << 10)]) for begin in range(0, len(content), 64 << 10)]
    batches = [batch for batch in (*batches, parser.finish()) if len(batch.records)]
    latest = 0.0 if rendering else max(max(batch.records.raw().times) for batch in batches) / 1000
    return item, batches, SimpleNamespace(now=lambda: latest, monotonic=lambda: latest)


def surroundings(clock: Any, client: Callable[[str], Any]) -> Any:
    """What a run gives to sinks."""
    from tailrace.kinds import Surroundings
    from tailrace.settings import Settings

    nothing: Any = None
    return Surroundings(
        settings=Settings(), clock=clock, stdin=io.BytesIO(), stdout=1, client=client, vault=nothing, environ={}
    )


def _events(batch: Any) -> Iterator[tuple[int, str]]:
    """Time and text of each record."""
    raw = batch.records.raw()
    text, begin = str(raw.data, "utf-8"), 0  # the lines are ASCII
    for end, time in zip(raw.ends, raw.times, strict=True):
        yield time, text[begin:end]
        begin = end


def _lines(count: int) -> list[bytes]:
    with (DATA / "alb.log").open("rb") as file:
        return [line for line, _ in zip(file, range(count), strict=False)]


def _client(url: str) -> Any:
    import boto3
    from botocore.config import Config

    session = boto3.Session(region_name="eu-west-1", aws_access_key_id="bench", aws_secret_access_key="bench")
    return session.client("logs", endpoint_url=url, config=Config(retries={"total_max_attempts": 1}))


def serve() -> None:
    """Be the receiver: tell the port, then answer every request with an empty object, until standard input ends."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listening.getsockname()[1], flush=True)
    threading.Thread(target=_accept, args=(listening,), daemon=True).start()
    sys.stdin.read()


def _accept(listening: socket.socket) -> None:
    while True:
        client, _ = listening.accept()
        threading.Thread(target=_swallow, args=(client,), daemon=True).start()


def _swallow(client: socket.socket) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray(1 << 20)
    with suppress(OSError), client:
        waiting = b""
        while True:
            while b"\r\n\r\n" not in waiting:
                received = client.recv(64 << 10)
                if not received:
                    return
                waiting += received
            head, _, waiting = waiting.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            missing = length - len(waiting)
            waiting = waiting[length:] if missing < 0 else b""
            while missing > 0:
                missing -= client.recv_into(buffer, min(missing, len(buffer)))
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


def measure(name: str, url: str, lines: int) -> None:
    """Do a row's work, and print its least CPU time in s."""
    from tailrace.hosts.memory import keep

    keep()
    os.sched_setaffinity(0, [0])
    work: Work = globals()[name](url, lines)
    times = []
    for _ in range(REPEAT):
        before = cpu()
        work()
        times.append(cpu() - before)
    print(json.dumps(min(times)))


def _measured(name: str, url: str, lines: int) -> float:
    command = [sys.executable, __file__, "--measure", name, url, str(lines)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONWARNINGS": "ignore"}
    )
    if done.returncode:
        sys.exit(f"{name}: {done.stderr}")
    return float(done.stdout)


def table(micros: dict[str, float]) -> Table:
    """All rows."""
    shown = Table(title="Sinks, client's CPU", title_justify="left", box=None, pad_edge=False)
    for head in ("row", "µs a record", "beside", "×"):
        shown.add_column(head, justify="left" if head in ("row", "beside") else "right")
    for name, value in micros.items():
        beside = ROWS[name].beside
        ratio = f"{value / micros[beside]:.1f}" if beside in micros else ""
        shown.add_row(ROWS[name].name, f"{value:.2f}", beside if ratio else "", ratio)
    return shown


def main(words: Sequence[str]) -> None:
    """Measure and show."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("only", nargs="*", metavar="ROW", help=f"one of {', '.join(ROWS)}; all if not given")
    options.add_argument("--lines", type=int, default=50_000)
    given = options.parse_args(words)
    made()
    micros = {}
    with subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        for name, row in ROWS.items():
            if not given.only or name in given.only:
                lines = max(10, int(given.lines * row.share))
                micros[name] = _measured(name, url, lines) / lines * 1e6
        assert server.stdin
        server.stdin.close()
    Console().print(table(micros))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--serve"]:
            serve()
        case ["--measure", name, url, lines]:
            measure(name, url, int(lines))
        case words:
            main(words)
