"""The replay: file after file of letters, each of them read, sent, accounted for, and replaced by what is left of it.

A crash loses nothing: until a file's journal is written its letters are all there, and are sent again; from then on they
count as gone through. So a record comes twice only after a crash, and only where the sink does not know its id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from tailrace.errors import Fatal, SourceError, TailraceError
from tailrace.homes import Home, Job
from tailrace.letters import Letter, decoded, encoded, fits
from tailrace.model import Identity, Item
from tailrace.replay.ledger import Ledger
from tailrace.replay.pages import Kept, Objects, lines, revised
from tailrace.replay.sending import Fate, Sending
from tailrace.store import journal

_TOGETHER, _BYTES = 2000, 8 << 20
"""So many letters, or about so many bytes of them, are sent before a sink is asked what became of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which letters: empty for any. `items`: patterns of names; `limit`: how many at most, 0 for all."""

    reasons: Sequence[str] = ()
    sinks: Sequence[str] = ()
    items: Sequence[str] = ()
    limit: int = 0

    def includes(self, letter: Letter) -> bool:
        """Whether a letter is wanted."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (not self.sinks or any(fits(letter.sink, sink) for sink in self.sinks))
            and (not self.items or any(_is_of(letter.item, pattern) for pattern in self.items))
        )


def _is_of(item: Identity, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in (item.key, item.name, f"{item.kind}://{item.name}"))


