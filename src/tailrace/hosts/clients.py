"""Clients of a cloud's services, as the settings tell."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

from tailrace.clouds.cloud import Cloud
from tailrace.settings import Resolved, Settings


def clients(settings: Settings) -> Callable[[str], Any]:
    """Makes clients of a cloud's services as the settings tell. The cloud is looked for when the first of them is made."""

    @cache
    def found() -> Cloud:
        from tailrace.clouds.finding import Given, find  # noqa: PLC0415 - takes time, and most verbs have no use for it

        return find("", Given.of(Resolved(settings=settings, origins={}), os.environ))

    def made(service: str) -> Any:
        from tailrace.clouds.connecting import connect  # noqa: PLC0415 - likewise

        return connect(found(), service)

    return made
