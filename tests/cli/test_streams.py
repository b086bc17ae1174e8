"""What closed, full and broken streams do to the program, and names that a terminal would obey."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.conftest import PROGRAM, Run, environment
from making import alb

LINE = alb("2026-09-23", 1)
VERBS = (
    "--help", "parse a.log", "ship a.log --again --to stdout", "formats", "settings --json", "receipts", "query 'FROM alb'",
    "report",
)  # fmt: skip


@pytest.fixture
def shell(tmp_path: Path, run: Run) -> Path:
    """A folder with a log, and its store."""
    (tmp_path / "a.log").write_bytes(LINE)
    assert run("ship", "a.log").code == 0
    return tmp_path


def tell(words: str, redirections: str) -> subprocess.CompletedProcess[str]:
    command = f"{' '.join(PROGRAM)} {words} {redirections}"
    return subprocess.run(["bash", "-c", command], capture_output=True, env=environment(), check=False, text=True)


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize("words", VERBS)
def test_a_closed_or_full_standard_output_is_one_error_and_its_gone_reader_none(words: str) -> None:
    closed, full = tell(words, ">&-"), tell(words, ">/dev/full")
    assert (closed.returncode, closed.stderr) == (3, "error: cannot write to standard output: it is closed\n")
    assert (full.returncode, full.stderr.count("\n")) == (3, 1)
    assert full.stderr.startswith("error: cannot write to standard output: the disk is full")
    gone = tell(words, "| true; exit ${PIPESTATUS[0]}")
    assert gone.returncode == 0
    assert "error" not in gone.stderr


def test_no_file_gets_the_number_of_a_closed_standard_output(shell: Path) -> None:
    assert tell("ship a.log --again --to stdout", ">&-").returncode == 3
    assert (shell / "tailrace-store" / "lock").read_bytes() == b""
    assert tell("receipts --check", "").returncode == 0


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2> >(true)"])
@pytest.mark.parametrize(("words", "code"), [("parse a.log", 0), ("parse none.log", 2)])
def test_messages_that_nobody_can_read_change_nothing(words: str, code: int, redirection: str) -> None:
    told, usual = tell(words, redirection), tell(words, "")
    assert (told.returncode, told.stdout) == (code, usual.stdout)


@pytest.mark.usefixtures("shell")
def test_a_closed_standard_input_is_one_error_where_it_is_needed() -> None:
    assert tell("parse a.log", "<&-").returncode == 0
    parsed, asked = tell("parse -", "<&-"), tell("query -", "<&-")
    assert "error: cannot read -: Bad file descriptor\n" in parsed.stderr
    assert asked.stderr == "error: cannot read the SQL from standard input: Bad file descriptor\n"
    assert (parsed.returncode, asked.returncode) == (3, 2)


@pytest.mark.usefixtures("shell")
def test_sql_that_is_no_utf_8_is_told(run: Run) -> None:
    told = run("query", "-", stdin=b"SELECT '\xff'")
    assert (told.code, told.err) == (2, "error: the SQL is no valid UTF-8 at byte 8; write it as UTF-8\n")
    assert run("query", os.fsdecode(b"SELECT '\xff'")).err == told.err


def test_standard_input_given_twice_is_read_once(run: Run) -> None:
    told = run("parse", "-", "-", stdin=LINE)
    assert (told.code, told.out.count("\n")) == (0, 1)


def test_names_reach_a_terminal_without_anything_that_it_obeys(run: Run, tmp_path: Path) -> None:
    name = os.fsdecode(b"a\x1b]0;x\x07\n\xff.gz")
    (tmp_path / name).write_bytes(b"\x1f\x8b\x08 broken")
    shipped = run("ship", tmp_path)
    assert shipped.err.startswith(f"warning: {tmp_path}/a\\x1b]0;x\\x07\\n\\xff.gz is truncated")
    listed = run("receipts")
    assert r"a\x1b]0;x\x07\n\xff.gz" in listed.out
    assert "\x1b" not in shipped.err + listed.out
    assert run("parse", f"{tmp_path}/none\x1b[31m").err.endswith("none\\x1b[31m\n")


def test_a_name_that_is_no_utf_8_stands_in_receipts_as_base64(run: Run, tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.log")).write_bytes(LINE)
    run("ship", tmp_path)
    told = run("receipts", "--json").out.splitlines()[-1]
    assert "key" not in json.loads(told)["item"]
    assert json.loads(told)["item"]["key_base64"]


def test_a_truncated_end_stands_beside_the_account(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(b"\x1f\x8b\x08")
    told = run("parse", "a.gz").err.splitlines()[-1]
    assert told == "0 lines = 0 records + 0 rejected + 0 control + 0 blank; 1 truncated"


def test_an_interrupt_while_the_program_is_loaded_shows_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    # Whoever runs the tests in the background may have them ignore interrupts.
    heeding = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    )
    command = [sys.executable, "-c", heeding, *PROGRAM]
    done = subprocess.run(command, capture_output=True, env=environment(PYTHONPATH=str(tmp_path)), check=False)
    assert (done.returncode, done.stderr) == (-2, b"")
