"""The spool: a folder in which lines wait, in a segment for each slot, until their object is in the bucket.

DIR/lock             held by the agent
DIR/inbox            see `inbox.py`
DIR/reached.json     how far sources were read when the last segment was closed
DIR/segments/        START-END-RANDOM-NUMBER.open takes lines; .closed waits to be put. Times in ms
DIR/dead/            lines that are no requests, as dead letters
"""

from __future__ import annotations

import errno
import os
import random
import re
import string
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tailrace.disk import make_directory, publish, sync_directory, writing
from tailrace.errors import Fatal, UsageError
from tailrace.loadbalancer.agent.background import AtOnce, Later
from tailrace.loadbalancer.agent.blocks import Piece, Position, Reached, block, blocks
from tailrace.loadbalancer.agent.slots import is_open, shortened
from tailrace.loadbalancer.model import Slot

OPEN: Final = ".open"
CLOSED: Final = ".closed"
_SHARE: Final = 0.45
"""Of what the disk has left for the spool so much may be lines: the objects that are made of them need as much."""
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_STEM: Final = r"(?P<start>-?\d+)-(?P<end>-?\d+)-(?P<random>[a-z0-9]{8})-(?P<sequence>\d+)"
_NAME: Final = re.compile(_STEM + r"\.[a-z]+")
_ALPHABET: Final = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment by its name: its slot, the random part of its object's name, and which one it is since the spool was made."""

    path: Path
    slot: Slot
    random: str
    sequence: int

    def named(self, slot: Slot, suffix: str) -> Segment:
        """The segment under another name."""
        name = f"{slot.start * 1000:.0f}-{slot.end * 1000:.0f}-{self.random}-{self.sequence}{suffix}"
        return Segment(self.path.with_name(name), slot, self.random, self.sequence)


def segments(folder: Path, suffix: str) -> list[Segment]:
    """The segments of a spool, the oldest first."""
    try:
        names = [path.name for path in (folder / "segments").iterdir()]
    except FileNotFoundError:
        return []
    found = (_segment(folder, name) for name in names if name.endswith(suffix))
    return sorted((each for each in found if each), key=lambda each: each.slot.end)


def is_stem(name: str) -> bool:
    """Whether it is the name of a segment without its suffix."""
    return re.fullmatch(_STEM, name) is not None


def _segment(folder: Path, name: str) -> Segment | None:
    match = _NAME.fullmatch(name)
    if not match:
        return None
    slot = Slot(int(match["start"]) / 1000, int(match["end"]) / 1000)
    return Segment(folder / "segments" / name, slot, match["random"], int(match["sequence"]))


class _Kept(msgspec.Struct, frozen=True):
    """What `reached.json` tells: what held at the end of the segment with a sequence number."""

    burst: int = 0
    files: list[Position] = []
    sequence: int = 0


class _Closing(NamedTuple):
    """A segment that takes no more lines."""

    segment: Segment
    descriptor: int
    size: int
    kept: _Kept


