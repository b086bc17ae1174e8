"""The clouds that a command is given by name."""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.cli._console import warn
from tailrace.clouds.cloud import Cloud
from tailrace.clouds.finding import Given, find, names
from tailrace.errors import UsageError
from tailrace.settings import Resolved

ALL = "all"


def clouds_of(resolved: Resolved, asked: Sequence[str]) -> tuple[dict[str, Cloud], bool]:
    """They, as they are asked for and in this order; `all` stands for every one that is known. And whether that is all of them.

    Of `all`, one that cannot be used is told on standard error, and is left out. Raises UsageError.
    """
    given = Given.of(resolved)
    every = ALL in asked
    found = names(given) if every else list(dict.fromkeys(asked))
    if not found:
        raise UsageError("no cloud is known here; `tailrace cloud list` tells where they are looked for")
    clouds: dict[str, Cloud] = {}
    for name in found:
        try:
            cloud = find(name, given)
        except UsageError as error:
            if not every:
                raise
            warn(f"{name}: {error}")
        else:
            clouds[name or cloud.name] = cloud
    return clouds, len(clouds) == len(found)
