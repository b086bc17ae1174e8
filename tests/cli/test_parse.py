"""`tailrace parse` as a user sees it."""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path

import pytest

from cli.conftest import MERE_MORTAL, PROGRAM, Run, environment
from making import alb, clb, small_disk
from parsing import SAMPLES, sample, sample_objects

ALB = SAMPLES / "aws" / "alb.log"
JUNK = b"no log line\n"


def test_records_come_in_the_order_of_the_input_and_the_account_on_stderr(run: Run, tmp_path: Path) -> None:
    (tmp_path / "b.log").write_bytes(alb("2026-09-23", 1) + JUNK + alb("2026-09-24", 2))
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(clb("2026-10-14")))
    ran = run("parse", "b.log", "a.log.gz")
    assert ran.code == 0
    assert [json.loads(line)["time"][:10] for line in ran.out.splitlines()] == [
        "2026-09-23",
        "2026-09-24",
        "2026-10-14",
    ]
    assert ran.err == "4 lines = 3 records + 1 rejected (unknown_format 1) + 0 control + 0 blank\n"


def test_every_record_of_a_sample_is_its_truth(run: Run) -> None:
    ran = run("parse", ALB, "--format", "alb")
    told = [json.loads(line) for line in ran.out.splitlines()]
    assert all(record.pop("format") == "alb" for record in told)
    assert told == [truth["record"] for truth in sample_objects("aws/alb.truth.jsonl.gz")]


def test_standard_input_is_read_if_nothing_is_named(run: Run) -> None:
    named, implied = run("parse", "-", stdin=alb("2026-09-23")), run("parse", stdin=alb("2026-09-23"))
    assert named.out == implied.out != ""
    assert named.code == implied.code == 0


def test_a_slow_pipe_is_read_as_it_comes() -> None:
    program = subprocess.Popen(
        [*PROGRAM, "parse"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment()
    )
    assert program.stdin
    assert program.stdout
    program.stdin.write(alb("2026-09-23", 7))
    program.stdin.flush()
    assert b"/search/7" in program.stdout.readline()
    program.stdin.close()
    assert program.wait() == 0
    program.stdout.close()


@pytest.mark.parametrize("schema", ["ecs", "otel"])
def test_names_of_other_schemas(run: Run, schema: str) -> None:
    record = json.loads(run("parse", "--schema", schema, stdin=alb("2026-09-23")).out)
    assert record["source.ip" if schema == "ecs" else "client.address"]


def test_a_log_format_of_haproxy(run: Run) -> None:
    line = (
        b'httplog f b s 200 -- 1 2 3 4 5 "GET / HTTP/1.1" 192.0.2.1:5 10.0.0.1:80 10.0.0.2:81 req_size=6 resp_size=7\n'
    )
    text = (
        r"httplog\ %f\ %b\ %s\ %ST\ %ts\ %Tq\ %Tw\ %Tc\ %Tr\ %Tt\ %{+Q}r\ %ci:%cp\ %fi:%fp\ %si:%sp"
        r"\ req_size=%U\ resp_size=%B"
    )
    head = b"Dec 11 04:32:11 localhost haproxy[1070]: "
    ran = run("parse", "--log-format", text, "--reference-time", "2026-01-05", stdin=head + line)
    record = json.loads(ran.out)
    assert (record["time"], record["request_url"], record["bytes_uploaded"]) == ("2025-12-11T04:32:11Z", "/", 6)


def test_rejects_are_written_where_the_user_wants_them(run: Run, tmp_path: Path) -> None:
    ran = run("parse", "--rejects", "rejects.ndjson", stdin=JUNK + alb("2026-09-23") + b"\xff\n")
    first, second = map(json.loads, (tmp_path / "rejects.ndjson").read_text().splitlines())
    assert (first["reason"], first["offset"], first["payload"]) == ("unknown_format", 0, "no log line")
    assert second["payload_base64"] == "/w=="
    assert ran.code == 0


def test_strict_makes_rejects_a_failure(run: Run, tmp_path: Path) -> None:
    assert run("parse", "--strict", stdin=alb("2026-09-23")).code == 0
    assert run("parse", "--strict", stdin=alb("2026-09-23") + JUNK).code == 1
    (tmp_path / "cut.gz").write_bytes(gzip.compress(alb("2026-09-23"))[:-3])
    assert run("parse", "--strict", "cut.gz").code == 1


def test_a_closed_pipe_ends_it_quietly(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(sample("aws/alb.log") * 20)
    command = f"{' '.join(PROGRAM)} parse {path} | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], env=environment(), capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[1:] == ["0"]
    assert done.stderr == ""


def test_a_full_disk_is_told() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*PROGRAM, "parse", ALB], stdout=full, stderr=subprocess.PIPE, env=environment(), check=False
        )
    assert done.returncode == 3
    assert done.stderr.decode() == "error: cannot write to standard output: the disk is full; make room and run again\n"


