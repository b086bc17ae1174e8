"""`tailrace query` writes tables for people, CSV and JSON for programs, whatever the lines hold."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from rich.console import Console

import stores
from cli.conftest import PROGRAM, Run, environment
from making import StillClock, alb
from stores import made, truth
from tailrace.cli._cells import iso_duration, json_of, rfc3339, text_of, visible
from tailrace.cli._tables import MOST_ROWS, write_csv, write_json, write_plain, write_table
from tailrace.store.query import Queries
from tailrace.store.session import Answer

samples = stores.samples
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
EVERY_TYPE = """
SELECT TIMESTAMPTZ '2026-10-02 15:20:00.079500+00' AS at, TIMESTAMP '2026-10-02 15:20:00' AS local, DATE '2026-10-02' AS day,
  170141183460469231731687303715884105727::HUGEINT AS huge, 12345678901234567.89::DECIMAL(20, 2) AS money, 0.1 + 0.2::DOUBLE AS f,
  'nan'::DOUBLE AS nan, '-inf'::DOUBLE AS inf, true AS yes, NULL AS nothing, '' AS empty, [1, NULL] AS list,
  {'a': 'x', 'b': [TIMESTAMPTZ '2026-10-02 00:00:00+00']} AS struct, MAP {'k': 1} AS map, '\\x00\\xFF'::BLOB AS blob,
  INTERVAL 90 MINUTES AS span, 'a,"b"' || chr(10) || 'c' AS text
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return made(tmp_path / "store", alb("2026-09-23", 1) + alb("2026-09-23", 2))


def answered(directory: Path, sql: str, form: str) -> str:
    out = io.BytesIO()
    with Queries(directory, StillClock()).ask(sql) as answer:
        {"csv": write_csv, "json": write_json, "plain": write_plain}[form](answer, out)
    return out.getvalue().decode()


def drawn(directory: Path, sql: str, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, color_system=None)
    with Queries(directory, StillClock()).ask(sql) as answer:
        write_table(answer, console)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_json_is_one_array_of_exact_values(directory: Path) -> None:
    (row,) = json.loads(answered(directory, EVERY_TYPE, "json"), parse_float=Decimal)
    assert row == {
        "at": "2026-10-02T15:20:00.0795Z", "local": "2026-10-02T15:20:00", "day": "2026-10-02", "huge": 2**127 - 1,
        "money": Decimal("12345678901234567.89"), "f": Decimal("0.30000000000000004"), "nan": None, "inf": None,
        "yes": True, "nothing": None, "empty": "", "list": [1, None],
        "struct": {"a": "x", "b": ["2026-10-02T00:00:00Z"]}, "map": {"k": 1}, "blob": "AP8=",
        "span": "PT5400S", "text": 'a,"b"\nc',
    }  # fmt: skip


def test_csv_is_read_by_others(directory: Path) -> None:
    text = answered(directory, EVERY_TYPE, "csv")
    names, values = csv.reader(io.StringIO(text, newline=""), strict=True)
    row = dict(zip(names, values, strict=True))
    assert row["text"] == 'a,"b"\nc'
    assert (row["at"], row["huge"], row["money"]) == (
        "2026-10-02T15:20:00.0795Z",
        str(2**127 - 1),
        "12345678901234567.89",
    )
    assert (row["yes"], row["list"], row["nan"]) == ("true", "[1,null]", "nan")
    assert text.endswith('c"\r\n')
    assert ',,"",' in text  # null, and an empty text


def test_csv_with_one_column_keeps_its_nulls(directory: Path) -> None:
    assert answered(directory, "SELECT NULL AS a FROM range(2)", "csv") == 'a\r\n""\r\n""\r\n'


def test_answers_without_rows(directory: Path) -> None:
    sql = "SELECT time, host FROM requests WHERE false"
    assert answered(directory, sql, "json") == "[]\n"
    assert answered(directory, sql, "csv") == "time,host\r\n"
    assert answered(directory, sql, "plain") == "time  host\n----  ----\n"
    assert drawn(directory, sql).split()[:2] == ["time", "host"]


def test_columns_of_one_name_are_all_kept(directory: Path) -> None:
    assert json.loads(answered(directory, "SELECT 1 AS a, 2 AS a, 3 AS a_1", "json")) == [
        {"a": 1, "a_1": 2, "a_1_1": 3}
    ]


