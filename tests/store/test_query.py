"""A query reads the files that count, and nothing else; what goes wrong is told in DuckDB's words."""

from __future__ import annotations

import os
import signal
import threading
from datetime import date
from pathlib import Path

import pytest

from making import StillClock, alb, clb
from stores import made
from tailrace.clock import SystemClock
from tailrace.errors import Fatal, UsageError
from tailrace.store.maintenance import compact, prune
from tailrace.store.opening import GRACE_S, open_store
from tailrace.store.query import Queries
from tailrace.store.session import Limits

DAY, NEXT = "2026-09-23", "2026-09-24"


def everything(directory: Path) -> list[Path]:
    """Every file below a folder but those that SQLite makes for its readers."""
    return sorted(path for path in directory.rglob("*") if path.suffix not in (".sqlite-shm", ".sqlite-wal"))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A store of three files: two of ALB, one of CLB."""
    return made(tmp_path / "store", alb(DAY, 1) + alb(DAY, 2) + clb(DAY), alb(NEXT, 3))


def ask(directory: Path, sql: str) -> list[dict[str, object]]:
    return asked(Queries(directory, StillClock()), sql)


def asked(queries: Queries, sql: str) -> list[dict[str, object]]:
    with queries.ask(sql) as answer:
        return answer.rows()


def count(queries: Queries, view: str = "requests") -> object:
    return asked(queries, f"SELECT count(*) AS n FROM {view}")[0]["n"]


def test_only_listed_files_are_read(directory: Path) -> None:
    (file, *_others) = directory.glob("data/format=alb/*/*.parquet")
    file.with_name("stray.parquet").write_bytes(file.read_bytes())
    assert count(Queries(directory, StillClock()), "alb") == 3


def test_days_that_were_removed_meanwhile_are_found_no_more(directory: Path) -> None:
    queries = Queries(directory, StillClock())
    assert count(queries) == 4
    prune(directory, date.fromisoformat(NEXT), StillClock())
    assert count(queries) == 1


def test_files_that_were_merged_and_removed_meanwhile_are_found_again(directory: Path) -> None:
    queries = Queries(directory, StillClock())
    made(directory, alb(DAY, 1) + alb(DAY, 2) + clb(DAY), alb(NEXT, 3), alb(DAY, 4))
    queries.reload()
    clock = StillClock()
    compact(directory, clock)
    clock.sleep(2 * GRACE_S)
    open_store(directory, clock).close()
    assert not all((directory / file.path).exists() for file in queries.files)
    assert count(queries) == 5
    assert all((directory / file.path).exists() for file in queries.files)


def test_a_listed_file_that_is_missing_is_named(directory: Path) -> None:
    (file,) = directory.glob("data/format=clb/*/*.parquet")
    file.unlink()
    with pytest.raises(Fatal, match=rf"{file.name} is listed, but missing; see `tailrace receipts --check`"):
        ask(directory, "FROM clb")
    assert len(ask(directory, "FROM alb")) == 3
    with pytest.raises(UsageError, match="Parser Error"):
        ask(directory, "SELEC 1")


def test_a_broken_file_is_named(directory: Path) -> None:
    (file,) = directory.glob("data/format=clb/*/*.parquet")
    file.write_bytes(b"PAR1 is all that is left")
    with pytest.raises(Fatal, match=rf"cannot read the store .*{file.name}"):
        ask(directory, "FROM clb")


def test_a_folder_without_a_store_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no store at .*nothing: run `tailrace ship"):
        Queries(tmp_path / "nothing", StillClock())


@pytest.mark.parametrize("name", ["it's", "a[1]*?", "zwölf – drei", 'with "quotes"'])
def test_a_store_may_have_any_name(tmp_path: Path, name: str) -> None:
    made(tmp_path / name, alb(DAY))
    assert count(Queries(tmp_path / name, StillClock())) == 1


def test_an_unknown_table_is_told_with_those_that_there_are(directory: Path) -> None:
    with pytest.raises(UsageError, match=r"Table with name albs does not exist!(.|\n)*There are: alb, .*requests"):
        ask(directory, "FROM albs")


def test_an_unknown_column_is_told_with_those_that_there_are(directory: Path) -> None:
    with pytest.raises(UsageError, match=r'"uri" not found(.|\n)*Columns of requests: time, format, load_balancer'):
        ask(directory, "SELECT uri FROM requests")


def test_a_wrong_value_is_the_users_error(directory: Path) -> None:
    with pytest.raises(UsageError, match="Could not parse string"):
        ask(directory, "SELECT strptime('x', '%Y')")
    with pytest.raises(UsageError, match="Conversion Error"):
        ask(directory, "SELECT client_ip::INTEGER FROM alb")


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1 AS a) TO '{file}'",
        "COPY (SELECT 1 AS a) TO '{file}.csv'",
        "EXPLAIN ANALYZE COPY (SELECT 1 AS a) TO '{file}'",
        "EXPLAIN (ANALYZE) COPY (SELECT 1 AS a) TO '{file}'",
        "WITH x AS (COPY (SELECT 1 AS a) TO '{file}') SELECT 1",
        "WITH x AS (/* */ cOpY/**/(SELECT 1 AS a) TO '{file}' (FORMAT parquet)) FROM x",
        "CREATE TABLE t AS SELECT 1",
        "CREATE OR REPLACE VIEW alb AS SELECT 1",
        "CREATE TABLE t AS PIVOT alb ON elb",
        "DROP VIEW alb",
        "ATTACH '{file}.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 1",
        "PRAGMA enable_profiling",
        "EXPORT DATABASE '{file}.d'",
        "CALL pragma_version()",
        "SELECT 1; SELECT 2",
        "PIVOT alb ON elb; DROP VIEW alb",
        "SELECT $$'$$; COPY (SELECT 1 AS a) TO '{file}'",
        "SELECT E'\\''; COPY (SELECT 1 AS a) TO '{file}'; SELECT '1'",
        "FROM (SELECT $a$'$a$) UNION ALL (WITH x AS (COPY (SELECT 1) TO '{file}') SELECT $$'$$)",
        "",
        "-- nothing",
    ],
)
def test_only_one_statement_that_reads_is_taken(directory: Path, sql: str) -> None:
    (file,) = directory.glob("data/format=clb/*/*.parquet")
    files, content = everything(directory), file.read_bytes()
    with pytest.raises(
        UsageError, match=r"queries only read|one SQL statement|no SQL|Parser Error|A CTE needs a SELECT"
    ):
        ask(directory, sql.format(file=file))
    assert everything(directory) == files
    assert file.read_bytes() == content


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'copy to; -- it''s' AS copy",
        'SELECT "copy", x.update FROM (SELECT 1 AS "copy", 2 AS update) AS x -- delete this',
        "SELECT $$it's; copy to$$, E'\\'; copy to'",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE FROM alb",
        "DESCRIBE alb",
        "SUMMARIZE clb",
        "SHOW TABLES",
        "PIVOT requests ON format USING count(*)",
        "WITH a AS (FROM alb) SELECT count(*) FROM a;",
        "VALUES (1), (2)",
        "SELECT view_name FROM duckdb_views()",
        "FROM query_table('a' || 'lb')",
    ],
)
def test_whatever_reads_is_answered(directory: Path, sql: str) -> None:
    assert ask(directory, sql)


@pytest.mark.parametrize("sql", ["FROM read_csv('/etc/passwd')", "FROM '/etc/passwd'", "FROM glob('/*')",
                                 "FROM read_text('{other}')", "FROM read_parquet('{other}')"])  # fmt: skip
def test_other_files_cannot_be_read(directory: Path, sql: str) -> None:
    (file,) = directory.glob("data/format=clb/*/*.parquet")
    other = file.with_name("other.parquet")
    other.write_bytes(file.read_bytes())
    with pytest.raises(UsageError):
        ask(directory, sql.format(other=other))


def test_a_variable_of_the_program_is_no_table(directory: Path) -> None:
    import pyarrow as pa  # noqa: PLC0415 - only this test needs one

    paths = pa.table({"secret": [1]})
    with pytest.raises(UsageError, match="Table with name paths does not exist"):
        ask(directory, "FROM paths")
    assert paths.num_rows


def test_times_are_utc(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    sql = "SELECT time::VARCHAR AS t, extract('hour' FROM time) AS h FROM alb ORDER BY time LIMIT 1"
    assert ask(directory, sql) == [{"t": "2026-09-23 07:15:47.805298+00", "h": 7}]


def test_an_answer_larger_than_memory_comes_in_batches(directory: Path) -> None:
    queries = Queries(directory, StillClock(), Limits(memory=64 << 20, threads=1))
    rows = 0
    with queries.ask("SELECT i, repeat('x', 1000) AS x FROM range(300_000) AS t(i)") as answer:
        for batch in answer.batches:
            rows += batch.num_rows
    assert rows == 300_000


def test_more_memory_than_allowed_is_told(directory: Path) -> None:
    queries = Queries(directory, StillClock(), Limits(memory=16 << 20, threads=1))
    with pytest.raises(UsageError, match="Select fewer columns"):
        asked(queries, "SELECT list(i || repeat('x', 100)) AS x FROM range(3_000_000) AS t(i)")


def test_a_sort_larger_than_memory_leaves_nothing_in_the_store(directory: Path) -> None:
    files = everything(directory)
    queries = Queries(directory, StillClock(), Limits(memory=48 << 20, threads=1))
    rows = 0
    with queries.ask("SELECT md5(i::VARCHAR) AS m, repeat(m, 4) AS x FROM range(600_000) AS t(i) ORDER BY m") as answer:
        for batch in answer.batches:
            rows += batch.num_rows
    assert rows == 600_000
    assert everything(directory) == files


def test_ctrl_c_interrupts(directory: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            ask(directory, "SELECT count(*) FROM range(100_000_000_000) AS t(i) WHERE sqrt(i) % 7 = 3")
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)


def test_contents_tell_rows_and_days_of_each_view(directory: Path) -> None:
    found = {each.view: each for each in Queries(directory, SystemClock()).contents()}
    assert (found["alb"].rows, found["alb"].first_day, found["alb"].last_day, found["alb"].files) == (3, DAY, NEXT, 2)
    assert (found["requests"].rows, found["clb"].rows, found["haproxy"].rows, found["nlb"].rows) == (4, 1, 0, 0)
    assert found["nlb"].first_day == ""
    assert found["requests"].size == sum(path.stat().st_size for path in directory.glob("data/*/*/*.parquet"))


def test_only_kept_files_are_read(directory: Path) -> None:
    queries = Queries(directory, StillClock(), keep=lambda file: file.day == NEXT)
    assert count(queries) == 1
