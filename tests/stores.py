"""Stores of sample lines, and what the samples' truth says of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from making import StillClock, item, receipt
from parsing import ALL, ITEM, objects, sample, truths
from tailrace.kernel.load import parser_class
from tailrace.kernel.plan import ItemPlan, Plan
from tailrace.model import Batch
from tailrace.store.opening import Store, open_store

AWS = ("alb", "alb_connection", "alb_health", "clb", "nlb")
HAPROXY = ("haproxy/rfc5424.log", *(f"haproxy_traffic/{name}.udp_rfc5424.log" for name in (
    "custom_httplog_format", "custom_tcplog_format", "httplog", "httplog_clf", "httpslog_and_tls_errors",
    "no_log_option", "server_state", "tcplog", "tcplog_no_server",
)))  # fmt: skip


def parsed(content: bytes, key: str, plan: Plan = ALL) -> list[Batch]:
    """What the parser makes of whole lines."""
    told = ItemPlan(reference_us=ITEM.reference_us, identity=item(key).identity.token)
    parser = parser_class("auto", lambda _notice: None)(plan, told)
    return [parser.feed(content), parser.finish()]


def deliver(store: Store, key: str, batches: Sequence[Batch]) -> None:
    """Write batches as one item, and its receipt."""
    sink, of = store.sink(), item(key)
    for batch in batches:
        if len(batch.records):
            sink.write(of, batch, 0)
    files = sink.flush().files
    store.state.commit(receipt(of, sink.name, batches), files)


def made(directory: Path, *contents: bytes, plan: Plan = ALL) -> Path:
    """A store with these lines, each content an item."""
    with open_store(directory, StillClock()) as store:
        for number, content in enumerate(contents):
            deliver(store, f"{number}.log", parsed(content, f"{number}.log", plan))
    return directory


def truth(kind: str) -> list[dict[str, Any]]:
    """The records of a kind of AWS, as the samples' truth tells them."""
    return [each.record for each in truths(f"aws/{kind}.truth.jsonl.gz")]


def haproxy_records() -> Iterator[dict[str, Any]]:
    """HAProxy's records, as NDJSON tells them."""
    for name in HAPROXY:
        for batch in parsed(sample(name), name):
            yield from objects(bytes(batch.records.ndjson(ids=True)))


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of all samples."""
    names = [*(f"aws/{kind}.log" for kind in AWS), *HAPROXY]
    directory = tmp_path_factory.mktemp("samples") / "store"
    with open_store(directory, StillClock()) as store:
        for name in names:
            deliver(store, name, parsed(sample(name), name))
    return directory
