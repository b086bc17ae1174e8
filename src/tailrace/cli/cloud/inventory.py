"""`tailrace cloud inventory`: what is in clouds, side by side."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import resolved, settings_options

_WHAT = ("instance-types", "volumes", "snapshots", "instances", "load-balancers", "buckets")


@click.command("inventory", short_help="What is in clouds, side by side.")
@click.argument("words", metavar="[NAME...] WHAT", nargs=-1, required=True)
@click.option("--region", "regions", metavar="NAME", multiple=True,
              help="A cloud, as REGION or USER@REGION, or `all`; the same as NAME. May be repeated.")  # fmt: skip
@settings_options("profile")
@click.option("--json", "as_json", is_flag=True, help="NDJSON: one thing a line.")
def command(words: tuple[str, ...], regions: tuple[str, ...], *, as_json: bool, **flags: Any) -> int:
    """List what is in one cloud or in several: WHAT is instance-types, volumes, snapshots, instances, load-balancers or buckets.

    NAME is a region or USER@REGION as after --region, or `all`; without any it is the region in use. A cloud that does not answer is told of,
    and the others are shown (exit code 4; 3 if none answers).
    """
    from tailrace.cli.cloud._inventory import show_all  # noqa: PLC0415 - not needed for --help

    *names, what = words
    if what not in _WHAT:
        message = f"{what}: expected one of {', '.join(_WHAT)} as the last word"
        raise click.UsageError(message)
    return show_all(resolved(flags), [*names, *regions], what, as_json=as_json)
