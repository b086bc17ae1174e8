"""What the entries of sinks and those of sources have in common: servers, secrets, and what they may say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest

from breaking import SECRET

CLOSED = "127.0.0.1:1"
"""Nobody listens there."""
HIDDEN = "geheim-0815"
"""A secret that nobody may see."""


class Servers:
    """The servers that entries need, started when one asks for them."""

    def __init__(self) -> None:
        self._closing = ExitStack()
        self._made: dict[Callable[[], Any], Any] = {}

    def one(self, making: Callable[[], AbstractContextManager[Any]]) -> Any:
        """The server of its kind."""
        if making not in self._made:
            self._made[making] = self._closing.enter_context(making())
        return self._made[making]

    def close(self) -> None:
        self._closing.close()


def only(names: Sequence[str]) -> pytest.MarkDecorator:
    """Run a test with these entries, not with all."""
    return pytest.mark.parametrize("entry", names, indirect=True)


def is_sentence(text: str) -> None:
    """Fail unless it may be shown to a user."""
    assert 20 < len(text) < 400
    assert "\n" not in text
    for word in (HIDDEN, SECRET, "Traceback", "object at 0x", "Error(", "<", "SECRET"):
        assert word not in text, text
