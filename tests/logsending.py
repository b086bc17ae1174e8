"""Sinks that send to the strict server, as a run opens them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import accumulate
from typing import Any

import boto3
from botocore.config import Config

from making import StillClock, alb, batch, item
from services.strict_logs import KEY, REGION, SECRET, StrictLogs
from tailrace.kinds import Surroundings
from tailrace.model import Batch, Counts, Flushed, Identity, Item, RawLines
from tailrace.retry import Patience
from tailrace.settings import Retry, Settings
from tailrace.sinks.cloudwatch import SINK, CloudwatchSettings, CloudwatchSink

GROUP = "/logs/alb"
DAY = "2026-09-23"
NOW = 1_790_150_400.0
"""Eight hours after the time of `alb(DAY)`, or so."""


@lru_cache(maxsize=8)
def client_of(url: str, **settings: Any) -> Any:
    return boto3.Session(region_name=REGION, aws_access_key_id=KEY, aws_secret_access_key=SECRET).client(
        "logs", endpoint_url=url, config=Config(retries={"total_max_attempts": 1}, read_timeout=5, **settings)
    )


@dataclass
class Sending:
    """Makes sinks that send to a server, and does what the loop does."""

    logs: StrictLogs
    clock: StillClock
    client: Callable[[], Any] = field(init=False)

    def __post_init__(self) -> None:
        self.client = partial(client_of, self.logs.url)

    def factory(
        self, group: str = GROUP, environ: Any = (), schema: Any = "aws", **own: Any
    ) -> Callable[[], CloudwatchSink]:
        nothing: Any = None
        given = Surroundings(
            settings=Settings(schema=schema),
            clock=self.clock,
            stdin=io.BytesIO(),
            stdout=1,
            client=lambda _service: self.client(),
            vault=nothing,
            environ=dict(environ),
        )
        made: Any = SINK.open(group, CloudwatchSettings(**own), given)
        return made

    def sink(self, group: str = GROUP, **own: Any) -> CloudwatchSink:
        return self.factory(group, **own)()

    def patience(self, deadline: float = 300) -> Patience:
        def wait(seconds: float) -> bool:
            self.clock.sleep(seconds)
            return False

        return Patience(Retry(deadline=deadline), self.clock, wait, chance=lambda: 1.0)  # type: ignore[arg-type]

    def ship(self, sink: CloudwatchSink, *batches: Batch, of: Item | None = None) -> Flushed:
        """As the loop does it, with its way of trying again."""
        for each in batches:
            self.patience().trying(partial(sink.write, of or item(), each, 0))
        return self.patience().trying(sink.flush)


def lines(count: int, day: str = DAY) -> list[bytes]:
    return [alb(day, number) for number in range(count)]


def batches(content: Sequence[bytes], each: int = 100) -> list[Batch]:
    return [batch(b"".join(content[number : number + each])) for number in range(0, len(content), each)]


class Lines:
    """Records of lines and times of one's own; each begins where the one before has ended, and a newline."""

    def __init__(self, lines: Sequence[bytes], times: Sequence[int] = (), first: int = 100) -> None:
        ends = list(accumulate(map(len, lines)))
        offsets = [first + end - len(line) + number for number, (line, end) in enumerate(zip(lines, ends, strict=True))]
        self._raw = RawLines(memoryview(b"".join(lines)), ends, times or [int(NOW * 1000)] * len(lines), offsets)

    def __len__(self) -> int:
        return len(self._raw.ends)

    def raw(self) -> RawLines:
        return self._raw


def plain(content: Sequence[bytes], times: Sequence[int] = ()) -> Batch:
    """A batch of such records."""
    records: Any = Lines(content, times)
    return Batch(records, [], Counts(records=len(content)), 0)


def logged(key: str, container: str = "bucket") -> Item:
    return Item(Identity("s3", container, key, "1"), io.BytesIO, None, 0.0)
