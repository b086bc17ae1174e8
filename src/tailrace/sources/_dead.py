"""Where messages go that have come too often: another queue, which stores them before they are deleted here."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final

from tailrace.errors import Fatal, Retryable
from tailrace.notices import Notices
from tailrace.sources._queue import Message, Queue

_REMEMBERED: Final = 1000
"""Of so many messages is known why they were not delivered the last time."""
_NONE: Final = "there is no dead-letter queue: give the queue a redrive policy, or set dead_letter_queue"


class DeadQueue:
    """The dead-letter queue of a queue: the one that is set, else that of the queue's redrive policy."""

    def __init__(self, queue: Queue, place: str, notices: Notices) -> None:
        self._queue, self._notices = queue, notices
        self._found = queue.beside(place) if place else None
        self._lock = Lock()
        self._troubles: OrderedDict[str, str] = OrderedDict()

    def remember(self, message: Message, trouble: Exception) -> None:
        """Why a message could not be delivered."""
        with self._lock:
            self._troubles[message.id] = str(trouble)
            if len(self._troubles) > _REMEMBERED:
                self._troubles.popitem(last=False)

    def took(self, message: Message) -> bool:
        """Whether it has stored the message, which may be deleted then. Tells if not."""
        try:
            target = self._target()
            if target:
                target.keep(message, self._why(message))
        except (Retryable, Fatal) as error:
            self._tell(message, f"cannot be moved to the dead-letter queue: {error}")
            return False
        if not target:
            self._tell(message, _NONE)
            return False
        self._tell(message, f"it is moved to the queue {target.name}")
        return True

    def check(self) -> str:
        """Where messages go. Raises Fatal or Retryable if that cannot be found out."""
        target = self._target()
        if target is None:
            return _NONE
        target.attributes("QueueArn")
        return f"the dead-letter queue is {target.name}"

    def _target(self) -> Queue | None:
        if self._found is None and (redrive := self._queue.redrive()):
            self._found = self._queue.beside(redrive)
        return self._found

    def _why(self, message: Message) -> dict[str, str]:
        with self._lock:
            trouble = self._troubles.get(message.id, "it was received too often")
        return {
            "TailraceReason": trouble,
            "TailraceQueue": self._queue.name,
            "TailraceMessageId": message.id,
            "TailraceReceives": str(message.receives),
        }

    def _tell(self, message: Message, what: str) -> None:
        sentence = (
            f"message {message.id} in the queue {self._queue.name} has been received {message.receives} times; {what}"
        )
        self._notices.tell(f"dead {what}", sentence)
