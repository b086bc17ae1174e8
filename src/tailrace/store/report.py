# ruff: noqa: S608 - statements are put together from constants, and from texts that are quoted
"""What a store tells of its traffic: totals, load balancers, the course of time, paths, clients, status codes.

A *client error* is a status of 400 to 499, a *server error* one of 500 to 599; of these, a *target error* is one that the
target sent too. A *failure* has no status and a reason: a connection that broke.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from tailrace.model import StoredFile
from tailrace.sinks.store import NO_DAY
from tailrace.store import views
from tailrace.store.query import Queries
from tailrace.store.session import Session
from tailrace.store.sqltext import literal

EXACT_ROWS = 20_000_000
"""Quantiles of more rows are estimated: exact ones keep every value in memory."""
_STEPS = (
    1, 2, 5, 10, 15, 30, 60, 2 * 60, 5 * 60, 10 * 60, 15 * 60, 30 * 60, 3600, 2 * 3600, 3 * 3600, 6 * 3600, 12 * 3600,
    86400, 2 * 86400, 7 * 86400, 14 * 86400, 28 * 86400, 91 * 86400, 364 * 86400,
)  # fmt: skip
_COUNTS = """
  count(*) AS requests,
  count(*) FILTER (status BETWEEN 400 AND 499) AS client_errors,
  count(*) FILTER (status BETWEEN 500 AND 599) AS server_errors,
  count(*) FILTER (status BETWEEN 500 AND 599 AND target_status BETWEEN 500 AND 599) AS target_errors,
  count(*) FILTER (status IS NULL AND error_reason IS NOT NULL) AS failures,
  coalesce(sum(bytes_in), 0)::BIGINT AS bytes_in,
  coalesce(sum(bytes_out), 0)::BIGINT AS bytes_out,
  min(time) AS first, max(time) AS last"""
_QUANTILES = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a report is about. Times in seconds since 1970: from `since` on, before `until`.

    `load_balancer`: its name, or the name within `app/NAME/ID`. `top`: so many paths, clients and status codes.
    `buckets`: time is divided into so many parts at most.
    """

    since: float | None = None
    until: float | None = None
    load_balancer: str = ""
    top: int = 10
    buckets: int = 60

    def keeps(self, file: StoredFile) -> bool:
        """Whether a file may hold records of the scope's days."""
        if self.since is None and self.until is None:
            return True
        return (
            file.day != NO_DAY
            and (self.since is None or file.day >= _day(self.since))
            and (self.until is None or file.day <= _day(self.until))
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of some requests. Latencies in seconds, None if none is known; times in RFC 3339."""

    requests: int
    client_errors: int
    server_errors: int
    target_errors: int
    failures: int
    bytes_in: int
    bytes_out: int
    first: str | None
    last: str | None
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class Named:
    """Figures of what has one name: a load balancer, a path, a client or a status code; None where there is none."""

    name: str | int | None
    figures: Figures


@dataclass(frozen=True, slots=True)
class Bucket:
    """A part of the time that begins at `start`."""

    start: str
    requests: int
    errors: int
    p95: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """The whole. `exact` tells whether the quantiles are; `step`: seconds that a bucket lasts."""

    total: Figures
    exact: bool
    step: int
    load_balancers: Sequence[Named]
    over_time: Sequence[Bucket]
    paths: Sequence[Named]
    clients: Sequence[Named]
    statuses: Sequence[Named]


def report(queries: Queries, scope: Scope) -> Report:
    """The report of a store. Raises what `Queries` raises."""
    rows = sum(file.rows for file in queries.files)
    return queries.read(views.REQUESTS, partial(_read, scope=scope, exact=rows <= EXACT_ROWS))


def load_balancers(queries: Queries) -> list[str]:
    """The names of all load balancers."""
    sql = "SELECT DISTINCT load_balancer AS name FROM requests WHERE load_balancer IS NOT NULL ORDER BY 1"
    return [row["name"] for row in queries.read(views.REQUESTS, lambda session: session.answer(sql).rows())]


def _read(session: Session, scope: Scope, *, exact: bool) -> Report:
    (total,) = _named(session, total_sql(scope, exact=exact))
    by = partial(_ranked, session, scope, exact=exact)
    found = Report(
        total=total.figures, exact=exact, step=0, load_balancers=(), over_time=(), paths=(), clients=(), statuses=()
    )
    if not total.figures.requests:
        return found
    step = step_of(total.figures, scope.buckets)
    return replace(
        found,
        step=step,
        load_balancers=by("load_balancer", limit=0),
        over_time=list(_over_time(session, scope, step, exact=exact)),
        paths=by("path", limit=scope.top),
        clients=by("client_ip", limit=scope.top),
        statuses=by("status", limit=scope.top),
    )


def _ranked(session: Session, scope: Scope, column: str, *, limit: int, exact: bool) -> list[Named]:
    return list(_named(session, ranked_sql(scope, column, limit, exact=exact)))


def _named(session: Session, sql: str) -> Iterator[Named]:
    for row in session.answer(sql).rows():
        name, latency = row.pop("name"), row.pop("latency") or [None] * len(_QUANTILES)
        row["first"], row["last"] = _rfc3339(row["first"]), _rfc3339(row["last"])
        yield Named(name, Figures(**row, **dict(zip(_QUANTILES, latency, strict=True))))


def _over_time(session: Session, scope: Scope, step: int, *, exact: bool) -> Iterator[Bucket]:
    """Every bucket from the first that has requests to the last, the empty ones between them too."""
    found = {row["start"]: row for row in session.answer(over_time_sql(scope, step, exact=exact)).rows()}
    for start in range(min(found, default=0), max(found, default=-1) + 1, step):
        row = found.get(start, {"requests": 0, "errors": 0, "p95": None})
        when = datetime.fromtimestamp(start, UTC).isoformat().replace("+00:00", "Z")
        yield Bucket(when, row["requests"], row["errors"], row["p95"])


def step_of(total: Figures, buckets: int) -> int:
    """The least round number of seconds by which the time falls into so many buckets at most."""
    if total.first is None or total.last is None:
        return _STEPS[0]
    first, last = (datetime.fromisoformat(each).timestamp() for each in (total.first, total.last))
    fitting = (step for step in _STEPS if last // step - first // step < max(1, buckets))
    return next(fitting, _STEPS[-1])


def total_sql(scope: Scope, *, exact: bool) -> str:
    """Figures of everything."""
    return f"SELECT NULL AS name,{_COUNTS}, {_latency(exact=exact)} FROM requests{_where(scope)}"


def ranked_sql(scope: Scope, column: str, limit: int, *, exact: bool) -> str:
    """Figures by what a column holds, the most frequent first; no limit if 0. A connection has no path to be ranked."""
    named = [f"{column} IS NOT NULL"] if column in ("path", "client_ip") else []
    limited = f" LIMIT {limit}" if limit else ""
    return (
        f"SELECT {column} AS name,{_COUNTS}, {_latency(exact=exact)} FROM requests{_where(scope, *named)}"
        f" GROUP BY {column} ORDER BY requests DESC, name NULLS LAST{limited}"
    )


def over_time_sql(scope: Scope, step: int, *, exact: bool) -> str:
    """Requests, errors and latency by time."""
    p95 = "quantile_cont(latency, 0.95)" if exact else "approx_quantile(latency, 0.95)"
    return (
        f"SELECT (floor(epoch(time) / {step}) * {step})::BIGINT AS start, count(*) AS requests,"
        " count(*) FILTER (status BETWEEN 400 AND 599 OR (status IS NULL AND error_reason IS NOT NULL)) AS errors,"
        f" {p95} AS p95 FROM requests{_where(scope, 'time IS NOT NULL')} GROUP BY start ORDER BY start"
    )


def _latency(*, exact: bool) -> str:
    function = "quantile_cont" if exact else "approx_quantile"
    return f"{function}(latency, [0.5, 0.95, 0.99]) AS latency"


def _where(scope: Scope, *more: str) -> str:
    conditions = list(more)
    if scope.since is not None:
        conditions.append(f"time >= {_timestamp(scope.since)}")
    if scope.until is not None:
        conditions.append(f"time < {_timestamp(scope.until)}")
    if scope.load_balancer:
        name = literal(scope.load_balancer)
        conditions.append(f"(load_balancer = {name} OR split_part(load_balancer, '/', 2) = {name})")
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _timestamp(seconds: float) -> str:
    return f"TIMESTAMPTZ '{datetime.fromtimestamp(seconds, UTC).isoformat()}'"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _rfc3339(when: datetime | None) -> str | None:
    return None if when is None else when.astimezone(UTC).isoformat().replace("+00:00", "Z")