def test_a_full_disk_for_rejects_is_told(run: Run, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        ran = run("parse", "--rejects", disk / "rejects", stdin=JUNK * 5000)
    assert ran.code == 3
    assert "the disk is full" in ran.err
    assert ran.err.count("\n") == 1


def test_what_was_readable_of_broken_data_is_delivered(run: Run, tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(sample("aws/alb.log")))
    packed[len(packed) // 2] ^= 0xFF
    (tmp_path / "broken.gz").write_bytes(packed)
    ran = run("parse", "broken.gz")
    assert 0 < len(ran.out.splitlines()) < 280
    assert ran.err.startswith(f"warning: {tmp_path}/broken.gz is truncated: ")
    assert ran.code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nothing.log"], "there is no file nothing.log"),
        (["*.gz"], "no file matches *.gz"),
        ([""], "there is no file (an empty path)"),
        (["--format", "apache"], "no format is called 'apache'; there are: auto, alb"),
        (["--format", "alb", "--log-format", "%ci"], "give one of them"),
        (["--log-format", "%zz"], "unknown alias %zz"),
        (["--timezone", "Mars/Base"], "timezone 'Mars/Base' is not known here"),
        (["--captures", "two"], "expected two numbers such as 2,1"),
        (["--reference-time", "noon"], "expected a time such as"),
        (["--schema", "xml"], "'xml' is not one of 'aws', 'ecs', 'otel'"),
        (["--formt", "alb"], "No such option '--formt'"),
        (["--set", "speed=11"], "--set speed: neither the command nor a source it reads has such a setting"),
        (["--set", "speed"], "--set speed: write KEY=VALUE"),
        (["--set", "schema=xml"], "--set: schema: expected one of aws, ecs, otel, not 'xml'"),
        (["--config", "none.toml"], "cannot read the settings in none.toml: No such file or directory"),
        (["--rejects", "none/rejects"], "cannot write to none/rejects: No such file or directory"),
        (["sqs:queue"], "sqs:queue: what is read there is gone; use `tailrace run`"),
        (["gs://bucket"], "gs://bucket: no source is written gs://"),
        (["s3://"], "s3:// is no place in S3; write s3://bucket or s3://bucket/prefix"),
    ],
)
def test_wrong_usage_is_one_clear_sentence(run: Run, words: list[str], told: str) -> None:
    ran = run("parse", *words)
    assert told in ran.err
    assert ran.code == (3 if "cannot write" in told else 2)
    assert ran.out == ""


def test_a_folder_that_cannot_be_read_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_bytes(alb("2026-09-23"))
    closed = tmp_path / "logs" / "closed"
    closed.mkdir(mode=0)
    ran = run("parse", "logs", before=MERE_MORTAL)
    assert ran.code == 4
    assert "error: cannot read the folder logs/closed: Permission denied" in ran.err
    assert len(ran.out.splitlines()) == 1


def test_the_reference_twin_writes_the_same(run: Run) -> None:
    native, twin = run("parse", ALB, "--kernel", "auto"), run("parse", ALB, "--kernel", "reference")
    assert native.out == twin.out
    assert native.out


def test_what_is_read_is_never_overwritten(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(JUNK)
    (tmp_path / "link").symlink_to("a.log")
    told = run("parse", "a.log", "--rejects", "link")
    assert (told.code, told.err) == (
        2,
        "error: --rejects link: a.log is to be read; name another file for the rejects\n",
    )
    assert (tmp_path / "a.log").read_bytes() == JUNK
    assert run("parse", "a.log", "--rejects", "-").err.startswith(
        "error: --rejects -: standard output takes the records"
    )


def test_what_a_run_writes_is_not_read_by_it(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(alb("2026-09-23") + JUNK)
    command = [*PROGRAM, "parse", ".", "--rejects", "z.rejects"]
    for _ in range(2):
        with (tmp_path / "all.ndjson").open("ab") as out:
            done = subprocess.run(
                command, stdout=out, stderr=subprocess.PIPE, cwd=tmp_path, env=environment(), timeout=60, check=False
            )
        assert (done.returncode, done.stderr[:19]) == (0, b"2 lines = 1 record ")
        assert (tmp_path / "z.rejects").read_bytes().count(b"\n") == 1
    named = f"{' '.join(PROGRAM)} parse all.ndjson >> all.ndjson"
    told = subprocess.run(["bash", "-c", named], cwd=tmp_path, env=environment(), capture_output=True, check=False)
    assert told.stderr == b"error: all.ndjson is written by this run, so it cannot be read; write to another file\n"
