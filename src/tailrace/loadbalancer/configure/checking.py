"""HAProxy's own program: which version it is, and what it says of a configuration."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tailrace.errors import UsageError
from tailrace.loadbalancer.configure.lines import Version
from tailrace.loadbalancer.configure.processes import Running

_LONGEST: Final = 120.0
_VERSION: Final = re.compile(r"HA-?Proxy version (\d+)\.(\d+)")
_TOLD: Final = re.compile(r"\[(?:ALERT|WARNING)\][^:]*: *(?:config : )?(.*)")
_MOST: Final = 3
"""So many of its errors are told."""
_PLACES: Final = ("/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin")


@dataclass(frozen=True, slots=True)
class Program:
    """A program of HAProxy, run as the running one was: its folder and environment."""

    path: Path
    folder: Path | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)

    def version(self) -> Version:
        """Its version. Raises UsageError."""
        told = self._run("-v").stdout
        match = _VERSION.search(told)
        if not match:
            message = f"{self.path} does not say that it is HAProxy; give --haproxy PATH. Nothing was changed"
            raise UsageError(message)
        return int(match[1]), int(match[2])

    def wrong(self, files: Sequence[Path]) -> str:
        """What is wrong with a configuration, in one line; nothing if it is valid. Raises UsageError."""
        done = self._run("-c", *(word for file in files for word in ("-f", str(file))))
        if not done.returncode:
            return ""
        told = [match[1].strip() for match in map(_TOLD.match, done.stdout.splitlines()) if match]
        return "; ".join(told[:_MOST]) or f"`haproxy -c` ends with exit code {done.returncode}"

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(  # noqa: S603 - the program that runs here, or that the user names
                (self.path, *words), check=False, timeout=_LONGEST, cwd=self.folder, env=dict(self.environ), text=True,
                errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            message = f"{self.path} cannot be run: {error}; nothing was changed"
            raise UsageError(message) from error


def program(given: str, found: Sequence[Running]) -> Program:
    """The program that is given, that runs, or that is installed. Raises UsageError."""
    head = found[0].head if found else None
    folder = head.folder / head.value("-C") if head else None
    path = given or (str(head.program) if head and head.program.exists() else "")
    path = path or shutil.which("haproxy", path=os.pathsep.join((os.environ.get("PATH", ""), *_PLACES))) or ""
    if not path:
        raise UsageError("no program haproxy is found here; install it, or give --haproxy PATH")
    return Program(Path(path), folder, head.environ if head else dict(os.environ))
