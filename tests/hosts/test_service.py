"""What the worker that stays tells of single objects."""

from __future__ import annotations

from dataclasses import replace

import pytest

from making import StillClock, item
from tailrace.hosts.service import Watching
from tailrace.metrics import Tally
from tailrace.run import Outcome


@pytest.mark.parametrize(("kept", "durable"), [(True, True), (True, False), (False, True)])
def test_a_receipt_is_spoken_of_only_where_there_is_one(clock: StillClock, *, kept: bool, durable: bool) -> None:
    told: list[str] = []
    of = replace(item(), durable=durable)
    Watching(Tally(), clock, told.append, kept=kept).ended(of, Outcome("gone"), None)
    receipt = "; its receipt says so" if kept and durable else ""
    assert told == [f"warning: {of.identity.name} does not exist, or was replaced{receipt}"]
