"""`tailrace cloud`: the clouds that are known here. Each verb is one file of its name."""

from __future__ import annotations

import click

from tailrace.cli._verbs import Verbs


@click.group("cloud", cls=Verbs, package=__name__, short_help="The clouds that are known here, and what is in them.")
def command() -> None:
    """The clouds that are known here: where each setting of theirs comes from, whether they answer, and what is in them."""
