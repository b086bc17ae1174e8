"""Every kind of sink with a receiver for what it sends, under one face: what has arrived, and how to disturb it."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

from breaking import Proxy, client_of, instead, unheard
from cloud import cloud
from entries import CLOSED, HIDDEN, Servers
from logsending import GROUP, NOW
from logsending import client_of as logs_client
from making import StillClock, alb
from services.logstash import HttpInput, Line, TcpInput, reset, status
from services.strict_bulk import LOST, UNFIT, StrictBulk, refused
from services.strict_logs import StrictLogs, lost, throttled
from tailrace.clouds import Vault
from tailrace.kinds import Surroundings
from tailrace.ports import Sink
from tailrace.registry import sinks
from tailrace.settings import Settings, struct_of

DAY, LONG_AGO = "2026-09-23", "2026-01-01"
_MARK = re.compile(r"/search/(\d+)")
_SLOW = unheard(instead(503, "SlowDown"))

Factory = Callable[[], Sink]
Own = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A kind of sink, at work.

    `opened`: makes a factory with these settings. `arrived`: the marks of what is there, once there are so many different ones. `held`:
    nothing is seen before the flush. `once`: what is delivered again is not there twice. `refuse`: the next request is not
    taken, and can be made again; `lose`: it is taken, and nobody hears of that. `unfit`: makes a line that is never taken.
    `changing`: settings that change bytes; `equal`: some that do not. `secret`: settings that are secret, with those that
    go with them. `broken`: what cannot work, by what is wrong. `left`: what is there and should not be. `forget`: let go of
    what has arrived.
    """

    kind: str
    opened: Callable[..., Factory]
    arrived: Callable[[int], Sequence[int]]
    held: bool = False
    once: bool = False
    refuse: Callable[[], object] | None = None
    lose: Callable[[], object] | None = None
    unfit: Callable[[int], bytes] | None = None
    changing: Sequence[Own] = ()
    equal: Sequence[Own] = ()
    secret: Sequence[Own] = ()
    broken: Mapping[str, Factory] = field(default_factory=dict)
    left: Callable[[], Sequence[object]] = tuple
    forget: Callable[[], object] = lambda: None


def marks(texts: Sequence[str]) -> list[int]:
    """The number of each record, in order; -1 for a text without one."""
    return sorted(int(found[1]) if (found := _MARK.search(text)) else -1 for text in texts)


def surroundings(client: Any = None, *, stdout: int = -1, clock: Any = None, **settings: Any) -> Surroundings:
    """What a run gives to its sinks."""
    return Surroundings(
        settings=Settings(**settings), clock=clock or StillClock(NOW), stdin=io.BytesIO(), stdout=stdout,
        client=lambda _service: client, vault=Vault(lambda _service: client, {}),
    )  # fmt: skip


def factory(kind: str, address: str, given: Surroundings, own: Own) -> Factory:
    """Makes sinks as a run does."""
    found = sinks()[kind]
    return found.open(address, struct_of(found.settings, own, "the test"), given)


@contextmanager
def stdout(_servers: Servers, folder: Path) -> Iterator[Entry]:
    path = folder / "out"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        yield Entry(
            kind="stdout",
            opened=lambda schema="aws", **own: factory(
                "stdout", "", surroundings(stdout=descriptor, schema=schema), own
            ),
            arrived=lambda _count: marks(path.read_text().splitlines()),
            broken={"a full disk": factory("stdout", "", surroundings(stdout=full), {})},
        )
    finally:
        os.close(descriptor)
        os.close(full)


def _stored(folder: Path) -> list[int]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - an optional library

    return marks([
        str(url)
        for path in folder.glob("data/**/*.parquet")
        for url in pq.ParquetFile(path).read(["request_url"]).column(0).to_pylist()
    ])  # fmt: skip


@contextmanager
def store(_servers: Servers, folder: Path) -> Iterator[Entry]:
    place, occupied = folder / "store", folder / "a file"
    occupied.touch()
    yield Entry(
        kind="store",
        opened=lambda **own: factory("store", str(place), surroundings(workers=64), own),
        arrived=lambda _count: _stored(place),
        held=True,
        once=True,
        broken={"no folder": factory("store", str(occupied / "store"), surroundings(), {})},
        left=lambda: list(place.glob("tmp/*")),
    )


@contextmanager
def _s3_server() -> Iterator[tuple[Proxy, Any, Any]]:
    with cloud() as endpoint, ExitStack() as closing:
        proxy = Proxy(("127.0.0.1", int(endpoint.rpartition(":")[2])))
        closing.callback(proxy.close)
        clients = client_of(proxy.url, patience=2), client_of(endpoint)
        for each in clients:
            closing.callback(each.close)
        yield proxy, *clients


def _lost(client: Any, _answer: object) -> None:
    client.close()


