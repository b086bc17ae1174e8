"""Objects without a balanced receipt, for people and programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import click
import msgspec
from rich.table import Table
from rich.text import Text

from tailrace.cli._cells import utc, visible
from tailrace.cli._console import output, surroundings
from tailrace.cli._receipts import opened
from tailrace.cli._summary import counted, size
from tailrace.errors import EXIT_FAILED_CHECK, EXIT_OK, UsageError
from tailrace.hosts.asking import asked_for
from tailrace.kinds import Surroundings
from tailrace.letters import described
from tailrace.model import Item
from tailrace.quantities import period
from tailrace.settings import Resolved, Settings
from tailrace.store.missing import Missing, Period, Seen, missing


def list_missing(place: str, settings: Settings, asked: dict[str, Any]) -> int:
    """Tell what is missing; the exit code. Raises UsageError.

    `asked`: `since` and `until` as texts, `sink`, `limit` and `as_json`.
    """
    if not place.startswith("s3://"):
        message = f"--missing {place}: write s3://BUCKET or s3://BUCKET/PREFIX"
        raise UsageError(message)
    given, seen = surroundings(settings), Seen()
    limits = Period(**period(asked["since"] or "", asked["until"] or "", given.clock.now(), "--"))
    with closing(opened(settings)) as state:
        found = missing(_items(place, given), state, limits, asked["sink"] or "", seen)
        number = _as_json(found) if asked["as_json"] else _as_table(found, asked["limit"])
    told = f"{counted(number, 'object')} of {seen.objects:,} missing" if number else "none is missing"
    click.echo(told if number else f"{counted(seen.objects, 'object')}: {told}", err=True)
    return EXIT_FAILED_CHECK if number else EXIT_OK


def _items(place: str, given: Surroundings) -> Iterator[Item]:
    for source in asked_for(Resolved(settings=given.settings, origins={}), [place]).opened(given):
        with closing(source):
            yield from source.items()


def _as_json(found: Iterator[Missing]) -> int:
    number = 0
    for each in found:
        number += 1
        item = each.item
        told = {**described(item.identity), "size": item.size, "time": utc(each.time), "why": visible(each.why)}
        click.echo(msgspec.json.encode(told))
    return number


def _as_table(found: Iterator[Missing], limit: int) -> int:
    """The first ones as a table."""
    first: list[Missing] = []
    rest = 0
    for each in found:
        if limit and len(first) >= limit:
            rest += 1
        else:
            first.append(each)
    if not first:
        return 0
    table = Table(box=None, pad_edge=False)
    table.add_column("time", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    table.add_column("object", overflow="fold", ratio=1)
    for each in first:
        shown = (utc(each.time), size(each.item.size or 0), visible(each.why), visible(each.item.identity.name))
        table.add_row(*map(Text, shown))
    output().print(table)
    if rest:
        click.echo(f"the first {len(first):,}; --limit 0 shows all", err=True)
    return len(first) + rest
