"""The process that puts: each closed segment becomes an object in the bucket, and is removed then, and only then.

DIR/out/     objects that are being put
DIR/names    names that objects were given, so that none is given twice, and a segment that is put again keeps its own
"""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

from tailrace.clock import Clock
from tailrace.deadletters import DeadFolder, encode
from tailrace.disk import make_directory, writing
from tailrace.errors import Fatal, Retryable, TailraceError
from tailrace.loadbalancer.agent.attributes import Polling, known, last_enabled
from tailrace.loadbalancer.agent.blocks import lines_of
from tailrace.loadbalancer.agent.counters import Counters
from tailrace.loadbalancer.agent.deadroom import remove_oldest
from tailrace.loadbalancer.agent.names import Names
from tailrace.loadbalancer.agent.spool import CLOSED, Segment, is_stem, segments
from tailrace.loadbalancer.model import Attributes, Balancer, Form, Naming, Store, Written
from tailrace.model import Identity, Item, Reject
from tailrace.notices import Notices

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 300.0
LOOK_S: Final = 0.5
_SOME_LINES: Final = 500
_SOME_BYTES: Final = 256 << 10


@dataclass(frozen=True, slots=True)
class Parts:
    """What makes objects, and puts them. `headers`: that each object has besides its type.

    All of them raise UsageError for settings that cannot be, Retryable for what cannot be found out now.
    """

    balancer: Callable[[], Balancer]
    form: Callable[[Balancer], Form]
    naming: Callable[[Balancer, Form, Attributes], Naming]
    store: Store
    headers: Callable[[Balancer], Mapping[str, str]] = lambda _balancer: {}


@dataclass(slots=True)
class _Waiting:
    """A segment whose put has failed: how often, until when it waits, and its object if that is made."""

    failures: int = 0
    due: float = 0.0
    made: Path | None = None
    told: str = ""


