"""Taking an item's records out of files that `compact` has merged, so that they can be replaced."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path

from tailrace.disk import publish, writing
from tailrace.errors import Fatal
from tailrace.model import Identity, StoredFile
from tailrace.sinks.store import DATA, TEMPORARY, require_pyarrow
from tailrace.state.catalog import Range
from tailrace.store.opening import Store


def isolate(store: Store, item: Identity, sink: str) -> None:
    """Give the records of an item at a sink files of their own. Raises Fatal if a file cannot be read or written."""
    catalog = store.state.catalog
    with store.changing:  # another thread may be at work on the same file
        for file in catalog.files_of(item, sink):
            ranges = catalog.ranges_of(file, item, sink)
            if not all(found.own for found in ranges):
                _split(store, file, item, ranges)


def _split(store: Store, file: StoredFile, item: Identity, ranges: Sequence[Range]) -> None:
    require_pyarrow()
    import pyarrow as pa  # noqa: PLC0415 - an optional library

    taken = partial(_taken, store, file, ranges)
    digest = blake2b(f"{file.path} {item.digest}".encode(), digest_size=8).hexdigest()
    try:
        with writing(store.directory):
            own, others = taken(f"{item.digest}-{digest}", own=True), taken(f"compact-{digest}", own=False)
    except pa.ArrowException as error:
        message = f"cannot read {store.directory / file.path}: {error}; see `tailrace receipts --check`"
        raise Fatal(message) from error
    store.state.catalog.split(file.path, own, others, ranges)


def _taken(store: Store, file: StoredFile, ranges: Sequence[Range], name: str, *, own: bool) -> StoredFile:
    """Some rows of a file as a file of their own."""
    from tailrace.store import _merging  # noqa: PLC0415 - needs an optional library

    path = f"{DATA}/format={file.format}/day={file.day}/{name}.parquet"
    temporary = store.directory / TEMPORARY / Path(path).name
    temporary.parent.mkdir(exist_ok=True)
    wanted = [(found.start, found.rows) for found in ranges if found.own is own]
    rows, size = _merging.take(store.directory / file.path, wanted, temporary)
    publish([(temporary, store.directory / path)])
    return StoredFile(path, file.format, file.day, rows, size)
