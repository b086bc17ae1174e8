"""Records as Parquet objects: written as files in a temporary folder, as the local store does, and sent from there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from tailrace.disk import writing
from tailrace.errors import MissingExtra
from tailrace.model import Batch
from tailrace.sinks._s3_keys import Keys
from tailrace.sinks._s3_upload import Place, Upload, abort
from tailrace.sinks._split import Split

if TYPE_CHECKING:
    from tailrace.sinks._partitions import Finished, Partition, Partitions


@dataclass(slots=True)
class _File:
    """A complete file on its way into the bucket."""

    upload: Upload
    path: Path
    size: int

    def send(self, part_size: int) -> None:
        """Send it in parts, if it is larger than one. Raises Retryable or Fatal."""
        part_size = max(part_size, -(-self.size // self.upload.most_parts))
        if self.size > part_size:
            with self.path.open("rb") as file:
                file.seek(self.upload.sent)
                while self.upload.sent < self.size:
                    self.upload.send(file.read(part_size))

    def appear(self) -> None:
        """Let the object appear. Raises Retryable or Fatal."""
        if self.upload.begun:
            self.upload.complete()
        else:
            with self.path.open("rb") as file:
                self.upload.put(file)
        self.path.unlink(missing_ok=True)


class ParquetObjects:
    """The objects of one item's records since the last flush. Raises MissingExtra without pyarrow."""

    def __init__(self, place: Place, part_size: int, memory: int) -> None:
        try:
            from tailrace.sinks import _partitions  # noqa: PLC0415 - needs an optional library
        except ModuleNotFoundError as error:
            raise MissingExtra("writing Parquet", "local") from error
        self._makes = _partitions
        self._place, self._part_size, self._memory = place, part_size, memory
        self._folder: Path | None = None
        self._partitions: Partitions | None = None
        self._keys: dict[Partition, Callable[[int], str]] = {}
        self._files: list[_File] = []

    def relieve(self) -> None:
        """Nothing to do: rows wait on the disk."""

    def add(self, keys: Keys, batch: Batch) -> None:
        """Take the records of a batch. Raises Fatal if the disk does not take them."""
        split = Split(batch.records, "aws")
        for kind in split.kinds:
            mark = split.mark(kind, keys.token)
            partition = self._makes.Partition(kind.format, keys.key(kind, 0, mark))
            if partition not in self._keys:
                self._keys[partition] = partial(keys.key, kind, split.first(kind), mark)
            with writing(self._temporary()):
                self._open().add(partition, batch.records.columns(*kind))

    def _temporary(self) -> Path:
        if self._folder is None:
            with writing("the folder for temporary files"):
                self._folder = Path(mkdtemp(prefix="tailrace-"))
        return self._folder

    def _open(self) -> Partitions:
        if self._partitions is None:
            self._partitions = self._makes.Partitions(self._temporary(), "part", self._memory)
        return self._partitions

    def flush(self) -> None:
        """Let every object appear; when made again, those that have not yet. Raises Retryable or Fatal."""
        if self._partitions is not None:
            with writing(self._temporary()):
                self._files = [self._file(found) for found in self._partitions.finish()]
            self._partitions = None
            self._keys.clear()
        for file in self._files:
            file.send(self._part_size)
        while self._files:
            self._files[0].appear()
            del self._files[0]

    def _file(self, found: Finished) -> _File:
        return _File(Upload(self._place, self._keys[found.partition](found.number)), found.path, found.size)

    def abandon(self) -> None:
        """Forget what was taken, and leave neither files nor an unfinished upload, as far as the service answers."""
        if self._partitions is not None:
            self._partitions.discard()
            self._partitions = None
        self._keys.clear()
        abort(file.upload for file in self._files)
        for file in self._files:
            with suppress(OSError):
                file.path.unlink(missing_ok=True)
        self._files.clear()

    def close(self) -> None:
        """Remove the temporary folder."""
        if self._folder is not None:
            with suppress(OSError):
                self._folder.rmdir()
            self._folder = None
