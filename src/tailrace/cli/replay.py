"""`tailrace replay`: dead letters once more."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import CLOUD, READING, resolved, settings_options


@click.command("replay", short_help="Send dead letters again.")
@click.argument("places", metavar="[PLACE]...", nargs=-1)
@settings_options("to", "store", "state", *READING, *CLOUD)
@click.option(
    "--reason", "reasons", metavar="REASON", multiple=True, help="Only letters of this reason. May be repeated."
)
@click.option("--sink", "sinks", metavar="SINK", multiple=True,
              help="Only what this sink refused: its name, the beginning of it, or a pattern. May be repeated.")  # fmt: skip
@click.option("--item", "items", metavar="GLOB", multiple=True,
              help="Only letters of objects or files whose name matches. May be repeated.")  # fmt: skip
@click.option("--by-reference", is_flag=True, help="Read every line again from its object, not from the letter.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be sent.")
@click.option("--limit", metavar="N", type=click.IntRange(min=0), default=0, help="Send N letters at most.")
def command(places: tuple[str, ...], *, by_reference: bool, dry_run: bool, **flags: Any) -> int:
    """Send dead letters again: what succeeds is removed, what fails stays, and the receipts follow.

    PLACE: files, folders, patterns or s3://BUCKET/PREFIX that hold dead letters, one a line; the folder `dead` of the store if
    none is given. A record that a sink refused goes to that sink again, or to those of --to if it is none of them. What was no
    record is read once more, and goes to the sinks of the run if it is one now. Exits with 4 if some stayed.
    """
    from tailrace.cli._replay import replay  # noqa: PLC0415 - not needed for --help
    from tailrace.replay.replaying import Wanted  # noqa: PLC0415

    chosen = {name: flags.pop(name) for name in ("reasons", "sinks", "items", "limit")}
    return replay(places, resolved(flags), Wanted(**chosen), by_reference=by_reference, dry_run=dry_run)
