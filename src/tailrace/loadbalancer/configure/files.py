"""Files of others, read within bounds and replaced whole, with mode, owner and labels kept."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tailrace.disk import writing
from tailrace.errors import Fatal, UsageError

LARGEST: Final = 16 << 20
"""A configuration is not larger than this."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What a file becomes. `old` and `new`: its content, None for a file that is not there. `mode`: of a file that is made."""

    path: Path
    old: bytes | None
    new: bytes | None
    mode: int = 0o644


def content(path: Path) -> bytes | None:
    """What a file holds, None if it is not there. Raises UsageError."""
    try:
        with path.open("rb") as file:
            found = file.read(LARGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}; nothing was changed"
        raise UsageError(message) from error
    if len(found) > LARGEST:
        message = f"{path} is larger than {LARGEST >> 20} MiB: this is no configuration; nothing was changed"
        raise UsageError(message)
    return found


def real(path: Path) -> Path:
    """Where a path leads, over symbolic links. Raises UsageError for a loop of them."""
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        message = f"{path} cannot be followed: {error}; nothing was changed"
        raise UsageError(message) from error


def beside(path: Path, data: bytes) -> Path:
    """A new file beside another one, with its mode, owner and labels, that nobody takes for it. Raises Fatal."""
    with writing(path.parent):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tailrace")
        made = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                _as(path, file.fileno())
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            made.unlink(missing_ok=True)
            raise
    return made


def _as(model: Path, descriptor: int) -> None:
    """Give a file the owner, mode and extended attributes of another one."""
    found = model.stat()
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (found.st_uid, found.st_gid):
        os.fchown(descriptor, found.st_uid, found.st_gid)
    os.fchmod(descriptor, found.st_mode & 0o7777)
    for name in os.listxattr(model):
        # A label that may not be set is given by the system itself.
        with suppress(OSError):
            os.setxattr(descriptor, name, os.getxattr(model, name))


def make(edit: Edit) -> None:
    """Bring a file to its new content, whole or not at all. Raises Fatal if it is not what it was when it was looked at."""
    if content(edit.path) != edit.old:
        message = f"{edit.path} was changed by somebody else just now; look at it and run again. Nothing was changed"
        raise Fatal(message)
    with writing(edit.path):
        if edit.new is None:
            edit.path.unlink()
        elif edit.old is not None:
            beside(edit.path, edit.new).replace(edit.path)
        else:
            _new(edit.path, edit.new, edit.mode)
        _settle(edit.path.parent)


def back(edit: Edit) -> None:
    """Undo an edit that was made just now. Raises Fatal."""
    make(Edit(edit.path, edit.new, edit.old, edit.mode))


def _new(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())


def _settle(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