def test_json_of_many_batches_is_one_array(directory: Path) -> None:
    found = json.loads(answered(directory, "SELECT i FROM range(20_000) AS t(i)", "json"))
    assert found == [{"i": number} for number in range(20_000)]


def test_a_plain_table_cuts_nothing_off_and_aligns_numbers(directory: Path) -> None:
    text = answered(
        directory, "SELECT 'x' AS a, 7 AS number, repeat('long', 100) AS t UNION ALL SELECT 'yyy', 1000, NULL", "plain"
    )
    assert text.splitlines() == [
        "a    number  t",
        f"---  ------  {'-' * 100}",
        f"x         7  {'long' * 100}",
        "yyy    1000  NULL",
    ]


HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x9b2J\r\n\u202egpj.exe\x7f"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A store of a line whose URL, agent and name hold what terminals obey."""
    written = "".join(rf"\x{byte:02X}" if byte < 32 or byte > 126 else chr(byte) for byte in HOSTILE.encode())
    line = alb("2026-09-23").decode().replace("/search/0", f"/{written}").replace("Dart/3.11", f"{written}[bold]")
    return made(tmp_path / "store", line.replace("app/web/", "app/w'\"eb\x1b[1m/").encode())


@pytest.mark.parametrize("form", ["json", "plain"])
def test_nothing_that_a_terminal_obeys_is_written(hostile: Path, form: str) -> None:
    text = answered(hostile, 'SELECT path, load_balancer, user_agent, path AS "a\x1b[31mb" FROM requests', form)
    assert "owned" in text
    assert "\\x1b" in text or "\\u001b" in text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)


@pytest.mark.parametrize("width", [20, 80, 300])
def test_nothing_that_a_terminal_obeys_is_drawn(hostile: Path, width: int) -> None:
    text = drawn(hostile, 'SELECT path, load_balancer, user_agent, path AS "a\x1b[31mb" FROM requests', width)
    assert "[bold]" in text or width < 300
    assert not OBEYED.search(text)
    with Queries(hostile, StillClock()).ask("FROM requests") as answer:
        write_csv(answer, out := io.BytesIO(), harmless=True)
    assert not OBEYED.search(out.getvalue().decode().replace("\r\n", "\n"))


def test_json_and_csv_keep_the_text(hostile: Path) -> None:
    sql = "SELECT path FROM requests"
    assert json.loads(answered(hostile, sql, "json")) == [{"path": f"/{HOSTILE}"}]
    rows = list(csv.reader(io.StringIO(answered(hostile, sql, "csv"), newline=""), strict=True))
    assert rows == [["path"], [f"/{HOSTILE}"]]


@pytest.mark.parametrize("width", [40, 80, 140])
def test_a_table_fits_the_terminal(samples: Path, width: int) -> None:
    for sql in (
        "SELECT time, host, path, status, latency FROM requests LIMIT 50",
        "FROM alb LIMIT 5",
        "FROM requests LIMIT 5",
    ):
        text = drawn(samples, sql, width)
        assert max(map(len, text.splitlines())) <= width


def test_rows_stand_one_below_the_other_where_a_table_would_be_illegible(samples: Path) -> None:
    sql = "FROM requests WHERE format = 'alb' ORDER BY time LIMIT 1"
    assert re.search(r"── row 1 ─+\ntime +2026-10-02T15:20:00.079568Z *\nformat +alb", drawn(samples, sql))
    assert "── row" not in drawn(samples, "SELECT host, status FROM requests LIMIT 1")


def endless() -> Iterator[pa.RecordBatch]:
    while True:
        yield pa.RecordBatch.from_pydict({"n": range(100)})


def test_a_terminal_is_shown_the_first_rows_of_many() -> None:
    batches = endless()
    console = Console(file=io.StringIO(), width=80)
    written, more = write_table(Answer(next(batches).schema, batches), console)
    assert (written, more) == (MOST_ROWS, True)


def test_values_as_text() -> None:
    assert text_of(Decimal("0E-10")) == "0.0000000000"
    assert text_of({"a": [1.5, None]}) == '{"a":[1.5,null]}'
    assert json_of("\x7f\x9b\x1bé") == b'"\\u007f\\u009b\\u001b\xc3\xa9"'
    assert json.loads(json_of("\x7f\x9b\x1bé")) == "\x7f\x9b\x1bé"
    assert rfc3339("2026-10-02 00:00:00.000000Z") == "2026-10-02T00:00:00Z"
    assert [iso_duration(14, -3, 0), iso_duration(0, 0, -1_500_000_000), iso_duration(0, 0, 0)] == [
        "P14M-3D",
        "PT-1.5S",
        "PT0S",
    ]
    assert rfc3339("2026-10-02 00:00:10") == "2026-10-02T00:00:10"
    assert visible("a\tb\n\x85\u2066") == r"a\tb\n\x85\u2066"


