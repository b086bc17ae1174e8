"""What has arrived where, counted by marks; what the receivers kept of it is let go of, so that a campaign may be long."""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from crash.corpus import MARK, Corpus, Kind, marks
from crash.front import Front
from services.logstash import HttpInput
from services.strict_bulk import AWAY, BUSY, UNFIT, Error, StrictBulk
from services.strict_logs import StrictLogs
from tailrace.receipts import Receipt

REFUSED: Mapping[str, Kind] = {"cloudwatch": "old", "elasticsearch": "es", "logstash": "ls"}
"""By sink, the marks that it never takes."""
ONCE = {"elasticsearch", "s3", "store"}
"""Sinks in which nothing may be twice."""


@dataclass
class Receivers:
    """The three that keep what they are sent: a log group, a search server, Logstash."""

    seed: int
    hesitation: float = 0.0
    """How likely the search server has no room for a record."""
    found: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    hesitated: int = 0

    def __post_init__(self) -> None:
        self._dice = Random(f"receivers {self.seed}")
        self.logs = StrictLogs().start()
        self.bulk = StrictBulk()
        self.bulk.judge = self._judged
        self.http = HttpInput()
        self.http.poison = lambda event: "ls~" in str(event.get("request_url"))

    def _judged(self, _index: str, _id: str, document: dict[str, Any]) -> Error | None:
        if "es~" in str(document.get("request_url")):
            return UNFIT
        if self._dice.random() < self.hesitation:
            self.hesitated += 1
            return self._dice.choice([BUSY, AWAY])
        return None

    def harvest(self) -> None:
        """Count what has come, and let go of it."""
        with self.logs._lock:
            events, self.logs.accepted = self.logs.accepted, []
            self.logs.called.clear()
            self.logs.sizes.clear()
        _count(self.found["cloudwatch"], (event.message for event in events))
        with self.http._server.lock:
            taken, self.http.events = self.http.events, []
            self.http.seen.clear()
        _count(self.found["logstash"], (str(event.get("request_url")) for event in taken))
        with self.bulk._lock:
            fresh = [(key, document) for key, document in self.bulk.documents.items() if document]
            for key, _ in fresh:
                self.bulk.documents[key] = {}  # that it is there is still known
            self.bulk.asked.clear()
        _count(self.found["elasticsearch"], (str(document.get("request_url")) for _, document in fresh))

    @property
    def complaints(self) -> list[str]:
        """What was sent against the rules."""
        return [*self.logs.broken, *self.bulk.wrongs, *self.http.complaints]

    def close(self) -> None:
        self.logs.stop()
        self.bulk.close()
        self.http.close()


def _count(counter: Counter[int], texts: Iterable[str]) -> None:
    for text in texts:
        counter.update(marks(text) or [-1])


def objects_in(client: Any, bucket: str) -> Iterator[bytes]:
    """The lines of all objects of a bucket, which are NDJSON in gzip."""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page.get("Contents", ()):
            body = client.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            yield from gzip.decompress(body).splitlines()


def in_bucket(client: Any, bucket: str) -> Counter[int]:
    """The records in the objects of a bucket."""
    found: Counter[int] = Counter()
    _count(found, (json.loads(line)["request_url"] for line in objects_in(client, bucket)))
    return found


def letters(lines: Iterable[bytes]) -> dict[str, Counter[int]]:
    """Dead letters by the kind of the sink that refused them, rejects under no name."""
    found: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for line in lines:
        letter = json.loads(line)
        text = letter.get("payload") or json.dumps(letter)
        # An unreadable tail is one letter of many lines, the first of which is what was being read.
        found[letter.get("sink", "").partition(":")[0]].update({int(each) for each in MARK.findall(text)})
    return found


def dead(folder: Path) -> dict[str, Counter[int]]:
    """Dead letters of a folder."""
    return letters(line for path in sorted(folder.glob("*.ndjson")) for line in path.read_bytes().splitlines())


