"""One connection to DuckDB in memory, which may read some files and nothing else, and whose errors are ours."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tailrace.errors import Fatal, UsageError
from tailrace.store.opening import SPILL
from tailrace.store.sqltext import literal, literals, quoted
from tailrace.store.views import no_pattern

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

T = TypeVar("T")
BATCH_ROWS = 8192
_MESSAGE_LINES = 8
_LOCKED: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,  # a table's name never means a variable of this program
}
_EXPLAIN = re.compile(r"\s*explain\s+(analyze\s+)?(\([^)]*\)\s*)?", re.IGNORECASE)
_NOT_CODE = re.compile(
    r"""\$(\w*)\$.*?\$\1\$|\be'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/""",
    re.DOTALL | re.IGNORECASE,
)
_WRITING = re.compile(r"(?<![.\w])(copy|insert|update|delete|create|export)\b(?!\s*[,.)=]|\s*$)", re.IGNORECASE)


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

    def rows(self) -> list[dict[str, Any]]:
        """The rows as objects, for answers that are small."""
        return [row for batch in self.batches for row in batch.to_pylist()]


class Session:
    """A connection that reads these files only, and whose settings cannot be changed any more."""

    def __init__(self, directory: Path, paths: Sequence[str], limits: Limits) -> None:
        import duckdb  # noqa: PLC0415 - an optional library

        self._directory = directory
        self._connection = duckdb.connect(":memory:", config=_LOCKED)
        for setting in _settings(directory, paths, limits):
            self._connection.execute(f"SET {setting}")
        self._worker = ThreadPoolExecutor(1)

    def create(self, name: str, select: str) -> None:
        """Give a SELECT a name."""
        self._connection.execute(f"CREATE VIEW {quoted(name)} AS {select}")

    def columns(self, what: str) -> dict[str, str]:
        """Names and types of the columns of a view or a table function."""
        rows = self._connection.execute(f"DESCRIBE SELECT * FROM {what}").fetchall()  # noqa: S608 - quoted by callers
        return {str(row[0]): str(row[1]) for row in rows}

    def views(self) -> list[str]:
        """The names of all views."""
        query = "SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1"
        return [str(row[0]) for row in self._connection.execute(query).fetchall()]

    def answer(self, sql: str) -> Answer:
        """The answer to one statement that reads; its first batch is read already, so that what fails at once fails here."""
        self._expect_question(sql)
        reader = self._patiently(lambda: self._reader(sql))
        batches = self._batches(reader)
        first = next(batches, None)
        return Answer(reader.schema, chain(() if first is None else (first,), batches))

    def _batches(self, reader: Any) -> Iterator[pa.RecordBatch]:
        while (batch := self._patiently(lambda: next(reader, None))) is not None:
            yield batch

    def _patiently(self, work: Callable[[], T]) -> T:
        """Let another thread wait for DuckDB: this one could not be interrupted there."""
        waiting = self._worker.submit(work)
        try:
            return waiting.result()
        except KeyboardInterrupt:
            self._connection.interrupt()
            wait([waiting])
            raise

    def _reader(self, sql: str) -> Any:
        import duckdb  # noqa: PLC0415 - an optional library

        connection: Any = self._connection
        if hasattr(duckdb.DuckDBPyRelation, "to_arrow_reader"):
            return connection.sql(sql).to_arrow_reader(BATCH_ROWS)
        return connection.execute(sql).fetch_record_batch(BATCH_ROWS)  # DuckDB 1

    def _expect_question(self, sql: str) -> None:
        """Raises UsageError for anything but one statement that only reads."""
        import duckdb  # noqa: PLC0415 - an optional library

        found = self._connection.extract_statements(sql)
        code = _NOT_CODE.sub(" ", sql)
        if not found:
            raise UsageError("there is no SQL; give a statement such as: FROM requests")
        if ";" in code.rstrip("; \t\r\n"):
            raise UsageError("give one SQL statement")
        kinds = duckdb.StatementType
        rest = _EXPLAIN.sub("", sql, count=1)
        if found[0].type == kinds.EXPLAIN and rest != sql:
            self._expect_question(rest)
        elif _WRITING.search(code) or not {each.type for each in found} <= _reading(len(found)):
            # DuckDB 2 reads COPY in a WITH, which would be allowed to write over the files it may read.
            raise UsageError("queries only read: begin with SELECT, WITH, FROM, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN")

    def close(self) -> None:
        """Let go of everything. May be called twice."""
        self._worker.shutdown()
        self._connection.close()

    @contextmanager
    def errors(self, sql: str) -> Iterator[None]:
        """DuckDB's errors as ours: UsageError in its words, Fatal for a file that cannot be read."""
        import duckdb  # noqa: PLC0415 - an optional library
        import pyarrow as pa  # noqa: PLC0415

        try:
            yield
        except (duckdb.InterruptException, KeyboardInterrupt) as error:
            raise KeyboardInterrupt from error
        except (duckdb.Error, pa.ArrowException) as error:
            broken = (duckdb.IOException, duckdb.InternalException, pa.ArrowException)
            if not isinstance(error, broken) and ".parquet'" not in str(error):
                raise UsageError("\n".join(self._explained(error, sql))) from error
            message = f"cannot read the store at {self._directory}: {str(error).strip().splitlines()[0]}; see `tailrace receipts --check`"
            raise Fatal(message) from error
        except RuntimeError as error:
            if "interrupted" not in str(error).lower():
                raise
            raise KeyboardInterrupt from error

    def _explained(self, error: duckdb.Error, sql: str) -> Iterator[str]:
        """DuckDB's sentence, and what there is where a name is wrong."""
        import duckdb  # noqa: PLC0415 - an optional library

        told = first_lines(error)
        yield told
        if isinstance(error, duckdb.OutOfMemoryException):
            yield "Select fewer columns or a shorter time, or group by less."
        if isinstance(error, duckdb.PermissionException):
            yield "Queries read the store's views and nothing else."
        with suppress(duckdb.Error):
            if isinstance(error, duckdb.CatalogException) and told.startswith("Catalog Error: Table"):
                yield f"There are: {', '.join(self.views())}"
            elif isinstance(error, duckdb.BinderException) and "column" in told.lower():
                yield from self._columns_told(sql)

    def _columns_told(self, sql: str) -> Iterator[str]:
        """The columns of each view that a query names."""
        for name in self.views():
            if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sql, re.IGNORECASE):
                yield f"Columns of {name}: {', '.join(self.columns(quoted(name)))}"


