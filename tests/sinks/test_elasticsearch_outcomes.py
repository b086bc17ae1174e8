"""Whatever a server says in whatever order: in the end every record is accepted, there already, or refused, and once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from making import alb, batch, item
from searching import delivered, workers
from services.strict_bulk import AWAY, BROKEN, BUSY, EXISTS, LOST, RESET, UNFIT, Error, StrictBulk, Whole, refused
from tailrace.model import record_id


@dataclass
class Fate:
    """What a server says of a record: it has to wait so often, and then this."""

    waits: list[Error]
    final: str


FATES = st.builds(
    Fate,
    st.lists(st.sampled_from([BUSY, AWAY, BROKEN]), max_size=2),
    st.sampled_from(["taken", "taken", "there", "unfit"]),
)
FAULTS = st.lists(
    st.sampled_from(
        [None, None, RESET, LOST, refused(429), refused(502), refused(503), Whole(200, {}, b'{"errors":false}')]
    ),
    max_size=8,
)
BATCHES = st.lists(st.lists(FATES, max_size=7), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=BATCHES, faults=FAULTS, size=st.sampled_from([1, 3000, 9000, 1 << 20]),
    limit=st.sampled_from([2500, 6000, 1 << 20]), ids=st.booleans(),
)  # fmt: skip
def test_every_record_has_exactly_one_outcome(
    search: StrictBulk, batches: list[list[Fate]], faults: list[Whole | None], size: int, limit: int, *, ids: bool
) -> None:
    search.reset()
    search.instead, search.limit, search.ids = list(faults), limit, ids
    of, fates, made, at = item(), {}, [], 0
    for each in batches:
        lines = [alb("2026-09-23", number) for number in range(len(each))]
        made.append((b"".join(lines), at))
        for line, fate in zip(lines, each, strict=True):
            fates[record_id(of.identity.token, at)] = (at, fate)
            at += len(line)
    by_url = {fate_id: (offset, fate) for fate_id, (offset, fate) in fates.items()}
    if ids:
        for id_, (_, fate) in fates.items():
            if fate.final == "there":
                search.documents["x", id_] = {}
    search.judge = lambda _index, id_, _document: _judged(by_url[id_][1]) if id_ else None
    sink = workers(f"{search.url}/x", batch_bytes=size)()
    flushed = delivered(sink, of, *(batch(content, of, offset) for content, offset in made))
    sink.close()
    if not ids:
        lost = len(search.documents) - len(fates)
        assert lost >= 0, "without ids there may be doubles, but nothing is lost"
        assert (flushed.already, flushed.refusals) == (0, [])
        return
    finals = Counter(fate.final for _, fate in fates.values())
    assert sorted(refusal.offset for refusal in flushed.refusals) == sorted(
        offset for offset, fate in fates.values() if fate.final == "unfit"
    )
    assert search.ids_in("x") == {id_ for id_, (_, fate) in fates.items() if fate.final != "unfit"}
    accepted = len(fates) - flushed.already - len(flushed.refusals)
    assert finals["there"] <= flushed.already <= finals["there"] + finals["taken"], "also those whose answer was lost"
    assert accepted <= finals["taken"]
    if LOST not in faults and not any(fault and fault.status == 200 for fault in faults):
        assert (accepted, flushed.already) == (finals["taken"], finals["there"])


def _judged(fate: Fate) -> Error | None:
    if fate.waits:
        return fate.waits.pop()
    return {"taken": None, "there": EXISTS, "unfit": UNFIT}[fate.final]
