"""HAProxy on this machine logs to Tailrace too: looked at, planned, done and undone."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from tailrace.changes import Change
from tailrace.clock import Clock
from tailrace.errors import Fatal, TailraceError, UsageError
from tailrace.loadbalancer.configure import files, processes
from tailrace.loadbalancer.configure.checking import Program, program
from tailrace.loadbalancer.configure.files import Edit
from tailrace.loadbalancer.configure.lines import Version, Wish, planned
from tailrace.loadbalancer.configure.marks import cleared
from tailrace.loadbalancer.configure.memory import Kept, Memory
from tailrace.loadbalancer.configure.processes import Running
from tailrace.loadbalancer.configure.reloading import Patience, Reload, proven, reloads
from tailrace.loadbalancer.configure.syntax import sections

USUAL: Final = Path("/etc/haproxy/haproxy.cfg")
_SERVO: Final = "load-balancer-servo"
_GENERATED: Final = re.compile(
    r"do not (?:edit|modify|change)|(?:auto-?|is )generated|managed by|will be overwritten", re.IGNORECASE
)
_HEAD: Final = 30
"""Programs that write a file say so in one of its first lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """How it is done. `reload`: whether HAProxy takes it at once; `command`: by which words, if not by those that are found.

    `generated`: files that a program writes are changed too. `patience`: how long a reload may take.
    """

    haproxy: str = ""
    reload: bool = True
    command: tuple[str, ...] = ()
    generated: bool = False
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, slots=True)
class Found:
    """What is there: all files of the configuration with their content, in HAProxy's order.

    `program`: None, and no version, if it is gone, with which something can only be undone. `warnings`: what is wrong then.
    """

    contents: dict[Path, bytes]
    running: list[Running]
    program: Program | None
    version: Version
    kept: dict[Path, Kept | None]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Replacement:
    """New files. `order`: all files of the configuration. `told`, `warnings`: what people should know of it."""

    edits: tuple[Edit, ...]
    found: Found
    told: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class HaproxySetup:
    """Adds our log target to HAProxy's frontends; without a wish takes it out again."""

    given: tuple[Path, ...]
    wish: Wish | None
    doing: Doing
    memory: Memory
    clock: Clock
    say: Callable[[str], None]
    proc: Path = processes.PROC
    _done: Replacement | None = None
    _left: int = 0

    def look(self) -> Found:
        """The configuration, and who runs with it. Raises UsageError for one that HAProxy itself refuses, but to undo."""
        named = self._named()
        running = processes.running(named, self.proc)
        order = [files.real(each) for each in _expanded(named)]
        whole = [files.real(each) for each in _expanded(running[0].head.files())] if running else []
        if set(order) < set(whole):
            order = whole
        contents = {path: _there(path) for path in order}
        found = Found(contents, running, None, (0, 0), {path: self.memory.recall(path) for path in order})
        try:
            tool = program(self.doing.haproxy, running)
            found = replace(found, program=tool, version=tool.version())
        except UsageError as error:
            if self.wish:
                raise
            return replace(
                found, program=None, warnings=(f"{error}: HAProxy cannot check or take what is brought back",)
            )
        if wrong := tool.wrong(order):
            told = f"HAProxy refuses the configuration as it is: {wrong}"
            if self.wish:
                message = f"{told}. Put it right first; nothing was changed"
                raise UsageError(message)
            found = replace(found, warnings=(told,))
        return found

    def plan(self, found: Found) -> Sequence[Change]:
        """The files that become others, and how HAProxy is told; nothing if all is as it should be. Raises UsageError."""
        replacement = _undoing(found) if self.wish is None else self._adding(found, self.wish)
        if not replacement.edits:
            if late := processes.before(found.running, list(found.contents), self.proc):
                self.say(f"warning: HAProxy ({late}) began before its configuration was changed last; reload it")
            return []
        how = reloads(found.running, self.doing.command) if self.doing.reload and found.program else []
        why = "access log" if self.wish else "as it was before"
        changes = [Change("replace", replacement, why)]
        if how:
            changes.append(Change("reload", tuple(how), "; ".join(each.told for each in how)))
        self._left = len(changes)
        return changes

    def apply(self, change: Change) -> None:
        """Do one change. If HAProxy does not take it, everything is brought back. Raises Fatal."""
        if isinstance(change.arguments, Replacement):
            self._replace(change.arguments)
            self._done = change.arguments
        elif self._done:
            self._reload(change.arguments, self._done)
        self._left -= 1
        if self.wish is None and self._done and not self._left:
            for edit in self._done.edits:
                self.memory.forget(edit.path)

    def close(self) -> None:
        """Nothing is held."""

    def _named(self) -> list[Path]:
        """The files that are given, or the usual one, or those of the only HAProxy that runs."""
        if self.given or USUAL.exists():
            return [Path.cwd() / each for each in self.given or (USUAL,)]
        heads = {tuple(each.files()) for each in processes.processes(self.proc)} - {()}
        if len(heads) == 1:
            return list(*heads)
        message = f"there is no {USUAL}; name the files of HAProxy's configuration with -f, in its order"
        raise UsageError(message)

    def _adding(self, found: Found, wish: Wish) -> Replacement:
        bare: dict[Path, list[str]] = {}
        for path, content in found.contents.items():
            kept = found.kept[path]
            without = cleared(path, _lines(content), set(kept.written) if kept else None)
            if without.kept:
                message = f"{path}: {without.kept[0]!r} stands between Tailrace's marks and is not Tailrace's; put it elsewhere. Nothing was changed"
                raise UsageError(message)
            bare[path] = without.lines
        everything = [each for path, lines in bare.items() for each in sections(path, lines)]
        plan = planned(bare, everything, found.version, wish)
        edits = [Edit(path, found.contents[path], _bytes(lines)) for path, lines in plan.lines.items()]
        changed = tuple(edit for edit in edits if edit.old != edit.new)
        if not self.doing.generated:
            for edit in changed:
                _refuse_generated(edit)
        return Replacement(changed, found, tuple(plan.told), tuple(plan.warnings))

    def _replace(self, new: Replacement) -> None:
        """Check what it will be, remember what it was, and put it there."""
        self._check(new)
        done: list[Edit] = []
        try:
            for edit in new.edits:
                self._remember(edit, new.found.kept[edit.path])
                files.make(edit)
                done.append(edit)
        except BaseException:
            self._bring_back(done, new)
            raise

    def _check(self, new: Replacement) -> None:
        """Have HAProxy read the new files before they are where it finds them. Raises Fatal."""
        with ExitStack() as stack:
            made: dict[Path, Path] = {}
            for edit in new.edits:
                candidate = files.beside(edit.path, edit.new or b"")
                stack.callback(candidate.unlink, missing_ok=True)
                made[edit.path] = candidate
            order = [made.get(path, path) for path in new.found.contents]
            wrong = new.found.program.wrong(order) if new.found.program else ""
        if wrong:
            for path, candidate in made.items():
                wrong = wrong.replace(str(candidate), str(path))
            message = f"HAProxy would refuse the new configuration: {wrong}. Nothing was changed"
            raise Fatal(message)

    def _remember(self, edit: Edit, kept: Kept | None) -> None:
        if self.wish is None or edit.old is None:
            return
        ours = set(cleared(edit.path, _lines(edit.new or b"")).ours)
        was = edit.old
        if kept and kept.became == edit.old:
            was = kept.was or b""
        elif cleared(edit.path, _lines(edit.old)).ours:
            # Somebody changed it since: what they wrote is to stay.
            was = _bytes(cleared(edit.path, _lines(edit.old)).lines)
        written = tuple(sorted(ours.union(kept.written if kept else ())))
        self.memory.keep(Kept(path=str(edit.path), was=was, became=edit.new or b"", written=written))

    def _reload(self, how: Sequence[Reload], new: Replacement) -> None:
        """Have HAProxy take it, and see that it did; else bring all back. Raises Fatal."""
        order = list(new.found.contents)
        try:
            before = processes.running(order, self.proc)
            for each in how:
                each.run()
            told = proven(before, lambda: processes.running(order, self.proc), self.clock, self.doing.patience)
        except BaseException as error:
            self._bring_back(new.edits, new)
            self._again(how)
            if not isinstance(error, TailraceError | OSError):
                raise
            message = f"{error}; the configuration is again as it was"
            raise Fatal(message) from error
        self.say(f"{' and '.join(each.told for each in how)}: {told}")

    def _bring_back(self, edits: Sequence[Edit], new: Replacement) -> None:
        for edit in edits:
            files.back(edit)
        for edit in new.edits:
            kept = new.found.kept[edit.path]
            if kept:
                self.memory.keep(kept)
            else:
                self.memory.forget(edit.path)

    def _again(self, how: Sequence[Reload]) -> None:
        """HAProxy's master may be waiting for a configuration that is right."""
        for each in how:
            try:
                each.run()
            except TailraceError as error:
                self.say(f"warning: after that, {error}; look whether HAProxy runs")


