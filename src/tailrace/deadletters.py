"""Dead letters: rejects as NDJSON, one JSON object each, with where they stood and why they are no record.

The payload is text where it is valid UTF-8, else it stands as base64 under `payload_base64`; a key that is no valid
UTF-8 likewise. At most the first 64 KiB of a reject are kept; `length` and `sha256` are of all of it.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from tailrace.disk import publish, writing
from tailrace.model import Identity, Item, Reject, record_id


class DeadFolder:
    """Writes `DIR/dead/<16 hex digits of the item>-<offset>.ndjson`; nothing where there are no rejects.

    The names follow from the item and the offset at which a commit begins, so that rejects which come again overwrite.
    Tell it of every batch, also of one without rejects: what a crash has left of the same commit is removed then.
    """

    def __init__(self, directory: Path) -> None:
        self._temporary = directory.absolute() / "tmp"
        self._folder = directory.absolute() / "dead"
        self._name = ""
        self._file: BinaryIO | None = None

    def write(self, item: Item, rejects: Sequence[Reject], start: int) -> None:
        """Keep the rejects of one item. Raises Fatal if the disk does not take them."""
        name = f"{item.identity.digest}-{start}.ndjson"
        if self._name not in ("", name):
            raise ValueError("what was written of one item must be flushed or abandoned before the next")
        self._name = name
        if not rejects:
            return
        with writing(self._folder):
            if self._file is None:
                self._temporary.mkdir(parents=True, exist_ok=True)
                self._file = (self._temporary / name).open("wb")
            for reject in rejects:
                self._file.write(encode(item.identity, reject))

    def flush(self) -> None:
        """Make durable what was written. Raises Fatal if the disk does not take it."""
        with writing(self._folder):
            if self._file is not None:
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                publish([(self._temporary / self._name, self._folder / self._name)])
            elif self._name:
                (self._folder / self._name).unlink(missing_ok=True)
        self._file, self._name = None, ""

    def abandon(self) -> None:
        """Forget what was written since the last flush."""
        if self._file is not None:
            with suppress(OSError):  # a full disk refuses what was buffered; it is not wanted any more
                self._file.close()
            (self._temporary / self._name).unlink(missing_ok=True)
        self._file, self._name = None, ""

    def keep_only(self, item: Item, start: int) -> None:
        """Remove the letters of an item but those of one commit. Raises Fatal if the disk refuses."""
        with writing(self._folder):
            for path in self._folder.glob(f"{item.identity.digest}-*.ndjson"):
                if path.name != f"{item.identity.digest}-{start}.ndjson":
                    path.unlink(missing_ok=True)


class DeadFile:
    """Writes the rejects of all items to one file that was opened for it (`--rejects FILE`)."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._confirmed = file.tell() if file.seekable() else None

    def write(self, item: Item, rejects: Sequence[Reject], start: int) -> None:  # noqa: ARG002 - as all dead letters
        """Keep the rejects of one item. Raises Fatal if the disk does not take them."""
        with writing(self._file.name):
            for reject in rejects:
                self._file.write(encode(item.identity, reject))

    def flush(self) -> None:
        """Hand over what was written. Raises Fatal if the disk does not take it."""
        with writing(self._file.name):
            self._file.flush()
            if self._confirmed is not None:
                self._confirmed = self._file.tell()

    def abandon(self) -> None:
        """Take back what was written since the last flush; from a pipe nothing can be taken back."""
        if self._confirmed is not None:
            with writing(self._file.name):
                self._file.seek(self._confirmed)
                self._file.truncate()

    def keep_only(self, item: Item, start: int) -> None:
        """Nothing to do: the file is new with each run."""


class DeadCount:
    """Only counts rejects: where the user wants none of them kept."""

    def __init__(self) -> None:
        self.rejects = 0
        self._unflushed = 0

    def write(self, item: Item, rejects: Sequence[Reject], start: int) -> None:  # noqa: ARG002 - as all dead letters
        """Count the rejects of one item."""
        self._unflushed += len(rejects)

    def flush(self) -> None:
        """Let count what was written."""
        self.rejects += self._unflushed
        self._unflushed = 0

    def abandon(self) -> None:
        """Forget what was written since the last flush."""
        self._unflushed = 0

    def keep_only(self, item: Item, start: int) -> None:
        """Nothing to do: no letter is kept."""


def encode(item: Identity, reject: Reject) -> bytes:
    """A reject as one line of JSON."""
    letter = {
        "_id": record_id(item.token, reject.offset),
        "item": described(item),
        "offset": reject.offset,
        "lines": reject.lines,
        "reason": reject.reason,
        "length": reject.length,
        "sha256": reject.sha256,
        **_text_or_base64("payload", reject.payload),
    }
    return msgspec.json.encode(letter) + b"\n"


def described(item: Identity) -> dict[str, str]:
    """An item for JSON, where the bytes of a name that is no UTF-8 stand as base64."""
    return {
        "kind": item.kind,
        **_text_or_base64("container", item.container.encode("utf-8", "surrogateescape")),
        **_text_or_base64("key", item.key.encode("utf-8", "surrogateescape")),
        "etag": item.etag,
    }


def _text_or_base64(name: str, data: bytes) -> dict[str, str]:
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": b64encode(data).decode("ascii")}
