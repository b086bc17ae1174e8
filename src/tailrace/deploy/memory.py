"""What a deployment remembers of things that belong to others, so that they can be put back as they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

BALANCERS: Final = "load_balancers"
"""Of each load balancer, the attributes that are changed, as they were before; see `tailrace.deploy.balancers`."""
NOTIFICATIONS: Final = "notifications"
"""Of each existing bucket that has our notification, whether we have switched EventBridge on."""


class Memory(Protocol):
    """Remembers by kind and name, beyond the end of this process."""

    def remembered(self, kind: str) -> Mapping[str, Any]:
        """What is remembered of this kind, by name."""

    def remember(self, kind: str, name: str, value: Mapping[str, str]) -> None:
        """Remember it; when this returns it is kept."""

    def forget(self, kind: str, name: str) -> None:
        """Remember it no more."""
