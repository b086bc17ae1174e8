"""The clouds that a command is given by name."""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.clouds.cloud import Cloud
from tailrace.clouds.finding import Given, find, names
from tailrace.errors import UsageError
from tailrace.settings import Resolved

ALL = "all"


def clouds_of(resolved: Resolved, asked: Sequence[str]) -> dict[str, Cloud]:
    """They, as they are asked for and in this order; `all` stands for every one that is known. Raises UsageError."""
    given = Given.of(resolved)
    found = names(given) if ALL in asked else list(dict.fromkeys(asked))
    if not found:
        raise UsageError("no cloud is known here; `tailrace cloud list` tells where they are looked for")
    clouds = [(name, find(name, given)) for name in found]
    return {name or cloud.name: cloud for name, cloud in clouds}
