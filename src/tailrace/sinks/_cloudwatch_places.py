"""Names of log groups and streams, made from templates and from what an item and its records tell.

What an item tells is made to fit: in names of groups other characters than `.-_/#A-Za-z0-9` become `_`, in names of streams
`:`, `*` and what cannot be printed; both end after 512 characters. What is not known is written `unknown`.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogStream.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple

from tailrace.errors import UsageError
from tailrace.keys import parse_key
from tailrace.model import Identity
from tailrace.subscriptions import KIND

FIELDS: Final = ("load_balancer", "account", "region", "date", "format", "bucket")
UNKNOWN: Final = "unknown"
DAY_MS: Final = 86_400_000
_FIELD: Final = re.compile(r"\{([^{}]*)\}")
_NO_GROUP: Final = re.compile(r"[^.\-_/#A-Za-z0-9]")
_NO_STREAM: Final = re.compile("[:*\x00-\x1f\x7f\ud800-\udfff]")
_LONGEST: Final = 512
_RESERVED: Final = "aws/"
_ENDING: Final = re.compile(r"(?:\.(?:log|txt|json|ndjson))?(?:[.-]\d+)?(?:\.(?:gz|bz2|zst))?$")
"""What rotation and compression add to the name of a log."""


class Place(NamedTuple):
    """Where events go."""

    group: str
    stream: str


class Places:
    """The places of records, by the templates of one sink. Raises UsageError if those cannot be."""

    def __init__(self, group: str, stream: str, region: str) -> None:
        _check_fields(group, "the log group")
        _check_fields(stream, "stream")
        literal = _FIELD.sub("", group)
        if _NO_GROUP.search(literal) or group.startswith(_RESERVED) or not 1 <= len(group) <= _LONGEST:
            message = (
                f"{group!r} cannot be the name of a log group: 1 to {_LONGEST} of the characters A-Z a-z 0-9 . - _ / #,"
                f" not beginning with {_RESERVED}; write cloudwatch:/logs/alb"
            )
            raise UsageError(message)
        if _NO_STREAM.search(stream) or not 1 <= len(stream) <= _LONGEST:
            message = (
                f"stream: {stream!r} cannot be the name of a log stream: 1 to {_LONGEST} characters without : and *"
            )
            raise UsageError(message)
        self._group, self._stream, self._region = group, stream, region
        self.by_day = "{date}" in group + stream
        self.by_format = "{format}" in group + stream
        self.fixed_group = "" if _FIELD.search(group) else group
        self._filled = lru_cache(maxsize=256)(self._fill)

    def place(self, item: Identity, day: int | None, format_name: str | None) -> Place:
        """Where records of an item, a day (counted from 1970; None: not known) and a format go."""
        return self._filled(item, day, format_name)

    def _fill(self, item: Identity, day: int | None, format_name: str | None) -> Place:
        known = _told_by(item)
        known["region"] = known["region"] or self._region
        known["date"] = _date(day)
        known["format"] = format_name or known["format"]
        group = _filled(self._group, known, _NO_GROUP)
        if group.startswith(_RESERVED):
            group = f"_{group}"[:_LONGEST]
        return Place(group, _filled(self._stream, known, _NO_STREAM))


def _filled(template: str, known: Mapping[str, str], wrong: re.Pattern[str]) -> str:
    return _FIELD.sub(lambda field: wrong.sub("_", known[field[1]] or UNKNOWN), template)[:_LONGEST]


def _told_by(item: Identity) -> dict[str, str]:
    key, bucket = parse_key(item.key), item.container.strip("/")
    if key is None:
        return {"load_balancer": stem(item), "account": "", "region": "", "format": "", "bucket": bucket}
    told = {"load_balancer": key.load_balancer, "account": key.account, "region": key.region, "format": key.format}
    return {**told, "bucket": bucket}


def stem(item: Identity) -> str:
    """The name of a log that no load balancer of AWS wrote: the last part of its key, without what rotation added.

    Of events of a log group, which come in items of a window of time, it is that of their streams, else of the group.
    """
    if item.kind == KIND:
        streams = item.key.rpartition("@")[0]
        return item.container.strip("/") if streams in ("", "*") else streams
    name = item.key.rstrip("/").rpartition("/")[2]
    short = _ENDING.sub("", name) or name
    return short if any(character.isalnum() for character in short) else item.kind


def _date(day: int | None) -> str:
    try:
        return "" if day is None else date.fromordinal(date(1970, 1, 1).toordinal() + day).isoformat()
    except (ValueError, OverflowError):
        return ""


def _check_fields(template: str, where: str) -> None:
    unknown: Iterable[str] = (field for field in _FIELD.findall(template) if field not in FIELDS)
    wrong = next(iter(unknown), None)
    if wrong is not None or "{" in _FIELD.sub("", template) or "}" in _FIELD.sub("", template):
        names = ", ".join(f"{{{name}}}" for name in FIELDS)
        message = f"{where}: {template!r} names what is not there; in braces may stand {names}"
        raise UsageError(message)
