"""`tailrace cloud show`: a cloud, and where each value of it comes from."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import resolved, settings_options


@click.command("show", short_help="A cloud's endpoints and keys, and where they come from.")
@click.argument("name", metavar="[NAME]", default="")
@settings_options("endpoint_url", "profile")
@click.option("--json", "as_json", is_flag=True, help="NDJSON: one value a line.")
def command(name: str, *, as_json: bool, **flags: Any) -> None:
    """Show for each service of the cloud NAME its endpoint, its signature and its user, and where each of these values comes from.

    NAME is written as after --region: REGION, USER@ or USER@REGION; without it, the cloud that is in use. A secret key is never shown.

    What counts first, value by value: [clouds.NAME] of tailrace.toml, the environment, ~/.aws, euca2ools, boto 2; for regions of AWS
    at last AWS's own table.
    """
    from tailrace.cli.cloud import _showing  # noqa: PLC0415 - not needed for --help

    _showing.shown(name, resolved(flags), as_json=as_json)
