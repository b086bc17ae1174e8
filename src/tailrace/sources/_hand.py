"""Messages in hand: each announces objects, and is done with when all of them are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

from tailrace.model import Item

T = TypeVar("T")


@dataclass(slots=True)
class _Message(Generic[T]):
    handle: T
    left: int
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Settled(Generic[T]):
    """A message all of whose items are done with; `error`: why the first that failed did."""

    handle: T
    error: Exception | None


def waiting(messages: str) -> str:
    """So many messages wait, as people are told."""
    return "one message waits" if messages == "1" else f"{messages} messages wait"


class Hand(Generic[T]):
    """Which items came of which message. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = Lock()
        # By the very item that was given out: another message may announce the same object.
        self._messages: dict[int, tuple[Item, _Message[T]]] = {}

    def take(self, handle: T, items: Sequence[Item]) -> None:
        """A message has announced these items."""
        message = _Message(handle, len(items))
        with self._lock:
            self._messages.update({id(item): (item, message) for item in items})

    def settle(self, item: Item, error: Exception | None = None) -> Settled[T] | None:
        """An item is done with, or has failed; its message if it was the last of that."""
        with self._lock:
            found = self._messages.pop(id(item), None)
            if found is None:
                return None
            message = found[1]
            message.left -= 1
            message.error = message.error or error
            return None if message.left else Settled(message.handle, message.error)

    def given_up(self) -> Sequence[T]:
        """The messages that are not settled; they are in hand no more."""
        with self._lock:
            left = {id(message): message.handle for _item, message in self._messages.values()}
            self._messages.clear()
        return list(left.values())
