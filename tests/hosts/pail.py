"""A sink of tests, installed as a third party's would be: lines go to a file in one piece at each flush, with receipts.

`pail:FILE?option&…`: `slow=SECONDS` makes each write take so long, `busy` makes each second flush refuse for now, `picky` refuses
records with `/refused` in them for good, `denied` is Fatal, `broken` raises what no sink may raise.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from tailrace.errors import Fatal, Retryable
from tailrace.kinds import NoSettings, SinkKind, Surroundings
from tailrace.model import Batch, Flushed, Item, Refusal

POINTS = "[tailrace.sinks]\npail = pail:SINK\n"


def install(folder: Path) -> None:
    """Put this module into a folder as a distribution with an entry point."""
    (folder / "pail.py").write_text(Path(__file__).read_text(encoding="utf-8"), encoding="utf-8")
    about = folder / "pail-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: pail\nVersion: 1\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(POINTS, encoding="utf-8")


class Pail:
    keeps_receipts = True
    rendering = None

    def __init__(self, address: str) -> None:
        path, _, options = address.partition("?")
        self.name, self._path, self._options = f"pail:{path}", path, options.split("&")
        self._waiting: list[bytes] = []
        self._refusals: list[Refusal] = []
        self._flushes = 0

    def write(self, item: Item, batch: Batch, part: int) -> None:  # noqa: ARG002
        for option in self._options:
            if option.startswith("slow="):
                time.sleep(float(option.removeprefix("slow=")))
        if "denied" in self._options:
            raise Fatal("pail: nobody may pour")
        if "broken" in self._options:
            raise ZeroDivisionError("what only the pail knows")
        raw, begin = batch.records.raw(), 0
        for end, offset in zip(raw.ends, raw.offsets, strict=True):
            line, begin = bytes(raw.data[begin:end]), end
            if "picky" in self._options and b"/refused" in line:
                self._refusals.append(Refusal(offset, "picky", line))
            else:
                self._waiting.append(line + b"\n")

    def flush(self) -> Flushed:
        self._flushes += 1
        if "busy" in self._options and self._flushes % 2:
            raise Retryable("pail: full", after=0.01)
        with Path(self._path).open("ab", buffering=0) as file:
            os.write(file.fileno(), b"".join(self._waiting))
        told, self._refusals, self._waiting = Flushed(refusals=self._refusals), [], []
        return told

    def abandon(self) -> None:
        self._waiting, self._refusals = [], []

    def close(self) -> None:
        pass


def _open(address: str, _own: NoSettings, _given: Surroundings) -> object:
    return lambda: Pail(address)


SINK = SinkKind(form="pail:FILE", about="a file", open=_open)  # type: ignore[arg-type]
