"""A log group as CloudWatch Logs behaves, in the process: late events, pages that are small or empty, failures."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from botocore.exceptions import ClientError, EndpointConnectionError

from making import StillClock
from tailrace.kinds import Surroundings
from tailrace.model import Item
from tailrace.settings import Settings, struct_of
from tailrace.sources.cloudwatch import SOURCE, Cloudwatch, CloudwatchSettings

GROUP = "/lb/example"
START = 1_790_000_040_000  # a whole minute


class Put(NamedTuple):
    """An event, and from when on it can be read; times in ms."""

    at: int
    ingested: int
    visible: int
    message: str
    stream: str = "a/1"

    @property
    def id(self) -> str:
        return f"{self.ingested:020}{self.at:020}{abs(hash(self)) % 10**10:010}"


def refused(code: str, status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "FilterLogEvents")


UNREACHABLE = EndpointConnectionError(endpoint_url="http://logs")


@dataclass
class LogGroup:
    """What a client of logs is, for one group; answers are as FilterLogEvents' model tells."""

    clock: StillClock
    events: list[Put] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    faults: list[Exception | None] = field(default_factory=list)
    most: int = 5
    asked: list[dict[str, Any]] = field(default_factory=list)
    closed: bool = False

    def __post_init__(self) -> None:
        self._open: dict[str, list[Put]] = {}

    class meta:  # noqa: N801 - as boto3's
        endpoint_url = "http://logs"

    def put(self, at: int, message: str = "x", late: int = 0, *, hidden: int = 0, stream: str = "a/1") -> None:
        """An event `at` so many ms after the start, taken in so late, and to be read so long after that."""
        self.events.append(Put(START + at, START + at + late, START + at + late + hidden, message, stream))

    def filter_log_events(self, **wanted: Any) -> dict[str, Any]:
        assert set(wanted) <= {
            "logGroupName", "startTime", "endTime", "logStreamNamePrefix", "nextToken", "interleaved"
        }  # fmt: skip
        start, end = wanted.get("startTime", 0), wanted["endTime"]
        prefix, token = wanted.get("logStreamNamePrefix", ""), wanted.get("nextToken", "")
        assert start <= end
        assert "" not in wanted.values(), "AWS refuses what is empty"
        self.asked.append({"start": start, "end": end, "token": token, "prefix": prefix})
        if self.faults and (fault := self.faults.pop(0)):
            raise fault
        if wanted["logGroupName"] != GROUP:
            raise refused("ResourceNotFoundException")
        now = self.clock.now() * 1000
        if token:
            found = self._open.pop(token)  # a token is good for one answer
        else:
            found = sorted(
                event
                for event in self.events
                if start <= event.at <= end and event.visible <= now and event.stream.startswith(prefix)
            )
        count = self.chance.randint(0, self.most)
        answer: dict[str, Any] = {
            "searchedLogStreams": [],
            "events": [
                {"eventId": each.id, "timestamp": each.at, "message": each.message, "logStreamName": each.stream,
                 "ingestionTime": each.ingested}
                for each in found[:count]
            ],
        }  # fmt: skip
        if count < len(found) or self.chance.random() < 0.2:  # there may be a token where nothing follows
            following = f"{len(self.asked)}"
            self._open[following] = found[count:]
            answer["nextToken"] = following
        return answer

    def close(self) -> None:
        self.closed = True


@dataclass
class Receipts:
    """What is known of delivered items, as the state tells it."""

    etags: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)

    def known(self, kind: str, container: str, key: str) -> Sequence[str]:
        return self.etags.get((kind, container, key), [])

    def has(self, item: Item) -> bool:
        told = item.identity
        return told.etag in self.known(told.kind, told.container, told.key)

    def keep(self, item: Item) -> None:
        told = item.identity
        self.etags.setdefault((told.kind, told.container, told.key), []).insert(0, told.etag)


class Stop:
    """The run's stop, whose waiting lets the clock go; it comes when the clock has reached a time."""

    def __init__(self, clock: StillClock, at: float) -> None:
        self._clock, self._at = clock, at
        self.waits: list[float] = []

    def wait(self, seconds: float) -> bool:
        assert seconds > 0
        self.waits.append(seconds)
        self._clock.time += seconds
        return self._clock.time >= self._at

    def is_set(self) -> bool:
        return self._clock.time >= self._at


def opened(
    group: LogGroup,
    word: str = f"cloudwatch:{GROUP}",
    *,
    receipts: Receipts | None = None,
    until_s: float = 0,
    settings: Settings | None = None,
    **own: Any,
) -> Cloudwatch:
    """The source; one that stays until so many seconds after the start, if that is given."""
    stop: Any = Stop(group.clock, START / 1000 + until_s if until_s else group.clock.time + 10**6)
    given = Surroundings(
        settings=settings or Settings(),
        clock=group.clock,
        stdin=None,  # type: ignore[arg-type]
        stdout=1,
        client=lambda _: group,
        vault=None,  # type: ignore[arg-type]
        known=(receipts or Receipts()).known,
        stop=stop,
        stays=bool(until_s),
        environ={},
    )
    source = SOURCE.open([word], struct_of(CloudwatchSettings, own, "test"), given)
    assert isinstance(source, Cloudwatch)
    return source


def delivered(
    source: Cloudwatch,
    receipts: Receipts,
    fate: Callable[[Item], bool] = lambda _: True,
) -> Iterator[bytes]:
    """The lines that arrive, where `fate` tells of each item whether it does; those that have a receipt are skipped."""
    for item in source.items():
        if receipts.has(item):
            source.ack(item)
        elif fate(item):
            with item.open() as stream:
                yield from stream.read().splitlines()
            receipts.keep(item)
            source.ack(item)
        else:
            source.nack(item, OSError())


def messages_of(lines: Iterator[bytes]) -> Counter[str]:
    return Counter(line.decode() for line in lines)
