"""Streams that are gone once they have been read: standard input, pipes, devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from tailrace.errors import SourceError


class Once:
    """Opens a stream the first time; asking again is an error, or a retried item would seem to be empty."""

    def __init__(self, name: str, opened: Callable[[], BinaryIO]) -> None:
        self._name = name
        self._opened = opened
        self._used = False

    def __call__(self) -> BinaryIO:
        """The stream. Raises SourceError from the second time on."""
        if self._used:
            message = f"{self._name} can be read only once, so what was not delivered of it is lost to this run"
            raise SourceError(message)
        self._used = True
        return self._opened()
