"""Control objects: receipts of their own, and nothing of them in any sink, whatever is in them."""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as some

from making import StillClock, alb
from tailrace.deadletters import DeadCount
from tailrace.homes import Home, Job
from tailrace.hosts.reading import parsers
from tailrace.keys import SMOKE, TEST, is_control
from tailrace.model import Identity, Item
from tailrace.receipts import Receipt, imbalances
from tailrace.retry import Patience
from tailrace.run import Outcome, deliver
from tailrace.settings import Retry, Settings
from tailrace.state.memory import MemoryState
from test_run import Shelf

LINES = alb("2026-09-23") * 3 + b"no log line\n\n# a header\n"
KEY = f"p/AWSLogs/123456789012/{SMOKE}4f"


class Unwatched:
    def reading(self, *, now: bool) -> None:
        pass

    def moved(self, item: Item, position: int, lines: int) -> None:
        pass


def carried(
    content: bytes, shelves: Sequence[Shelf], key: str = KEY, kind: str = "s3", **told: str
) -> tuple[Outcome, list[Receipt]]:
    clock = StillClock()
    state, dead = MemoryState(clock), DeadCount()
    settings = Settings(**told)  # type: ignore[arg-type]
    job = Job(
        parser=parsers(settings, print),
        patience=Patience(Retry(), clock, lambda _: True),
        clock=clock,
        checkpoint=64,
        again=False,
    )
    item = Item(Identity(kind, "logs", key, "1"), lambda: io.BytesIO(content), len(content), clock.now())
    outcome = deliver(item, [Home(state, dead, list(shelves))], job, Unwatched())
    return outcome, list(state.receipts_of(item.identity).values())


@pytest.mark.parametrize("kernel", ["native", "reference"])
@pytest.mark.parametrize("content", [LINES, LINES[:-1], gzip.compress(LINES), b"", b"# one line\n"])
def test_they_have_receipts_and_no_records(kernel: str, content: bytes) -> None:
    shelves = [Shelf(), Shelf(name="other", keeps_receipts=False)]
    outcome, receipts = carried(content, shelves, kernel=kernel)
    assert [shelf.kept for shelf in shelves] == [[], []]
    (receipt,) = receipts
    plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    assert (receipt.state, receipt.counts.records, receipt.dead_rejects) == ("complete", 0, 0)
    assert receipt.counts.lines == receipt.counts.control == len(plain.splitlines())
    assert not list(imbalances(receipt))
    assert outcome.status == "delivered"
    assert outcome.counts.rejects == 0


@pytest.mark.parametrize("kernel", ["native", "reference"])
def test_one_that_breaks_off_is_accounted_for(kernel: str) -> None:
    _outcome, (receipt,) = carried(gzip.compress(LINES * 50)[:-20], [Shelf()], kernel=kernel)
    assert receipt.truncated
    assert (receipt.state, receipt.counts.records) == ("complete", 0)
    assert not list(imbalances(receipt))


def test_a_format_that_is_told_makes_no_records_of_them() -> None:
    shelf = Shelf()
    carried(LINES, [shelf], format="alb")
    assert not shelf.kept


@pytest.mark.parametrize(
    ("kind", "key"),
    [("s3", "a/Tailrace"), ("s3", f"{SMOKE}1/a.log"), ("s3", f"a-{SMOKE}1"), ("cloudwatch", f"group/{SMOKE}1")],
)
def test_what_is_named_otherwise_is_carried(kind: str, key: str) -> None:
    shelf = Shelf()
    carried(alb("2026-09-23"), [shelf], key, kind)
    assert len(shelf.lines) == 1


def test_the_test_file_of_a_load_balancer_is_read_by_its_line() -> None:
    line = b"Enable AccessLog for ELB: shop at 2026-09-23T07:00:00.000Z"
    _outcome, (receipt,) = carried(line, [Shelf()], f"AWSLogs/1/{TEST}")
    assert (receipt.counts.lines, receipt.counts.control) == (1, 1)


def test_which_keys_are_control() -> None:
    assert is_control(KEY)
    assert is_control("AWSLogs/123456789012/ELBAccessLogTestFile")
    assert not is_control(f"{SMOKE}/x")


@given(some.binary(max_size=400), some.integers(min_value=1, max_value=64))
def test_every_line_is_counted_once(content: bytes, size: int) -> None:
    class Trickle(io.BytesIO):
        def read(self, number: int | None = -1) -> bytes:
            return super().read(size if number is None or number < 0 else min(size, number))

    if content[:2] == b"\x1f\x8b":
        return
    clock = StillClock()
    state = MemoryState(clock)
    job = Job(
        parser=parsers(Settings(kernel="reference"), print),
        patience=Patience(Retry(), clock, lambda _: True),
        clock=clock,
        checkpoint=32,
        again=False,
    )
    item = Item(Identity("s3", "logs", KEY, "1"), lambda: Trickle(content), len(content), clock.now())
    deliver(item, [Home(state, DeadCount(), [Shelf()])], job, Unwatched())
    (receipt,) = state.receipts_of(item.identity).values()
    whole = content.count(b"\n") + (content[-1:] not in (b"", b"\n"))
    assert (receipt.counts.lines, receipt.counts.control, receipt.offset) == (whole, whole, len(content))
