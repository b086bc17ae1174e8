"""Delivers items to a store until it is killed: run by test_crash with the store's folder.

When and how it is killed, `killing` tells.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from killing import serve
from making import alb, batch, item, receipt
from tailrace.clock import SystemClock
from tailrace.model import Batch, Item
from tailrace.store.opening import open_store

ITEMS = 120
PARTS = 2
LINES = 6
DAYS = ("2026-09-23", "2026-09-24")
SPAN = 1 << 20
"""Where the second part begins, as if the first were so long."""


def content(number: int, part: int) -> bytes:
    """Lines of two days and one reject; the same each time."""
    lines = [alb(DAYS[line % 2], number * 100 + part * 10 + line) for line in range(LINES)]
    return b"".join(lines) + b"no log line\n"


def parts(of: Item, number: int) -> list[Batch]:
    """The item's records, one batch for each commit; as if it were two items, so that no id comes twice."""
    return [batch(content(number, part), item(of.identity.key, f"part{part}")) for part in range(PARTS)]


def deliver(directory: Path) -> None:
    """What the loop does, for items that are not delivered yet, from where they were interrupted."""
    with open_store(directory, SystemClock()) as store:
        sink, dead = store.sink(), store.dead_letters()
        for number in range(ITEMS):
            of = item(str(number))
            assert store.state.claim(of.identity, str(os.getpid()), 3600)
            kept = store.state.receipts_of(of.identity).get(sink.name)
            batches = parts(of, number)
            for part in range(kept.parts if kept else 0, PARTS):
                sink.write(of, batches[part], part)
                moved = [replace(reject, offset=reject.offset + part * SPAN) for reject in batches[part].rejects]
                dead.write(of, moved, part * SPAN)
                files = sink.flush().files
                dead.flush()
                state = "complete" if part == PARTS - 1 else "partial"
                account = receipt(of, sink.name, batches[: part + 1], finished=float(number))
                store.state.commit(replace(account, state=state, parts=part + 1, offset=(part + 1) * SPAN), files)
            store.state.release(of.identity, str(os.getpid()))


def main() -> None:
    """Kill, again and again."""
    directory = Path(sys.argv[1])
    batch(alb(DAYS[0]))  # everything that takes time to load is loaded before the first child
    serve(partial(deliver, directory))


if __name__ == "__main__":
    main()
