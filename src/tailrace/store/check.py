"""Whether a store's accounts balance.

Every receipt is checked by its equations, every file by the rows that are really in it, and dead letters by their number.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tailrace.clock import Clock
from tailrace.model import StoredFile
from tailrace.receipts import imbalances
from tailrace.sinks.store import require_pyarrow
from tailrace.state.catalog import Catalog
from tailrace.state.sqlite import SqliteState
from tailrace.store.letters import differences


def check(directory: Path, clock: Clock, *, letters: bool = True) -> list[str]:
    """Every problem found, in words; none if all is well. Raises UsageError where there is no store.

    `letters`: dead letters are kept beside the receipts, and not in another place. It may run while another process writes: each receipt and its files change in one transaction.
    """
    state = SqliteState.open(directory, read_only=True, clock=clock)
    try:
        dead = differences(directory, state) if letters else ()
        return [*_accounts(state.catalog), *_files(directory, state.catalog), *dead]
    finally:
        state.close()


def _accounts(catalog: Catalog) -> Iterator[str]:
    for account in catalog.accounts():
        where = f"{account.receipt.item.name} at {account.receipt.sink}"
        for problem in imbalances(account.receipt):
            yield f"{where}: {problem}"
        accepted = account.receipt.whole.totals.accepted
        if account.receipt.sink.startswith("store:") and accepted != account.stored + account.pruned:
            yield f"{where}: {accepted} records accepted, but {account.stored} in files + {account.pruned} pruned"


def _files(directory: Path, catalog: Catalog) -> Iterator[str]:
    for file, shared in catalog.shared_rows():
        if shared != file.rows:
            yield f"{file.path}: {file.rows} rows, but the receipts have {shared} in it"
        problem = _damage(directory, file)
        if problem and catalog.is_listed(file.path):  # it may have been merged or pruned meanwhile
            yield f"{file.path}: {problem}"


def _damage(directory: Path, file: StoredFile) -> str:
    """What is wrong with a file itself."""
    require_pyarrow()
    import pyarrow as pa  # noqa: PLC0415 - an optional library

    from tailrace.store import _merging  # noqa: PLC0415

    path = directory / file.path
    try:
        size = path.stat().st_size
        rows = _merging.row_count(path)
    except FileNotFoundError:
        return "it is listed, but missing"
    except (OSError, pa.ArrowException) as error:
        return f"it cannot be read: {error}"
    if (rows, size) != (file.rows, file.size):
        return f"it has {rows} rows in {size} bytes, but was written with {file.rows} rows in {file.size} bytes"
    return ""
