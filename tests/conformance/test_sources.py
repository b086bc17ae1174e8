"""What every source promises, with real things to read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any, get_type_hints

import pytest

from breaking import read
from entries import HIDDEN, Servers, is_sentence, only
from giving import ABLE, ENTRIES, Entry
from tailrace.errors import Gone, SourceError, TailraceError
from tailrace.model import Item
from tailrace.ports import Checkable, Source
from tailrace.quantities import Secret
from tailrace.registry import sources

TIMEOUT_S = 20


@pytest.fixture(params=list(ENTRIES))
def entry(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Entry]:
    with ENTRIES[request.param](servers, tmp_path) as made:
        yield made


@dataclass
class Reader:
    """A source whose items are asked for by a thread of its own, as a run does it."""

    source: Source
    stop: Event
    found: Queue[Item | Exception | None] = field(default_factory=Queue)

    def __post_init__(self) -> None:
        self.thread = Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        try:
            for each in self.source.items():
                if not self._is_mark(each):
                    self.found.put(each)
        except Exception as error:  # noqa: BLE001 - the test raises it
            self.found.put(error)
        else:
            self.found.put(None)

    def next(self) -> Item:
        found = self.found.get(timeout=TIMEOUT_S)
        if isinstance(found, Exception):
            raise found
        assert found, "there are no more items"
        return found

    def _is_mark(self, item: Item) -> bool:
        """Whether an item is empty, and only tells how far all is delivered; it is done with then."""
        if empty := item.size == 0:
            self.source.ack(item)
        return empty

    def take(self, number: int) -> list[Item]:
        return [self.next() for _ in range(number)]

    def nothing(self, seconds: float = 0.5) -> bool:
        """Whether no item comes for some time."""
        try:
            return self.found.get(timeout=seconds) is None
        except Empty:
            return True

    def ended(self) -> bool:
        """Whether its items come to an end once it is to stop, in the time that a stop may take."""
        self.stop.set()
        self.thread.join(TIMEOUT_S)
        return not self.thread.is_alive()

    def close(self) -> None:
        assert self.ended()
        self.source.close()
        self.source.close()


Opening = Callable[..., Reader]


@pytest.fixture
def to(entry: Entry) -> Iterator[Opening]:
    """Opens readers of an entry, which are closed in the end."""
    with ExitStack() as closing:

        def opened(**own: Any) -> Reader:
            stop = Event()
            made = Reader(entry.opened(stop, **own), stop)
            closing.callback(made.close)
            return made

        yield opened


def filled(entry: Entry) -> dict[bytes, str]:
    """Put something there; the names by contents."""
    contents = {f"line {number} of {name}\n".encode(): name for number, name in enumerate(entry.names)}
    for content, name in contents.items():
        entry.put(name, content)
    return contents


def test_every_kind_is_tested() -> None:
    assert {name.partition(" ")[0] for name in ENTRIES} == set(sources()), "a new source needs an entry in giving.py"


def test_what_it_has_is_tested(entry: Entry, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.params["entry"]
    found = {what for what in ABLE if getattr(entry, what)}
    assert found == {what for what, names in ABLE.items() if name in names}, "ABLE tells which tests there are for it"


def test_what_is_there_comes_whatever_it_is_called(entry: Entry, to: Opening) -> None:
    contents = filled(entry)
    reader = to()
    items = reader.take(len(contents))
    assert {read(item): entry.name_of(item) for item in items} == contents
    assert len({item.identity.token for item in items}) == len(items)
    for item in items:
        assert item.size in (None, len(read_again(entry, item)))
        reader.source.ack(item)
    assert reader.nothing()


def read_again(entry: Entry, item: Item) -> bytes:
    """Its content once more, where that is possible; else it is an error, and not an item of nothing."""
    if entry.rereads:
        return read(item)
    with pytest.raises(SourceError, match="only once"):
        item.open()
    return b""


@only(ABLE["rereads"])
def test_an_item_is_opened_again_from_its_start(entry: Entry, to: Opening) -> None:
    entry.put(entry.names[0], b"a line\nanother\n")
    reader = to()
    item = reader.next()
    with item.open() as first:
        assert first.read(3) == b"a l"
        assert read(item) == b"a line\nanother\n"
    assert read(item) == b"a line\nanother\n"
    reader.source.ack(item)


def test_an_item_is_the_same_when_it_comes_again(entry: Entry, to: Opening) -> None:
    contents = filled(entry)
    found = []
    for _ in range(2):
        reader = to()
        items = reader.take(len(contents))
        found.append(sorted(item.identity.token for item in items))
        reader.close()
    assert (found[0] == found[1]) == all(item.durable for item in items)


@only(ABLE["hands_out"])
def test_what_is_acknowledged_never_comes_again(entry: Entry, to: Opening) -> None:
    contents = filled(entry)
    reader = to()
    items = reader.take(len(contents))
    kept = reader_key(items[0])
    for item in items[1:]:
        reader.source.ack(item)
    reader.close()
    other = to()
    again = other.next()
    assert reader_key(again) == kept, "what nobody acknowledged was given back"
    assert other.nothing()
    other.source.ack(again)
    other.close()
    assert to().nothing()


def reader_key(item: Item) -> tuple[str, str]:
    return item.identity.container, item.identity.key


@only(ABLE["endless"])
def test_what_is_not_delivered_comes_again(entry: Entry, to: Opening) -> None:
    """In this process or in another one."""
    contents = filled(entry)
    reader = to()
    items = {read(item): item for item in reader.take(len(contents))}
    first = min(items)
    reader.source.nack(items.pop(first), SourceError("the sink is busy"))
    for item in items.values():
        reader.source.ack(item)
    again = reader.next()
    assert read(again) == first
    reader.source.nack(again, SourceError("the sink is busy"))
    again = reader.next()
    assert read(again) == first
    reader.source.ack(again)
    assert reader.nothing()


def test_what_is_settled_twice_or_after_the_end_does_no_harm(entry: Entry, to: Opening) -> None:
    """A message of several items, a worker that is late: what is not in hand any more is nobody's."""
    contents = filled(entry)
    reader = to()
    items = reader.take(len(contents))
    for item in items:
        reader.source.ack(item)
        reader.source.ack(item)
        reader.source.nack(item, SourceError("too late"))
    reader.close()
    for item in items:
        reader.source.ack(item)
        reader.source.nack(item, SourceError("too late"))
    if entry.hands_out:
        assert to().nothing()


