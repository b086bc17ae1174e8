"""Following a file that another program writes, through its rotations.

Rotations are those of logrotate: the file is renamed and a new one made, or copied and cut to nothing (copytruncate); its elder copies stand beside
it as FILE.1, FILE.2, ... or FILE-20261122. A file is known again by its inode and its first bytes, so neither a reused inode nor a file
that was cut and has grown again is mistaken. What was rotated while nobody looked is read as long as it is there and not compressed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tailrace.clock import Clock
from tailrace.loadbalancer.agent.blocks import Position

READ: Final = 128 << 10
LONGEST: Final = 1 << 20
"""A line that is longer is cut, so that it cannot stop what follows."""
LINGER_S: Final = 5.0
"""For so long after its last line a rotated file is still read: its writer may not know yet."""
_HEAD: Final = 256
_LATEST: Final = 1 << 63
_ROTATED: Final = re.compile(r"[.-]\d[\d.T:_-]*")


class Chunk(NamedTuple):
    """Whole lines of a file, and what is to be kept of where they were read."""

    data: bytes
    positions: Sequence[Position]


@dataclass(slots=True)
class _Tail:
    """A file that is open, and when it grew last."""

    descriptor: int
    position: Position
    heard: float
    size: int = -1


class _File(NamedTuple):
    """A file beside the followed one, or that itself."""

    path: str
    status: os.stat_result


@dataclass(slots=True)
class Follower:
    """Gives a file's lines, chunk after chunk. What a chunk holds is given again until it is told that it was taken."""

    path: str
    clock: Clock
    say: Callable[[str], None]
    _tails: list[_Tail] = field(default_factory=list)
    _notes: list[Position] = field(default_factory=list)
    _given: tuple[_Tail, Position] | None = None
    _troubled: bool = False

    def begin(self, known: Iterable[Position]) -> None:
        """Find again where reading had ended."""
        positions = [each for each in known if each.path == self.path]
        files = self._files()
        newest = -1
        for position in positions:
            at = _index_of(position, files)
            if at is None:
                self._lost(position)
                continue
            newest = max(newest, at)
            self._resume(position, files[at])
        if positions:
            seen = max(position.written for position in positions)
            self._open_newer(files[newest + 1 :] if newest >= 0 else _written_after(files, seen, self.path))

    def chunk(self) -> Chunk | None:
        """The next whole lines; None if there are none now."""
        self._look()
        if self._notes and not self._tails:
            return self._give(None, b"", ())
        for tail in list(self._tails):
            if chunk := self._read(tail):
                return chunk
        return self._give(None, b"", ()) if self._notes else None

    def took(self) -> None:
        """The last chunk is in the spool."""
        self._notes.clear()
        if self._given:
            tail, tail.position = self._given[0], self._given[1]
            if tail.position.done:
                os.close(tail.descriptor)
                self._tails.remove(tail)
            self._given = None

    def close(self) -> None:
        """Let go of the files."""
        for tail in self._tails:
            os.close(tail.descriptor)
        self._tails.clear()

    # What there is to read

    def _look(self) -> None:
        """Open what has appeared since, and begin again where a file was cut."""
        with suppress(FileNotFoundError):
            for tail in list(self._tails):
                if _was_cut(tail):
                    self._cut(tail)
            status = Path(self.path).stat()
            for tail in list(self._tails):
                if not tail.position.head_size and _is(tail.position, status):
                    self._look_beside(tail)
            if not any(_is(tail.position, status) for tail in self._tails):
                files = self._files()
                known = [
                    at for at, file in enumerate(files) if any(_is(tail.position, file.status) for tail in self._tails)
                ]
                seen = max((tail.position.written for tail in self._tails), default=_LATEST)
                self._open_newer(files[max(known) + 1 :] if known else _written_after(files, seen, self.path))

    def _look_beside(self, tail: _Tail) -> None:
        """Of a file of which nothing was read yet nobody can tell whether it was cut: a copy that is newer tells it."""
        files = self._files()
        first = os.pread(tail.descriptor, _HEAD, 0)
        newer = [file for file in files if file.path != self.path and file.status.st_mtime_ns > tail.position.written]
        if newer and not (first and any(_first_of(file) == first for file in newer)):  # else it is being copied now
            self._open_newer(newer)
            tail.position = msgspec.structs.replace(tail.position, written=_latest(files))
            self._notes.append(tail.position)

    def _cut(self, tail: _Tail) -> None:
        """A file is shorter than it was, or begins otherwise: what was not read yet stands in a copy of it, if anywhere."""
        files, old = self._files(), tail.position
        at = next((at for at, file in enumerate(files) if not _is(old, file.status) and _holds(old, file)), None)
        self._tails.remove(tail)
        fresh = Position(self.path, old.device, old.inode, 0, written=_latest(files))
        if at is None:
            self._lost(old)
        else:
            self._resume(old, files[at])
            self._open_newer([file for file in files[at + 1 :] if not _is(old, file.status)])
        self._tails.append(_Tail(tail.descriptor, fresh, self.clock.monotonic()))
        self._notes.append(fresh)

    def _resume(self, position: Position, file: _File) -> None:
        status = file.status
        if not _is(position, status):
            self._notes.append(msgspec.structs.replace(position, done=True))
        if not any(_is(tail.position, status) for tail in self._tails):
            self._open(
                file.path, msgspec.structs.replace(position, device=status.st_dev, inode=status.st_ino), known=True
            )

    def _open_newer(self, files: Iterable[_File]) -> None:
        latest = _latest(self._files())
        for path, status in files:
            if not any(_is(tail.position, status) for tail in self._tails):
                self._open(path, Position(self.path, status.st_dev, status.st_ino, 0, written=latest))

    def _open(self, path: str, position: Position, *, known: bool = False) -> None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if not self._troubled:
                self.say(f"warning: {path} cannot be read: {error.strerror or error}; it is tried again")
            self._troubled = True
            return
        self._troubled = False
        status = os.fstat(descriptor)
        if not _is(position, status):  # rotated in this moment; the next look finds it
            os.close(descriptor)
            return
        # A file that was rotated long ago has nothing to wait for, so that also a run that is short comes to its end.
        quiet = max(0.0, self.clock.now() - status.st_mtime)
        self._tails.append(_Tail(descriptor, position, self.clock.monotonic() - quiet, status.st_size))
        if not known or self._notes:
            self._notes.append(position)

    def _lost(self, position: Position) -> None:
        self._notes.append(msgspec.structs.replace(position, done=True))
        if position.offset or position.head_size:
            self.say(
                f"warning: {self.path}: the file that was read up to byte {position.offset:,} is gone, or compressed;"
                " if lines stood behind that, they are missing: rotate with delaycompress"
            )

    def _files(self) -> list[_File]:
        """The followed file and what it was rotated to, the oldest first."""
        followed = Path(self.path)
        try:
            copies = [each for each in followed.parent.iterdir() if _is_copy(each.name, followed.name)]
        except OSError:
            return []
        found = []
        for each in [*copies, followed]:
            with suppress(OSError):
                found.append(_File(str(each), each.stat()))
        return _sorted(found, self.path)

    # Reading

    def _read(self, tail: _Tail) -> Chunk | None:
        at = tail.position.offset
        status = os.fstat(tail.descriptor)
        if status.st_size != tail.size:
            tail.size, tail.heard = status.st_size, self.clock.monotonic()
        data, used = _whole_lines(tail.descriptor, at) if status.st_size > at else (b"", 0)
        if used:
            return self._give(tail, data, self._moved(tail, at + used, status.st_mtime_ns))
        if not self._is_over(tail, status):
            return None
        rest = os.pread(tail.descriptor, LONGEST, at)
        moved = self._moved(tail, at + len(rest), status.st_mtime_ns)
        return self._give(tail, rest + b"\n" if rest else b"", msgspec.structs.replace(moved, done=True))

    def _is_over(self, tail: _Tail, status: os.stat_result) -> bool:
        """Whether a rotated file will have no more lines."""
        if self.clock.monotonic() - tail.heard < LINGER_S:
            return False
        try:
            now = Path(self.path).stat()
        except OSError:
            return False
        return (now.st_dev, now.st_ino) != (status.st_dev, status.st_ino)

    def _moved(self, tail: _Tail, offset: int, written: int) -> Position:
        """The position behind what was read."""
        position = tail.position
        size, head = position.head_size, position.head
        if size < _HEAD and offset > size:
            first = os.pread(tail.descriptor, min(_HEAD, offset), 0)
            size, head = len(first), _digest(first)
        return msgspec.structs.replace(position, offset=offset, head_size=size, head=head, written=written)

    def _give(self, tail: _Tail | None, data: bytes, position: Position | tuple[()]) -> Chunk:
        self._given = (tail, position) if tail and isinstance(position, Position) else None
        own = [position] if isinstance(position, Position) else []
        notes = [note for note in self._notes if not own or note.file != own[0].file]
        return Chunk(data.replace(b"\0", b"") if b"\0" in data else data, [*notes, *own])


