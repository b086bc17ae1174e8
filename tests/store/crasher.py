"""Delivers items to a store until it is killed: run by test_crash with the store's folder.

For each line on its standard input, a number of seconds, it starts a child that delivers and kills it after so long
by SIGKILL; with `-` it lets the child finish. It answers each line with the child's exit status.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

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
    for line in sys.stdin:
        child = os.fork()
        if not child:
            deliver(directory)
            os._exit(0)
        if line.strip() != "-":
            time.sleep(float(line))
            os.kill(child, signal.SIGKILL)
        print(os.waitpid(child, 0)[1], flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
