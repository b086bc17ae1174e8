"""Modules, compiled for the Python that will run them, so that a cold start need not: the function's folder cannot be written to.

The compiled modules do not ask whether their source has changed (PEP 552, unchecked), for it cannot, and times would be in them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

from tailrace.errors import Fatal

_TASK: Final = "/var/task"
"""Where Lambda puts the package: so tracebacks name the files."""
_VERSION: Final = (
    "import platform, sys; sys.stdout.write(platform.python_implementation() + ' ' + platform.python_version())"
)
_COMPILE: Final = """
import py_compile, sys
for line in sys.stdin.read().splitlines():
    source, compiled, shown = line.split("\\t")
    py_compile.compile(source, compiled, shown, doraise=True, optimize=0,
                       invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
"""
_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class Python:
    """A Python on this machine: how it is called, and its version."""

    program: str
    version: str

    def compiled(self, sources: Mapping[str, bytes]) -> dict[str, bytes]:
        """The compiled modules by their paths in the package. Raises Fatal."""
        with TemporaryDirectory() as name:
            folder, lines = Path(name), []
            for path in sorted(sources):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(sources[path])
                lines.append(f"{folder / path}\t{folder / self._beside(path)}\t{_TASK}/{path}")
            done = _run(self.program, _COMPILE, "\n".join(lines))
            if done is None or done.returncode:
                told = (done.stderr if done else "").strip().rpartition("\n")[2]
                message = f"{self.program} cannot compile the modules: {told or 'it does not answer'}"
                raise Fatal(message)
            return {target: (folder / target).read_bytes() for target in map(self._beside, sources)}

    def _beside(self, path: str) -> str:
        major, minor, *_ = self.version.split(".")
        source = PurePosixPath(path)
        return f"{source.parent}/__pycache__/{source.stem}.cpython-{major}{minor}.pyc"


def python_for(minor: int) -> Python | None:
    """A Python 3.x of this machine; None if there is none."""
    candidates = [f"python3.{minor}"]
    if sys.version_info.minor == minor:
        candidates.insert(0, sys.executable)
    for program in candidates:
        done = _run(program, _VERSION)
        if done and done.returncode == 0 and done.stdout.startswith(f"CPython 3.{minor}."):
            return Python(program, done.stdout.removeprefix("CPython "))
    return None


def _run(program: str, script: str, text: str = "") -> subprocess.CompletedProcess[str] | None:
    """Run a script with nothing of its surroundings that could change what is compiled: same seed, no site, no variables."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environ |= {"PYTHONHASHSEED": "0"}
    if not Path(program).is_absolute():
        environ["PYENV_VERSION"] = program.removeprefix("python")  # where pyenv has it, but not chosen
    command = [program, "-S", "-s", "-B", "-P", "-c", script]
    try:
        return subprocess.run(  # noqa: S603 - a Python of this machine
            command, env=environ, input=text, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