def _whole_lines(descriptor: int, at: int) -> tuple[bytes, int]:
    """Lines from an offset on, and how many bytes of the file they are; none while the line is unfinished."""
    data = os.pread(descriptor, READ, at)
    end = data.rfind(b"\n") + 1
    if not end and len(data) == READ:
        data = os.pread(descriptor, LONGEST, at)
        end = data.rfind(b"\n") + 1
        if not end and len(data) == LONGEST:
            return data + b"\n", LONGEST
    return data[:end], end


def _latest(files: Iterable[_File]) -> int:
    """When any of the files was written to the last time."""
    return max((file.status.st_mtime_ns for file in files), default=0)


def _first_of(file: _File) -> bytes:
    try:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(descriptor, _HEAD, 0)
    finally:
        os.close(descriptor)


def _was_cut(tail: _Tail) -> bool:
    position = tail.position
    if os.fstat(tail.descriptor).st_size < position.offset:
        return True
    return _head_of(tail.descriptor, position.head_size) != position.head


def _head_of(descriptor: int, size: int) -> str:
    if not size:
        return ""
    first = os.pread(descriptor, size, 0)
    return _digest(first) if len(first) == size else "short"


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=8).hexdigest()


def _is(position: Position, status: os.stat_result) -> bool:
    return (position.device, position.inode) == (status.st_dev, status.st_ino)


