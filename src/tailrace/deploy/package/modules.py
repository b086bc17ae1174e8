"""Tailrace's own modules that the function needs: whatever its handler can reach, and the stations that are found by name.

What the code imports is read from it, also imports inside functions; nothing of it is run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

import tailrace
from tailrace.deploy.naming import HANDLER
from tailrace.errors import UsageError

ROOT: Final = Path(tailrace.__file__).parent.parent
"""The folder in which `tailrace` is."""
_ROOMS: Final = ("formats", "sinks")
"""Whose modules the registry finds by name; the sources of a function are its events."""


def modules(root: Path = ROOT) -> dict[str, bytes]:
    """The source of each module, by its path in the package."""
    waiting = [HANDLER.rpartition(".")[0], *(f"tailrace.{room}" for room in _ROOMS)]
    for room in _ROOMS:
        waiting += [f"tailrace.{room}.{path.stem}" for path in (root / "tailrace" / room).glob("[!_]*.py")]
    found: dict[str, bytes] = {}
    while waiting:
        name = waiting.pop()
        path = _path(name, root)
        if path is None or path.relative_to(root).as_posix() in found:
            continue
        source = path.read_bytes()
        found[path.relative_to(root).as_posix()] = source
        waiting += [*_above(name), *_imported(source, name)]
    return found


def licence(root: Path = ROOT) -> bytes:
    """The text of Tailrace's licence. Raises UsageError if it is nowhere."""
    beside = root.parent / "LICENSE"
    if beside.is_file() and (root.parent / "pyproject.toml").is_file():
        return beside.read_bytes()
    for path in metadata.files("tailrace") or ():
        if path.name == "LICENSE":
            return path.read_binary()
    raise UsageError("the text of Tailrace's licence is missing from this installation; install it again")


def _path(name: str, root: Path) -> Path | None:
    path = root.joinpath(*name.split("."))
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if name.partition(".")[0] == "tailrace" and candidate.is_file():
            return candidate
    return None


def _above(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _imported(source: bytes, name: str) -> Iterator[str]:
    """The modules that a module may import; of a name that is imported it is not known whether it is a module."""
    for node in ast.walk(ast.parse(source, name)):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module
                yield from (f"{module}.{alias.name}" for alias in node.names)
