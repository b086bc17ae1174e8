"""Dead letters: where rejects and refusals are kept, one JSON object a line; `letters.py` tells what it holds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from tailrace.disk import publish, writing
from tailrace.letters import encoded, of_refusal, of_reject
from tailrace.model import Identity, Item, Refusal, Reject


class DeadFolder:
    """Writes `DIR/dead/<16 hex digits of the item>-<offset>.ndjson`; nothing where there is nothing to keep.

    What a sink refused stands in a file of its own, whose name ends with 8 hex digits of the sink. The names follow from the
    item and the offset at which a commit begins, so that letters which come again overwrite. Tell it of every batch and of
    every flush of a sink, also of those without letters: what a crash has left of the same commit is removed then.
    """

    def __init__(self, directory: Path) -> None:
        self._temporary = directory.absolute() / "tmp"
        self._folder = directory.absolute() / "dead"
        self._item = ""
        self._files: dict[str, BinaryIO | None] = {}

    def write(self, item: Item, rejects: Sequence[Reject], start: int) -> None:
        """Keep the rejects of one item. Raises Fatal if the disk does not take them."""
        self._keep(item, _commit_of(item, start), [encode(item.identity, reject, item.modified) for reject in rejects])

    def refuse(self, item: Item, sink: str, refusals: Sequence[Refusal], start: int) -> None:
        """Keep what a sink refused. Raises Fatal if the disk does not take it."""
        by_sink = f"-{blake2b(sink.encode('utf-8', 'surrogateescape'), digest_size=4).hexdigest()}"
        letters = [encode_refusal(item.identity, sink, refusal, item.modified) for refusal in refusals]
        self._keep(item, f"{_commit_of(item, start)}{by_sink}", letters)

    def _keep(self, item: Item, part: str, letters: Sequence[bytes]) -> None:
        if self._item not in ("", item.identity.digest):
            raise ValueError("what was written of one item must be flushed or abandoned before the next")
        self._item = item.identity.digest
        name = f"{part}.ndjson"
        file = self._files.setdefault(name, None)
        if not letters:
            return
        with writing(self._folder):
            if file is None:
                self._temporary.mkdir(parents=True, exist_ok=True)
                file = self._files[name] = (self._temporary / name).open("wb")
            file.writelines(letters)

    def flush(self) -> None:
        """Make durable what was written. Raises Fatal if the disk does not take it."""
        with writing(self._folder):
            kept = {name: file for name, file in self._files.items() if file is not None}
            for file in kept.values():
                file.flush()
                os.fsync(file.fileno())
                file.close()
            if kept:
                publish([(self._temporary / name, self._folder / name) for name in kept])
            for name in self._files.keys() - kept.keys():
                (self._folder / name).unlink(missing_ok=True)
        self._files, self._item = {}, ""

    def abandon(self) -> None:
        """Forget what was written since the last flush."""
        for name, file in self._files.items():
            if file is not None:
                with suppress(OSError):  # a full disk refuses what was buffered; it is not wanted any more
                    file.close()
                (self._temporary / name).unlink(missing_ok=True)
        self._files, self._item = {}, ""

    def keep_only(self, item: Item, start: int) -> None:
        """Remove the letters of an item but those of one commit. Raises Fatal if the disk refuses."""
        kept = _commit_of(item, start)
        with writing(self._folder):
            for path in self._folder.glob(f"{item.identity.digest}-*.ndjson"):
                if path.stem != kept and not path.stem.startswith(f"{kept}-"):
                    path.unlink(missing_ok=True)


def _commit_of(item: Item, start: int) -> str:
    return f"{item.identity.digest}-{start}"


class DeadFile:
    """Writes the rejects of all items to one file that was opened for it (`--rejects FILE`)."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._confirmed = file.tell() if file.seekable() else None

    def write(self, item: Item, rejects: Sequence[Reject], start: int) -> None:  # noqa: ARG002 - as all dead letters
        """Keep the rejects of one item. Raises Fatal if the disk does not take them."""
        with writing(self._file.name):
            for reject in rejects:
                self._file.write(encode(item.identity, reject, item.modified))

    def refuse(self, item: Item, sink: str, refusals: Sequence[Refusal], start: int) -> None:  # noqa: ARG002
        """Keep what a sink refused. Raises Fatal if the disk does not take it."""
        with writing(self._file.name):
            for refusal in refusals:
                self._file.write(encode_refusal(item.identity, sink, refusal, item.modified))

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

    def refuse(self, item: Item, sink: str, refusals: Sequence[Refusal], start: int) -> None:
        """Nothing to count: the sink's account tells of them."""

    def flush(self) -> None:
        """Let count what was written."""
        self.rejects += self._unflushed
        self._unflushed = 0

    def abandon(self) -> None:
        """Forget what was written since the last flush."""
        self._unflushed = 0

    def keep_only(self, item: Item, start: int) -> None:
        """Nothing to do: no letter is kept."""


def encode(item: Identity, reject: Reject, modified: float | None = None) -> bytes:
    """A reject as one line of JSON."""
    return encoded(of_reject(item, reject, modified))


def encode_refusal(item: Identity, sink: str, refusal: Refusal, modified: float | None = None) -> bytes:
    """A record that a sink refused as one line of JSON."""
    return encoded(of_refusal(item, sink, refusal, modified))
