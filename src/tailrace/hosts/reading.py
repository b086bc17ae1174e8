"""What the settings say about reading: which formats, which zone, which parser."""

from __future__ import annotations

import re
from collections.abc import Callable

from tailrace.errors import UsageError
from tailrace.formats._haproxy import compile_log_format
from tailrace.hosts._control import Control
from tailrace.kernel.layout import Format
from tailrace.kernel.load import Parser, parser_class
from tailrace.kernel.plan import ItemPlan, Plan
from tailrace.kernel.zones import zone
from tailrace.keys import SMOKE, parse_key
from tailrace.model import Item, Rendering
from tailrace.quantities import moment
from tailrace.registry import format_named, formats
from tailrace.settings import Settings

CUSTOM = "haproxy_custom"
"""The format of records that are read by `--log-format`."""
_WITH_KEYS = ("s3", "file")
_CAPTURES = re.compile(r"(\d{1,3}),(\d{1,3})")


def parsers(settings: Settings, notice: Callable[[str], None]) -> Callable[[Item, int, Rendering | None], Parser]:
    """Makes the parser of an item from an offset in its content on, whose records are asked for in one form or in any.

    `notice` is told if the native kernel is missing. Raises UsageError if the settings cannot be.
    """
    plan = plan_of(settings)
    made = parser_class(settings.kernel, notice)
    told = _seconds(settings.reference_time)

    def parser(item: Item, offset: int, rendering: Rendering | None = None) -> Parser:
        known = parse_key(item.identity.key)
        parser = made(
            plan,
            ItemPlan(
                kind=known.format if known else "",
                reference_us=int((item.modified if told is None else told) * 1_000_000),
                identity=item.identity.token,
                offset=offset,
                rendering=rendering,
            ),
        )
        return Control(parser, offset) if _is_smoke_test(item) else parser

    return parser


def _is_smoke_test(item: Item) -> bool:
    """Whether an item is a control object. Other kinds of items have keys that anybody may choose."""
    return item.identity.kind in _WITH_KEYS and item.identity.key.rpartition("/")[2].startswith(SMOKE)


def plan_of(settings: Settings) -> Plan:
    """How lines are to be read. Raises UsageError."""
    if settings.log_format and settings.format != "auto":
        raise UsageError("--format and --log-format both tell how lines read; give one of them")
    if settings.log_format:
        chosen: tuple[Format, ...] = (_custom(settings.log_format),)
    elif settings.format != "auto":
        chosen = (format_named(settings.format),)
    else:
        chosen = tuple(formats().values())
    return Plan(
        formats=chosen,
        explicit=bool(settings.log_format) or settings.format != "auto",
        zone=zone(settings.timezone),
        captures=_captures(settings.captures),
    )


def _custom(log_format: str) -> Format:
    return Format(
        name=CUSTOM,
        title="HAProxy, by --log-format",
        about="Lines as the given log-format string makes HAProxy write them.",
        source="https://docs.haproxy.org/3.2/configuration.html#8.2.6",
        layouts=(compile_log_format(log_format),),
        framing="syslog",
        vendor="haproxy",
        example="",
    )


def _captures(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    match = _CAPTURES.fullmatch(text.replace(" ", ""))
    if match is None:
        message = f"captures: expected two numbers such as 2,1 (of requests, of responses), not {text!r}"
        raise UsageError(message)
    return int(match[1]), int(match[2])


def _seconds(text: str) -> float | None:
    """A time of RFC 3339 in seconds since 1970; UTC if it names no zone."""
    if not text:
        return None
    try:
        return moment(text)
    except ValueError as error:
        message = f"reference_time: expected a time such as 2026-11-21 or 2026-11-21T08:00:00Z, not {text!r}"
        raise UsageError(message) from error
