"""What each sink costs the client: CPU time for a record, beside what others do, and what the receiver takes at most.

    python bench/sinks.py [ROW…] [--lines N]

A receiver in a process of its own reads requests and throws them away, so that what is measured is the sending alone. Lines are
parsed beforehand, and every row but the receiver's begins with the parsed records. Each row is a process of its own. A row is a
function below with the name that ROWS gives it; it is told the receiver's URL and how many lines, and returns work that can be
done again and again.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

from jobs import cpu
from receiving import answering, listen
from records import lines_of, parsed, surroundings
from rows import Bench, Row, Work, run, words_for

GROUP = "/logs/bench"

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

    body, size = bytes(1 << 20), sum(map(len, lines_of(lines)))

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


def _events(batch: Any) -> Iterator[tuple[int, str]]:
    """Time and text of each record."""
    raw = batch.records.raw()
    text, begin = str(raw.data, "utf-8"), 0  # the lines are ASCII
    for end, time in zip(raw.ends, raw.times, strict=True):
        yield time, text[begin:end]
        begin = end


def _client(url: str) -> Any:
    import boto3
    from botocore.config import Config

    session = boto3.Session(region_name="eu-west-1", aws_access_key_id="bench", aws_secret_access_key="bench")
    return session.client("logs", endpoint_url=url, config=Config(retries={"total_max_attempts": 1}))


def serve() -> str:
    """Answer every request with an empty object; the URL."""
    port = listen(answering(b"{}"))
    return f"http://127.0.0.1:{port}"


if __name__ == "__main__":
    bench = Bench("Sinks, client's CPU", ROWS, globals(), serve, {"": cpu}, repeat=6, processor=0)
    run(bench, words_for(__doc__, ROWS).parse_args())
