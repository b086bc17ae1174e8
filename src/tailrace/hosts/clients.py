"""Clients of a cloud's services, as the settings tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tailrace.clouds import client
from tailrace.settings import Settings


def clients(settings: Settings) -> Callable[[str], Any]:
    """Makes clients of a cloud's services as the settings tell."""

    def made(service: str) -> Any:
        return client(
            service,
            region=settings.region or None,
            endpoint_url=(service == "s3" and settings.endpoint_url) or None,
            profile=settings.profile or None,
            private=bool(settings.endpoint_url),
        )

    return made