@dataclass
class Known:
    """What explains that lines come twice. `began`: when processes were started, each but the first after a kill.

    `confirmed`: by sink, the marks that receipts tell of, and since when that is known: they may not come again.
    `given_back`: whether some objects were given back.
    """

    began: list[float] = field(default_factory=list)
    confirmed: defaultdict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    given_back: bool = False

    def confirm(self, receipts: Iterable[Receipt], corpus: Corpus) -> None:
        """Take in what receipts tell now."""
        now = time.monotonic()
        for receipt in receipts:
            marks_of, told = self.confirmed[receipt.sink.partition(":")[0]], receipt.item.key
            for offset, mark in corpus.at[told]:
                if offset < receipt.offset:
                    marks_of.setdefault(mark, now)

    def why(self, before: float, after: float) -> str:
        """Why what had come before came again later; a process needs some time before it can send."""
        if any(before < began + 0.3 <= after for began in self.began):
            return "killed"
        return "given back" if self.given_back else "unexplained"


@dataclass
class Verdict:
    """What is wrong, and how often lines are in each sink; `doubles`: by sink, why lines are there twice."""

    wrongs: list[str] = field(default_factory=list)
    lines: Counter[str] = field(default_factory=Counter)
    doubles: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def compare(self, sink: str, found: Counter[int], refused: Counter[int], corpus: Corpus) -> None:
        """Every line must be in the sink, or among what it refused, or be a reject."""
        fate = REFUSED.get(sink)
        expected = {mark for mark, kind in corpus.kinds.items() if kind not in ("bad", fate)}
        never = {mark for mark, kind in corpus.kinds.items() if kind == fate and fate}
        self.lines[sink] = len(found)
        self._tell(f"{sink}: lost", expected - found.keys() - corpus.loose)
        self._tell(f"{sink}: has what nobody put", found.keys() - expected)
        self._tell(f"{sink}: refused, but no dead letter", never - refused.keys() - corpus.loose)
        self._tell(f"{sink}: a dead letter of what was not refused", refused.keys() - never)
        self._tell(f"{sink}: a dead letter twice", {mark for mark, times in refused.items() if times > 1})
        if sink in ONCE:
            self._tell(f"{sink}: doubled", {mark for mark, times in found.items() if times > 1})

    def rejects(self, found: Counter[int], corpus: Corpus) -> None:
        """Every line that is no record must be a dead letter, once."""
        bad = {mark for mark, kind in corpus.kinds.items() if kind == "bad"}
        self._tell("rejects: lost", bad - found.keys() - corpus.loose)
        self._tell("rejects: what is none", found.keys() - bad - corpus.loose)
        self._tell("rejects: twice", {mark for mark, times in found.items() if times > 1})

    def explain(self, sink: str, found: Counter[int], front: Front, known: Known) -> None:
        """Why lines came twice: the answer was lost, or what is known of the time between two deliveries."""
        extra = {mark: times for mark, times in found.items() if times > 1}
        times: defaultdict[int, list[tuple[float, bool]]] = defaultdict(list)
        for taken in front.taken:
            for mark in taken.lines:
                if mark in extra:
                    times[mark].append((taken.at, taken.answered))
        for mark, often in extra.items():
            seen = sorted(times[mark])
            for (before, answered), (after, _) in pairwise(seen):
                late = known.confirmed[sink].get(mark, after) < after
                why = "confirmed before" if late else "answer lost" if not answered else known.why(before, after)
                self.doubles[sink][why] += 1
            self.doubles[sink]["unexplained"] += often - len(seen)
        for why in ("confirmed before", "unexplained"):
            if number := self.doubles[sink][why]:
                self.wrongs.append(f"{sink}: {number} lines came again: {why}")

    def _tell(self, what: str, found: set[int]) -> None:
        if found:
            self.wrongs.append(f"{what}: {len(found)} lines, such as {sorted(found)[:5]}")
