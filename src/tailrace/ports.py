"""The stations as the loop sees them. A station is any object of this shape; there are no base classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from tailrace.model import Batch, Flushed, Identity, Item, Refusal, Reject, Rendering, StoredFile
from tailrace.receipts import Receipt


class Source(Protocol):
    """Where items come from. It is pulled: not asking for the next item is the back-pressure.

    `items` is run by one thread at a time; the other methods may be called by any thread meanwhile. A source without end
    (a queue) waits in `items` for more, and ends when the run's `stop` is set; what it has given out and nobody acknowledged
    is given back when it is closed.
    """

    def items(self) -> Iterator[Item]:
        """The items. Raises Fatal if the source cannot be used at all."""

    def ack(self, item: Item) -> None:
        """The item is delivered, or given up on purpose: it need not come again."""

    def nack(self, item: Item, error: Exception) -> None:
        """The item is not delivered: it shall come again."""

    def close(self) -> None:
        """Let go of everything. May be called twice."""


class Sink(Protocol):
    """Where batches go. It writes once: retrying, waiting and dead letters are the loop's.

    The loop writes batches of one item after the other, then flushes. A call that raises Retryable is made again with the
    same arguments: `write` has then not taken its batch, so a sink sends what waits before it takes a batch in; `flush`
    goes on where it was, and what was confirmed by then stays confirmed. What was not confirmed when the loop calls
    `abandon` is forgotten: files leave no trace, and what is already under way comes again. One thread at a time uses a
    sink; what several may share, they are given when they are made.
    """

    name: str
    """The sink's URL without secrets, and a hash of the settings that change bytes: receipts are kept under it."""
    keeps_receipts: bool
    """False for a sink that is gone with the process (stdout)."""
    rendering: Rendering | None
    """The only form in which the sink asks for records, if there is one."""

    def write(self, item: Item, batch: Batch, part: int) -> None:
        """Offer a batch; `part` counts the commits of the item. Raises Retryable or Fatal."""

    def flush(self) -> Flushed:
        """Make durable what was written, and tell what became of it. Raises Retryable or Fatal."""

    def abandon(self) -> None:
        """Forget what was written since the last flush."""

    def close(self) -> None:
        """Let go of everything. May be called twice."""


@runtime_checkable
class Measured(Protocol):
    """A source that can tell, without taking anything, how much it is going to give."""

    def sizes(self) -> Iterator[int | None]:
        """The size of each item in bytes; None if that is not known beforehand. Raises what `items` raises."""


@runtime_checkable
class Counting(Protocol):
    """A source that counts what becomes of its messages."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How many messages, by what became of them; the same mapping is always up to date."""


@runtime_checkable
class Checkable(Protocol):
    """A source, sink or state that can look whether it would work."""

    def check(self) -> str:
        """What was found to be in place, in a few words; nothing is moved. Raises TailraceError with the remedy."""


class DeadLetters(Protocol):
    """Where rejects and refusals go, so that nothing is lost; the receipt waits for it."""

    def write(self, item: Item, rejects: Sequence[Reject], start: int) -> None:
        """Keep rejects of one item. `start` names the commit by its offset; earlier letters of that name are replaced."""

    def refuse(self, item: Item, sink: str, refusals: Sequence[Refusal], start: int) -> None:
        """Keep what a sink refused of one item; likewise, by sink."""

    def flush(self) -> None:
        """Make durable what was written."""

    def abandon(self) -> None:
        """Forget what was written since the last flush."""

    def keep_only(self, item: Item, start: int) -> None:
        """Remove the letters of an item that is delivered again, but for those of the commit that has just begun it."""


class State(Protocol):
    """Receipts and leases: what has been delivered, and who is at work on what."""

    def receipts_of(self, item: Identity) -> Mapping[str, Receipt]:
        """The receipts of an item, by sink."""

    def files_of(self, item: Identity, sink: str) -> Sequence[str]:
        """The paths of the files that count for an item at a sink."""

    def etags(self, kind: str, container: str, key: str) -> Sequence[str]:
        """The versions of an object that have receipts, the latest first."""

    def commit(self, receipt: Receipt, files: Sequence[StoredFile], replaced: Sequence[str] = ()) -> None:
        """Write a receipt, and in the same transaction the files that it makes count and those that no longer do."""

    def claim(self, item: Identity, owner: str, seconds: float) -> bool:
        """Take the lease of an item for so long; False if another owner holds it."""

    def release(self, item: Identity, owner: str) -> None:
        """Give a lease back."""

    def receipts(self) -> Iterator[Receipt]:
        """All receipts, oldest first."""

    def close(self) -> None:
        """Let go of everything. May be called twice."""
