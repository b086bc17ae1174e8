"""Names that every record has, whatever its format, in the three schemas."""

from __future__ import annotations

from typing import Literal

from tailrace.kernel.layout import Column

Schema = Literal["aws", "ecs", "otel"]
SCHEMAS: tuple[Schema, ...] = ("aws", "ecs", "otel")

ID = "_id"
FORMAT = {"aws": "format", "ecs": "event.dataset", "otel": "encoding.format"}
TIME_SOURCE = {"aws": "time_source", "ecs": "tailrace.time_source", "otel": "tailrace.time_source"}
TRUNCATED = {"aws": "truncated", "ecs": "tailrace.truncated", "otel": "tailrace.truncated"}
INVALID = {"aws": "invalid", "ecs": "tailrace.invalid", "otel": "tailrace.invalid"}
EXTRA = {"aws": "extra", "ecs": "tailrace.extra", "otel": "tailrace.extra"}


def name_of(column: Column, schema: str) -> str:
    """A column's name in a schema."""
    return {"aws": column.name, "ecs": column.ecs, "otel": column.otel}[schema]
