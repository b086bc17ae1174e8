"""The state that is gone with the process: for tests, and where only sinks are used that keep no receipts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from threading import Lock

from tailrace.clock import Clock
from tailrace.errors import Fatal
from tailrace.model import Identity, StoredFile
from tailrace.receipts import Receipt

_Key = tuple[Identity, str]


class MemoryState:
    """Receipts and leases in dictionaries; every method may be called from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._receipts: dict[_Key, Receipt] = {}
        self._files: dict[str, tuple[StoredFile, _Key]] = {}
        self._leases: dict[Identity, tuple[str, float]] = {}

    def receipts_of(self, item: Identity) -> Mapping[str, Receipt]:
        """The receipts of an item, by sink."""
        with self._lock:
            return {sink: receipt for (known, sink), receipt in self._receipts.items() if known == item}

    def files_of(self, item: Identity, sink: str) -> Sequence[str]:
        """The paths of the files that count for an item at a sink."""
        with self._lock:
            return [path for path, (_file, key) in self._files.items() if key == (item, sink)]

    def etags(self, kind: str, container: str, key: str) -> Sequence[str]:
        """The versions of an object that have receipts, the latest first."""
        with self._lock:
            found = [
                receipt
                for receipt in self._receipts.values()
                if (receipt.item.kind, receipt.item.container, receipt.item.key) == (kind, container, key)
            ]
        found.reverse()
        latest_first = sorted(found, key=lambda receipt: -receipt.finished)
        return list(dict.fromkeys(receipt.item.etag for receipt in latest_first))

    def receipts(self) -> Iterator[Receipt]:
        """All receipts as of now, oldest first."""
        with self._lock:
            found = sorted(self._receipts.values(), key=lambda receipt: receipt.finished)
        return iter(found)

    def files(self) -> Iterator[StoredFile]:
        """Every file that counts."""
        with self._lock:
            return iter([file for file, _key in self._files.values()])

    def commit(self, receipt: Receipt, files: Sequence[StoredFile], replaced: Sequence[str] = ()) -> None:
        """Write a receipt, and with it the files that it makes count and those that no longer do.

        Raises Fatal if a file holds records of another item.
        """
        key = (receipt.item, receipt.sink)
        with self._lock:
            for path in (*replaced, *(file.path for file in files)):
                if path in self._files and self._files[path][1] != key:
                    message = f"{path} already holds records of another object than {receipt.item.name}"
                    raise Fatal(message)
            for path in replaced:
                self._files.pop(path, None)
            self._files.update({file.path: (file, key) for file in files})
            self._receipts[key] = receipt

    def claim(self, item: Identity, owner: str, seconds: float) -> bool:
        """Take the lease of an item for so long; False if another owner holds it."""
        now = self._clock.now()
        with self._lock:
            holder, expires = self._leases.get(item, (owner, now))
            if holder != owner and expires > now:
                return False
            self._leases[item] = (owner, now + seconds)
            return True

    def release(self, item: Identity, owner: str) -> None:
        """Give a lease back."""
        with self._lock:
            if self._leases.get(item, ("", 0.0))[0] == owner:
                del self._leases[item]

    def close(self) -> None:
        """Let go of everything. May be called twice."""
