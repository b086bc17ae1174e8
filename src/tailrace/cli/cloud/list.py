"""`tailrace cloud list`: the clouds that anything here names."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import resolved, settings_options


@click.command("list", short_help="The clouds that are known here.")
@settings_options("profile")
@click.option("--json", "as_json", is_flag=True, help="NDJSON: one cloud a line.")
def command(*, as_json: bool, **flags: Any) -> int:
    """List the clouds that are known here: what each is, which services it has, whose keys are used, and which files tell so.

    They are read from tailrace.toml, the environment, ~/.aws, euca2ools' files and boto 2's, and their names are what --region takes.
    Exits with 1 if what is written of one of them is contradictory.
    """
    from tailrace.cli.cloud import _showing  # noqa: PLC0415 - not needed for --help

    return _showing.listed(resolved(flags), as_json=as_json)
