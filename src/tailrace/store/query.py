"""SQL over a store's files: DuckDB in memory, which may read these files and nothing else.

Only files that the catalog lists are read. Another process may write meanwhile: when a listed file is gone, because it
was merged or pruned after the list was read, the list is read again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tailrace.clock import Clock
from tailrace.errors import Fatal, MissingExtra, UsageError
from tailrace.kernel.names import ID
from tailrace.model import StoredFile
from tailrace.registry import formats
from tailrace.sinks.store import NO_DAY, require_pyarrow
from tailrace.state.sqlite import SqliteState
from tailrace.store import views
from tailrace.store.sqltext import literal, literals, quoted
from tailrace.store.views import Source

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

ATTEMPTS = 3
BATCH_ROWS = 8192
_MESSAGE_LINES = 8
_LOCKED: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,  # a table's name never means a variable of this program
}
_EXPLAIN = re.compile(r"\s*explain\s+(analyze\s+)?(\([^)]*\)\s*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a query may use. `memory`: bytes, most of the machine's if 0; `threads`: as many as processors if 0."""

    memory: int = 0
    threads: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query found: rows in batches, to be taken once."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows as objects, for answers that are small."""
        return (row for batch in self.batches for row in batch.to_pylist())


@dataclass(frozen=True, slots=True)
class Contents:
    """A format or a custom one that the store holds rows of."""

    view: str
    rows: int
    files: int
    size: int
    first_day: str
    last_day: str


class Queries:
    """Questions to a store. `keep` says which of its files are read at all."""

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        limits: Limits | None = None,
        keep: Callable[[StoredFile], bool] | None = None,
    ) -> None:
        _require()
        self._directory = directory.absolute()
        self._clock = clock
        self._limits = limits or Limits()
        self._keep = keep
        self.files: Sequence[StoredFile] = ()
        """The files that are read, as of the last look."""
        self.reload()

    def reload(self) -> None:
        """Read the list of files again. Raises UsageError where there is no store."""
        state = SqliteState.open(self._directory, read_only=True, clock=self._clock)
        try:
            self.files = [file for file in state.catalog.files() if self._keep is None or self._keep(file)]
        finally:
            state.close()

    def contents(self) -> list[Contents]:
        """What the store holds of each format, by its name."""
        return contents(self.files)

    @contextmanager
    def ask(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Answer]:
        """The answer to one SELECT. Raises UsageError in DuckDB's words, and Fatal for a file that cannot be read."""
        connection, answer = self._begun(sql, parameters)
        try:
            with self._errors(connection, sql):
                yield answer
        finally:
            connection.close()

    def _begun(self, sql: str, parameters: Sequence[Any]) -> tuple[duckdb.DuckDBPyConnection, Answer]:
        for attempt in range(ATTEMPTS):
            connection = _connected(self._directory, self._paths(), self._limits)
            try:
                with self._errors(connection, sql):
                    _create(connection, self._sources(connection, sql))
                    _expect_question(connection, sql)
                    return connection, _answer(connection, sql, parameters)
            except BaseException as error:
                connection.close()
                if not isinstance(error, Fatal) or attempt == ATTEMPTS - 1 or not self._changed():
                    raise
            self.reload()
        raise AssertionError

    def _changed(self) -> bool:
        """Whether a file has gone since the list was read."""
        return not all(Path(path).is_file() for path in self._paths())

    def _paths(self) -> list[str]:
        return [str(self._directory / file.path) for file in self.files]

    def _sources(self, connection: duckdb.DuckDBPyConnection, sql: str) -> list[Source]:
        """Every format with the files that this query may read."""
        sources = _known(self._directory, self.files)
        needed = views.wanted(sql, sources)
        return [
            _looked_into(connection, source) if source.name in needed else replace(source, paths=())
            for source in sources
        ]

    @contextmanager
    def _errors(self, connection: duckdb.DuckDBPyConnection, sql: str) -> Iterator[None]:
        """DuckDB's errors as ours."""
        import duckdb  # noqa: PLC0415 - an optional library
        import pyarrow as pa  # noqa: PLC0415

        try:
            yield
        except (duckdb.InterruptException, KeyboardInterrupt) as error:
            raise KeyboardInterrupt from error
        except (
            duckdb.IOException,
            duckdb.SerializationException,
            duckdb.InternalException,
            pa.ArrowException,
        ) as error:
            message = (
                f"cannot read the store at {self._directory}: {_first_lines(error)}; see `tailrace receipts --check`"
            )
            raise Fatal(message) from error
        except duckdb.Error as error:
            raise UsageError(self._explained(error, connection, sql)) from error
        except RuntimeError as error:
            if "interrupted" not in str(error).lower():
                raise
            raise KeyboardInterrupt from error

    def _explained(self, error: duckdb.Error, connection: duckdb.DuckDBPyConnection, sql: str) -> str:
        """DuckDB's sentence, and what there is where a name is wrong."""
        import duckdb  # noqa: PLC0415 - an optional library

        told = _first_lines(error)
        if isinstance(error, duckdb.CatalogException) and told.startswith("Catalog Error: Table"):
            named = ", ".join(
                sorted({*(source.name for source in _known(self._directory, self.files)), "haproxy", "requests"})
            )
            return f"{told}\nThere are: {named}"
        if isinstance(error, duckdb.BinderException) and "column" in told.lower():
            return "\n".join([told, *_columns_told(connection, sql)])
        if isinstance(error, duckdb.OutOfMemoryException):
            return f"{told}\nSelect fewer columns or a shorter time, or group by less."
        return told