@dataclass(slots=True)
class Shipper:
    """Puts what is closed. `chance`: between 0 and 1. `dead_limit`: so many bytes dead letters may be."""

    folder: Path
    parts: Parts
    fixed: Attributes | None
    counters: Counters
    clock: Clock
    say: Callable[[str], None]
    chance: Callable[[], float] = random.random
    dead_limit: int = 1 << 30
    _waiting: dict[Path, _Waiting] = field(default_factory=dict)
    _names: Names = field(init=False)
    _notices: Notices = field(init=False)
    _who: tuple[Balancer, Form] | None = None

    def __post_init__(self) -> None:
        """Remove what another process has left half made. Raises Fatal."""
        out = self.folder / "out"
        with writing(out):
            make_directory(out)
            for each in out.iterdir():
                if is_stem(each.name):
                    each.unlink(missing_ok=True)
        self._names = Names(self.folder / "names")
        self._notices = Notices(self.say, self.clock)

    def look(self) -> int:
        """Put each closed segment whose time has come; how many are left. Raises nothing that waiting may heal."""
        left = segments(self.folder, CLOSED)
        for path in self._waiting.keys() - {each.path for each in left}:
            del self._waiting[path]
        return sum(not self._tried(segment) for segment in left)

    def pause(self) -> float:
        """So many seconds until something that waits may be tried again."""
        return max(0.0, min((each.due for each in self._waiting.values()), default=0.0) - self.clock.monotonic())

    def _tried(self, segment: Segment) -> bool:
        """Whether the segment is put."""
        waiting = self._waiting.get(segment.path) or _Waiting()
        if self.clock.monotonic() < waiting.due:
            return False
        try:
            self._put(segment, waiting)
        except TailraceError as error:
            self._failed(segment, waiting, error)
            return False
        except Exception as error:  # noqa: BLE001 - one segment must not hold up the others
            self._failed(segment, waiting, Fatal(f"internal error: {type(error).__name__}: {error}"))
            return False
        self._waiting.pop(segment.path, None)
        return True

    def _failed(self, segment: Segment, waiting: _Waiting, error: TailraceError) -> None:
        """Let a segment wait, ever longer, whatever the error was: nothing is given up."""
        limit = min(FIRST_PAUSE_S * 2 ** min(waiting.failures, 20), LONGEST_PAUSE_S)
        after = error.after if isinstance(error, Retryable) and error.after is not None else self.chance() * limit
        waiting.failures += 1
        waiting.due = self.clock.monotonic() + min(after, LONGEST_PAUSE_S)
        self._waiting[segment.path] = waiting
        self.counters.add("failures")
        if str(error) != waiting.told or waiting.failures % 10 == 0:
            what = "error" if isinstance(error, Fatal) else "warning"
            self.say(f"{what}: {segment.path.name} cannot be put: {error}; it stays in the spool and is tried again")
        waiting.told = str(error)

    def _put(self, segment: Segment, waiting: _Waiting) -> None:
        """Make the object and put it. Raises Retryable or Fatal."""
        balancer, form = self._who = self._who or self._found()
        if waiting.made is None or not waiting.made.exists():
            waiting.made = self._made(segment, form)
        if waiting.made.stat().st_size:
            naming = self.parts.naming(balancer, form, self._attributes())
            bucket = naming.bucket(balancer)
            headers = {"Content-Type": form.content_type, **self.parts.headers(balancer)}
            key = self._names.key(segment, lambda slot: naming.key(balancer, slot, segment.random), bucket)
            with waiting.made.open("rb") as body:
                self.parts.store.put(bucket, key, body, headers)
            self.counters.add("objects")
        with writing(self.folder):
            segment.path.unlink(missing_ok=True)
            waiting.made.unlink(missing_ok=True)

    def _found(self) -> tuple[Balancer, Form]:
        balancer = self.parts.balancer()
        return balancer, self.parts.form(balancer)

    def _attributes(self) -> Attributes:
        """What says where the object belongs. Raises Retryable while nobody has told."""
        if self.fixed:
            return self.fixed
        now = known(self.folder)
        wanted = now if now and now.enabled else last_enabled(self.folder)
        if wanted is None:
            raise Retryable("the load balancing API has not yet told the bucket")
        return wanted

    def _made(self, segment: Segment, form: Form) -> Path:
        """The object of a segment, empty if no line of it is a record; the others are dead letters then. Raises Fatal."""
        out = self.folder / "out" / segment.path.stem
        with writing(self.folder), out.open("w+b") as into:
            with segment.path.open("rb") as file, lines_of(file) as lines:
                written = form.write(lines, into, segment.slot)
            kept = len(written.rejects) >= written.rejected
            self._bury(segment, written.rejects if kept else _all_rejects(segment, form), written.rejected)
            if not written.records:
                into.truncate(0)
        self._count(written)
        return out

    def _bury(self, segment: Segment, rejects: Iterable[Reject], lines: int) -> None:
        """Keep what is no record, so many lines, before the segment is removed: as much as there may be. Raises Fatal."""
        identity = Identity("loadbalancer", str(self.folder), segment.path.stem, "")
        dead, size, kept = DeadFolder(self.folder), 0, 0
        try:
            item = Item(identity, _unopened, None, segment.slot.end)
            for each in rejects:
                size += len(encode(identity, each, item.modified))
                if size > self.dead_limit:
                    break
                dead.write(item, [each], 0)
                kept += each.lines
            dead.flush()
        except Fatal:
            dead.abandon()
            raise
        self._forgotten(lines - kept + (remove_oldest(self.folder / "dead", self.dead_limit) if kept else 0))

    def _forgotten(self, number: int) -> None:
        """Count and tell dead letters for which there is no room."""
        if number <= 0:
            return
        self.counters.add("dead_dropped", number)
        self._notices.tell(
            "dead",
            f"warning: {self.folder / 'dead'} holds as much as it may (lb.spool_limit); {self.counters['dead_dropped']:,} dead letters"
            " were dropped so far, the oldest first: `tailrace replay` takes them",
        )

    def _count(self, written: Written) -> None:
        self.counters.add("put_lines", written.lines)
        self.counters.add("records", written.records)
        self.counters.add("rejects", written.rejected)


def _all_rejects(segment: Segment, form: Form) -> Iterator[Reject]:
    """What is no record, where it is more than the form tells at once: of a few lines after the other."""
    with segment.path.open("rb") as file, lines_of(file) as lines, Path(os.devnull).open("wb") as nowhere:
        offset = 0
        while piece := b"".join(_some(lines)):
            for each in form.write(io.BytesIO(piece), nowhere, segment.slot).rejects:
                yield replace(each, offset=each.offset + offset)
            offset += len(piece)


def _some(lines: BinaryIO) -> Iterator[bytes]:
    """A few lines."""
    size = 0
    for line in islice(lines, _SOME_LINES):
        yield line
        size += len(line)
        if size > _SOME_BYTES:
            return


def _unopened() -> NoReturn:
    raise Fatal("a segment is not read again")


def ship(shipper: Shipper, polling: Polling | None, *, parent: int) -> None:
    """Put what is closed until the process is ended, which is safe at any time."""
    while os.getppid() == parent:
        if polling:
            polling.look()
        with suppress(FileNotFoundError):
            shipper.look()
        shipper.clock.sleep(LOOK_S)
