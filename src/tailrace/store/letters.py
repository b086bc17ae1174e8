"""Whether the dead letters of a store are those that its receipts tell of.

Each object's rejects must be there once, and for each sink the records that it refused. Letters beyond what a receipt
confirms are no difference: they were written before a crash, and the next delivery of the object writes them anew. Nor are
letters of what has no receipt, such as a pipe.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from tailrace.letters import decoded
from tailrace.model import Identity
from tailrace.receipts import Receipt
from tailrace.state.sqlite import SqliteState

FOLDER = "dead"
_TRIES = 3
"""So often an object is looked at while another process changes its account."""


@dataclass(slots=True)
class _Found:
    """The letters of an object: how many rejects, and how many refusals of each sink."""

    rejects: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def differences(directory: Path, state: SqliteState) -> Iterator[str]:
    """Each difference between the letters and the receipts, in words."""
    folder, seen = directory / FOLDER, set[str]()
    for digest, group in groupby(sorted(folder.glob("*.ndjson")), key=lambda path: path.name.partition("-")[0]):
        paths = list(group)
        try:
            item = next((decoded(line).item for path in paths for line in _lines(path)), None)
        except ValueError as error:
            seen.add(digest)
            yield f"{paths[0]} holds a line that is no dead letter: {error}"
            continue
        if item:
            seen.add(digest)
            yield from _of_item(item, folder, state)
    for receipt in state.receipts():
        told, digest = receipt.whole, receipt.item.digest
        if (told.dead_rejects or told.totals.dead) and digest not in seen:
            seen.add(digest)
            yield from _of_item(receipt.item, folder, state)


def _of_item(item: Identity, folder: Path, state: SqliteState) -> Sequence[str]:
    found: list[str] = []
    for _ in range(_TRIES):
        receipts = state.receipts_of(item)
        try:
            letters = _counted(sorted(folder.glob(f"{item.digest}-*.ndjson")), receipts)
        except ValueError as error:
            return [str(error)]
        found = list(_compared(item, receipts, letters)) if receipts else []
        if not found or receipts == state.receipts_of(item):
            break
    return found


def _counted(paths: Sequence[Path], receipts: Mapping[str, Receipt]) -> _Found:
    """The letters that the receipts must tell of. Raises ValueError for what is no letter."""
    found = _Found()
    limits = {sink: _end(receipt) for sink, receipt in receipts.items()}
    furthest = max(limits.values(), default=0)
    for path in paths:
        for line in _lines(path):
            try:
                letter = decoded(line)
            except ValueError as error:
                message = f"{path} holds a line that is no dead letter: {error}"
                raise ValueError(message) from error
            if letter.sink:
                found.refused[letter.sink] += letter.offset < limits.get(letter.sink, 0)
            else:
                found.rejects += letter.offset < furthest
    return found


def _end(receipt: Receipt) -> float:
    """Up to where a receipt tells of letters: everything, where its tail is in it."""
    return math.inf if receipt.tail or receipt.truncated else receipt.offset


def _lines(path: Path) -> Iterator[bytes]:
    """The letters of a file, none if it is gone meanwhile."""
    try:
        with path.open("rb") as file:
            yield from file
    except FileNotFoundError:
        return


def _compared(item: Identity, receipts: Mapping[str, Receipt], found: _Found) -> Iterator[str]:
    # Sinks may have an object up to different places; the rejects are kept up to the furthest.
    furthest = max(receipts.values(), key=_end)
    expected = furthest.whole.dead_rejects
    if found.rejects != expected:
        yield f"{item.name}: {expected} rejects by its receipts, but {_letters(found.rejects)}"
    for sink, receipt in receipts.items():
        refused = receipt.whole.totals.dead
        if found.refused[sink] != refused:
            yield f"{item.name} at {sink}: {refused} refused by its receipt, but {_letters(found.refused[sink])}"


def _letters(number: int) -> str:
    elsewhere = "" if number else "; where they are kept elsewhere, tell it by --set dead_letters=PLACE"
    return f"{number} among the dead letters{elsewhere}"
