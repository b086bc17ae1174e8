"""How many requests are under way: fewer when a server pushes back, and more again when it does not."""

from __future__ import annotations

from threading import Barrier, Event, Thread

import pytest

from making import alb, batch, item
from searching import delivered, patiently, workers
from services.strict_bulk import BUSY, StrictBulk, refused
from tailrace.errors import Retryable
from tailrace.sinks._gate import Gate


def passed(gate: Gate, *, well: bool = True) -> None:
    with gate.passing(0) as entered:
        if well:
            gate.widen()
        else:
            gate.narrow(entered)


def test_it_is_halved_and_grows_by_one_for_each_round() -> None:
    gate = Gate(8)
    assert gate.limit == 8
    passed(gate, well=False)
    assert gate.limit == 4
    for limit in (4, 4, 4, 4, 5):
        passed(gate)
        assert gate.limit == limit
    for _ in range(100):
        passed(gate)
    assert gate.limit == 8, "never more than allowed"


def test_one_is_always_let_through() -> None:
    gate = Gate(3)
    for _ in range(10):
        passed(gate, well=False)
    assert gate.limit == 1
    passed(gate)
    assert gate.limit == 2


def test_requests_that_were_under_way_together_halve_it_once() -> None:
    gate = Gate(8)
    with gate.passing(0) as first, gate.passing(0) as second, gate.passing(0) as third:
        for entered in (first, second, third):
            gate.narrow(entered)
    assert gate.limit == 4
    passed(gate, well=False)
    assert gate.limit == 2


def test_those_who_find_no_room_wait_and_those_who_wait_in_vain_are_told() -> None:
    gate = Gate(1)
    with gate.passing(0), pytest.raises(Retryable, match="busy with the requests of other workers"), gate.passing(0):
        pass
    inside, leave = Event(), Event()

    def hold() -> None:
        with gate.passing(0):
            inside.set()
            leave.wait(10)

    holder = Thread(target=hold)
    holder.start()
    inside.wait(10)
    Thread(target=leave.set).start()
    with gate.passing(10):
        pass
    holder.join()


def test_an_error_inside_leaves_no_one_inside() -> None:
    gate = Gate(1)
    with pytest.raises(KeyError), gate.passing(0):
        raise KeyError
    passed(gate)


@pytest.mark.parametrize("most", [1, 2])
def test_workers_share_it(search: StrictBulk, most: int) -> None:
    made = workers(f"{search.url}/x", concurrency=most, batch_bytes="1B")
    search.instead = [refused(429), None, refused(503)]
    outcomes = [BUSY] * 3
    search.judge = lambda *_: outcomes.pop() if outcomes else None
    begin = Barrier(4)

    def work(number: int) -> None:
        sink = made()
        begin.wait(10)
        of = item(f"{number}.log")
        delivered(sink, of, *(batch(alb("2026-09-23", line), of) for line in range(3)))
        sink.close()

    threads = [Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert search.most_at_once <= most
    assert len(search.documents) == 4, "all lines of an item begin at its start here, so they are one record"


def test_a_server_that_pushes_back_is_asked_less(search: StrictBulk) -> None:
    made = workers(f"{search.url}/x", concurrency=8)
    sink = made()
    gate = sink._records._common.gate
    search.instead = [refused(429), refused(503)]
    sink.write(item(), batch(alb("2026-09-23")), 0)
    patiently(sink.flush)
    assert gate.limit == 2
    search.judge = lambda *_: BUSY
    sink.write(item("b.log"), batch(alb("2026-09-23"), item("b.log")), 0)
    with pytest.raises(Retryable):
        sink.flush()
    assert gate.limit == 1
    sink.close()
