"""The accounts that one file of letters concerns: read when they are first asked for, changed here, written at its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from tailrace.errors import SourceError
from tailrace.homes import LEASE_S, Job
from tailrace.model import Identity, StoredFile
from tailrace.ports import State
from tailrace.receipts import Receipt
from tailrace.replay.accounts import Change, Where, apart_of, changed
from tailrace.store.journal import Entry


class Ledger:
    """Receipts by object and sink. Each object is claimed, so that nobody delivers it meanwhile."""

    def __init__(self, state: State, job: Job) -> None:
        self._state = state
        self._job = job
        self._receipts: dict[Identity, dict[str, Receipt]] = {}
        self._files: dict[tuple[Identity, str], dict[str, StoredFile]] = {}
        self._changed: dict[tuple[Identity, str], None] = {}
        self._claimed = job.clock.monotonic()

    def of(self, item: Identity) -> Mapping[str, Receipt]:
        """The receipts of an object, by sink. Raises SourceError if another process is at work on it."""
        self._renew()
        if item not in self._receipts:
            self._claim(item)
            self._receipts[item] = dict(self._state.receipts_of(item))
        return self._receipts[item]

    def part(self, item: Identity, sink: str) -> int:
        """The number of the next commit of an object at a sink."""
        receipt = self.of(item).get(sink)
        return receipt.parts if receipt else 0

    def change(self, item: Identity, sink: str, change: Change, where: Where, instead: Change | None = None) -> None:
        """Change an account; by `instead`, if it does not tell of such a letter, because it had been replayed before."""
        now = self._job.clock.now()
        receipt = self.of(item)[sink]
        revised = changed(receipt, change, where, now)
        if revised is None and instead is not None:
            revised = changed(receipt, instead, where, now)
        if revised is not None:
            self._keep(revised)

    def add_apart(self, item: Identity, sink: str, change: Change) -> None:
        """Count records of letters apart from their object."""
        identity, now = apart_of(item), self._job.clock.now()
        new = Receipt(item=identity, sink=sink, state="complete", started=now)
        revised = changed(self.of(identity).get(sink, new), change, "body", now)
        assert revised is not None
        self._keep(revised)

    def add_files(self, item: Identity, sink: str, files: Iterable[StoredFile], where: Where) -> None:
        """Let files count with an account, as one more commit of it."""
        receipt = self.of(item)[sink]
        by_path = {file.path: file for file in files}
        self._files.setdefault((item, sink), {}).update(by_path)
        if where == "tail" and receipt.tail:
            tail = replace(receipt.tail, files=(*receipt.tail.files, *by_path))
            receipt = replace(receipt, tail=tail)
        self._keep(replace(receipt, parts=receipt.parts + 1))

    def _keep(self, receipt: Receipt) -> None:
        key = (receipt.item, receipt.sink)
        self._receipts[receipt.item][receipt.sink] = receipt
        self._changed[key] = None

    def entries(self) -> tuple[Entry, ...]:
        """Every account that has changed."""
        return tuple(
            Entry(self._receipts[item][sink], tuple(self._files.get((item, sink), {}).values()))
            for item, sink in self._changed
        )

    def close(self) -> None:
        """Let others at the objects again."""
        for item in self._receipts:
            self._state.release(item, self._job.owner)
        self._receipts.clear()

    def _renew(self) -> None:
        now = self._job.clock.monotonic()
        if now - self._claimed > LEASE_S / 3:
            self._claimed = now
            for item in self._receipts:
                self._claim(item)

    def _claim(self, item: Identity) -> None:
        if not self._state.claim(item, self._job.owner, LEASE_S):
            message = f"{item.name} is being delivered by another process; run again"
            raise SourceError(message)
