"""What a deployment remembers of things that belong to others, so that they can be put back as they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from tailrace.deploy.ledger import Book

BALANCERS: Final = "load_balancers"
"""Of each load balancer, the attributes that are changed, as they were before; see `tailrace.deploy.balancers`."""
NOTIFICATIONS: Final = "notifications"
"""Of each existing bucket that has our notification, whether we have switched EventBridge on."""


class Memory(Protocol):
    """Remembers by kind and name, beyond the end of this process."""

    def remembered(self, kind: str) -> Mapping[str, Any]:
        """What is remembered of this kind, by name."""

    def remember(self, kind: str, name: str, value: Any) -> None:
        """Remember it; when this returns it is kept."""

    def forget(self, kind: str, name: str) -> None:
        """Remember it no more."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the ledger of a stack remembers, read anew each time. Raises Fatal if somebody else writes it at the same time."""

    book: Book

    def remembered(self, kind: str) -> Mapping[str, Any]:
        """What is remembered of this kind, by name."""
        found: Mapping[str, Any] = getattr(self.book.read().ledger, kind)
        return found

    def remember(self, kind: str, name: str, value: Any) -> None:
        """Remember it; when this returns it is kept."""
        kept = self.book.read()
        known = {**getattr(kept.ledger, kind), name: value}
        self.book.write(msgspec.structs.replace(kept.ledger, **{kind: known}), kept)

    def forget(self, kind: str, name: str) -> None:
        """Remember it no more."""
        kept = self.book.read()
        known = dict(getattr(kept.ledger, kind))
        if known.pop(name, None) is not None:
            self.book.write(msgspec.structs.replace(kept.ledger, **{kind: known}), kept)
