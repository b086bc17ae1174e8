"""`tailrace replay` and `tailrace receipts --missing`, with a real S3 server."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import CREDENTIALS, Run
from making import alb
from parsing import SAMPLES
from tailrace.deadsink import LetterRecords
from tailrace.letters import decoded, of_refusal, of_reject
from tailrace.model import Identity, Refusal, Reject

DAY = "2026-09-23"


def letters(place: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(place.glob("*")) for line in path.read_bytes().splitlines()]


def rejected(run: Run, tmp_path: Path, *more: str) -> None:
    """A store with a file of which nothing could be read at first."""
    (tmp_path / "a.log").write_bytes(alb(DAY, 1) + b"junk\n" + alb(DAY, 2))
    assert run("ship", "a.log", "--format", "haproxy_error", *more).code == 0


def test_rejects_become_records(run: Run, tmp_path: Path) -> None:
    rejected(run, tmp_path)
    dry = run("replay", "--dry-run")
    assert (dry.code, dry.err.split()[:5]) == (4, ["letters", "3", "would", "be", "sent"])
    ran = run("replay")
    assert (ran.code, ran.out) == (4, "")
    assert [line.split() for line in ran.err.splitlines()] == [
        ["letters", "3"],
        ["gone", "through", "2", "2", "records", "to", "sinks"],
        ["stayed", "1"],
        ["1", "it", "is", "still", "no", "record"],
    ]
    assert run("receipts", "--check").out == "1 receipt over 3 lines: all balance\n"
    assert [letter["reason"] for letter in letters(tmp_path / "tailrace-store" / "dead")] == ["unknown_format"]
    assert json.loads(run("query", "--json", "SELECT count(*) AS n FROM alb").out) == [{"n": 2}]
    assert run("replay", "--reason", "no_match").code == 0


def test_without_letters_there_is_nothing_to_do(run: Run, tmp_path: Path) -> None:
    assert run("replay").err == "error: no store at tailrace-store: name one by --store, or files of dead letters\n"
    assert not (tmp_path / "tailrace-store").exists()
    (tmp_path / "a.log").write_bytes(alb(DAY))
    run("ship", "a.log")
    ran = run("replay")
    assert (ran.code, ran.err.split()) == (0, ["letters", "0", "nothing", "to", "do"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("-",), "letters are replayed from files and from s3://BUCKET/PREFIX"),
        (("amqp://h/events",), "amqp://h/events: letters are replayed from files"),
        (("nowhere.ndjson",), "there is no file nowhere.ndjson"),
        (("--set", "dead_letters=stdout"), "dead letters go to stdout, from where they cannot be read; name files or"),
        (("a.ndjson", "--to", "store:x", "--to", "store:y"), "replayed into one store at a time; name one by --to"),
    ],
)
def test_places_that_cannot_be(run: Run, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    (tmp_path / "a.ndjson").write_bytes(b"")
    ran = run("replay", *words)
    assert ran.code == 2
    assert told in ran.err


def test_what_parse_has_rejected_is_replayed_from_its_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(alb(DAY, 1) + b"junk\n")
    run("parse", "a.log", "--format", "haproxy_error", "--rejects", "rejects.ndjson")
    ran = run("replay", "rejects.ndjson", "--to", "stdout")
    assert (ran.code, len(ran.out.splitlines())) == (4, 1)
    assert len((tmp_path / "rejects.ndjson").read_bytes().splitlines()) == 1


def test_dead_letters_may_go_to_a_sink(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(alb(DAY, 1) + b"junk\n")
    ran = run("ship", "a.log", "--set", "dead_letters=stdout")
    letter = decoded(ran.out.encode())
    assert (letter.payload, letter.reason, letter.item.key) == (b"junk", "unknown_format", str(tmp_path / "a.log"))
    assert json.loads(ran.out)["format"] == "dead_letter"
    assert "dead letters in stdout" in ran.err
    assert not (tmp_path / "tailrace-store" / "dead").exists()
    problem = run("receipts", "--check").out
    assert problem.startswith(
        f"{tmp_path}/a.log: 1 rejects by its receipts, but 0 among the dead letters; where they are"
    )
    assert run("receipts", "--check", "--set", "dead_letters=stdout").code == 0


def test_dead_letters_may_go_to_another_folder(run: Run, tmp_path: Path) -> None:
    rejected(run, tmp_path, "--set", "dead_letters=store:others")
    assert len(letters(tmp_path / "others" / "dead")) == 3
    assert run("replay", "--set", "dead_letters=store:others").code == 4
    assert len(letters(tmp_path / "others" / "dead")) == 1
    assert json.loads(run("query", "--json", "SELECT count(*) AS n FROM alb").out) == [{"n": 2}]
    ran = run("ship", "a.log", "--to", "store:x", "--to", "store:y", "--set", "dead_letters=store:z")
    assert ran.code == 2
    assert "several stores cannot share a folder" in ran.err


def test_letters_that_went_into_a_bucket_come_back(run: Run, endpoint: str, bucket: Any, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(alb(DAY, 1) + b"junk\n" + alb(DAY, 2))
    place = ("--set", f"dead_letters=s3://{bucket.name}/dead", "--endpoint-url", endpoint)
    assert run("ship", "a.log", "--format", "haproxy_error", *place, **CREDENTIALS).code == 0
    assert len(list(bucket.objects.filter(Prefix="dead/"))) == 1
    assert run("replay", "--dry-run", *place, **CREDENTIALS).err.split()[:6] == [
        "letters",
        "3",
        "would",
        "be",
        "sent",
        "2",
    ]
    assert run("replay", *place, **CREDENTIALS).code == 4
    (left,) = bucket.objects.filter(Prefix="dead/")
    assert decoded(gzip.decompress(left.get()["Body"].read())).payload == b"junk"
    assert run("receipts", "--check", *place[:2]).out == "1 receipt over 3 lines: all balance\n"
    assert json.loads(run("query", "--json", "SELECT count(*) AS n FROM alb").out) == [{"n": 2}]


@pytest.mark.parametrize("packed", [True, False])
def test_letters_in_a_bucket_are_replaced_by_what_is_left(run: Run, endpoint: str, bucket: Any, packed: bool) -> None:  # noqa: FBT001
    content = alb(DAY, 1) + b"junk\n" + alb(DAY, 2)
    etag = bucket.put_object(Key="logs/a.log.gz", Body=gzip.compress(content)).e_tag.strip('"')
    item = Identity("s3", bucket.name, "logs/a.log.gz", etag)
    junk = Reject(len(alb(DAY, 1)), 1, "unknown_format", b"junk", 4, hashlib.sha256(b"junk").hexdigest())
    some = [
        of_refusal(item, "stdout", Refusal(0, "too_old", alb(DAY, 1).rstrip())),
        of_reject(item, junk),
        of_refusal(item, "stdout", Refusal(len(content) - len(alb(DAY, 2)), "too_old", b'{"no":"line"}')),
    ]
    body = bytes(LetterRecords(some, 1_790_000_000.0).ndjson(ids=True))
    encoding = {"ContentEncoding": "gzip"} if packed else {}
    bucket.put_object(
        Key="dead/2026/1.ndjson", Body=gzip.compress(body) if packed else body, ContentType="application/x-ndjson",
        Metadata={"by": "tailrace"}, **encoding,
    )  # fmt: skip
    bucket.put_object(Key="dead/2026/2.ndjson", Body=body.splitlines(keepends=True)[0])
    words = ("replay", f"s3://{bucket.name}/dead/", "--to", "stdout", "--endpoint-url", endpoint)
    ran = run(*words, **CREDENTIALS)
    assert ran.code == 4, ran.err
    assert [json.loads(line)["request_url"].rpartition("/")[2][:1] for line in ran.out.splitlines()] == ["1", "2", "1"]
    (left,) = bucket.objects.filter(Prefix="dead/")
    found = left.get()
    assert (found["ContentType"], found["Metadata"]) == ("application/x-ndjson", {"by": "tailrace"})
    data = found["Body"].read()
    (line,) = (gzip.decompress(data) if packed else data).splitlines()
    assert decoded(line) == some[1]
    assert json.loads(line)["time"] == "2026-09-21T14:13:20.000Z"
    again = run(*words, "--reason", "too_old", **CREDENTIALS)
    assert (again.code, again.out) == (0, "")


def test_an_object_of_another_version_is_no_reference(run: Run, endpoint: str, bucket: Any) -> None:
    bucket.put_object(Key="a.log", Body=alb(DAY, 1))
    item = Identity("s3", bucket.name, "a.log", "another")
    gone = Identity("s3", bucket.name, "gone.log", "another")
    some = [of_refusal(of, "stdout", Refusal(0, "old", alb(DAY).rstrip())) for of in (item, gone)]
    bucket.put_object(Key="dead/1", Body=bytes(LetterRecords(some, 0).ndjson()))
    ran = run(
        "replay", f"s3://{bucket.name}/dead", "--to", "stdout", "--by-reference", "--endpoint-url", endpoint,
        **CREDENTIALS,
    )  # fmt: skip
    assert (ran.code, ran.out) == (4, "")
    assert f"s3://{bucket.name}/a.log was replaced" in ran.err
    assert f"s3://{bucket.name}/gone.log does not exist any more" in ran.err


def test_what_is_missing_is_listed(run: Run, endpoint: str, bucket: Any) -> None:
    for path in (SAMPLES / "s3" / "AWSLogs").rglob("*"):
        if path.is_file():
            bucket.put_object(Key=str(path.relative_to(SAMPLES / "s3")), Body=path.read_bytes())
    place = f"s3://{bucket.name}/AWSLogs"
    rest = ("--endpoint-url", endpoint)
    run("ship", place, *rest, **CREDENTIALS)
    ran = run("receipts", "--missing", place, *rest, **CREDENTIALS)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.endswith("none is missing\n")
    bucket.put_object(Key="AWSLogs/late.log", Body=alb(DAY))
    bucket.put_object(Key="AWSLogs/empty.log", Body=b"")
    ran = run("receipts", "--missing", place, *rest, **CREDENTIALS)
    assert ran.code == 1
    assert ran.out.split()[:4] == ["time", "size", "why", "object"]
    assert f"no receipt  {bucket.name}/AWSLogs/late.log" in " ".join(ran.out.split("\n")).replace("   ", "  ")
    told = run("receipts", "--missing", place, "--json", "--sink", "cloudwatch", "--limit", "1", *rest, **CREDENTIALS)
    found = [json.loads(line) for line in told.out.splitlines()]
    assert len(found) > 3
    assert {each["why"] for each in found} == {"no receipt", "no receipt at cloudwatch"}
    assert {each["container"] for each in found} == {bucket.name}
    old = run("receipts", "--missing", place, "--from", "1h", "--to", "2999-01-01", "--json", *rest, **CREDENTIALS)
    assert [json.loads(line)["key"] for line in old.out.splitlines()] == ["AWSLogs/late.log"]
    assert run("receipts", "--missing", place, "--until", "2000-01-01", *rest, **CREDENTIALS).code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--missing", "logs"), "--missing logs: write s3://BUCKET or s3://BUCKET/PREFIX"),
        (("--missing", "s3://b", "--since", "1h", "--until", "2h"), "--since 1h is not before --until 2h"),
        (("--missing", "s3://b", "--check"), "--check and --missing are two questions"),
        (("--since", "1d"), "--since belongs to --missing"),
        (("--missing", "s3://b", "--since", "soon"), "--since soon: write a time such as"),
        (("--missing", "s3://b"), "no store at tailrace-store"),
    ],
)
def test_questions_that_cannot_be_answered(run: Run, words: tuple[str, ...], told: str) -> None:
    ran = run("receipts", *words, **CREDENTIALS)
    assert ran.code == 2
    assert told in ran.err
