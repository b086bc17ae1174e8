"""The reference twin as the fuzzer asks it: inputs on stdin, all that it tells of them on stdout.

An input is its length in four bytes and its bytes; so is an answer. What the bytes mean stands in
`kernel/fuzz/src/lib.rs`, which writes the same text from what the native kernel tells.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import astuple, replace
from itertools import pairwise

from fuzzing.plans import VIEWS, Way, ways
from tailrace.kernel import reference
from tailrace.kernel.names import SCHEMAS
from tailrace.model import Batch

WHOLE = 128
"""Smaller numbers are the size of the pieces; the others stand for 16 bytes each."""


def batches(known: list[Way], given: bytes) -> list[Batch]:
    """All batches that the twin makes of an input, as a view shows them."""
    (plan, item), step, flags = known[given[0] % len(known)], given[1], given[2]
    data = given[3:]
    step = (step if step < WHOLE else (step - WHOLE + 1) * 16) or max(len(data), 1)
    parser = reference.Parser(plan, item)
    told = [parser.feed(data[at : at + step]) for at in range(0, len(data), step)]
    view = VIEWS[(flags >> 3) % len(VIEWS)]
    all_told = [*told, parser.finish(truncated=bool(flags & 1))]
    return [replace(batch, records=batch.records.select(view)) for batch in all_told]


def told(batch: Batch) -> Iterator[bytes]:
    """Everything that a batch tells, as text."""
    yield f"batch {list(astuple(batch.counts))} {batch.end}\n".encode()
    for reject in batch.rejects:
        place = f"reject {reject.offset} {reject.lines} {reject.reason} {reject.length}"
        yield f"{place} {reject.sha256}{reject.payload.hex()}\n".encode()
    for name, day, count in batch.records.partitions():
        yield f"partition {name} {day or '-'} {count}\n".encode()
    raw = batch.records.raw()
    for (start, end), time in zip(pairwise([0, *raw.ends]), raw.times, strict=True):
        yield f"raw {time} {bytes(raw.data[start:end]).hex()}\n".encode()
    for schema in SCHEMAS:
        yield bytes(batch.records.ndjson(schema, ids=schema == "aws"))


def main() -> None:
    """Answer until no more is asked."""
    known, asked, answers = ways(), sys.stdin.buffer, sys.stdout.buffer
    while length := asked.read(4):
        given = asked.read(int.from_bytes(length, "little"))
        answer = b"".join(part for batch in batches(known, given) for part in told(batch))
        answers.write(len(answer).to_bytes(4, "little") + answer)
        answers.flush()


if __name__ == "__main__":
    main()
