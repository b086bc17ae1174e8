"""What the sink `elasticsearch` costs the client: CPU time for a record, beside scripts, and beside what the receiver takes at most.

    python bench/sinks_search.py [ROW…] [--lines N] [--at URL]

As `bench/sinks.py`, whose means it uses: a receiver in a process of its own that answers as a search server does and throws
everything away, lines parsed beforehand, each row a process of its own. With `--at` a real server is sent to instead, into
indices that are removed, and the time that passes counts.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from data import made
from jobs import cpu
from sinks import Row, Work, parsed

INDEX = "tailrace-bench"
STREAM = "logs-tailrace_bench-default"
NDJSON = {"Content-Type": "application/x-ndjson"}

ROWS = {
    "bare": Row("bulk requests made beforehand, by http.client"),
    "elasticsearch": Row("tailrace → elasticsearch, gzip=false", beside="bare"),
    "elasticsearch_gzip": Row("tailrace → elasticsearch", beside="bare"),
    "elasticsearch_stream": Row("tailrace → elasticsearch, data stream", beside="bare"),
    "script": Row("json.loads, json.dumps, 500 records a request", 0.2, beside="elasticsearch"),
    "script_line": Row("a request for each record", 0.01, beside="elasticsearch"),
}


def bare(url: str, lines: int) -> Work:
    """The same requests, made beforehand."""
    bodies = list(_bodies(lines, 4 << 20))
    connection = http.client.HTTPConnection(urlsplit(url).netloc)

    def work() -> None:
        for body in bodies:
            connection.request("POST", f"/{INDEX}/_bulk?filter_path=errors,items.*.status", body, NDJSON)
            connection.getresponse().read()

    return work


def _bodies(lines: int, size: int) -> Iterator[bytes]:
    waiting: list[bytes] = []
    for record in _records(lines):
        waiting += (b'{"create":{"_id":"%b"}}\n{' % record[8:40], record[42:], b"\n")
        if sum(map(len, waiting[-3:])) * len(waiting) / 3 >= size:
            yield b"".join(waiting)
            waiting = []
    yield b"".join(waiting)


def _records(lines: int) -> Iterator[bytes]:
    for batch in parsed(lines)[1]:
        yield from bytes(batch.records.ndjson("aws", ids=True)).splitlines()


def elasticsearch(url: str, lines: int, index: str = INDEX, **own: Any) -> Work:
    """Our sink, from parsed batches to the last answer."""
    from sinks import surroundings
    from tailrace.sinks.elasticsearch import SINK, ElasticsearchSettings

    item, batches, clock = parsed(lines)
    given = surroundings(clock, lambda _service: None)
    sink = SINK.open(f"{url}/{index}", ElasticsearchSettings(**{"gzip": False, **own}), given)()

    def work() -> None:
        for batch in batches:
            sink.write(item, batch, 0)
        assert not sink.flush().refusals

    return work


def elasticsearch_gzip(url: str, lines: int) -> Work:
    """Compressed, as it is by default."""
    return elasticsearch(url, lines, gzip=True)


def elasticsearch_stream(url: str, lines: int) -> Work:
    """Under ECS's names, where records without a time are looked for."""
    return elasticsearch(url, lines, STREAM, gzip=True)


def script(url: str, lines: int, size: int = 500) -> Work:
    """What scripts do: records as dicts, written one by one, in requests of a fixed number of records."""
    records = list(_records(lines))
    connection = http.client.HTTPConnection(urlsplit(url).netloc)

    def work() -> None:
        for begin in range(0, len(records), size):
            body = ""
            for line in records[begin : begin + size]:
                record = json.loads(line)
                action = {"create": {"_index": INDEX, "_id": record.pop("_id")}}
                body += json.dumps(action) + "\n" + json.dumps(record) + "\n"
            connection.request("POST", "/_bulk", body.encode(), NDJSON)
            json.loads(connection.getresponse().read())

    return work


def script_line(url: str, lines: int) -> Work:
    """The same with a request for each record."""
    return script(url, lines, 1)


class _Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Count the records, and say that all were taken."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        items = b",".join([b'{"create":{"status":201}}'] * (body.count(b"\n") // 2))
        answer = b'{"errors":false,"items":[' + items + b"]}"
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve() -> None:
    """Be the receiver: tell the port, then answer until standard input ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


def measure(name: str, url: str, lines: int, *, real: bool) -> None:
    """Do a row's work, and print its least time in s: of the processor, or of a real server's clock."""
    from tailrace.hosts.memory import keep

    keep()
    work: Work = globals()[name](url, lines)
    clock: Callable[[], float] = time.perf_counter if real else cpu
    times = []
    for _ in range(3 if real else 4):
        if real:
            _remove(url)
        before = clock()
        work()
        times.append(clock() - before)
    print(json.dumps(min(times)))


def _remove(url: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request("DELETE", f"/{INDEX},{STREAM}?ignore_unavailable=true")
    connection.getresponse().read()
    connection.close()


def _measured(name: str, url: str, lines: int, *, real: bool) -> float:
    command = [sys.executable, __file__, "--measure", name, url, str(lines), str(int(real))]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONWARNINGS": "ignore"}
    )
    if done.returncode:
        sys.exit(f"{name}: {done.stderr}")
    return float(done.stdout)


def table(micros: dict[str, float], what: str) -> Table:
    """All rows."""
    shown = Table(title=f"elasticsearch, {what}", title_justify="left", box=None, pad_edge=False)
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
    options.add_argument("--at", default="", metavar="URL")
    given = options.parse_args(words)
    made()
    micros = {}
    with subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout
        url = given.at or f"http://127.0.0.1:{int(server.stdout.readline())}"
        for name, row in ROWS.items():
            if not given.only or name in given.only:
                lines = max(10, int(given.lines * row.share))
                micros[name] = _measured(name, url, lines, real=bool(given.at)) / lines * 1e6
        assert server.stdin
        server.stdin.close()
    Console().print(table(micros, "time that passed" if given.at else "client's CPU"))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--serve"]:
            serve()
        case ["--measure", name, url, lines, real]:
            measure(name, url, int(lines), real=real == "1")
        case words:
            main(words)
