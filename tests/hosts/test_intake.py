"""Items come one source after the other, or from all as they come; none is lost, none carried twice at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from queue import Queue
from threading import Event, Thread

import pytest

from making import item
from tailrace.errors import Fatal
from tailrace.hosts.intake import AsTheyCome, Found, OneByOne
from tailrace.model import Item

TIMEOUT_S = 30


@dataclass
class Belt:
    """A source that gives what is put on it, until the stop."""

    stop: Event
    offered: Queue[Item | Exception] = field(default_factory=Queue)
    asked: int = 0
    given_back: list[str] = field(default_factory=list)
    closed: int = 0

    def items(self) -> Iterator[Item]:
        while not self.stop.is_set():
            if self.offered.empty():
                self.stop.wait(0.01)
                continue
            found = self.offered.get()
            if isinstance(found, Exception):
                raise found
            self.asked += 1
            yield found

    def ack(self, item: Item) -> None:
        pass

    def nack(self, item: Item, error: Exception) -> None:
        self.given_back.append(f"{item.identity.key}: {error}")

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def stop() -> Iterator[Event]:
    made = Event()
    yield made
    made.set()


def taken(intake: AsTheyCome, number: int) -> list[str]:
    """The keys of the next items."""
    return [found[1].identity.key for _ in range(number) if (found := next_of(intake))]


def next_of(intake: AsTheyCome) -> Found | None:
    """The next item, if it comes in time."""
    found: list[Found | None] = []
    asking = Thread(target=lambda: found.append(intake.next()), daemon=True)
    asking.start()
    asking.join(TIMEOUT_S)
    assert found, "nothing came"
    return found[0]


def keys(source: Sequence[str]) -> list[Item]:
    return [item(key) for key in source]


def test_sources_that_wait_do_not_hold_up_the_others(stop: Event) -> None:
    idle, busy = Belt(stop), Belt(stop)
    intake = AsTheyCome([idle, busy], stop)
    for each in keys("abc"):
        busy.offered.put(each)
    assert taken(intake, 3) == ["a", "b", "c"]
    idle.offered.put(item("d"))
    assert taken(intake, 1) == ["d"]


def test_a_source_is_not_asked_for_more_than_somebody_takes(stop: Event) -> None:
    source = Belt(stop)
    for each in keys("abcdefgh"):
        source.offered.put(each)
    intake = AsTheyCome([source], stop)
    assert taken(intake, 1) == ["a"]
    stop.wait(0.3)
    assert source.asked <= 3  # one taken, one in the hatch, one in hand


def test_an_object_that_is_under_way_is_given_back(stop: Event) -> None:
    source = Belt(stop)
    for each in keys(["a", "a", "b"]):
        source.offered.put(each)
    intake = AsTheyCome([source], stop)
    assert taken(intake, 2) == ["a", "b"]
    assert source.given_back == ["a: /logs/a is being delivered already"]
    intake.done(item("a"))
    source.offered.put(item("a"))
    assert taken(intake, 1) == ["a"]


def test_the_stop_ends_it_and_the_sources_are_closed(stop: Event) -> None:
    source = Belt(stop)
    intake = AsTheyCome([source], stop)
    stop.set()
    assert next_of(intake) is None
    intake.close()
    assert source.closed == 1


def test_sources_with_an_end_end_it_when_all_is_taken() -> None:
    stop = Event()
    intake = AsTheyCome([OfList(keys("ab")), OfList(keys("c"))], stop)
    assert sorted(taken(intake, 3)) == ["a", "b", "c"]
    assert next_of(intake) is None


def test_a_source_that_cannot_be_used_ends_it(stop: Event) -> None:
    source = Belt(stop)
    intake = AsTheyCome([Belt(stop), source], stop)
    source.offered.put(Fatal("access is denied"))
    stop.wait(0.2)
    with pytest.raises(Fatal, match="access is denied"):
        intake.next()


@dataclass
class OfList:
    """A source with an end."""

    listed: Sequence[Item]

    def items(self) -> Iterator[Item]:
        yield from self.listed

    def ack(self, item: Item) -> None:
        pass

    def nack(self, item: Item, error: Exception) -> None:
        pass

    def close(self) -> None:
        pass


def test_one_after_the_other_gives_each_item_once() -> None:
    intake = OneByOne([OfList(keys("ab")), OfList(keys("bc"))])
    found = [each[1].identity.key for each in iter(intake.next, None) if each]
    assert found == ["a", "b", "c"]
