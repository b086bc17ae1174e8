"""`tailrace sink`: preparing the places where records go."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import CLOUD, resolved, settings_options


@click.group("sink", short_help="Prepare the places where records go.")
def command() -> None:
    """Prepare the places where records go."""


@command.command("setup", short_help="Make what a sink needs on its server.")
@click.argument("sink", metavar="SINK")
@click.argument("url", metavar="[URL]", default="")
@settings_options("schema", "format", "log_format", *CLOUD)
@click.option("--dry-run", is_flag=True, help="Show what would be changed, and change nothing.")
def _setup(sink: str, url: str, *, dry_run: bool, **flags: Any) -> None:
    """Make what a sink needs on its server, such as the index template of a search server with the types of all fields.

    SINK and URL as after --to, `elasticsearch:http://HOST:9200/INDEX` or `elasticsearch http://HOST:9200/INDEX`, or the name of a
    [sinks.NAME]. Without URL it is the sink of that kind in the settings. What is as it should be is left alone.
    """
    from tailrace.cli import _sink  # noqa: PLC0415 - not needed for --help

    _sink.set_up(f"{sink}:{url}" if url else sink, resolved(flags), dry_run=dry_run)
