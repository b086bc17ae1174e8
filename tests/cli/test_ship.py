"""`tailrace ship` and what it keeps, as a user sees it."""

from __future__ import annotations

import gzip
import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from cli.conftest import PROGRAM, Run, environment
from making import alb, small_disk
from parsing import SAMPLES, truths

BUCKET = SAMPLES / "s3" / "AWSLogs"
DAY = "2026-09-23"


def records(store: Path) -> list[str]:
    """The ids of all records in a store's files."""
    files = [str(path) for path in sorted((store / "data").rglob("*.parquet"))]
    return [] if not files else [str(found) for path in files for found in ds.dataset(path).to_table(["_id"])["_id"]]


def receipts(run: Run, store: str = "tailrace-store") -> list[dict[str, object]]:
    return [json.loads(line) for line in run("receipts", "--json", "--store", store).out.splitlines()]


def test_a_bucket_goes_into_the_store_once(run: Run, tmp_path: Path) -> None:
    first, second = run("ship", BUCKET), run("ship", BUCKET)
    assert (first.code, second.code) == (0, 0)
    assert first.out == second.out == ""
    assert "objects   6" in first.err
    assert "objects  0  6 delivered before" in second.err
    assert len(records(tmp_path / "tailrace-store")) == len(set(records(tmp_path / "tailrace-store"))) == 50
    check = run("receipts", "--check")
    lines = 1 + sum(truth.lines for path in (SAMPLES / "s3" / "truth").rglob("*.jsonl") for truth in truths(str(path)))
    assert (check.code, check.out) == (0, f"6 receipts over {lines} lines: all balance\n")
    assert {entry["state"] for entry in receipts(run)} == {"complete"}


def test_damage_to_the_store_is_found(run: Run, tmp_path: Path) -> None:
    run("ship", BUCKET)
    next((tmp_path / "tailrace-store" / "data").rglob("*.parquet")).unlink()
    check = run("receipts", "--check")
    assert check.code == 1
    assert "it is listed, but missing" in check.out
    assert "1 problem found" in check.err


def test_again_replaces_what_is_in_the_store(run: Run, tmp_path: Path) -> None:
    run("ship", BUCKET)
    before = sorted(records(tmp_path / "tailrace-store"))
    assert run("ship", BUCKET, "--again").code == 0
    listed = [entry for entry in receipts(run) if entry["parts"] == 2]
    assert len(listed) == 6
    assert run("receipts", "--check").code == 0
    run("ship", BUCKET)
    assert set(records(tmp_path / "tailrace-store")) == set(before)


def test_again_replaces_what_was_merged(run: Run, tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}.log").write_bytes(b"".join(alb(DAY, number * 100 + each) for each in range(50)))
    logs = sorted(tmp_path.glob("*.log"))
    run("ship", *logs)
    assert run("store", "compact").out.startswith("6 files became 1: 300 records")
    assert run("ship", *logs[:3], "--again", "--workers", "3").code == 0
    assert run("receipts", "--check").out == "6 receipts over 300 lines: all balance\n"
    counted = json.loads(run("query", "--json", "SELECT count(*) AS rows, count(DISTINCT _id) AS ids FROM alb").out)
    assert counted == [{"rows": 300, "ids": 300}]


def test_several_sinks_at_once(run: Run, tmp_path: Path) -> None:
    ran = run("ship", BUCKET, "--to", "stdout", "--to", "store:one", "--to", "store:two")
    assert ran.code == 0
    assert len(ran.out.splitlines()) == 50
    assert sorted(records(tmp_path / "one")) == sorted(records(tmp_path / "two"))
    assert not (tmp_path / "tailrace-store").exists()
    assert run("receipts", "--check", "--store", "two").code == 0


def test_a_sink_of_the_settings_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tailrace.toml").write_text('to = ["archive"]\n[sinks.archive]\nurl = "store:kept"\n')
    assert run("ship", BUCKET).code == 0
    assert len(records(tmp_path / "kept")) == 50


def test_several_workers_write_whole_lines(run: Run, tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / f"{number}.log").write_bytes(b"".join(alb(DAY, n) for n in range(500)))
    ran = run("ship", *sorted(tmp_path.glob("*.log")), "--to", "stdout", "--workers", "4")
    assert [json.loads(line)["format"] for line in ran.out.splitlines()] == ["alb"] * 4000


def test_a_file_that_grew_is_continued(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(alb(DAY, 1) + alb(DAY, 2)[:-1])
    run("ship", log)
    log.write_bytes(alb(DAY, 1) + alb(DAY, 2) + alb(DAY, 3) + b"junk\n")
    assert run("ship", log).code == 0
    assert run("receipts", "--check").out == "1 receipt over 4 lines: all balance\n"
    (receipt,) = receipts(run)
    assert receipt["counts"]["records"] == 3  # type: ignore[index]
    assert len(list((tmp_path / "tailrace-store" / "dead").iterdir())) == 1


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 2, "Missing argument 'SOURCE...'"),
        (["nothing"], 2, "there is no file nothing"),
        (["a.log", "--to", "kafka:topic"], 2, "no sink is called 'kafka'; there are: cloudwatch, "),
        (["a.log", "--to", "stdout:x"], 2, "stdout takes no address"),
        (["a.log", "--to", "store:x", "--to", "store:./x"], 2, "are the same; give it once"),
        (["a.log", "--set", "colour=red"], 2, "--set colour: neither the run nor a source or sink of it"),
        (["a.log", "--set", "sinks.x.y.z=1"], 2, "there is no setting sinks.x.y.z"),
        (["a.log", "--workers", "none"], 2, "--workers: expected a whole number, not 'none'"),
        (["a.log", "--workers", "0"], 2, "--workers: expected a whole number >= 1"),
        (["a.log", "--store", "a.log"], 2, "a.log is a file; choose a folder for the store"),
        (["a.log", "--store", "."], 2, "is no store and not empty; choose a new or empty folder"),
        (["a.log", "--store", "/proc/none"], 3, "cannot write to /proc/none"),
        (["s3://bucket/logs"], 3, "no usable credentials for s3://bucket/logs"),
        (["s3://bucket/logs", "--endpoint-url", "nowhere"], 2, "must be a URL such as https://"),
    ],
)
def test_wrong_usage_is_one_clear_sentence(run: Run, tmp_path: Path, words: list[str], code: int, told: str) -> None:
    (tmp_path / "a.log").write_bytes(alb(DAY))
    ran = run("ship", *words)
    assert told in ran.err
    assert ran.code == code
    assert ran.err.count("\n") <= 4


