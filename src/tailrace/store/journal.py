"""What a replay has delivered, written down before anything else is changed.

Receipts and the letters that are left stand in different places, so no transaction covers both. Once the journal is on
the disk, a file of letters counts as replayed, and whoever opens the store next finishes what a crash has left open: the
receipts are committed as they stand here, the file of letters is replaced, then the journal is removed. Letters in a
bucket are replaced by the next replay, which has the means to.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from tailrace.disk import publish, sync_directory, writing
from tailrace.errors import Fatal
from tailrace.model import StoredFile
from tailrace.ports import State
from tailrace.receipts import Receipt

JOURNAL = "replay.json"
KEPT = "replay.kept"
"""What is to stand in a bucket in the place of an object of letters."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A receipt, and the files that it makes count."""

    receipt: Receipt
    files: tuple[StoredFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """An object of letters: its version that was read, and how it is described."""

    bucket: str
    key: str
    etag: str
    headers: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """What is to be done.

    `page`: the file of letters, and `kept` the one to stand in its place; empty, if no letter is left. For an object of a
    bucket, which `remote` names, `page` is empty. Paths are absolute, or below the store's folder.
    """

    entries: tuple[Entry, ...] = ()
    page: str = ""
    kept: str = ""
    remote: Remote | None = None


def write(directory: Path, journal: Journal) -> None:
    """Put it on the disk. Raises Fatal if that refuses."""
    temporary = directory / "tmp" / JOURNAL
    with writing(directory):
        temporary.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            # Names on a disk need not be UTF-8; they come as surrogates, which JSON can hold if all is ASCII.
            file.write(json.dumps(msgspec.to_builtins(journal)).encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
        publish([(temporary, directory / JOURNAL)])


def read(directory: Path) -> Journal | None:
    """The journal of a replay that has not been finished. Raises Fatal if it cannot be read."""
    path = directory / JOURNAL
    try:
        return msgspec.convert(json.loads(path.read_bytes()), Journal)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        message = f"{path} cannot be read: {error}; restore it from a backup"
        raise Fatal(message) from error


def finish(directory: Path, state: State) -> None:
    """Do what the journal tells, as far as it can be done here. May be repeated after a crash. Raises Fatal."""
    journal = read(directory)
    if journal is None:
        return
    for entry in journal.entries:
        known = state.receipts_of(entry.receipt.item).get(entry.receipt.sink)
        if known is None or known.parts <= entry.receipt.parts:  # else others went on from it, where a state is shared
            state.commit(entry.receipt, entry.files)
    if journal.remote:
        if journal.entries:
            write(directory, replace(journal, entries=()))
        return
    page = directory / journal.page
    with writing(page):
        _put(page, directory / journal.kept if journal.kept else None)
    remove(directory)


def _put(page: Path, kept: Path | None) -> None:
    if kept is None:
        page.unlink(missing_ok=True)
        if page.parent.is_dir():
            sync_directory(page.parent)
    elif kept.exists():  # else it has been renamed already
        publish([(kept, page)])


def remove(directory: Path) -> None:
    """The replay is finished. Raises Fatal if the disk refuses."""
    with writing(directory):
        (directory / JOURNAL).unlink(missing_ok=True)
        (directory / KEPT).unlink(missing_ok=True)
        sync_directory(directory)
