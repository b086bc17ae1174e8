"""What is found at the endpoints of clouds, for people and programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

import click
import msgspec
from rich.table import Table
from rich.text import Text

from tailrace.cli._cells import visible
from tailrace.cli._console import output, people
from tailrace.cli.cloud._asked import clouds_of
from tailrace.clock import SystemClock
from tailrace.clouds.checking.endpoints import Checked, check
from tailrace.clouds.connecting import connect
from tailrace.errors import EXIT_FAILED_CHECK, EXIT_OK
from tailrace.settings import Resolved


def check_all(resolved: Resolved, names: Sequence[str], *, as_json: bool) -> int:
    """Tell all that is found; the exit code. Raises UsageError."""
    clouds, whole = clouds_of(resolved, names)
    wrong = not whole
    for name, cloud in clouds.items():
        found = []
        with people().status(f"looking at {name}"):
            for each in check(cloud, partial(connect, cloud), SystemClock()):
                wrong |= not each.good
                found.append(each)
                if as_json:
                    click.echo(msgspec.json.encode({"cloud": name, **asdict(each)}))
        if not as_json:
            _show(name, found)
    return EXIT_FAILED_CHECK if wrong else EXIT_OK


def _show(name: str, found: Sequence[Checked]) -> None:
    console = output()
    table = Table("", "service", "endpoint", "reachable", "certificate", "clock", "keys", box=None, pad_edge=False)
    for each in found:
        sign = Text("✓", style="green") if each.good else Text("✗", style="bold red")
        table.add_row(sign, *(Text(visible(cell)) for cell in _cells(each)))
    table.title = Text(name, style="bold")
    table.title_justify = "left"
    console.print(table)
    remedies = dict.fromkeys(visible(each.remedy) for each in found if each.remedy)
    if remedies:
        click.echo("\nWhat is wrong:")
        for line in remedies:
            click.echo(f"  {line}")


def _cells(each: Checked) -> Sequence[str]:
    clock = "" if each.skew is None else "right" if abs(each.skew) < 1 else f"{each.skew:+.0f} s"
    return each.service, each.url, "yes" if each.reachable else "no", each.tls, clock, each.credentials