_numbers = count()


@lru_cache(maxsize=1)
def _nowhere() -> Any:
    return client_of(f"http://{CLOSED}")


def _objects(direct: Any, bucket: str) -> list[int]:
    found: list[str] = []
    for entry in direct.list_objects_v2(Bucket=bucket).get("Contents", ()):
        content = direct.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
        if entry["Key"].endswith(".parquet"):
            import pyarrow.parquet as pq  # noqa: PLC0415 - an optional library

            found += map(str, pq.read_table(io.BytesIO(content), columns=["request_url"]).column(0).to_pylist())
        else:
            found += (gzip.decompress(content) if entry["Key"].endswith(".gz") else content).decode().splitlines()
    return marks(found)


def _s3(form: str) -> Callable[[Servers, Path], AbstractContextManager[Entry]]:
    @contextmanager
    def made(servers: Servers, _folder: Path) -> Iterator[Entry]:
        proxy, through, direct = servers.one(_s3_server)
        proxy.reset()
        bucket = f"conform-{next(_numbers)}"
        direct.create_bucket(Bucket=bucket)

        def opened(schema: str = "aws", address: str = f"//{bucket}/out", client: Any = through, **own: Any) -> Factory:
            given = surroundings(client, schema=schema, workers=16)
            return factory("s3", address, given, {"form": form, "part_size": "5MiB", "compression": "none", **own})

        def denied() -> Sink:
            proxy.always = instead(403, "InvalidAccessKeyId")
            return opened()()

        of_ndjson = [{"schema": "ecs"}, {"compression": "gzip"}, {"ids": True}] if form == "ndjson" else []
        yield Entry(
            kind="s3",
            opened=opened,
            arrived=lambda _count: _objects(direct, bucket),
            held=True,
            once=True,
            refuse=lambda: proxy.faults.append(_SLOW),
            lose=lambda: proxy.faults.append(_lost),
            changing=[*of_ndjson, {"key": "{format}-{item}-{offset}"}],
            equal=[{"part_size": "6MiB"}, {"acl": "private"}],
            broken={
                "credentials": denied,
                "no bucket": opened(address="//no-such-bucket/out"),
                "nobody there": opened(client=_nowhere()),
            },
            left=lambda: direct.list_multipart_uploads(Bucket=bucket).get("Uploads", ()),
        )
        proxy.reset()

    return made


@contextmanager
def cloudwatch(servers: Servers, _folder: Path) -> Iterator[Entry]:
    logs: StrictLogs = servers.one(StrictLogs)
    logs.reset()
    logs.create(GROUP)
    clock = StillClock(NOW)
    logs.now = clock.now

    def opened(schema: str = "aws", address: str = GROUP, url: str = logs.url, **own: Any) -> Factory:
        return factory("cloudwatch", address, surroundings(logs_client(url), clock=clock, schema=schema), own)

    def denied() -> Sink:
        logs.secrets = {}
        return opened()()

    yield Entry(
        kind="cloudwatch",
        opened=opened,
        arrived=lambda _count: marks([event.message for event in list(logs.accepted)]),
        refuse=lambda: logs.faults.append(throttled()),
        lose=lambda: logs.faults.append(lost()),
        unfit=lambda number: alb(LONG_AGO, number),
        changing=[
            {"stream": "other"},
            {"message": "json"},
            {"message": "json", "schema": "ecs"},
            {"oversize": "cut"},
            {"out_of_range": "now"},
        ],
        equal=[{"concurrency": 1}, {"gzip": True}, {"schema": "ecs"}],
        broken={
            "credentials": denied,
            "no group": opened(address="/no/such/group"),
            "nobody there": opened(url=f"http://{CLOSED}"),
        },
        forget=lambda: (logs.accepted.clear(), logs.called.clear()),
    )
    for thread in threading.enumerate():
        if thread.name == "cloudwatch":  # what a closed sink had under way arrives, but not in the next test
            thread.join(10)
    assert logs.broken == [] or not logs.secrets, "every rule of PutLogEvents was kept"


