"""A sink that sees records through a view, and dead letters that show nothing of what a view hides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tailrace.model import Batch, Flushed, Item, Refusal, Reject, Rendering, View
from tailrace.ports import DeadLetters, Sink
from tailrace.transforms.rejects import redacted


@dataclass(slots=True)
class _Passed:
    """Records that passed the sink by since the last flush."""

    filtered: int = 0
    elsewhere: int = 0
    counted: int = 0


class Seen:
    """A sink through a view; what the view keeps out is told with each flush."""

    def __init__(self, sink: Sink, view: View) -> None:
        self._sink, self.view = sink, view
        self._passed = _Passed()
        self.name = f"{sink.name}+{view.digest}" if view.digest else sink.name
        self.keeps_receipts = sink.keeps_receipts
        self.rendering: Rendering | None = replace(sink.rendering, view=view) if sink.rendering else None

    def write(self, item: Item, batch: Batch, part: int) -> None:
        """Offer the records that the view shows. Raises what the sink raises."""
        shown = batch.records.select(self.view)
        self._sink.write(item, replace(batch, records=shown), part)
        filtered = 0 if self.view.counted else shown.filtered
        self._passed.filtered += filtered
        self._passed.elsewhere += len(batch.records) - len(shown) - filtered
        self._passed.counted += shown.filtered - filtered

    def flush(self) -> Flushed:
        """Make durable what was written. Raises what the sink raises."""
        flushed = self._sink.flush()
        passed, self._passed = self._passed, _Passed()
        return replace(flushed, filtered=passed.filtered, elsewhere=passed.elsewhere, counted=passed.counted)

    def abandon(self) -> None:
        """Forget what was written since the last flush."""
        self._passed = _Passed()
        self._sink.abandon()

    def check(self) -> str:
        """Whether the sink would work. Raises TailraceError."""
        looks = getattr(self._sink, "check", None)
        return looks() if looks else "its settings can be used"

    def close(self) -> None:
        """Let go of everything."""
        self._sink.close()


class Discreet:
    """Dead letters that keep the structure of a reject and none of its text: the fields in it are not known."""

    def __init__(self, dead: DeadLetters) -> None:
        self._dead = dead

    def write(self, item: Item, rejects: Sequence[Reject], start: int) -> None:
        """Keep the structure of rejects."""
        self._dead.write(item, [redacted(reject) for reject in rejects], start)

    def refuse(self, item: Item, sink: str, refusals: Sequence[Refusal], start: int) -> None:
        """Keep what a sink refused, as the sink has seen it."""
        self._dead.refuse(item, sink, refusals, start)

    def flush(self) -> None:
        """Make durable what was written."""
        self._dead.flush()

    def abandon(self) -> None:
        """Forget what was written since the last flush."""
        self._dead.abandon()

    def keep_only(self, item: Item, start: int) -> None:
        """Remove the letters of an item that is delivered again, but for those of one commit."""
        self._dead.keep_only(item, start)