def _settings(directory: Path, paths: Sequence[str], limits: Limits) -> Iterator[str]:
    yield "TimeZone = 'UTC'"
    yield "enable_progress_bar = false"
    yield "parquet_metadata_cache = true"
    yield f"threads = {limits.threads or len(os.sched_getaffinity(0))}"
    if limits.memory:
        yield f"memory_limit = '{limits.memory}B'"
    # DuckDB makes the folder when memory runs short, and removes it.
    spill = str(directory / f"{SPILL}{os.getpid()}") if os.access(directory, os.W_OK) else ""
    yield f"temp_directory = {literal(spill)}"
    yield f"allowed_paths = {literals(chain(paths, map(no_pattern, paths)))}"
    yield "enable_external_access = false"
    yield "lock_configuration = true"


def _reading(count: int) -> set[duckdb.StatementType]:
    """The kinds of statements that read. DuckDB 1 makes several of one PIVOT: it creates a type first."""
    import duckdb  # noqa: PLC0415 - an optional library

    kinds = duckdb.StatementType
    return {kinds.SELECT, kinds.MULTI, *([kinds.CREATE] if count > 1 else [])}


def first_lines(error: BaseException) -> str:
    """DuckDB's words without its guesses from system tables."""
    lines = [line for line in str(error).strip().splitlines() if line and not line.startswith('Did you mean "')]
    return "\n".join(lines[:_MESSAGE_LINES])