def _holds(position: Position, file: _File) -> bool:
    """Whether a file begins as the one did that was read, and has what was read of it."""
    if not position.head_size or file.status.st_size < position.offset:
        return False
    return _begins(position, file)


def _begins(position: Position, file: _File) -> bool:
    try:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return _head_of(descriptor, position.head_size) == position.head
    finally:
        os.close(descriptor)


def _index_of(position: Position, files: Sequence[_File]) -> int | None:
    """Which of the files was read: the one with its inode, else one that holds the same."""
    for at, file in enumerate(files):
        if _is(position, file.status) and file.status.st_size >= position.offset and _begins(position, file):
            return at
    return next((at for at, file in enumerate(files) if _holds(position, file)), None)


def _written_after(files: Sequence[_File], seen: int, path: str) -> Iterator[_File]:
    return (file for file in files if file.path == path or file.status.st_mtime_ns > seen)


def _is_copy(name: str, of: str) -> bool:
    """Whether it is what logrotate names a copy: by a number or a date. A compressed one is not, nor another log's."""
    return name.startswith(of) and _ROTATED.fullmatch(name, len(of)) is not None


def _sorted(files: Sequence[_File], path: str) -> list[_File]:
    """The oldest first: by their numbers, else by when they were written to; the followed file last."""
    copies = [file for file in files if file.path != path]
    numbers = [file.path[len(path) + 1 :] for file in copies]
    if all(number.isdigit() and file.path[len(path)] == "." for number, file in zip(numbers, copies, strict=True)):
        copies.sort(key=lambda file: -int(file.path[len(path) + 1 :]))
    else:
        copies.sort(key=lambda file: (file.status.st_mtime_ns, file.path))
    return [*copies, *(file for file in files if file.path == path)]