@dataclass(slots=True)
class Replayed:
    """What a replay has done. `stayed`: by why; `passed`: letters that were not wanted; `strange`: lines that are none."""

    letters: int = 0
    gone: int = 0
    records: int = 0
    passed: int = 0
    strange: int = 0
    stayed: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a replay works with. `objects` replaces objects of buckets. `dry`: only look what would be done."""

    home: Home
    folder: Path
    job: Job
    sending: Sending
    wanted: Wanted
    objects: Callable[[], Objects]
    dry: bool = False


class Replay:
    """Replays letters at one home, whose folder holds the journal; `done` may have been begun by another."""

    def __init__(self, desk: Desk, done: Replayed) -> None:
        self._desk = desk
        self._done = done

    def run(self, pages: Iterable[Item]) -> None:
        """Replay every page, and add up what was done. Raises Fatal or UsageError, with what had been done by then written down."""
        if not self._desk.dry:
            self._resume()
        for page in pages:
            if self._is_over:
                break
            try:
                _Page(page, self._desk, self._done).replay()
            except SourceError as error:
                self._done.errors.append(str(error))

    @property
    def _is_over(self) -> bool:
        return _is_enough(self._desk, self._done) or self._desk.sending.is_over

    def _resume(self) -> None:
        """Finish what an earlier replay has left to be done: in a bucket, or in a state that machines share."""
        desk, left = self._desk, journal.read(self._desk.folder)
        if left is None:
            return
        ledger = Ledger(desk.home.state, desk.job)
        try:
            for entry in left.entries:
                ledger.of(entry.receipt.item)
            journal.finish(desk.folder, desk.home.state)
        finally:
            ledger.close()
        if left.remote:
            desk.objects().put(left.remote, desk.folder / left.kept if left.kept else None)
            journal.remove(desk.folder)


def _is_enough(desk: Desk, done: Replayed) -> bool:
    return desk.job.stop.is_set() or bool(desk.wanted.limit and done.letters >= desk.wanted.limit)


class _Page:
    """One file or object of letters."""

    def __init__(self, page: Item, desk: Desk, done: Replayed) -> None:
        self._page, self._desk, self._done = page, desk, done
        self._ledger = Ledger(desk.home.state, desk.job)
        self._group: dict[_Key, tuple[Letter, bytes]] = {}
        self._size = 0
        remote = lambda page: desk.objects().remote(page)  # noqa: E731 - a client is made when there is need of one
        self._kept = None if desk.dry else Kept(page, desk.folder, remote)
        self._failure: TailraceError | None = None

    def replay(self) -> None:
        """Replay it. Raises SourceError if it cannot be read or replaced, and what stops the whole replay."""
        try:
            for line in lines(self._page):
                self._take(line)
            self._send()
            self._replace()
        except BaseException:
            if self._kept:
                self._kept.discard()
            raise
        finally:
            self._ledger.close()
        if self._failure:
            raise self._failure

    def _take(self, line: bytes) -> None:
        if not line.strip():
            return
        letter = self._wanted(line)
        if letter is None:
            self._keep(line)
            return
        if self._group and next(iter(self._group.values()))[0].item != letter.item:
            self._send()
            if self._is_over:
                self._keep(line)
                return
        key = _key(letter)
        if key in self._group:
            return  # the same letter twice: what becomes of the one becomes of both
        self._done.letters += 1
        self._group[key] = (letter, line)
        self._size += len(letter.payload)
        if len(self._group) >= _TOGETHER or self._size >= _BYTES:
            self._send()

    def _wanted(self, line: bytes) -> Letter | None:
        try:
            letter = decoded(line)
        except ValueError:
            self._done.strange += 1
            return None
        if self._is_over:
            return None
        if not self._desk.wanted.includes(letter):
            self._done.passed += 1
            return None
        return letter

    @property
    def _is_over(self) -> bool:
        return bool(self._failure) or _is_enough(self._desk, self._done) or self._desk.sending.is_over

    def _keep(self, line: bytes) -> None:
        if self._kept:
            self._kept.write(line)

    def _send(self) -> None:
        """Send the letters that wait. What stops the whole replay is raised at the end of the page."""
        group, self._group, self._size = list(self._group.values()), {}, 0
        if not group:
            return
        letters = [letter for letter, _line in group]
        sending, fates, why = self._desk.sending, dict[_Key, Fate](), ""
        try:
            for fate in sending.look(letters) if self._desk.dry else sending.send(letters, self._ledger):
                fates[_key(fate.letter)] = fate
        except TailraceError as error:
            self._failure, why = None if isinstance(error, SourceError) else error, str(error)
        for letter, line in group:
            self._settle(fates.get(_key(letter)) or Fate(letter, (letter,), why), line)

    def _settle(self, fate: Fate, line: bytes) -> None:
        self._done.records += fate.records
        if fate.left:
            self._done.stayed[fate.why] += 1
        else:
            self._done.gone += 1
        if self._kept:
            self._kept.is_changed |= fate.left != (fate.letter,)
            for letter in fate.left:
                self._keep(_line(letter, fate.letter, line))

    def _replace(self) -> None:
        """Write down what was done, then put what is left in the page's place."""
        if self._kept is None:
            return
        entries = self._ledger.entries()
        if not entries and not self._kept.is_changed:
            self._kept.discard()
            return
        folder = self._desk.folder
        told = replace(self._kept.finish(), entries=entries)
        journal.write(folder, told)
        self._kept = None  # from here on it is the journal's
        journal.finish(folder, self._desk.home.state)
        if told.remote:
            self._put(told.remote, folder / told.kept if told.kept else None)
            journal.remove(folder)

    def _put(self, remote: journal.Remote, kept: Path | None) -> None:
        try:
            if not self._desk.objects().put(remote, kept):
                self._done.errors.append(f"{self._page.identity.name} was replaced while it was replayed")
        except SourceError as error:  # the journal has room for one page only
            raise Fatal(str(error)) from error


_Key = tuple[int, str, str]


def _key(letter: Letter) -> _Key:
    """What tells letters of one object apart."""
    return letter.offset, letter.sink, letter.sha256


def _line(letter: Letter, before: Letter, line: bytes) -> bytes:
    """A letter that is left as a line: that which it was, if it is still the same."""
    if letter == before:
        return line
    if _key(letter) == _key(before):
        return revised(line, letter)
    return encoded(letter)
