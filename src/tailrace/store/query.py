"""Questions in SQL to a store's files.

Only files that the catalog lists are read. Another process may write meanwhile: when a listed file is gone, because it
was merged or pruned after the list was read, the list is read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from tailrace.clock import Clock
from tailrace.errors import Fatal, MissingExtra, TailraceError
from tailrace.kernel.names import ID
from tailrace.model import StoredFile
from tailrace.registry import formats
from tailrace.sinks.store import NO_DAY, require_pyarrow
from tailrace.state.sqlite import SqliteState
from tailrace.store import requests, views
from tailrace.store.session import Answer, Limits, Session
from tailrace.store.views import Source

T = TypeVar("T")
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Contents:
    """What a view holds. The days are those of records whose time is known."""

    view: str
    rows: int
    first_day: str
    last_day: str
    files: int
    size: int


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
        """What each view holds, by the list of files."""
        sources = _sources(self._directory, self.files)
        members = {source.name: [source.name] for source in sources}
        members[views.HAPROXY] = [source.name for source in sources if source.haproxy]
        members[views.REQUESTS] = [
            *(family for family in requests.FAMILIES if family != views.HAPROXY),
            *(name for name in members[views.HAPROXY] if name not in requests.NO_REQUESTS),
        ]
        return [_contents(name, [file for file in self.files if file.format in own]) for name, own in members.items()]

    @contextmanager
    def ask(self, sql: str) -> Iterator[Answer]:
        """The answer to one SELECT. Raises UsageError in DuckDB's words, and Fatal for a file that cannot be read."""
        session, answer = self._begun(sql, lambda session: session.answer(sql))
        try:
            with session.errors(sql):
                yield answer
        finally:
            session.close()

    def read(self, view: str, work: Callable[[Session], T]) -> T:
        """What some work finds that asks about one view only; it may be done again when files have changed meanwhile."""
        session, found = self._begun(view, work)
        session.close()
        return found

    def _begun(self, sql: str, work: Callable[[Session], T]) -> tuple[Session, T]:
        for attempt in range(1, ATTEMPTS + 1):
            session = Session(self._directory, self._paths(), self._limits)
            try:
                with session.errors(sql):
                    self._create_views(session, sql)
                    return session, work(session)
            except BaseException as error:
                session.close()
                missing = self._missing() if isinstance(error, TailraceError) else ""
                if not missing or (attempt == ATTEMPTS and Path(missing).name not in str(error.__cause__)):
                    raise
                if attempt == ATTEMPTS:
                    message = f"{missing} is listed, but missing; see `tailrace receipts --check`"
                    raise Fatal(message) from error
            self.reload()
        raise AssertionError

    def _missing(self) -> str:
        """A file that has gone since the list was read, if there is one."""
        return next((path for path in self._paths() if not Path(path).is_file()), "")

    def _paths(self) -> list[str]:
        return [str(self._directory / file.path) for file in self.files]

    def _create_views(self, session: Session, sql: str) -> None:
        """Make every view; those that the SQL cannot mean have columns only, since looking into files takes time."""
        sources = _sources(self._directory, self.files)
        wanted = views.wanted(sql, sources)
        sources = [source if source.name in wanted else replace(source, paths=()) for source in sources]
        for name, select in views.statements([_looked_into(session, source) for source in sources]):
            session.create(name, select)


def _require() -> None:
    require_pyarrow()
    try:
        import duckdb  # noqa: F401, PLC0415 - an optional library
    except ModuleNotFoundError as error:
        raise MissingExtra("queries", "local") from error


def _sources(directory: Path, files: Sequence[StoredFile]) -> list[Source]:
    """Tailrace's formats, and those that only the store knows: lines of a `--log-format`."""
    paths: dict[str, list[str]] = {}
    for file in files:
        paths.setdefault(file.format, []).append(str(directory / file.path))
    sources = [
        Source(name, views.columns_of(known), paths.pop(name, ()), known.vendor == views.HAPROXY)
        for name, known in formats().items()
    ]
    return [*sources, *(Source(name, views.LEAST, own, haproxy=True, found={}) for name, own in paths.items())]


def _looked_into(session: Session, source: Source) -> Source:
    """The source with the columns of its files, if only these tell them."""
    if source.found is None or not source.paths:
        return source
    found = session.columns(views.files_of(source.paths))
    own = {name: kind for name, kind in found.items() if name.lower() not in ("format", ID)}
    return replace(source, columns=own | views.LEAST, found=found)


def _contents(view: str, files: Sequence[StoredFile]) -> Contents:
    days = sorted(file.day for file in files if file.day != NO_DAY) or [""]
    rows, size = sum(file.rows for file in files), sum(file.size for file in files)
    return Contents(view, rows, days[0], days[-1], len(files), size)
