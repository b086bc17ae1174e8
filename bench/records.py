"""What rows of sinks begin with: lines parsed beforehand, and what a run gives to sinks."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from data import ALB, DATA


def lines_of(count: int) -> list[bytes]:
    """So many lines of an ALB's log."""
    with (DATA / "alb.log").open("rb") as file:
        return [line for line, _ in zip(file, range(count), strict=False)]


def parsed(lines: int, rendering: Any = None) -> tuple[Any, list[Any], Any]:
    """An item, its batches as the loop makes them for a sink of that rendering, and a clock at which they are fresh."""
    from tailrace.hosts.reading import parsers
    from tailrace.model import Identity, Item
    from tailrace.settings import Settings

    content = b"".join(lines_of(lines))
    item = Item(Identity("s3", "bucket", ALB.stem, "1"), io.BytesIO, None, 0.0)
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