@only(ABLE["endless"])
def test_a_stop_ends_the_items(entry: Entry, to: Opening) -> None:
    """Also while something is in hand, and without anything being there."""
    idle = to()
    assert idle.ended()
    idle.close()
    filled(entry)
    reader = to()
    reader.next()
    assert reader.ended()


def test_it_may_be_closed_twice_and_at_any_time(entry: Entry) -> None:
    for begun in (False, True):
        filled(entry)
        stop = Event()
        source = entry.opened(stop)
        if begun:
            items = source.items()
            next(items)
            stop.set()
        source.close()
        source.close()


@only(ABLE["remove"])
def test_what_was_removed_meanwhile_is_gone(entry: Entry, to: Opening) -> None:
    assert entry.remove
    entry.put(entry.names[0], b"a line\n")
    reader = to()
    item = reader.next()
    entry.remove(entry.names[0])
    with pytest.raises(Gone) as caught:
        item.open()
    is_sentence(str(caught.value))
    reader.source.ack(item)
    if entry.hands_out:
        assert reader.nothing()


def test_a_check_says_something_and_moves_nothing(entry: Entry, to: Opening) -> None:
    contents = filled(entry)
    stop = Event()
    source = entry.opened(stop)
    before = entry.waiting()
    for _ in range(2):
        if isinstance(source, Checkable):
            is_sentence(f"this source says: {source.check()}")
        assert entry.waiting() == before
    source.close()
    assert entry.waiting() == before
    reader = to()
    assert {read(reader.next()) for _ in contents} == set(contents)


def test_a_source_that_was_checked_gives_its_items(entry: Entry) -> None:
    filled(entry)
    stop = Event()
    source = entry.opened(stop)
    if isinstance(source, Checkable):
        source.check()
    reader = Reader(source, stop)
    reader.next()
    reader.close()


def test_what_cannot_work_is_told_in_a_sentence(entry: Entry) -> None:
    for made in entry.broken.values():
        for asked in ("items", "check"):
            with pytest.raises(TailraceError) as caught:
                _tried(made, asked)
            is_sentence(str(caught.value))


def _tried(made: Callable[[], Source], asked: str) -> None:
    source = made()
    try:
        if asked == "check":
            assert isinstance(source, Checkable)
            source.check()
        else:
            next(source.items())
    finally:
        source.close()
        source.close()


def test_it_shows_no_secret(entry: Entry) -> None:
    hints = get_type_hints(sources()[entry.kind].settings)
    secret = {name for name, type_ in hints.items() if type_ is Secret}
    assert {name for own in entry.secret for name in own} == secret, "a setting that is secret needs an example"
    for own in entry.secret:
        source = entry.opened(Event(), **own)
        parts = [value for value in vars(source).values() if not isinstance(value, str)]
        assert HIDDEN not in " ".join(map(repr, [source, *parts]))
        source.close()
