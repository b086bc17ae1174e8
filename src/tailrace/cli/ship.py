"""`tailrace ship`: the main job."""

from __future__ import annotations

from typing import Any, get_args

import click

from tailrace.cli._options import CLOUD, READING, own_options, resolved, settings_options
from tailrace.sinks._shapes import Shape
from tailrace.sources.s3 import S3Settings

_CHOOSING = ("since", "until", "start_after", "list", "include", "exclude")


@click.command("ship", short_help="Carry logs to the store or other sinks.")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@settings_options("to", "store", "state", "workers", *READING, *CLOUD)
@own_options(S3Settings, *_CHOOSING)
@click.option(
    "--shape", type=click.Choice(get_args(Shape)), help="What a record looks like, for the sink that has this setting."
)
@click.option("--again", is_flag=True, help="Deliver also what has been delivered; in the store it is replaced.")
@click.option("--strict", is_flag=True, help="Exit with 1 if anything was rejected.")
def command(sources: tuple[str, ...], *, shape: str | None, again: bool, strict: bool, **flags: Any) -> int:
    """Carry logs from sources to sinks, each object once, and keep receipts of it.

    SOURCE: files, folders, patterns, s3://BUCKET/PREFIX, or - for standard input. Without --to the local store takes the
    records. What is no record is kept in the store's folder `dead`. Run it again whenever there is more to carry: what has
    been delivered is not delivered again, and after a crash it goes on where it was. --since and the like choose among the
    objects of buckets.
    """
    from tailrace.cli._running import ship  # noqa: PLC0415 - not needed for --help

    if shape:
        flags["assignments"] = (*flags["assignments"], f"shape={shape}")
    chosen = {key: value for key in _CHOOSING if (value := flags.pop(key))}
    return ship(sources, resolved(flags), again=again, strict=strict, **chosen)
