"""Clients of a cloud's services, as the settings tell."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

from tailrace.clouds.cloud import Cloud
from tailrace.clouds.connecting import connect
from tailrace.clouds.finding import Given, find
from tailrace.settings import Resolved, Settings


def clients(settings: Settings) -> Callable[[str], Any]:
    """Makes clients of a cloud's services as the settings tell. The cloud is looked for when the first of them is made."""

    @cache
    def found() -> Cloud:
        return find("", Given.of(Resolved(settings=settings, origins={}), os.environ))

    return lambda service: connect(found(), service)
