"""A memory of a deployment, kept in the test's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Kept:
    """Remembers what JSON can hold, as the ledger does."""

    def __init__(self) -> None:
        self.kinds: dict[str, dict[str, Any]] = {}

    def remembered(self, kind: str) -> Mapping[str, Any]:
        return dict(self.kinds.get(kind, {}))

    def remember(self, kind: str, name: str, value: Any) -> None:
        self.kinds.setdefault(kind, {})[name] = msgspec.json.decode(msgspec.json.encode(value))

    def forget(self, kind: str, name: str) -> None:
        del self.kinds[kind][name]
