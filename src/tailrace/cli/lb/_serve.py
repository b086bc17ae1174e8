"""Serving the load balancing API with this process's streams, clock and clouds."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

import msgspec

from tailrace.cli._console import say
from tailrace.clock import SystemClock
from tailrace.errors import EXIT_OK
from tailrace.hosts.clients import clients
from tailrace.loadbalancer.api.serving import Given
from tailrace.loadbalancer.api.serving import serve as serve_api
from tailrace.settings import Settings


def serve(settings: Settings) -> int:
    """Answer until the stop; the exit code."""
    given = Given(
        client=clients(settings),
        environ=os.environ,
        clock=SystemClock(),
        say=say,
        journal=_tell,
        region=settings.region,
    )
    serve_api(settings.lb.serve, given)
    return EXIT_OK


def _tell(line: dict[str, Any]) -> None:
    """A line of JSON, whole: threads write at the same time."""
    with suppress(OSError, ValueError):  # nobody reads any more: requests are answered all the same
        sys.stderr.write(f"{msgspec.json.encode(line).decode()}\n")
