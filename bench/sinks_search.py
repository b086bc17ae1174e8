"""What the sink `elasticsearch` costs the client, beside scripts, and beside what the receiver takes at most.

    python bench/sinks_search.py [ROW…] [--lines N] [--at URL]

As in `bench/sinks.py`: a receiver in a process of its own that answers as a search server does and throws
everything away, lines parsed beforehand, each row a process of its own; CPU time of the client, and the time that passes. How much the
receiver takes at most tell requests that were made beforehand: so much time passes even if they cost nothing. With `--at` a real server is sent to instead, into
indices that are removed, and the time that passes counts.
"""

from __future__ import annotations

import gzip
import http.client
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from jobs import cpu
from records import parsed, surroundings
from rows import Bench, Row, Work, run, words_for

INDEX = "tailrace-bench"
STREAM = "logs-tailrace_bench-default"
NDJSON = {"Content-Type": "application/x-ndjson"}

ROWS = {
    "bare": Row("receiver's bare speed: the same requests, made beforehand, gzip=false"),
    "bare_gzip": Row("receiver's bare speed: the same requests, made beforehand"),
    "elasticsearch": Row("tailrace → elasticsearch, gzip=false", beside="bare"),
    "elasticsearch_gzip": Row("tailrace → elasticsearch", beside="bare_gzip"),
    "elasticsearch_stream": Row("tailrace → elasticsearch, data stream", beside="bare_gzip"),
    "script": Row("json.loads, json.dumps, 500 records a request", 0.2, beside="elasticsearch"),
    "script_line": Row("a request for each record", 0.01, beside="elasticsearch"),
}


def bare(url: str, lines: int) -> Work:
    """The same requests, made beforehand."""
    return _sent(url, list(_bodies(lines, 4 << 20)), NDJSON)


def bare_gzip(url: str, lines: int) -> Work:
    """The same, which the receiver has to unpack."""
    bodies = [gzip.compress(body, 1) for body in _bodies(lines, 4 << 20)]
    return _sent(url, bodies, NDJSON | {"Content-Encoding": "gzip"})


def _sent(url: str, bodies: list[bytes], headers: dict[str, str]) -> Work:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)

    def work() -> None:
        for body in bodies:
            connection.request("POST", f"/{INDEX}/_bulk?filter_path=errors,items.*.status", body, headers)
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


def serve() -> str:
    """Answer as a search server does; the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


def _remove(url: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request("DELETE", f"/{INDEX},{STREAM}?ignore_unavailable=true")
    connection.getresponse().read()
    connection.close()


def main() -> None:
    """Measure by the processor's clock, or by a real server's."""
    words = words_for(__doc__, ROWS)
    words.add_argument("--at", default="", metavar="URL")
    given = words.parse_args()
    if given.at:
        clocks, title = {"": time.perf_counter}, "elasticsearch, time that passed"
        bench = Bench(title, ROWS, globals(), serve, clocks, repeat=3, prepare=_remove)
    else:
        clocks, title = {"CPU": cpu, "wall": time.perf_counter}, "elasticsearch"
        bench = Bench(title, ROWS, globals(), serve, clocks, repeat=4)
    run(bench, given, given.at)


if __name__ == "__main__":
    main()
