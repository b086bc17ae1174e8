"""Calls that change a load balancer's attributes, which writes a test file into the bucket and may be refused for a while."""

from __future__ import annotations

from typing import Final

from tailrace.changes import Change
from tailrace.deploy.cloud import Cloud, Refused
from tailrace.errors import TailraceError

_PAUSE_S: Final = 5
_UNFIT: Final = ("InvalidConfigurationRequest", "ValidationError")
_PASSING: Final = ("access denied", "transient")
"""What is said where a policy has not come through everywhere yet; the codes do not tell this from other faults."""


class Unfit(TailraceError):
    """A load balancer does not take these attributes."""


def modify(cloud: Cloud, change: Change, patience_s: float) -> None:
    """Make the change. Raises Unfit if it is refused for what it asks for, and goes on to be for so many seconds if that may pass."""
    last = cloud.clock.monotonic() + patience_s
    while True:
        try:
            cloud(change.call, **change.arguments)
        except Refused as error:
            if error.code not in _UNFIT:
                raise
            passing = any(each in error.text.lower() for each in _PASSING)
            if not passing or cloud.clock.monotonic() >= last:
                message = f"{error.text.rstrip('.')} ({error.code})"
                raise Unfit(message) from error
            cloud.clock.sleep(_PAUSE_S)
        else:
            return
