"""Files for other programs, written where these find them, and taken away again."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tailrace.changes import Change
from tailrace.errors import Fatal, UsageError
from tailrace.loadbalancer.configure import files
from tailrace.loadbalancer.configure.files import Edit
from tailrace.loadbalancer.configure.memory import Kept, Memory
from tailrace.loadbalancer.configure.snippets import Snippet

_LONGEST: Final = 60.0
_CHECKS: Final = {
    "rsyslog": ("rsyslogd", "-N1", "-f"),
    "logrotate": ("logrotate", "-d"),
    "systemd": ("systemd-analyze", "verify"),
}
_WRONG: Final = ("error", "failed", "unknown", "invalid", "not executable")
"""Programs that end with 0 say so in words."""
_PLACES: Final = "/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(slots=True)
class SnippetSetup:
    """Writes files for other programs; with `undo` brings back what was there. `root`: the machine's."""

    snippets: Sequence[Snippet]
    memory: Memory
    undo: bool = False
    root: Path = Path("/")
    modules: frozenset[str] = frozenset()

    def look(self) -> dict[Path, bytes | None]:
        """What is there. Raises UsageError."""
        return {self.path(each): files.content(self.path(each)) for each in self.snippets}

    def plan(self, found: dict[Path, bytes | None]) -> Sequence[Change]:
        """A file after the other. Raises UsageError for those that somebody else has written."""
        edits = [self._edit(each, found[self.path(each)]) for each in self.snippets]
        return [Change("write" if edit.new else "remove", edit, str(edit.path)) for edit in edits if edit]

    def apply(self, change: Change) -> None:
        """Write a file, or bring it back. Raises Fatal."""
        edit: Edit = change.arguments
        if self.undo:
            files.make(edit)
            self.memory.forget(edit.path)
            return
        kept = self.memory.recall(edit.path)
        was = kept.was if kept else edit.old
        self.memory.keep(Kept(path=str(edit.path), was=was, became=edit.new or b""))
        files.make(edit)

    def close(self) -> None:
        """Nothing is held."""

    def path(self, snippet: Snippet) -> Path:
        """Where a file is."""
        return self.root / str(snippet.path).lstrip("/")

    def _edit(self, snippet: Snippet, old: bytes | None) -> Edit | None:
        path, new = self.path(snippet), snippet.text.encode()
        kept = self.memory.recall(path)
        if self.undo:
            if kept is None or old == kept.was:
                return None
            if old != kept.became:
                message = f"{path} was changed by somebody else since; look at it, and remove it yourself. Nothing was changed"
                raise UsageError(message)
            return Edit(path, old, kept.was)
        if old == new:
            return None
        if old is not None and (kept is None or old != kept.became):
            message = f"{path} is there already and not as Tailrace wrote it; move it away first. Nothing was changed"
            raise UsageError(message)
        return Edit(path, old, new)


def check(
    snippets: Sequence[Snippet], before: frozenset[str] = frozenset(), after: frozenset[str] = frozenset()
) -> None:
    """Have the programs that will read them look at them, as far as they are installed. Raises Fatal.

    `before`, `after`: modules that rsyslog's other files load before ours is read, and after it.
    """
    for kind, words in _CHECKS.items():
        tool = shutil.which(words[0], path=_PLACES)
        mine = [each for each in snippets if each.kind == kind]
        if not tool or not mine:
            continue
        with tempfile.TemporaryDirectory(prefix="tailrace-") as folder:
            names = [Path(folder) / each.path.name for each in mine]
            for name, each in zip(names, mine, strict=True):
                text = f"{_loads(before)}{each.text}{_loads(after)}" if kind == "rsyslog" else each.text
                name.write_text(text)
            _ask((tool, *words[1:], *map(str, names)), folder)


def _loads(modules: frozenset[str]) -> str:
    return "".join(f'module(load="{module}")\n' for module in sorted(modules))


def _ask(words: Sequence[str], folder: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - a program of the machine's own
            words, check=False, timeout=_LONGEST, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"{words[0]} cannot be run: {error}; nothing was changed"
        raise Fatal(message) from error
    told = [
        line.strip()
        for line in done.stdout.decode(errors="replace").replace(f"{folder}/", "").splitlines()
        if line.strip()
    ]
    wrong = [line for line in told if any(word in line.lower() for word in _WRONG)]
    if done.returncode or (wrong and words[0].endswith("logrotate")):
        message = f"{Path(words[0]).name} refuses what would be written: {'; '.join((wrong or told)[:3])}. Nothing was changed"
        raise Fatal(message)