def test_a_question_is_answered_as_a_table(samples: Path, run: Run) -> None:
    ran = run("query", "SELECT count(*) AS n, max(time) AS last FROM alb", "--store", samples)
    last = max(record["time"] for record in truth("alb"))
    assert ran.out.splitlines() == ["  n  last", f"---  {'-' * 27}", f"280  {last}"]
    assert re.fullmatch(r"1 row in \d+\.\d\d s\n", ran.err)
    assert ran.code == 0


def test_a_question_may_come_from_standard_input(samples: Path, run: Run) -> None:
    ran = run("query", "-", "--json", stdin=b"SELECT count(*) AS n\nFROM clb", TAILRACE_STORE=str(samples))
    assert (json.loads(ran.out), ran.err) == ([{"n": 280}], "")


def test_csv_of_everything_has_every_row(samples: Path, run: Run) -> None:
    ran = run("query", "FROM requests", "--csv", "--store", samples)
    rows = list(csv.DictReader(io.StringIO(ran.out, newline=""), strict=True))
    (n,) = json.loads(run("query", "SELECT count(*) AS n FROM requests", "--json", "--store", samples).out)
    assert len(rows) == n["n"] > 1000


def test_without_a_question_the_views_are_listed(samples: Path, run: Run) -> None:
    ran = run("query", "--store", samples)
    assert re.search(r"^alb +280 +2026-10-02 +2026-10-02 +1 +\d+$", ran.out, re.MULTILINE)
    assert re.search(r"^requests +\d+ ", ran.out, re.MULTILINE)
    assert "DESCRIBE requests" in ran.err
    listed = json.loads(run("query", "--store", samples, "--json").out)
    assert {name: listed[3][name] for name in ("view", "rows")} == {"view": "clb", "rows": 280}


def test_a_plan_is_drawn(samples: Path, run: Run) -> None:
    ran = run("query", "EXPLAIN SELECT count(*) FROM nlb", "--store", samples)
    assert "\\n" not in ran.out
    assert len(ran.out.splitlines()) > 5


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["SELECT nope FROM alb"], 2, 'error: Binder Error: Referenced column "nope" not found'),
        (["FROM nowhere"], 2, "There are: alb, "),
        (["DROP VIEW alb"], 2, "error: queries only read"),
        (["FROM alb", "--store", "missing"], 2, "error: no store at "),
        (["FROM alb", "--cvs"], 2, "No such option"),
    ],
)
def test_what_is_wrong_is_told(samples: Path, run: Run, words: list[str], code: int, said: str) -> None:
    ran = run("query", *words, TAILRACE_STORE=str(samples))
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err


@pytest.mark.parametrize("form", ["--csv", "--json", None])
def test_a_closed_pipe_is_no_failure(samples: Path, form: str | None) -> None:
    sql = "SELECT i, repeat('x', 100) AS x FROM range(1_000_000) AS t(i)"
    words: list[Any] = [*PROGRAM, "query", sql, "--store", samples, *([form] if form else [])]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


def test_ctrl_c_ends_a_question(samples: Path) -> None:
    sql = "SELECT count(*) FROM range(100_000_000_000) AS t(i) WHERE sqrt(i) % 7 = 3"
    default = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731 - whoever runs the tests may ignore it
    words: list[Any] = [*PROGRAM, "query", sql, "--store", samples]
    with subprocess.Popen(words, stderr=subprocess.PIPE, env=environment(), preexec_fn=default) as process:  # noqa: PLW1509
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr
        assert process.stderr.read().decode().strip() == "interrupted"


def test_a_terminal_gets_a_drawn_table(samples: Path) -> None:
    leader, follower = os.openpty()
    words: list[Any] = [*PROGRAM, "query", "SELECT 'x' AS name, NULL AS v", "--store", samples]
    with subprocess.Popen(words, stdout=follower, stderr=subprocess.DEVNULL, env=environment(TERM="xterm")) as process:
        os.close(follower)
        assert process.wait(60) == 0
        text = os.read(leader, 65536).decode()
    os.close(leader)
    assert "─" in text
    assert "\x1b[2m" in text  # NULL is dim
