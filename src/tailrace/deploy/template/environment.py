"""What the function runs with: its settings in one variable, so that they belong to the version and go back with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tailrace.deploy.template.expressions import ref, sub
from tailrace.deploy.template.network import endpoint_variables
from tailrace.deploy.template.own import function_settings
from tailrace.deploy.template.queue import EVENTS
from tailrace.deploy.template.table import TABLE, is_made
from tailrace.deploy.template.toml import toml
from tailrace.deploy.wanted import Wanted
from tailrace.errors import UsageError

_MOST: Final = 4096
"""Bytes of all variables together. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
_LONGEST: Final = 140
"""No URL, bucket or table that is filled in is longer."""


def variables(wanted: Wanted) -> dict[str, Any]:
    """The variables of the function's environment. Raises UsageError if they cannot be."""
    text = f"toml:{toml(function_settings(wanted))}"
    told: dict[str, Any] = {
        "TAILRACE_CONFIG": text,
        "TAILRACE_AWSLAMBDA__CONTINUATION_QUEUE": ref(EVENTS),
        **endpoint_variables(wanted),
    }
    if is_made(wanted):
        told["TAILRACE_STATE"] = {"Fn::Sub": f"dynamodb:${{{TABLE}}}"}
    if not wanted.resolved.settings.dead_letters:
        told["TAILRACE_DEAD_LETTERS"] = sub(wanted.settings.dead_letters)
    if (size := sum(_sizes(told))) > _MOST:
        message = (
            f"the settings of the function take {size:,} bytes of its environment, which holds {_MOST:,}: shorten them,"
            " first the transforms of [sinks.NAME]"
        )
        raise UsageError(message)
    return told


def _sizes(told: dict[str, Any]) -> Iterator[int]:
    """How long names and values are when everything is filled in, at most."""
    for name, value in told.items():
        yield len(name) + (len(value.encode()) if isinstance(value, str) else _LONGEST)
