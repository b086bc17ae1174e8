"""Logs that must not be carried, because carrying them writes more of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tailrace.errors import UsageError

_OWN_GROUP: Final = "AWS_LAMBDA_LOG_GROUP_NAME"
"""Lambda tells a function in it where its own output goes."""


def own_group(environ: Mapping[str, str]) -> str:
    """The log group to which this process's own output goes, where that is known; else empty."""
    return environ.get(_OWN_GROUP, "")


def refuse_own_group(group: str, environ: Mapping[str, str]) -> None:
    """Make sure that a log group is not the one to which this process's own output goes. Raises UsageError."""
    if group and group == own_group(environ):
        message = (
            f"{group} is the log group of this function itself: what it logs of its work would be carried again and again;"
            " use another group"
        )
        raise UsageError(message)
