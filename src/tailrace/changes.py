"""Changes to what belongs to others: looked at first, then planned, then shown, and only then made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Change:
    """One call that changes something, and why it is needed."""

    call: str
    arguments: Any
    why: str


class Setup(Protocol):
    """Brings something into the state that is wanted. Doing it twice plans nothing the second time."""

    def look(self) -> Any:
        """What is there; changes nothing. Raises Retryable or Fatal."""

    def plan(self, found: Any) -> Sequence[Change]:
        """What is to be changed, in this order; only thinks. Raises UsageError if it must not be."""

    def apply(self, change: Change) -> None:
        """Make a change. Raises Retryable or Fatal."""

    def close(self) -> None:
        """Let go of everything. May be called twice."""
