"""Times of objects: slots aligned to the clock, whatever the clock does."""

from __future__ import annotations

import math
from typing import Final

from tailrace.loadbalancer.model import Slot

PATIENCE_S: Final = 60.0
"""A clock that is set back by no more than this catches up with the slot that is open."""


def slot_at(now: float, interval: float) -> Slot:
    """The slot of a moment."""
    start = math.floor(now / interval) * interval
    return Slot(start, start + interval)


def last_slot(now: float, interval: float) -> Slot:
    """The slot that has ended last."""
    start = slot_at(now, interval).start - interval
    return Slot(start, start + interval)


def is_open(slot: Slot, now: float) -> bool:
    """Whether lines that come now belong to a slot: not if it has ended, nor if the clock was set back so far that it would have to wait."""
    return slot.start - min(PATIENCE_S, slot.end - slot.start) <= now < slot.end


def shortened(slot: Slot, now: float, interval: float) -> Slot:
    """The slot with the end that it has when slots have another length from now on: never a later one."""
    end = slot_at(max(now, slot.start), interval).end
    return Slot(slot.start, min(slot.end, end))
