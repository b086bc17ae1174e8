"""Looking after a store's files: merging small ones, removing old days.

Both are one transaction each time, so that queries see the old list or the new one. What `compact` has replaced stays
on the disk for an hour (`opening.GRACE_S`) for queries that are under way, and is deleted by the next start that finds
it older than that. What `prune` removes is deleted at once, because it is asked for to make room or to keep a promise
of retention: a query under way over those days fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from itertools import groupby
from pathlib import Path

from tailrace.clock import Clock
from tailrace.disk import publish, writing
from tailrace.errors import Fatal, UsageError
from tailrace.model import StoredFile
from tailrace.receipts import FILE
from tailrace.sinks.store import DATA, TEMPORARY, require_pyarrow
from tailrace.store.opening import Store, open_store, remove

TARGET_ROWS = 1_000_000
TARGET_BYTES = 128 << 20
"""A merged file is to reach one of these; a file that has half of it is left alone."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What `compact` did: so many files became so many."""

    files_before: int = 0
    files_after: int = 0
    rows: int = 0
    bytes_before: int = 0
    bytes_after: int = 0


@dataclass(frozen=True, slots=True)
class Pruned:
    """What `prune` removed."""

    days: int
    files: int
    rows: int
    bytes: int


def compact(
    directory: Path, clock: Clock, *, target_rows: int = TARGET_ROWS, target_bytes: int = TARGET_BYTES
) -> Compacted:
    """Merge the small files of each format and day. Raises UsageError if another process writes the store."""
    require_pyarrow()
    done = Compacted()
    with _opened(directory, clock) as store:
        catalog = store.state.catalog
        tails = catalog.tails()
        listed = (file for file in catalog.files() if file.path not in tails)
        for group in groups(listed, target_rows, target_bytes):
            for merged in _merge(store, group):
                done = _sum(done, merged)
    return done


def prune(directory: Path, before: date, clock: Clock) -> Pruned:
    """Remove every day before a date. Raises UsageError if another process writes the store."""
    with _opened(directory, clock) as store:
        files = store.state.catalog.prune_days(before.isoformat())
        with writing(store.directory):
            for file in files:
                remove(store.directory, file.path)
    return Pruned(
        days=len({file.day for file in files}),
        files=len(files),
        rows=sum(file.rows for file in files),
        bytes=sum(file.size for file in files),
    )


def groups(files: Iterable[StoredFile], target_rows: int, target_bytes: int) -> Iterator[list[StoredFile]]:
    """Which files to merge: the small ones of a format and day, until one of the targets is reached."""
    for _day, of_day in groupby(files, key=lambda file: (file.day, file.format)):
        group: list[StoredFile] = []
        rows = size = 0
        for file in of_day:
            if file.rows * 2 >= target_rows or file.size * 2 >= target_bytes:
                continue
            group.append(file)
            rows, size = rows + file.rows, size + file.size
            if rows >= target_rows or size >= target_bytes:
                yield group
                group, rows, size = [], 0, 0
        if len(group) > 1:
            yield group


def _opened(directory: Path, clock: Clock) -> Store:
    """A store that must be there already."""
    if not (directory / FILE).is_file():
        message = f"no store at {directory}: run `tailrace ship ... --store {directory}` first"
        raise UsageError(message)
    return open_store(directory, clock)


def _merge(store: Store, group: Sequence[StoredFile]) -> Iterator[Compacted]:
    """Put one file in the place of several; of several groups, if columns of one name have different types."""
    import pyarrow as pa  # noqa: PLC0415 - an optional library

    from tailrace.store import _merging  # noqa: PLC0415

    by_path = {store.directory / file.path: file for file in group}
    try:
        for paths in _merging.alike(list(by_path)):
            if len(paths) > 1:
                yield _merge_alike(store, [by_path[path] for path in paths])
    except (OSError, pa.ArrowException) as error:
        message = f"cannot merge files of {store.directory}: {error}; see `tailrace receipts --check`"
        raise Fatal(message) from error


def _merge_alike(store: Store, sources: Sequence[StoredFile]) -> Compacted:
    from tailrace.store import _merging  # noqa: PLC0415 - needs an optional library

    first = sources[0]
    digest = blake2b("\n".join(file.path for file in sources).encode(), digest_size=8).hexdigest()
    path = f"{DATA}/format={first.format}/day={first.day}/compact-{digest}.parquet"
    temporary = store.directory / TEMPORARY / f"compact-{digest}.parquet"
    with writing(store.directory):
        temporary.parent.mkdir(exist_ok=True)
        rows, size = _merging.merge([store.directory / file.path for file in sources], temporary)
        publish([(temporary, store.directory / path)])
    store.state.catalog.merge(StoredFile(path, first.format, first.day, rows, size), [file.path for file in sources])
    return Compacted(len(sources), 1, rows, sum(file.size for file in sources), size)


def _sum(one: Compacted, other: Compacted) -> Compacted:
    return Compacted(
        one.files_before + other.files_before,
        one.files_after + other.files_after,
        one.rows + other.rows,
        one.bytes_before + other.bytes_before,
        one.bytes_after + other.bytes_after,
    )
