"""What files were before Tailrace changed them, kept for `--undo`."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from tailrace.disk import writing
from tailrace.errors import Fatal

FOLDER: Final = Path("/var/lib/tailrace/configure")
"""Where it is kept; only its owner may read it, since configurations hold secrets."""


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file as it was, None if it was not there, and as it was written. `written`: all lines that were ever put into it."""

    path: str
    was: bytes | None
    became: bytes
    written: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Memory:
    """A folder that remembers files."""

    folder: Path = FOLDER

    def recall(self, path: Path) -> Kept | None:
        """What is known of a file, if anything. Raises Fatal."""
        kept = self._file(path)
        try:
            found = msgspec.json.decode(kept.read_bytes(), type=Kept)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            message = f"cannot read {kept}, which tells what {path} was: {error}"
            raise Fatal(message) from error
        return found if found.path == str(path) else None

    def keep(self, found: Kept) -> None:
        """Remember a file; after the return a power cut does not undo it. Raises Fatal."""
        path = self._file(Path(found.path))
        with writing(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self.folder)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(found))
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)

    def forget(self, path: Path) -> None:
        """Know nothing more of a file. Raises Fatal."""
        with writing(self.folder):
            self._file(path).unlink(missing_ok=True)

    def _file(self, path: Path) -> Path:
        return self.folder / f"{hashlib.blake2b(os.fsencode(path), digest_size=12).hexdigest()}.json"
