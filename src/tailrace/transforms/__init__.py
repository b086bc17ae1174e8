"""Transforms: what a sink is to see of records, from its settings to the view that the kernel carries out."""

from __future__ import annotations

from tailrace.transforms.rejects import redacted
from tailrace.transforms.seen import Discreet, Seen
from tailrace.transforms.settings import Transforms, split
from tailrace.transforms.views import view_of

__all__ = ["Discreet", "Seen", "Transforms", "redacted", "split", "view_of"]
