"""Dead letters in any sink: every byte comes back, receipts wait for them, and what is refused there is never lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from making import StillClock, alb, item
from tailrace.deadsink import DeadSink, LetterRecords, T
from tailrace.errors import Retryable, SourceError
from tailrace.homes import Home, Job
from tailrace.hosts.reading import parsers
from tailrace.letters import Letter, decoded, encoded, of_refusal, of_reject
from tailrace.model import Batch, Condition, Flushed, Identity, Item, Refusal, Reject, Rendering, View, record_id
from tailrace.receipts import imbalances
from tailrace.retry import Patience
from tailrace.run import deliver
from tailrace.settings import Retry, Settings
from tailrace.state.memory import MemoryState
from test_deadletters import reject
from test_run import Shelf, Watcher
from test_run import item as filled

ITEM = item()
BYTES = st.binary() | st.text().map(str.encode)
NAME = st.binary().map(lambda name: name.decode("utf-8", "surrogateescape"))
LETTERS = st.builds(
    Letter,
    item=st.builds(Identity, st.just("s3"), NAME, NAME, st.text(max_size=8)), offset=st.integers(0, 1 << 50),
    reason=st.sampled_from(["no_match", "too_old"]), payload=BYTES, length=st.integers(0, 1 << 30), sha256=st.text(),
    lines=st.just(0), sink=st.sampled_from(["cloudwatch:a", "cloudwatch:b"]), detail=st.text(),
    modified=st.none() | st.floats(-1e9, 1e11),
)  # fmt: skip


@dataclass
class Post:
    """A sink for letters: keeps lines when it is flushed, takes them again after abandoning, refuses as it is told to."""

    name: str = "post"
    keeps_receipts: bool = True
    rendering: Rendering | None = None
    kept: list[tuple[str, int, bytes]] = field(default_factory=list)
    open: list[tuple[str, int, bytes]] = field(default_factory=list)
    busy: int = 0
    refuses: int = 0
    calls: int = 0

    def write(self, of: Item, batch: Batch, part: int) -> None:
        self.calls += 1
        if self.busy:
            self.busy -= 1
            raise Retryable("busy")
        lines = bytes(batch.records.ndjson(ids=True)).splitlines()
        assert len(lines) == len(batch.records) == batch.counts.records
        self.open += [(of.identity.key, part, line) for line in lines]

    def flush(self) -> Flushed:
        if self.busy:
            self.busy -= 1
            raise Retryable("busy")
        refusals = [Refusal(0, "mapping", line) for _key, _part, line in self.open[: self.refuses]]
        self.kept += self.open[self.refuses :]
        self.open = []
        return Flushed(refusals=refusals)

    def abandon(self) -> None:
        self.open = []

    def close(self) -> None:
        pass

    @property
    def letters(self) -> list[Letter]:
        return [decoded(line) for _key, _part, line in self.kept]


def once(call: Callable[[], T], /) -> T:
    return call()


def twice(call: Callable[[], T], /) -> T:
    try:
        return call()
    except Retryable:
        return call()


@given(st.lists(LETTERS, min_size=1, max_size=4), st.booleans(), st.sampled_from(["aws", "ecs", "otel"]))
def test_a_letter_comes_back_whole_in_every_form(letters: list[Letter], ids: bool, schema: str) -> None:  # noqa: FBT001
    records = LetterRecords(letters, 1_790_000_000.5)
    lines = bytes(records.ndjson(schema, ids=ids)).splitlines()
    assert [decoded(line) for line in lines] == letters
    raw = records.raw()
    assert [
        decoded(bytes(raw.data[begin:end])) for begin, end in zip([0, *raw.ends], raw.ends, strict=False)
    ] == letters
    assert list(raw.times) == [1_790_000_000_500] * len(letters)
    assert list(raw.offsets) == [letter.offset for letter in letters]
    assert [decoded(encoded(letter)) for letter in letters] == letters


def test_a_line_names_its_time_and_its_own_id() -> None:
    letter = of_refusal(ITEM.identity, "es", Refusal(7, "mapping", b"x", "no date"), 12.5)
    (line,) = LetterRecords([letter], 1_790_000_000.0).ndjson("ecs", ids=True).splitlines()
    assert line.startswith(b'{"_id":"')
    told = json.loads(line)
    assert (told["@timestamp"], told["event.dataset"]) == ("2026-09-21T14:13:20.000Z", "dead_letter")
    assert told["_id"] != record_id(ITEM.identity.token, 7)
    other = replace(letter, sink="another")
    assert json.loads(LetterRecords([other], 0).ndjson(ids=True))["_id"] != told["_id"]
    assert "_id" not in json.loads(LetterRecords([other], 0).ndjson())
    mere = of_reject(ITEM.identity, reject(b"x", 7))
    assert mere.id == record_id(ITEM.identity.token, 7)


def test_no_view_keeps_a_letter_out() -> None:
    letter = of_reject(ITEM.identity, reject(b"x", 7))
    view = View(formats=("alb",), include=((Condition("elb", "present"),),), constants=(("team", '"web"'),))
    shown = LetterRecords([letter], 0).select(view)
    assert (len(shown), shown.mask, shown.filtered) == (1, b"\x01", 0)
    told = json.loads(shown.ndjson())
    assert (told["team"], told["payload"]) == ("web", "x")


def test_columns_hold_what_the_object_holds() -> None:
    letters = [
        of_reject(ITEM.identity, reject(b"\xff", 1)),
        of_refusal(ITEM.identity, "es", Refusal(7, "mapping", b"x", "no date"), 12.5),
    ]
    records = LetterRecords(letters, 1_790_000_000.0)
    assert records.partitions() == [("dead_letter", "2026-09-21", 2)]
    rows = pa.record_batch(records.columns("dead_letter", "2026-09-21")).to_pylist()
    assert [row["_id"] for row in rows] == [letter.id for letter in letters]
    assert [(row["payload"], row["payload_base64"], row["lines"], row["sink"]) for row in rows] == [
        (None, "/w==", 1, None),
        ("x", None, None, "es"),
    ]
    assert (rows[1]["key"], rows[1]["offset"], rows[1]["modified"], rows[1]["detail"]) == ("a.log", 7, 12.5, "no date")
    assert rows[0]["time"].isoformat() == "2026-09-21T14:13:20+00:00"


def test_what_each_sink_refused_is_as_if_of_another_item(clock: StillClock) -> None:
    """Names follow from items and offsets: what one sink refused must not overwrite what another one did."""
    identities = []

    class Named(Post):
        def write(self, of: Item, batch: Batch, part: int) -> None:
            assert not self.open or identities[-1] == of.identity, "flush before the next item"
            identities.append(of.identity)
            super().write(of, batch, part)

    post = Named()
    for sink in ("es", "other"):
        dead = DeadSink(post, clock, once)
        dead.write(ITEM, [reject(b"one")], 3)
        dead.refuse(ITEM, sink, [Refusal(9, "mapping", b"three")], 3)
        dead.flush()
    assert identities[0] == identities[2] == ITEM.identity
    assert len(set(identities)) == 3
    assert {letter.item for letter in post.letters} == {ITEM.identity}


def test_letters_are_there_after_the_flush_under_the_commit(clock: StillClock) -> None:
    post = Post()
    dead = DeadSink(post, clock, once)
    dead.write(ITEM, [reject(b"one"), reject(b"two", 4)], 3)
    dead.write(ITEM, [], 3)
    assert not post.kept
    dead.refuse(ITEM, "es", [Refusal(9, "mapping", b"three")], 3)
    dead.flush()
    assert [letter.payload for letter in post.letters] == [b"one", b"two", b"three"]
    assert {(key, part) for key, part, _line in post.kept} == {("a.log", 3)}
    dead.flush()
    dead.keep_only(ITEM, 0)
    assert len(post.kept) == 3


def test_many_letters_travel_in_several_batches(clock: StillClock) -> None:
    post = Post()
    dead = DeadSink(post, clock, once)
    dead.write(ITEM, [reject(b"x", number) for number in range(1201)], 0)
    dead.write(ITEM, [reject(b"x" * 65536, 2000 + number) for number in range(8)], 0)
    dead.flush()
    assert [letter.offset for letter in post.letters] == [*range(1201), *range(2000, 2008)]
    assert post.calls == 3 + 2


def test_what_is_not_taken_at_once_is_offered_again(clock: StillClock) -> None:
    post = Post(busy=1)
    dead = DeadSink(post, clock, twice)
    dead.write(ITEM, [reject()], 0)
    post.busy = 1
    with pytest.raises(Retryable):
        dead.flush()
    dead.flush()
    assert len(post.kept) == 1


def test_abandoned_letters_are_forgotten(clock: StillClock) -> None:
    post = Post()
    dead = DeadSink(post, clock, once)
    dead.write(ITEM, [reject()], 0)
    dead.abandon()
    dead.flush()
    dead.write(item("b"), [reject()], 5)
    dead.flush()
    assert [(key, part) for key, part, _line in post.kept] == [("b", 5)]


def carried(post: Post, content: bytes, shelves: Iterable[Shelf], clock: StillClock) -> MemoryState:
    """A delivery whose dead letters go to the post."""
    state, of = MemoryState(clock), filled(content)
    patience = Patience(Retry(), clock, lambda seconds: bool(clock.sleep(seconds)), lambda: 1.0)
    job = Job(parser=parsers(Settings(), lambda _: None), patience=patience, clock=clock, checkpoint=1 << 30)
    deliver(of, [Home(state, DeadSink(post, clock, patience.trying), list(shelves))], job, Watcher())
    return state


def test_the_receipt_waits_for_the_letters(clock: StillClock) -> None:
    post = Post(busy=3)
    state = carried(post, alb("2026-09-23") + b"junk\n", [Shelf()], clock)
    (receipt,) = state.receipts()
    assert list(imbalances(receipt)) == []
    assert (receipt.state, receipt.dead_rejects, len(post.kept)) == ("complete", 1, 1)


@pytest.mark.parametrize(
    ("post", "error"), [(Post(refuses=1), "post refused 1 dead letters of .* \\(mapping\\); name another sink"),
                        (Post(busy=10**6), "busy")],
)  # fmt: skip
def test_letters_that_find_no_place_give_the_item_back(post: Post, error: str, clock: StillClock) -> None:
    state = MemoryState(clock)
    made = partial(carried, post, b"junk\n", [Shelf()], clock)
    with pytest.raises((SourceError, Retryable), match=error):
        made()
    assert list(state.receipts()) == []
    assert not post.open


def test_a_redaction_leaves_length_and_hash_of_what_was_there() -> None:
    whole = of_reject(ITEM.identity, reject(b"secret"))
    assert whole.is_whole
    hidden = of_reject(ITEM.identity, replace(reject(b"secret"), payload=b"******"))
    assert not hidden.is_whole
    assert not of_reject(ITEM.identity, Reject(0, 1, "no_match", b"x", 2, "")).is_whole