def test_two_writers_of_one_store_do_not_meet(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(alb(DAY))
    with subprocess.Popen(
        [*PROGRAM, "ship", "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=tmp_path
    ) as first:
        wait_for(tmp_path / "tailrace-store" / "receipts.sqlite")
        second = run("ship", "a.log")
        assert second.code == 2
        assert "another tailrace process is writing" in second.err
        first.communicate(alb(DAY))
    assert first.returncode == 0


def test_a_full_disk_is_told_and_nothing_is_lost(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "big.log"
    log.write_bytes(b"".join(alb(DAY, number) for number in range(60_000)))
    with small_disk(tmp_path / "disk", "2m") as disk:
        ran = run("ship", log, "--store", disk / "store", "--set", "checkpoint=1MiB")
        assert (ran.code, ran.err.count("\n")) == (3, 1)
        assert "the disk is full; make room and run again" in ran.err
        assert run("receipts", "--check", "--store", disk / "store").code == 0
        saved = tmp_path / "saved"
        shutil.copytree(disk / "store", saved)
    assert run("ship", log, "--store", saved, "--set", "checkpoint=1MiB").code == 0
    assert run("receipts", "--check", "--store", saved).out == "1 receipt over 60,000 lines: all balance\n"
    assert len(records(saved)) == len(set(records(saved))) == 60_000


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_after_confirming_what_there_is(run: Run, tmp_path: Path, number: int, code: int) -> None:
    log = tmp_path / "big.log"
    log.write_bytes(b"".join(alb(DAY, each) for each in range(30_000)))
    command = [*PROGRAM, "ship", str(log), "--kernel", "reference", "--workers", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment(), cwd=tmp_path) as program:
        wait_for(tmp_path / "tailrace-store" / "tmp")
        time.sleep(1)
        program.send_signal(number)
        _, err = program.communicate()
    assert program.returncode == code
    assert b"interrupted: what is confirmed stays so; run again to go on from there" in err
    assert b"Traceback" not in err
    (partial,) = receipts(run)
    assert partial["state"] == "partial"
    assert 0 < partial["counts"]["records"] < 30_000  # type: ignore[index]
    assert run("ship", log).code == 0
    assert run("receipts", "--check").out == "1 receipt over 30,000 lines: all balance\n"
    assert len(set(records(tmp_path / "tailrace-store"))) == 30_000


def test_a_signal_while_standard_input_is_silent() -> None:
    with subprocess.Popen(
        [*PROGRAM, "parse", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as program:
        assert program.stdin
        assert program.stdout
        program.stdin.write(alb(DAY))
        program.stdin.flush()
        program.stdout.readline()
        program.send_signal(signal.SIGINT)
        assert program.wait(10) == 130
        program.stdin.close()
        assert program.stderr
        assert b"Traceback" not in program.stderr.read()


def test_killed_again_and_again_it_loses_and_doubles_nothing(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    lines = 0
    for number in range(6):
        content = b"".join(alb(f"2026-09-2{line % 3}", number * 10_000 + line) + (b"junk\n" if line % 500 == 0 else b"")
                           for line in range(4000))  # fmt: skip
        lines += content.count(b"\n")
        (folder / f"{number}.log.gz").write_bytes(gzip.compress(content))
    command = [*PROGRAM, "ship", "logs", "--workers", "2", "--set", "checkpoint=400kB"]
    for delay in (0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8):
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment(), cwd=tmp_path) as program:
            time.sleep(delay)
            program.kill()
    assert run(*command[3:]).code == 0
    assert run("receipts", "--check").out == f"6 receipts over {lines:,} lines: all balance\n"
    found = records(tmp_path / "tailrace-store")
    assert len(found) == len(set(found)) == 24_000
    letters = [json.loads(line)["_id"] for path in (tmp_path / "tailrace-store" / "dead").iterdir()
               for line in path.read_text().splitlines()]  # fmt: skip
    assert len(letters) == len(set(letters)) == 48


def wait_for(path: Path, seconds: float = 20) -> None:
    """Wait until a file is there."""
    for _ in range(int(seconds * 100)):
        if path.exists():
            return
        time.sleep(0.01)
    pytest.fail(f"{path} did not appear")


def test_a_store_is_no_source_of_logs(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(alb("2026-09-23"))
    assert run("ship", ".").err.startswith("objects  1 ")
    assert "objects  0  1 delivered before" in run("ship", "**/*").err
    assert run("ship", "tailrace-store").err.startswith("error: there are no files in tailrace-store; stores, and")
