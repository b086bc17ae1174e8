"""What the owner wants of the access log: asked of the load balancing API, and kept in the spool for when that is not there.

DIR/attributes.json   the last answer, and the last one that was enabled: lines that were taken then still have a bucket
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from tailrace.clock import Clock
from tailrace.disk import publish, writing
from tailrace.errors import Fatal, Retryable
from tailrace.loadbalancer.model import Attributes

POLL_S: Final = 60.0
LARGEST: Final = 256 << 10
"""No answer is longer."""
_DAY_MIN: Final = 24 * 60
_VERSION: Final = "2012-06-01"


class _Kept(msgspec.Struct, frozen=True):
    """What `attributes.json` tells."""

    now: Attributes
    enabled: Attributes | None = None


def known(folder: Path) -> Attributes | None:
    """The last answer; None if there was none yet."""
    kept = _kept(folder)
    return kept.now if kept else None


def last_enabled(folder: Path) -> Attributes | None:
    """What held when lines were taken the last time."""
    kept = _kept(folder)
    return kept.enabled if kept else None


def keep(folder: Path, attributes: Attributes) -> None:
    """Write an answer down, if it is news. Raises Fatal."""
    before = _kept(folder)
    kept = _Kept(attributes, attributes if attributes.enabled else before.enabled if before else None)
    if kept == before:
        return
    temporary = folder / "attributes.json.new"
    with writing(folder):
        with temporary.open("wb") as file:
            file.write(msgspec.json.encode(kept))
            file.flush()
            os.fsync(file.fileno())
        publish([(temporary, folder / "attributes.json")])


def _kept(folder: Path) -> _Kept | None:
    try:
        return msgspec.json.decode((folder / "attributes.json").read_bytes(), type=_Kept)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks the API. `send`: the parameters of a query of the classic load balancing API; its answer.

    `send` raises Retryable if nothing sensible answers, Fatal for a refusal.
    """

    balancer: Callable[[], str]
    send: Callable[[Mapping[str, str]], bytes]

    def ask(self) -> Attributes:
        """What holds now. Raises Retryable or Fatal."""
        query = {
            "Action": "DescribeLoadBalancerAttributes",
            "LoadBalancerName": self.balancer(),
            "Version": _VERSION,
        }
        return read(self.send(query))


@dataclass(slots=True)
class Polling:
    """Asks each minute; if nobody answers, what was known holds."""

    folder: Path
    asking: Asking
    clock: Clock
    say: Callable[[str], None]
    _due: float = float("-inf")
    _trouble: str = ""

    def look(self) -> None:
        """Ask, if it is time. Raises Fatal only if the spool's disk refuses."""
        now = self.clock.monotonic()
        if now < self._due:
            return
        self._due = now + POLL_S
        before = known(self.folder)
        try:
            attributes = self.asking.ask()
        except (Retryable, Fatal) as error:
            if str(error) != self._trouble:
                held = "what was known before holds" if before else "nothing is put before it answers"
                self.say(f"warning: {error}; {held}")
            self._trouble = str(error)
            return
        self._trouble = ""
        keep(self.folder, attributes)
        if attributes != before:
            self.say(_told(attributes))


def _told(attributes: Attributes) -> str:
    if not attributes.enabled:
        return "access logging is switched off: lines that come now are discarded"
    where = f"{attributes.bucket}/{attributes.prefix}" if attributes.prefix else attributes.bucket
    return f"access logging is switched on: to {where}, every {attributes.interval / 60:g} minutes"


def read(answer: bytes) -> Attributes:
    """The attributes in an answer of the API. Raises Retryable if it is something else."""
    if len(answer) > LARGEST:
        message = f"the load balancing API answers with more than {LARGEST:,} bytes"
        raise Retryable(message)
    told = dict(_elements(answer))
    try:
        enabled = {"true": True, "false": False}[told["Enabled"].strip().lower()]
        minutes = float(told.get("EmitInterval") or 60)
    except (KeyError, ValueError) as error:
        raise Retryable("the load balancing API answers, but not with an access log's attributes") from error
    if not 0 < minutes <= _DAY_MIN:
        message = f"the load balancing API tells an interval of {minutes:g} minutes"
        raise Retryable(message)
    bucket = told.get("S3BucketName", "").strip()
    if enabled and not bucket:
        raise Retryable("the load balancing API switches access logging on, but tells no bucket")
    return Attributes(
        enabled=enabled, bucket=bucket, prefix=told.get("S3BucketPrefix", "").strip(), interval=minutes * 60
    )


def _elements(answer: bytes) -> Iterator[tuple[str, str]]:
    """Name and text of what stands in AccessLog. Raises Retryable for what is no XML, or has a document type: no entity is read."""
    from xml.parsers import expat  # noqa: PLC0415 - only where there is an API

    found: dict[str, str] = {}
    path: list[str] = []

    def refuse(*_told: object) -> None:
        raise Retryable("the load balancing API answers with a document type, which is not read")

    def begin(name: str, _attributes: object) -> None:
        path.append(name.rpartition("}")[2].rpartition(":")[2])

    def text(data: str) -> None:
        if "AccessLog" in path[:-1]:
            found[path[-1]] = found.get(path[-1], "") + data

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler, parser.CharacterDataHandler = begin, text
    parser.EndElementHandler = lambda _name: path.pop()
    try:
        parser.Parse(answer, True)  # noqa: FBT003 - the library's
    except expat.ExpatError as error:
        message = f"the load balancing API answers with what is no XML: {error}"
        raise Retryable(message) from error
    yield from found.items()
