"""What sending to Logstash costs the client, beside a connection for each line and the receivers' bare speed.

    python bench/sinks_logstash.py [ROW…] [--lines N]

Receivers in a process of their own read and throw away: one whatever comes, the other answers HTTP requests, first with 100 where
it is expected. Lines are parsed beforehand, for the form that the sink tells; what else it asks of the records is its own cost. Where
lines are sent one by one, they are written beforehand too. Each row is a process of its
own; the best of four runs counts, of CPU time and of the time that passes. A row is a function below with the name that ROWS
gives it; it is told the receivers' addresses and how many lines, and returns work that can be done again and again.
"""

from __future__ import annotations

import selectors
import socket
import time
from typing import Any

from jobs import cpu
from receiving import answering, listen
from records import parsed, surroundings
from rows import Bench, Row, Work, run, words_for

Ports = dict[str, int]

ROWS = {
    "tcp_bare": Row("TCP receiver's bare speed: the same lines, written beforehand"),
    "tcp": Row("tailrace → logstash:tcp", beside="tcp_bare"),
    "tcp_confirm": Row("tailrace → logstash:tcp, confirm=true, 1000 records a flush", beside="tcp"),
    "tcp_elb": Row("tailrace → logstash:tcp, shape=elb", beside="tcp"),
    "tcp_message": Row("tailrace → logstash:tcp, shape=message", beside="tcp"),
    "tcp_line": Row("one connection for each line", 0.02, beside="tcp"),
    "http_bare": Row("HTTP receiver's bare speed: the same requests, written beforehand"),
    "http": Row("tailrace → logstash:http", beside="http_bare"),
    "http_plain": Row("tailrace → logstash:http, gzip=false", beside="http"),
    "http_line": Row("one request for each line, on one connection", 0.02, beside="http"),
}


def tcp_bare(ports: Ports, lines: int) -> Work:
    """What nobody who sends so much can do without."""
    _item, batches, _clock = parsed(lines)
    written = [bytes(batch.records.ndjson()) for batch in batches]

    def work() -> None:
        with socket.create_connection(("127.0.0.1", ports["tcp"])) as connection:
            for data in written:
                connection.sendall(data)

    return work


def tcp(ports: Ports, lines: int, *, each: int = 1 << 30, **own: Any) -> Work:
    """Our sink; a flush after so many records, and in the end."""
    return _sink(f"tcp://127.0.0.1:{ports['tcp']}", lines, each, own)


def tcp_confirm(ports: Ports, lines: int) -> Work:
    """As many small objects would be."""
    return tcp(ports, lines, each=1000, confirm=True)


def tcp_elb(ports: Ports, lines: int) -> Work:
    """Records decoded and written anew."""
    return tcp(ports, lines, shape="elb", type="ELB")


def tcp_message(ports: Ports, lines: int) -> Work:
    """The raw lines."""
    return tcp(ports, lines, shape="message", type="ELB")


def tcp_line(ports: Ports, lines: int) -> Work:
    """What scripts do."""
    _item, batches, _clock = parsed(lines)
    written = [line for batch in batches for line in bytes(batch.records.ndjson()).splitlines(keepends=True)]

    def work() -> None:
        for line in written:
            with socket.create_connection(("127.0.0.1", ports["tcp"])) as connection:
                connection.sendall(line)

    return work


def http_bare(ports: Ports, lines: int) -> Work:
    """By http.client, as large and not compressed."""
    import http.client

    _item, batches, _clock = parsed(lines)
    whole = b"".join(bytes(batch.records.ndjson()) for batch in batches)
    bodies = [whole[begin : begin + (1 << 20)] for begin in range(0, len(whole), 1 << 20)]

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", ports["http"])
        for body in bodies:
            connection.request("POST", "/", body)
            connection.getresponse().read()
        connection.close()

    return work


def http(ports: Ports, lines: int, **own: Any) -> Work:
    """Our sink."""
    return _sink(f"http://127.0.0.1:{ports['http']}", lines, 1 << 30, own)


def http_plain(ports: Ports, lines: int) -> Work:
    """Not compressed."""
    return http(ports, lines, gzip=False)


def http_line(ports: Ports, lines: int) -> Work:
    """What is simple to write."""
    import http.client

    _item, batches, _clock = parsed(lines)
    written = [line for batch in batches for line in bytes(batch.records.ndjson()).splitlines()]

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", ports["http"])
        for line in written:
            connection.request("POST", "/", line, {"Content-Type": "application/json"})
            connection.getresponse().read()
        connection.close()

    return work


def _sink(address: str, lines: int, each: int, own: dict[str, Any]) -> Work:
    from tailrace.sinks.logstash import SINK, LogstashSettings

    nothing: Any = None
    _item, _batches, clock = parsed(1)
    sink = SINK.open(address, LogstashSettings(**own), surroundings(clock, nothing))()
    item, batches, _clock = parsed(lines, sink.rendering)

    def work() -> None:
        records = 0
        for batch in batches:
            sink.write(item, batch, 0)
            records += len(batch.records)
            if records >= each:
                sink.flush()
                records = 0
        sink.flush()

    return work


def serve() -> Ports:
    """One reads whatever comes, the other answers requests; the ports."""
    return {"tcp": listen(_swallow), "http": listen(answering(b"ok"))}


def _swallow(listening: socket.socket) -> None:
    """Read from all connections, in one thread, for a thread each would slow down those who open many."""
    buffer = bytearray(1 << 18)
    waiting = selectors.DefaultSelector()
    waiting.register(listening, selectors.EVENT_READ)
    while True:
        for key, _events in waiting.select():
            if key.fileobj is listening:
                waiting.register(listening.accept()[0], selectors.EVENT_READ)
                continue
            client: Any = key.fileobj
            if not client.recv_into(buffer):
                waiting.unregister(client)
                client.close()


if __name__ == "__main__":
    bench = Bench("Logstash", ROWS, globals(), serve, {"CPU": cpu, "wall": time.perf_counter}, repeat=4)
    run(bench, words_for(__doc__, ROWS).parse_args())
