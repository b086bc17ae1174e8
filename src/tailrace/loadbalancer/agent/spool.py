"""The spool: a folder in which lines wait, in a segment for each slot, until their object is in the bucket.

DIR/lock             held by the agent
DIR/inbox            see `inbox.py`
DIR/reached.json     how far sources were read when the last segment was closed
DIR/segments/        START-END-RANDOM.open takes lines; .closed waits to be put. Times in ms
DIR/dead/            lines that are no requests, as dead letters
"""

from __future__ import annotations

import errno
import os
import random
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from tailrace.disk import make_directory, publish, sync_directory, writing
from tailrace.errors import Fatal, UsageError
from tailrace.loadbalancer.agent.blocks import Piece, Position, Reached, block, blocks
from tailrace.loadbalancer.agent.slots import is_open, shortened
from tailrace.loadbalancer.model import Slot

OPEN: Final = ".open"
CLOSED: Final = ".closed"
_SHARE: Final = 0.45
"""Of what the disk has left for the spool so much may be lines: the objects that are made of them need as much."""
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NAME: Final = re.compile(r"(?P<start>-?\d+)-(?P<end>-?\d+)-(?P<random>[a-z0-9]{8})\.[a-z]+")
_ALPHABET: Final = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment by its name: its slot, and the random part of its object's name."""

    path: Path
    slot: Slot
    random: str

    def named(self, slot: Slot, suffix: str) -> Segment:
        """The segment under another name."""
        name = f"{slot.start * 1000:.0f}-{slot.end * 1000:.0f}-{self.random}{suffix}"
        return Segment(self.path.with_name(name), slot, self.random)


def segments(folder: Path, suffix: str) -> list[Segment]:
    """The segments of a spool, the oldest first."""
    try:
        names = [path.name for path in (folder / "segments").iterdir()]
    except FileNotFoundError:
        return []
    found = (_segment(folder, name) for name in names if name.endswith(suffix))
    return sorted((each for each in found if each), key=lambda each: each.slot.end)


def _segment(folder: Path, name: str) -> Segment | None:
    match = _NAME.fullmatch(name)
    if not match:
        return None
    slot = Slot(int(match["start"]) / 1000, int(match["end"]) / 1000)
    return Segment(folder / "segments" / name, slot, match["random"])


class _Kept(msgspec.Struct, frozen=True):
    """What `reached.json` tells."""

    burst: int = 0
    files: list[Position] = []


class Spool:
    """Takes blocks of lines. One process has it at a time."""

    def __init__(self, folder: Path, limit: int, *, thorough: bool) -> None:
        """Find what is there; `thorough`: the machine was started anew since. Raises Fatal."""
        self.folder, self._limit = folder, limit
        self.reached = Reached()
        self.is_full = False
        self._open: Segment | None = None
        self._descriptor = -1
        self._size = 0
        self._unsynced = False
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
        for segment in segments(self.folder, OPEN):
            if self._open:  # there is one at most, but for a person's hand
                self.close_segment()
            self._reopen(segment, thorough=thorough)

    def _reopen(self, segment: Segment, *, thorough: bool) -> None:
        """Go on with a segment behind its last whole block."""
        self._descriptor = os.open(segment.path, os.O_RDWR | os.O_CLOEXEC)
        self._open, self._size = segment, 0
        for each in blocks(self._descriptor, thorough=thorough):
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
        """Find out how much room there is: of what the disk has left for it, half is kept free to make objects."""
        waiting = 0
        for segment in segments(self.folder, CLOSED):
            try:
                waiting += segment.path.stat().st_size
            except FileNotFoundError:
                continue
        disk = os.statvfs(self.folder)
        used = waiting + self._size
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
        segment = Segment(self.folder / "segments" / "_", slot, token).named(slot, OPEN)
        self._descriptor = os.open(segment.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._open, self._size = segment, 0
        sync_directory(segment.path.parent)

    def sync(self) -> None:
        """Let what was taken survive a power cut. Raises Fatal."""
        if self._unsynced:
            with writing(self.folder):
                os.fdatasync(self._descriptor)
            self._unsynced = False

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
                self._open = self._rename(self._open.named(closing, OPEN))

    def close_segment(self) -> bool:
        """Close the segment, if one is open, so that it is put; whether it was. Raises Fatal; a full disk leaves it open."""
        if self._open is None:
            return False
        with writing(self.folder):
            os.fdatasync(self._descriptor)
            try:
                self._keep_reached()
            except OSError as error:
                if error.errno in _NO_ROOM:
                    self.is_full = True
                    return False
                raise
            os.close(self._descriptor)
            if self._size:
                self._rename(self._open.named(self._open.slot, CLOSED))
            else:
                self._open.path.unlink()
        self._open, self._descriptor, self._size, self._unsynced = None, -1, 0, False
        return True

    def _rename(self, segment: Segment) -> Segment:
        assert self._open
        publish([(self._open.path, segment.path)])
        return segment

    def _keep_reached(self) -> None:
        """Write down how far sources were read, which the segment will not tell much longer."""
        temporary = self.folder / "reached.json.new"
        kept = _Kept(self.reached.burst, list(self.reached.files.values()))
        with temporary.open("wb") as file:
            file.write(msgspec.json.encode(kept))
            file.flush()
            os.fsync(file.fileno())
        publish([(temporary, self.folder / "reached.json")])

    def close(self) -> None:
        """Keep everything as it is, durably."""
        self.sync()
        if self._open:
            os.close(self._descriptor)
            self._open = None


def lock(folder: Path) -> int:
    """Take a spool for this process and those that it starts; the descriptor that holds it. Raises UsageError if another one has it."""
    import fcntl  # noqa: PLC0415 - needed once

    with writing(folder):
        make_directory(folder)
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
