"""A column's names outside of Tailrace."""

from __future__ import annotations

from typing import NamedTuple


class Names(NamedTuple):
    """A column's names in ECS and OpenTelemetry; empty for the usual ones. `drop` is taken off the value there."""

    ecs: str = ""
    otel: str = ""
    drop: str = ""
