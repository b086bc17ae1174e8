"""`tailrace lb prepare-image`: make a machine ready to become an image."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import resolved, settings_options


@click.command("prepare-image", short_help="Make a machine ready to become an image.")
@click.option("--root", metavar="DIR", default="", help="Where the image's root folder is mounted.")
@click.option(
    "--this-machine", is_flag=True, help="Instead: the machine that this runs on. Its logs and keys are lost."
)
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@settings_options()
def command(**flags: Any) -> int:
    """Take out of a machine what names it, so that copies of its image are machines of their own.

    Rules that tie network cards to addresses, DHCP settings of a card, logs, keys of the host, keys that let people in, histories, the
    machine's id, what cloud-init knows, and the agent's spool. Nothing else is touched, and no symbolic link is followed.
    What would be done is shown first, and nothing is done without consent.
    """
    from tailrace.cli.lb import _prepare_image  # noqa: PLC0415 - not needed for --help

    settings = {name: flags.pop(name) for name in ("assignments", "config")}
    return _prepare_image.prepare(resolved(settings).settings.lb, **flags)