def _undoing(found: Found) -> Replacement:
    """All files without our lines: exactly as they were, or, where others have changed them since, with what they wrote."""
    edits, told = list[Edit](), list[str]()
    for path, content in found.contents.items():
        kept = found.kept[path]
        if kept and kept.became == content:
            edits.append(Edit(path, content, kept.was))
            told.append(f"{path}: becomes what it was, byte for byte")
            continue
        without = cleared(path, _lines(content), set(kept.written) if kept else None)
        if without.ours:
            edits.append(Edit(path, content, _bytes(without.lines)))
            stays = f"; between the marks stood {without.kept[0]!r}, which stays" if without.kept else ""
            why = "somebody has changed it since" if kept else "what it was is not known here"
            told.append(f"{path}: {why}, so only Tailrace's lines go{stays}")
    return Replacement(tuple(edits), found, tuple(told), found.warnings)


def _expanded(named: Sequence[Path]) -> list[Path]:
    """Files as they are; of folders the files that HAProxy reads, in its order."""
    found: list[Path] = []
    for each in named:
        found += sorted(file for file in each.glob("*.cfg") if file.name[0] != ".") if each.is_dir() else [each]
    return list(dict.fromkeys(found))


def _there(path: Path) -> bytes:
    found = files.content(path)
    if found is None:
        message = f"there is no {path}; name the files of HAProxy's configuration with -f, in its order"
        raise UsageError(message)
    return found


def _lines(content: bytes) -> list[str]:
    # Nothing but a newline ends a line of HAProxy's.
    return re.findall("[^\n]*\n|[^\n]+", content.decode("utf-8", "surrogateescape"))


def _bytes(lines: Sequence[str]) -> bytes:
    return "".join(lines).encode("utf-8", "surrogateescape")


def _refuse_generated(edit: Edit) -> None:
    """Raises UsageError for a file that somebody's program writes anew."""
    head = [line for line in _lines(edit.old or b"")[:_HEAD] if line.lstrip().startswith("#")]
    said = next((line.strip("# \t\r\n") for line in head if _GENERATED.search(line)), "")
    if _SERVO in os.fspath(edit.path):
        said = "Eucalyptus' servo writes this file from its template and the balancer's listeners"
    if said:
        message = (
            f"{edit.path} is written by a program, which would take our lines away again ({said!r}): have that program write them"
            " (see --dry-run --generated), or say --generated to change it all the same. Nothing was changed"
        )
        raise UsageError(message)
