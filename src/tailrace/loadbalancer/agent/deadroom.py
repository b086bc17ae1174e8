"""How much room dead letters take: who never looks at them must not lose the disk to them."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from tailrace.disk import writing

_READ: Final = 1 << 20


def remove_oldest(folder: Path, limit: int) -> int:
    """Remove files of dead letters, the oldest first, until the others take no more than so many bytes; how many letters went. Raises Fatal."""
    found = []
    with writing(folder):
        for path in folder.glob("*.ndjson"):
            with suppress(FileNotFoundError):  # it was replayed
                status = path.stat()
                found.append((status.st_mtime_ns, path, status.st_size))
        used, gone = sum(size for _, _, size in found), 0
        for _, path, size in sorted(found):
            if used <= limit:
                break
            used -= size
            with suppress(FileNotFoundError):
                gone += _letters(path)
                path.unlink()
    return gone


def _letters(path: Path) -> int:
    with path.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(partial(file.read, _READ), b""))
