"""Index templates: the types of all fields that records can have, for indices and data streams that are made later.

They follow from the columns of the formats. A text that is no IP address where one is expected is kept but not indexed,
and so is a text that is too long for a keyword; neither is a reason to refuse the record.

https://www.elastic.co/docs/manage-data/data-store/templates
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tailrace.errors import UsageError
from tailrace.kernel.layout import Column, Format
from tailrace.kernel.names import EXTRA, FORMAT, INVALID, TIME_SOURCE, TRUNCATED, name_of
from tailrace.sinks._index_name import IndexName

MANAGED_BY: Final = "tailrace"
_PRIORITY: Final = 500
"""Above the templates that come with Elasticsearch, one of which (100) is for all names that read `logs-…-…`."""
_KEYWORD: Final = {"type": "keyword", "ignore_above": 1024}
_IP = re.compile(r"ip_address|.*_ip")
_FREE = re.compile(r"(?:.*_)?(?:request|url|uri|user_agent|message)(?:_raw)?")
"""Columns whose text clients choose, of any length."""
_TYPES: Final = {"int": "long", "ints": "long", "float": "double", "time": "date"}

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a server calls the types that not all have. `free`: of texts of any length. `flat`: of objects with any keys."""

    free: Mapping[str, Any]
    flat: Mapping[str, Any]


_WILDCARD: Final = {"type": "wildcard", "fields": {"text": {"type": "match_only_text"}}}
_LONG_KEYWORD: Final = {"type": "keyword", "ignore_above": 8191, "fields": {"text": {"type": "text", "norms": False}}}
"""A keyword has at most 32,766 bytes, and a character of UTF-8 up to 4."""
_UNINDEXED: Final = {"type": "object", "enabled": False}


def dialect_of(version: Mapping[str, Any]) -> Dialect:
    """`version`: as the server tells it. Raises UsageError for one that is too old."""
    number = str(version.get("number", ""))
    parts = [int(part) if part.isdigit() else 0 for part in [*number.split("."), "", ""][:2]]
    at = (parts[0], parts[1])
    if version.get("distribution") == "opensearch":
        if at < (2, 0):
            message = f"the server is OpenSearch {number}; templates are made for 2 and later"
            raise UsageError(message)
        return Dialect(
            free=_WILDCARD if at >= (2, 15) else _LONG_KEYWORD,
            flat={"type": "flat_object"} if at >= (2, 7) else _UNINDEXED,
        )
    if at < (8, 0):
        message = f"the server is Elasticsearch {number or 'of an unknown version'}, or says so; templates are made for 8 and later"
        raise UsageError(message)
    return Dialect(free=_WILDCARD, flat={"type": "flattened"})


SERVERLESS: Final = Dialect(free=_LONG_KEYWORD, flat=_UNINDEXED)
"""OpenSearch Serverless, which tells no version."""


def template_name(index: IndexName) -> str:
    """The name of the template for an index."""
    return f"{MANAGED_BY}-{index.template.replace('{', '').replace('}', '')}"


def template(index: IndexName, *, data_stream: bool, fields: Mapping[str, Any]) -> Document:
    """The template for an index whose fields have these types."""
    document: Document = {
        "index_patterns": [index.pattern],
        "priority": _PRIORITY,
        "template": {
            "mappings": {
                "dynamic_templates": [{"texts": {"match_mapping_type": "string", "mapping": _KEYWORD}}],
                "properties": _nested(fields),
            }
        },
        "_meta": {"managed_by": MANAGED_BY},
    }
    return document | ({"data_stream": {}} if data_stream else {})


def fields_of(formats: Sequence[Format], schema: str, dialect: Dialect, *, stamped: bool) -> dict[str, Any]:
    """The type of each field of a schema. Raises UsageError if fields of different formats do not go together."""
    found: dict[str, Any] = {"@timestamp": {"type": "date"}} if stamped else {}
    for name, type_ in _fields(formats, schema, dialect):
        if found.setdefault(name, type_) != type_:
            message = f"{name} has different types in different formats; write each format into an index of its own with {{format}}"
            raise UsageError(message)
    return found


def _fields(formats: Sequence[Format], schema: str, dialect: Dialect) -> Iterator[tuple[str, Any]]:
    yield FORMAT[schema], _KEYWORD
    yield TIME_SOURCE[schema], _KEYWORD
    yield TRUNCATED[schema], {"type": "boolean"}
    yield INVALID[schema], dict(dialect.flat)
    yield EXTRA[schema], _KEYWORD
    for each in formats:
        for column in each.columns:
            yield name_of(column, schema), _type(column, dialect)


def _type(column: Column, dialect: Dialect) -> Mapping[str, Any]:
    if column.type in _TYPES:
        return {"type": _TYPES[column.type]}
    if column.type == "text" and _IP.fullmatch(column.name):
        return {"type": "ip", "ignore_malformed": True}
    return dialect.free if column.type == "text" and _FREE.fullmatch(column.name) else _KEYWORD


def letter_fields(dialect: Dialect) -> dict[str, Any]:
    """The type of each field of a dead letter."""
    words = (
        "event.dataset",
        "reason",
        "detail",
        "sink",
        "sha256",
        "item.kind",
        "item.container",
        "item.key",
        "item.etag",
    )
    return {
        "@timestamp": {"type": "date"},
        **dict.fromkeys(words, _KEYWORD),
        **{word: {"type": "long"} for word in ("offset", "lines", "length")},
        "modified": {"type": "double"},
        "payload": dialect.free,
    }


def _nested(fields: Mapping[str, Any]) -> Document:
    """Fields with dots in their names as objects in objects. Raises UsageError if a field is an object too."""
    properties: Document = {}
    for name, type_ in sorted(fields.items()):
        *path, last = name.split(".")
        at = properties
        for depth, part in enumerate(path, 1):
            inner = at.setdefault(part, {"properties": {}})
            if "properties" not in inner:
                message = f"{name} cannot be beside a field {'.'.join(path[:depth])}; write each format into an index of its own with {{format}}"
                raise UsageError(message)
            at = inner["properties"]
        at[last] = type_
    return properties


def holds(found: Any, wanted: Any) -> bool:
    """Whether everything that is wanted is found; servers add to what they are given, and write numbers as texts."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            key in found and holds(found[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(holds, found, wanted))
    return str(found).lower() == str(wanted).lower()
