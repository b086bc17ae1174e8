"""The local store: Parquet files for each format and day, which a committed receipt makes count.

Files are written to `DIR/tmp`, made durable, and renamed by `flush` to
`DIR/data/format=F/day=D/<16 hex digits of the item>-<part>.parquet`. The names follow from the item, so what is
delivered again overwrites and does not double. A day that fills more than one file within a part (see `_partitions`)
has further ones, `…-<part>-1.parquet` and so on.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from tailrace.disk import publish, writing
from tailrace.errors import MissingExtra
from tailrace.kinds import NoSettings, SinkKind, Surroundings
from tailrace.model import Batch, Flushed, Identity, Item, Rendering, StoredFile
from tailrace.settings import Settings

if TYPE_CHECKING:
    from tailrace.sinks._partitions import Finished, Partitions

NO_DAY = "__none__"
"""The day of records whose time is not known."""
DATA, TEMPORARY = "data", "tmp"
MEMORY = 64 << 20
"""So many bytes of records wait for their row groups at most."""


def require_pyarrow() -> None:
    """Make sure that Parquet can be read and written. Raises MissingExtra."""
    try:
        import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise  # something is wrong with this Python itself
        raise MissingExtra("the local store", "local") from error


class StoreSink:
    """Writes the records of one item at a time to Parquet files."""

    keeps_receipts = True
    rendering: Rendering | None = None

    def __init__(self, directory: Path, *, memory: int = MEMORY) -> None:
        require_pyarrow()
        self.name = store_name(directory)
        self._directory = directory.absolute()
        self._memory = memory
        self._writing: tuple[Identity, int] | None = None
        self._item = ""
        self._partitions: Partitions | None = None

    def write(self, item: Item, batch: Batch, part: int) -> None:
        """Take the records of a batch. Raises Fatal if the disk does not take them."""
        from tailrace.sinks._partitions import Partition  # noqa: PLC0415 - needs an optional library

        partitions = self._open(item.identity, part)
        with writing(self._directory):
            for format_name, day, _rows in batch.records.partitions():
                partitions.add(Partition(format_name, day or NO_DAY), batch.records.columns(format_name, day))

    def _open(self, identity: Identity, part: int) -> Partitions:
        from tailrace.sinks._partitions import Partitions  # noqa: PLC0415 - needs an optional library

        if self._partitions is None:
            temporary = self._directory / TEMPORARY
            with writing(temporary):
                temporary.mkdir(parents=True, exist_ok=True)
            self._writing, self._item = (identity, part), f"{identity.digest}-{part}"
            self._partitions = Partitions(temporary, self._item, self._memory)
        elif (identity, part) != self._writing:
            raise ValueError("what was written of one item must be flushed or abandoned before the next")
        return self._partitions

    def flush(self) -> Flushed:
        """Make the files durable under their names, and tell them. Raises Fatal if the disk does not take them."""
        if self._partitions is None:
            return Flushed()
        with writing(self._directory):
            finished = self._partitions.finish()
            files = [self._stored(file) for file in finished]
            moves = zip(finished, files, strict=True)
            publish((source.path, self._directory / file.path) for source, file in moves)
        self._partitions = None
        return Flushed(files)

    def _stored(self, file: Finished) -> StoredFile:
        name = f"{self._item}-{file.number}" if file.number else self._item
        format_name, day = file.partition
        path = f"{DATA}/format={format_name}/day={day}/{name}.parquet"
        return StoredFile(path, format_name, day, file.rows, file.size)

    def abandon(self) -> None:
        """Forget what was written since the last flush, and remove its files."""
        if self._partitions is not None:
            self._partitions.discard()
            self._partitions = None

    def check(self) -> str:
        """Whether files can be written there, or the folder made. Raises Fatal. Nothing is left."""
        place = next(folder for folder in (self._directory, *self._directory.parents) if folder.exists())
        with writing(place), TemporaryFile(dir=place) as file:
            file.write(b"tailrace")
            file.flush()
        return f"{self._directory} can be written to" if place == self._directory else f"{self._directory} can be made"

    def close(self) -> None:
        """Let go of everything. May be called twice."""
        self.abandon()


def store_name(directory: Path) -> str:
    """The name under which a store's receipts are kept."""
    return f"store:{directory.absolute()}"


def _home(address: str, settings: Settings) -> Path:
    return Path(address or settings.store)


def _opened(address: str, _own: NoSettings, given: Surroundings) -> partial[StoreSink]:
    return partial(StoreSink, _home(address, given.settings), memory=MEMORY // given.settings.workers)


SINK = SinkKind(
    form="store:DIR",
    about="the local store: Parquet files, which `tailrace query` reads; DIR is --store if it is left out",
    open=_opened,
    home=_home,
    fixed=lambda _own: True,
)