def contents(files: Sequence[StoredFile]) -> list[Contents]:
    """What files hold of each format; days are those of files whose records have a time."""
    found = []
    for name in sorted({file.format for file in files}):
        own = [file for file in files if file.format == name]
        days = sorted(file.day for file in own if file.day != NO_DAY) or [""]
        rows, size = sum(file.rows for file in own), sum(file.size for file in own)
        found.append(Contents(name, rows, len(own), size, days[0], days[-1]))
    return found


def _require() -> None:
    require_pyarrow()
    try:
        import duckdb  # noqa: F401, PLC0415 - an optional library
    except ModuleNotFoundError as error:
        raise MissingExtra("queries", "local") from error


def _connected(directory: Path, paths: Sequence[str], limits: Limits) -> duckdb.DuckDBPyConnection:
    """A connection that reads these files only, and whose settings cannot be changed any more."""
    import duckdb  # noqa: PLC0415 - an optional library

    connection = duckdb.connect(":memory:", config=_LOCKED)
    threads = limits.threads or len(os.sched_getaffinity(0))
    settings = ["TimeZone = 'UTC'", f"threads = {threads}", "enable_progress_bar = false"]
    if limits.memory:
        settings.append(f"memory_limit = '{limits.memory}B'")
    # DuckDB makes the folder when memory runs short, and removes it.
    spill = literal(str(directory / f"spill-{os.getpid()}")) if os.access(directory, os.W_OK) else "''"
    settings += [
        f"temp_directory = {spill}",
        f"allowed_paths = {literals(chain(paths, map(views.no_pattern, paths)))}",
        "enable_external_access = false",
        "lock_configuration = true",
    ]
    for setting in settings:
        connection.execute(f"SET {setting}")
    return connection


def _known(directory: Path, files: Sequence[StoredFile]) -> list[Source]:
    """Tailrace's formats, and those that only the store knows: lines of a `--log-format`."""
    paths: dict[str, list[str]] = {}
    for file in files:
        paths.setdefault(file.format, []).append(str(directory / file.path))
    sources = [
        Source(name, views.columns_of(known), paths.pop(name, ()), known.vendor == views.HAPROXY)
        for name, known in formats().items()
    ]
    return [*sources, *(Source(name, {}, own, haproxy=True, found={}) for name, own in paths.items())]


def _looked_into(connection: duckdb.DuckDBPyConnection, source: Source) -> Source:
    """The source with the columns of its files, if these tell them."""
    if source.found is None or not source.paths:
        return source
    rows = connection.execute(f"DESCRIBE SELECT * FROM {views.files_of(source.paths)}").fetchall()  # noqa: S608
    found = {str(row[0]): str(row[1]) for row in rows}
    own = {name: kind for name, kind in found.items() if name.lower() not in ("format", ID)}
    return replace(source, columns=own | {"format": "VARCHAR", ID: "VARCHAR"}, found=found)


def _create(connection: duckdb.DuckDBPyConnection, sources: Sequence[Source]) -> None:
    for name, select in views.statements([source for source in sources if source.columns]):
        connection.execute(f"CREATE VIEW {quoted(name)} AS {select}")


def _expect_question(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Raises UsageError for anything but one statement that only reads."""
    import duckdb  # noqa: PLC0415 - an optional library

    found = connection.extract_statements(sql)
    if len(found) != 1:
        raise UsageError(
            "give one SQL statement" if found else "the SQL is empty; give one statement, such as: FROM requests"
        )
    kinds = duckdb.StatementType
    if found[0].type == kinds.EXPLAIN:
        rest = _EXPLAIN.sub("", sql, count=1)
        if rest != sql:
            _expect_question(connection, rest)
            return
    if found[0].type not in (kinds.SELECT, kinds.MULTI) or _writes(sql):
        raise UsageError("queries only read: begin with SELECT, WITH, FROM, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN")


def _writes(sql: str) -> bool:
    """Whether a word of the SQL, outside of texts and comments, writes: a CTE may hold COPY in newer DuckDB."""
    bare = re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", " ", sql, flags=re.DOTALL)
    return (
        re.search(r"\b(copy|insert|update|delete|create|export)\b(?!\s*[,.)=]|\s*$)", bare, re.IGNORECASE) is not None
    )


def _answer(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any]) -> Answer:
    """The answer, with its first batch read, so that what fails at once fails here."""
    reader = _reader(connection, sql, parameters)
    batches = iter(reader)
    first = next(batches, None)
    return Answer(reader.schema, chain(() if first is None else (first,), batches))


def _reader(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any]) -> Any:
    relation = connection.sql(sql, params=list(parameters) or None)
    if hasattr(relation, "to_arrow_reader"):
        return relation.to_arrow_reader(BATCH_ROWS)
    older: Any = connection.execute(sql, list(parameters))  # DuckDB 1
    return older.fetch_record_batch(BATCH_ROWS)


def _first_lines(error: BaseException) -> str:
    """DuckDB's words without its guesses from system tables."""
    lines = [line for line in str(error).strip().splitlines() if line and not line.startswith('Did you mean "')]
    return "\n".join(lines[:_MESSAGE_LINES])


def _columns_told(connection: duckdb.DuckDBPyConnection, sql: str) -> Iterator[str]:
    """The columns of each view that a query names."""
    import duckdb  # noqa: PLC0415 - an optional library

    with suppress(duckdb.Error):
        names = [
            str(row[0])
            for row in connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
        ]
        for name in names:
            if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sql, re.IGNORECASE):
                rows = connection.execute(f"DESCRIBE {quoted(name)}").fetchall()
                yield f"Columns of {name}: {', '.join(str(row[0]) for row in rows)}"