class Spool:
    """Takes blocks of lines. One process has it at a time."""

    def __init__(self, folder: Path, limit: int, *, thorough: bool, later: Later | None = None) -> None:
        """Find what is there; `thorough`: the machine was started anew since. `later`: does what waits for the disk. Raises Fatal."""
        self.folder, self._limit = folder, limit
        self.reached = Reached()
        self.is_full = False
        self._open: Segment | None = None
        self._descriptor = -1
        self._size = 0
        self._unsynced = self._syncing = False
        self._later = later or AtOnce()
        self._undone: list[_Closing] = []
        self._trouble: OSError | None = None
        with writing(folder):
            make_directory(folder / "segments")
            self._recover(thorough=thorough)
        self._room = limit
        self.look()

    def _recover(self, *, thorough: bool) -> None:
        try:
            kept = msgspec.json.decode((self.folder / "reached.json").read_bytes(), type=_Kept)
        except FileNotFoundError:
            kept = _Kept()
        except (ValueError, msgspec.MsgspecError) as error:
            message = f"{self.folder}/reached.json cannot be read ({error}): remove it, and followed files are read from their start"
            raise Fatal(message) from error
        self.reached.take(kept.burst, kept.files)
        self._kept = self._sequence = kept.sequence
        for segment in sorted(segments(self.folder, OPEN), key=lambda each: each.sequence):
            self.close_segment()  # one that was being closed
            self._sequence = max(self._sequence, segment.sequence)
            self._reopen(segment, news=segment.sequence > kept.sequence, thorough=thorough)

    def _reopen(self, segment: Segment, *, news: bool, thorough: bool) -> None:
        """Go on with a segment behind its last whole block. `news`: what it tells of sources is not yet kept elsewhere."""
        self._descriptor = os.open(segment.path, os.O_RDWR | os.O_CLOEXEC)
        self._open, self._size = segment, 0
        for each in blocks(self._descriptor, thorough=thorough):
            if news:
                self.reached.take(each.burst, each.positions)
            self._size = each.end
        os.ftruncate(self._descriptor, self._size)
        os.lseek(self._descriptor, self._size, os.SEEK_SET)
        self._unsynced = True

    @property
    def slot(self) -> Slot | None:
        """The slot that is open, if any line came in it."""
        return self._open.slot if self._open else None

    def look(self) -> None:
        """Find out how much room there is: of what the disk has left for it, half is kept free to make objects.

        Raises Fatal for what went wrong meanwhile.
        """
        self._check()
        for _ in range(len(self._undone)):
            self._later(partial(self._close, self._undone.pop(0)))
        used = 0
        for segment in (*segments(self.folder, CLOSED), *segments(self.folder, OPEN)):
            with suppress(FileNotFoundError):
                used += segment.path.stat().st_size
        disk = os.statvfs(self.folder)
        limit = min(self._limit, int((disk.f_bavail * disk.f_frsize + used) * _SHARE))
        self._room = limit - used
        self.is_full = self.is_full and self._room <= 0

    def write(self, slot: Slot, data: Piece, burst: int, positions: Sequence[Position] = (), lines: int = 0) -> bool:
        """Take a block into the segment of a slot; False, with nothing taken, if the spool or the disk is full. Raises Fatal.

        `burst`: its number, 0 for followed files, whose `positions` hold behind these lines.
        """
        if self._room < len(data):
            self.is_full = True
            return False
        with writing(self.folder):
            pieces = block(data, burst or self.reached.burst, positions, lines)
            if not self._append(slot, pieces):
                self.is_full = True
                return False
        self.reached.take(burst, positions)
        return True

    def _append(self, slot: Slot, pieces: Sequence[Piece]) -> bool:
        size = sum(map(len, pieces))
        try:
            if self._open is None:
                self._begin(slot)
            written = os.writev(self._descriptor, pieces)
            while written < size:
                rest = b"".join(pieces)[written:]
                written += os.write(self._descriptor, rest)
        except OSError as error:
            if self._open is not None:
                os.ftruncate(self._descriptor, self._size)
                os.lseek(self._descriptor, self._size, os.SEEK_SET)
            if error.errno in _NO_ROOM:
                return False
            raise
        self._size += size
        self._room -= size
        self._unsynced = True
        return True

    def _begin(self, slot: Slot) -> None:
        chance = random.SystemRandom()
        token = "".join(chance.choice(_ALPHABET) for _ in range(8))
        self._sequence += 1
        segment = Segment(self.folder / "segments" / "_", slot, token, self._sequence).named(slot, OPEN)
        self._descriptor = os.open(segment.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._open, self._size = segment, 0
        self._later(lambda: self._named(segment.path.parent))

    def _named(self, folder: Path) -> None:
        try:
            sync_directory(folder)
        except OSError as error:
            self._trouble = error

    def sync(self) -> None:
        """Let what was taken survive a power cut, soon."""
        if self._unsynced and not self._syncing:
            self._unsynced, self._syncing = False, True
            descriptor = self._descriptor
            self._later(lambda: self._sync(descriptor))

    def _sync(self, descriptor: int) -> None:
        try:
            os.fdatasync(descriptor)
        except OSError as error:
            self._trouble = error
        self._syncing = False

    def turn(self, now: float) -> bool:
        """Close the segment if its slot is over; whether it was."""
        if self._open is None or is_open(self._open.slot, now):
            return False
        return self.close_segment()

    def shorten(self, now: float, interval: float) -> None:
        """Let the open slot end as early as one that began now would."""
        if self._open:
            closing = shortened(self._open.slot, now, interval)
            if closing != self._open.slot:
                with writing(self.folder):
                    self._open = self._rename(self._open, self._open.named(closing, OPEN))

    def close_segment(self) -> bool:
        """Close the segment, if one is open, so that it is put soon; whether it was."""
        if self._open is None:
            return False
        kept = _Kept(self.reached.burst, list(self.reached.files.values()), self._open.sequence)
        closing = _Closing(self._open, self._descriptor, self._size, kept)
        self._open, self._descriptor, self._size, self._unsynced = None, -1, 0, False
        self._later(lambda: self._close(closing))
        return True

    def _close(self, closing: _Closing) -> None:
        """Make a segment durable, then how far sources were read, which it will not tell much longer; then give it to whoever puts it."""
        try:
            os.fdatasync(closing.descriptor)
            if closing.kept.sequence > self._kept:
                _keep(self.folder, closing.kept)
                self._kept = closing.kept.sequence
            if closing.size:
                self._rename(closing.segment, closing.segment.named(closing.segment.slot, CLOSED))
            else:
                closing.segment.path.unlink()
            os.close(closing.descriptor)
        except OSError as error:
            if error.errno in _NO_ROOM:
                self._undone.append(closing)
            else:
                self._trouble = error

    def _rename(self, segment: Segment, to: Segment) -> Segment:
        publish([(segment.path, to.path)])
        return to

    def close(self) -> None:
        """Keep everything as it is, durably. Raises Fatal."""
        self.sync()
        self._later.drain()
        if self._open:
            os.close(self._descriptor)
            self._open = None
        self._check()

    def _check(self) -> None:
        """Raise what went wrong meanwhile."""
        if self._trouble:
            error, self._trouble = self._trouble, None
            with writing(self.folder):
                raise error


def _keep(folder: Path, kept: _Kept) -> None:
    temporary = folder / "reached.json.new"
    with temporary.open("wb") as file:
        file.write(msgspec.json.encode(kept))
        file.flush()
        os.fsync(file.fileno())
    publish([(temporary, folder / "reached.json")])


def _check_ours(folder: Path) -> None:
    """Raise UsageError for a folder that holds what somebody else has put there."""
    names = {each.name for each in folder.iterdir()} - {"lost+found"}
    if names and not names & {"lock", "segments"}:
        message = f"lb.spool: {folder} holds other things and is no spool; give an empty folder"
        raise UsageError(message)


def lock(folder: Path) -> int:
    """Take a spool for this process and those that it starts; the descriptor that holds it.

    Raises UsageError if another one has it, or the folder is something else.
    """
    import fcntl  # noqa: PLC0415 - needed once

    with writing(folder):
        make_directory(folder)
        _check_ours(folder)
        folder.chmod(0o700)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        message = (
            f"lb.spool: another agent (process {holder}) has {folder}; end it, or give this one a spool of its own"
        )
        raise UsageError(message) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
