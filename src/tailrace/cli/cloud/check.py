"""`tailrace cloud check`: whether a cloud answers, and accepts the keys."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import resolved, settings_options


@click.command("check", short_help="Whether its endpoints answer, and accept the keys.")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@settings_options("profile")
@click.option("--json", "as_json", is_flag=True, help="NDJSON: one endpoint a line.")
def command(names: tuple[str, ...], *, as_json: bool, **flags: Any) -> int:
    """Look at every endpoint of a cloud: whether it can be reached, its certificate, its clock, and whether it accepts the keys.

    NAME is a region or USER@REGION as after --region, or `all`. Nothing is changed; each service is asked for one short list.
    Exit code 1 if anything is wrong.
    """
    from tailrace.cli.cloud._check import check_all  # noqa: PLC0415 - not needed for --help

    return check_all(resolved(flags), names, as_json=as_json)
