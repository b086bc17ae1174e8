"""Objects with a known truth: real-looking lines of the last hour, each with a mark of its own in its URL.

A mark reads `~NUMBER~`; the number says where the line is to be found in the end. `~NUMBERes~` is never taken by the search server,
`~NUMBERls~` never by Logstash; `~NUMBERold~` is too old for CloudWatch; `~NUMBERbad~` is no record at all.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Literal

GENERATOR = Path(__file__).parents[2] / "bench" / "generator" / "make_samples.py"
MARK = re.compile(r"~(\d+)[a-z]*~")
_URL = re.compile(r"(\w+://[^/ \"]+)/")
Kind = Literal["", "es", "ls", "old", "bad"]
STOCK = {"alb": 1500, "clb": 500}
"""So many records there are of each kind; objects take them in turn."""
_OWNER = "123456789012_elasticloadbalancing_eu-west-1_"


def marks(text: str) -> list[int]:
    """The marks of one record, each once, wherever in it they stand."""
    return sorted({int(found) for found in MARK.findall(text)})


@dataclass(frozen=True)
class Object:
    """What is put: `gone` is deleted at once, `twice` is announced twice."""

    key: str
    content: bytes
    form: str
    gone: bool = False
    twice: bool = False


@dataclass
class Corpus:
    """Makes objects, and remembers every line of them. `scale`: how large they are."""

    seed: int
    folder: Path
    scale: float = 1.0
    kinds: dict[int, Kind] = field(default_factory=dict)
    """What is to become of each mark."""
    loose: set[int] = field(default_factory=set)
    """Marks that may be missing, or be among the rejects: of objects that were deleted, or behind where one is cut."""
    at: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """By key, the offset and the mark of each record."""

    def __post_init__(self) -> None:
        self._dice = Random(f"corpus {self.seed}")
        now = datetime.now(UTC)
        self._start = now - timedelta(hours=1)
        self._old = f"{now - timedelta(days=20):%Y-%m-%dT%H:%M:%S.000000Z}"
        self._stock = {kind: _records(kind, self.folder, self.seed, self._start) for kind in STOCK}
        self._taken = dict.fromkeys(STOCK, 0)

    def make(self) -> Object:
        """One more object; each of the first ones is of another form, so that every form occurs."""
        forms = ["large", "small", "clb", "cut", "empty", "twice", "gone", "small", "clb", "small"]
        weights = [4, 6, 4, 2, 1, 2, 1, 6, 4, 6]
        form = forms[len(self.at)] if len(self.at) < len(forms) else self._dice.choices(forms, weights)[0]
        kind = "clb" if form == "clb" else "alb"
        low, high = (2500, 4000) if form == "large" else (300, 500) if form == "cut" else (50, 300)
        count = 0 if form == "empty" else max(2, int(self._dice.randint(low, high) * self.scale))
        key = self._key(kind)
        lines, numbers = self._lines(kind, count)
        sizes = accumulate((len(line.encode()) for line in lines), initial=0)
        self.at[key] = list(zip(sizes, numbers, strict=False))
        content = "".join(lines).encode()
        if form == "gone":
            self.loose |= set(numbers)
        if kind == "alb" and form != "empty":
            content = gzip.compress(content, 1, mtime=0)
        if form == "cut":
            content = content[: int(len(content) * self._dice.uniform(0.3, 0.9))]
            whole = _readable(content).decode(errors="replace").rpartition("\n")[0]
            self.loose |= set(numbers) - set(marks(whole))
        return Object(key, content, form, gone=form == "gone", twice=form == "twice")

    def _lines(self, kind: str, count: int) -> tuple[list[str], list[int]]:
        lines, numbers = [], []
        for _ in range(count):
            number, fate = len(self.kinds), self._fate(kind)
            self.kinds[number] = fate
            numbers.append(number)
            lines.append(self._line(kind, f"~{number}{fate}~", fate))
        return lines, numbers

    def _fate(self, kind: str) -> Kind:
        # A line that is no record could be taken for part of a classic load balancer's record before it.
        fates: list[Kind] = ["es", "ls", "old", *(["bad"] if kind == "alb" else [])]  # type: ignore[list-item]
        return self._dice.choice(fates) if self._dice.random() < 0.02 else ""

    def _line(self, kind: str, mark: str, fate: Kind) -> str:
        if fate == "bad":
            return f"this is no line of any log {mark}\n"
        stock = self._stock[kind]
        line = stock[self._taken[kind] % len(stock)]
        self._taken[kind] += 1
        if fate == "old":
            line = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", self._old, line, count=1)
        return _URL.sub(rf"\1/{mark}/", line, count=1)

    def _key(self, kind: str) -> str:
        end = self._start + timedelta(minutes=5)
        name = f"web-{self._dice.randint(1, 3)}"
        told = f"{end:%Y%m%dT%H%MZ}_198.51.100.7_{len(self.at):06}"
        last = f"{name}_{told}.log" if kind == "clb" else f"app.{name}.50dc6c495c0c9188_{told}.log.gz"
        return f"AWSLogs/123456789012/elasticloadbalancing/eu-west-1/{end:%Y/%m/%d}/{_OWNER}{last}"


def _records(kind: str, folder: Path, seed: int, start: datetime) -> list[str]:
    """Records whose URL is readable, with their newline; those of a classic load balancer may be of several lines."""
    out = folder / f"stock-{seed}"
    subprocess.run(
        [
            sys.executable, GENERATOR, kind, "--lines", str(STOCK[kind]), "--seed", str(seed), "--out", out, "--plain",
            "--start", start.isoformat(),
        ],
        check=True,
    )  # fmt: skip
    text = (out / f"{kind}.log").read_text(encoding="utf-8").split("\n")
    truth = map(json.loads, (out / f"{kind}.truth.jsonl").read_text(encoding="utf-8").splitlines())
    found = [told for told in truth if _URL.match(told["record"].get("request_url") or "")]
    return ["\n".join([*text[told["line"] - 1 : told["line"] - 1 + told["lines"]], ""]) for told in found]


def _readable(content: bytes) -> bytes:
    """What can be decompressed of a gzip member that is cut."""
    return zlib.decompressobj(31).decompress(content)
