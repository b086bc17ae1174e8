"""What the agent tells of itself: a line of JSON now and then."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from tailrace.loadbalancer.agent.counters import Counters
from tailrace.loadbalancer.agent.spool import CLOSED, OPEN, segments


def status(folder: Path, counters: Counters, now: float) -> dict[str, Any]:
    """All counters, and what waits: segments that are closed, bytes, and the age of the oldest line that is not put."""
    waiting, size, oldest = 0, 0, now
    for suffix in (OPEN, CLOSED):
        for each in segments(folder, suffix):
            with suppress(FileNotFoundError):
                size += each.path.stat().st_size
                waiting += suffix == CLOSED
                oldest = min(oldest, each.slot.start)
    moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    told = {name: number for name, number in counters.all().items() if name not in ("ready", "full")}
    return {
        "time": moment,
        "full": bool(counters["full"]),
        **told,
        "pending": waiting,
        "spool_bytes": size,
        "oldest_unsent_seconds": round(max(0.0, now - oldest), 1),
    }


def encoded(told: dict[str, Any]) -> bytes:
    """A status as a line."""
    return msgspec.json.encode(told) + b"\n"
