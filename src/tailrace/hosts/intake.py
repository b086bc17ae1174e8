"""How items come to the workers: one source after the other, or all at once as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from queue import Empty, Full, Queue
from threading import Event, Lock, Thread
from typing import Final, Protocol

from tailrace.errors import SourceError
from tailrace.model import Item
from tailrace.ports import Source

_POLL_S: Final = 0.1
_LONGEST_POLL_S: Final = 25.0
"""A source that is asked at its queue when the stop comes has an answer by then."""

Found = tuple[Source, Item]


class Intake(Protocol):
    """Gives items to workers; any thread may ask."""

    def next(self) -> Found | None:
        """The next item and where it comes from; None if there are no more. Raises what a source raises."""

    def done(self, item: Item) -> None:
        """The work on an item has ended."""

    def close(self) -> None:
        """Let go of the sources; the run's stop has been set."""


class OneByOne:
    """One source after the other, each item once: sources may overlap."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._found = _each_once(sources)
        self._lock = Lock()

    def next(self) -> Found | None:
        """The next item."""
        with self._lock:
            return next(self._found, None)

    def done(self, item: Item) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Let go of the sources."""
        for source in self._sources:
            source.close()


def _each_once(sources: Sequence[Source]) -> Iterator[Found]:
    seen = set[bytes]()
    for source in sources:
        for item in source.items():
            if len(sources) > 1:  # one source alone gives each item once
                token = blake2b(item.identity.token, digest_size=16).digest()
                if token in seen:
                    continue
                seen.add(token)
            yield source, item


class AsTheyCome:
    """All sources at once, each asked by a thread of its own, until they end or the stop comes.

    A source is not asked for more before a worker has taken what it gave. Two messages may announce the same object: the
    second one is given back while the first one is under way.
    """

    def __init__(self, sources: Sequence[Source], stop: Event) -> None:
        self._sources, self._stop = sources, stop
        self._waiting = Queue[Found](maxsize=1)
        self._active = set[bytes]()
        self._lock = Lock()
        self._failure: BaseException | None = None
        self._feeders = [Thread(target=self._feed, args=(source,), daemon=True) for source in sources]
        for feeder in self._feeders:
            feeder.start()

    def next(self) -> Found | None:
        """The next item; None after the stop."""
        while not self._stop.is_set():
            if self._failure:
                raise self._failure
            ended = not any(feeder.is_alive() for feeder in self._feeders)
            try:
                source, item = self._waiting.get(timeout=_POLL_S)
            except Empty:
                if ended:
                    return None
                continue
            if self._is_first(item):
                return source, item
            source.nack(item, SourceError(f"{item.identity.name} is being delivered already"))
        return None

    def _is_first(self, item: Item) -> bool:
        with self._lock:
            is_first = item.identity.token not in self._active
            self._active.add(item.identity.token)
            return is_first

    def done(self, item: Item) -> None:
        """Let the same object be announced again."""
        with self._lock:
            self._active.discard(item.identity.token)

    def _feed(self, source: Source) -> None:
        try:
            for item in source.items():
                if not self._handed_over(source, item):
                    return
        except BaseException as error:  # noqa: BLE001 - a worker raises it
            self._failure = self._failure or error

    def _handed_over(self, source: Source, item: Item) -> bool:
        while not self._stop.is_set():
            try:
                self._waiting.put((source, item), timeout=_POLL_S)
            except Full:
                continue
            return True
        return False

    def close(self) -> None:
        """Wait until no source is being asked any more, then let go of them: they give back what nobody took."""
        for feeder in self._feeders:
            feeder.join(_LONGEST_POLL_S)
        for source in self._sources:
            source.close()