def _elasticsearch(index: str, *changing: Own) -> Callable[[Servers, Path], AbstractContextManager[Entry]]:
    @contextmanager
    def made(servers: Servers, _folder: Path) -> Iterator[Entry]:
        server: StrictBulk = servers.one(_bulk)
        server.reset()
        unfit = set[int]()
        server.judge = lambda _index, _id, document: UNFIT if unfit & set(marks([json.dumps(document)])) else None

        def never(number: int) -> bytes:
            unfit.add(number)
            return alb(DAY, number)

        def opened(schema: str = "aws", url: str = server.url, **own: Any) -> Factory:
            return factory("elasticsearch", f"{url}/{index}", surroundings(schema=schema), own)

        def denied() -> Sink:
            server.welcome = lambda _asked: 401
            return opened(username="u", password=HIDDEN)()

        yield Entry(
            kind="elasticsearch",
            opened=opened,
            arrived=lambda _count: marks([json.dumps(each) for each in list(server.documents.values())]),
            once=True,
            refuse=lambda: server.instead.append(refused(503)),
            lose=lambda: server.instead.append(LOST),
            unfit=never,
            changing=changing,
            equal=[{"batch_bytes": "1MiB"}, {"gzip": False}, {"timeout": "5s"}],
            secret=[{"username": "u", "password": HIDDEN}, {"api_key": HIDDEN}],
            broken={"credentials": denied, "nobody there": opened(url=f"http://{CLOSED}", api_key=HIDDEN)},
            forget=lambda: (server.documents.clear(), server.asked.clear()),
        )
        assert server.wrongs == [], "every rule of bulk requests was kept"

    return made


@contextmanager
def _bulk() -> Iterator[StrictBulk]:
    server = StrictBulk()
    yield server
    server.close()


_SHAPES = [{"ids": True}, {"schema": "ecs"}, {"shape": "elb"}, {"shape": "elb", "type": "x"}, {"shape": "message"}]


@contextmanager
def logstash_http(_servers: Servers, _folder: Path) -> Iterator[Entry]:
    unfit = set[int]()
    with HttpInput() as server:
        server.poison = lambda event: bool(unfit & set(marks([json.dumps(event)])))

        def never(number: int) -> bytes:
            unfit.add(number)
            return alb(DAY, number)

        def opened(schema: str = "aws", url: str = server.url, **own: Any) -> Factory:
            return factory("logstash", url, surroundings(schema=schema), own)

        def denied() -> Sink:
            server.user, server.password = "u", "another"
            return opened(username="u", password=HIDDEN)()

        yield Entry(
            kind="logstash",
            opened=opened,
            arrived=lambda _count: marks([json.dumps(event) for event in list(server.events)]),
            refuse=lambda: server.faults.append(status(503)),
            lose=lambda: server.faults.append(reset(read=True, taken=True)),
            unfit=never,
            changing=_SHAPES,
            equal=[{"gzip": False}, {"batch_size": 7}, {"timeout": "5s"}],
            secret=[{"username": "u", "password": HIDDEN}],
            broken={
                "credentials": denied,
                "nobody there": opened(url=f"http://{CLOSED}", username="u", password=HIDDEN),
            },
            forget=lambda: (server.events.clear(), server.seen.clear()),
        )
        assert server.complaints == []


def _logstash_tcp(**told: Any) -> Callable[[Servers, Path], AbstractContextManager[Entry]]:
    @contextmanager
    def made(_servers: Servers, _folder: Path) -> Iterator[Entry]:
        with TcpInput() as server:

            def opened(schema: str = "aws", url: str = server.address, **own: Any) -> Factory:
                return factory("logstash", url, surroundings(schema=schema), {"timeout": "5s", **told, **own})

            def there() -> list[int]:
                return marks([json.dumps(event) for event in list(server.events)])

            def arrived(least: int) -> Sequence[int]:
                server.wait_until(lambda: len(set(there())) >= least)
                return there()

            yield Entry(
                kind="logstash",
                opened=opened,
                arrived=arrived,
                refuse=(lambda: server.plan.append(Line(limit=1, reset=True))) if told else None,
                changing=_SHAPES,
                equal=[{"resend": "1MiB"}, {"timeout": "6s"}],
                broken={"nobody there": opened(url=f"tcp://{CLOSED}")},
                forget=server.events.clear,
            )
            assert server.complaints == []

    return made


ENTRIES: Mapping[str, Callable[[Servers, Path], AbstractContextManager[Entry]]] = {
    "stdout": stdout,
    "store": store,
    "s3 ndjson": _s3("ndjson"),
    "s3 parquet": _s3("parquet"),
    "cloudwatch": cloudwatch,
    "elasticsearch index": _elasticsearch("logs", {"schema": "ecs"}, {"data_stream": True}),
    "elasticsearch stream": _elasticsearch("logs-lb-default", {"data_stream": False}),
    "logstash http": logstash_http,
    "logstash tcp": _logstash_tcp(),
    "logstash tcp confirmed": _logstash_tcp(confirm=True),
}
"""By kind, or by kind and what else there is of it."""

ABLE: Mapping[str, Sequence[str]] = {
    "held": ["store", "s3 ndjson", "s3 parquet"],
    "refuse": [name for name in ENTRIES if name not in ("stdout", "store", "logstash tcp")],
    "lose": [name for name in ENTRIES if name not in ("stdout", "store", "logstash tcp", "logstash tcp confirmed")],
    "unfit": ["cloudwatch", "elasticsearch index", "elasticsearch stream", "logstash http"],
}
"""The entries that have what only some have."""
