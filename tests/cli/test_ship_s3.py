"""`tailrace ship s3://…` from a real S3 server."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cli.conftest import CREDENTIALS, Run
from making import alb
from parsing import SAMPLES, truths


@pytest.fixture
def bucket(bucket: Any) -> Any:
    for path in (SAMPLES / "s3" / "AWSLogs").rglob("*"):
        if path.is_file():
            bucket.put_object(Key=str(path.relative_to(SAMPLES / "s3")), Body=path.read_bytes())
    return bucket


def test_a_bucket_goes_into_the_store(run: Run, endpoint: str, bucket: Any) -> None:
    words = ("ship", f"s3://{bucket.name}/AWSLogs", "--endpoint-url", endpoint)
    ran = run(*words, **CREDENTIALS)
    assert (ran.code, ran.out) == (0, "")
    lines = 1 + sum(truth.lines for path in (SAMPLES / "s3" / "truth").rglob("*.jsonl") for truth in truths(str(path)))
    assert run("receipts", "--check").out == f"6 receipts over {lines} lines: all balance\n"
    assert "6 delivered before" in run(*words, **CREDENTIALS).err


def test_an_object_that_was_replaced_is_another_one(run: Run, endpoint: str, bucket: Any) -> None:
    words = ("ship", f"s3://{bucket.name}/new", "--endpoint-url", endpoint)
    bucket.put_object(Key="new.log", Body=alb("2026-09-23", 1))
    run(*words, **CREDENTIALS)
    bucket.put_object(Key="new.log", Body=alb("2026-09-23", 2))
    ran = run(*words, **CREDENTIALS)
    assert ran.err.split()[:2] == ["objects", "1"]
    assert run("receipts", "--check").out == "2 receipts over 2 lines: all balance\n"


def test_the_endpoint_may_stand_in_the_environment(run: Run, endpoint: str, bucket: Any) -> None:
    ran = run("parse", f"s3://{bucket.name}/AWSLogs", AWS_ENDPOINT_URL_S3=endpoint, **CREDENTIALS)
    assert ran.code == 0
    assert len(ran.out.splitlines()) == 50


@pytest.mark.parametrize(
    ("url", "code", "told"),
    [
        ("s3://no-such-bucket/logs", 3, "there is no bucket no-such-bucket at http://127.0.0.1"),
        ("s3://{bucket}/nothing", 2, "no objects under s3://{bucket}/nothing"),
        ("s3://UPPER_case!/x", 2, "UPPER_case! cannot be the name of a bucket"),
    ],
)
def test_what_cannot_be_read_is_told(run: Run, endpoint: str, bucket: Any, url: str, code: int, told: str) -> None:
    ran = run("ship", url.format(bucket=bucket.name), "--endpoint-url", endpoint, **CREDENTIALS)
    assert told.format(bucket=bucket.name) in ran.err
    assert (ran.code, ran.err.count("\n")) == (code, 1)


def test_an_endpoint_where_nobody_answers_is_told(run: Run) -> None:
    ran = run("ship", "s3://bucket/x", "--endpoint-url", "http://127.0.0.1:9", **CREDENTIALS)
    assert ran.code == 3
    assert "http://127.0.0.1:9 cannot be reached" in ran.err
    assert "not-a-secret" not in ran.err


def test_sources_that_overlap_give_each_object_once(run: Run, endpoint: str, bucket: Any) -> None:
    place = f"s3://{bucket.name}/AWSLogs"
    words = (f"{place}/1", place, place, "--endpoint-url", endpoint)
    once = run("parse", place, "--endpoint-url", endpoint, **CREDENTIALS)
    assert sorted(run("parse", *words, **CREDENTIALS).out.splitlines()) == sorted(once.out.splitlines()) != []
    assert re.match(r"objects +6 +\n", run("ship", *words, "--workers", "4", **CREDENTIALS).err)
    assert run("receipts", "--check").code == 0


def test_objects_are_chosen_by_flags(run: Run, endpoint: str, bucket: Any) -> None:
    place, there = f"s3://{bucket.name}", ("--endpoint-url", endpoint)
    names = sorted(each.key for each in bucket.objects.all())
    ran = run(
        "ship", place, *there, "--include", "*app.*", "--exclude", "*conn_log*", "--since", "2020-01-01", **CREDENTIALS
    )
    assert ran.code == 0, ran.err
    chosen = [name for name in names if "app." in name and "conn_log" not in name]
    assert re.match(rf"objects +{len(chosen)} +\n", ran.err)
    listed = "\n".join([*names, f"{place}/{names[0]}"]).encode()
    ran = run("ship", place, *there, "--list", "-", stdin=listed, **CREDENTIALS)
    assert f"{len(chosen)} delivered before" in ran.err
    assert re.match(rf"objects +{len(names) - len(chosen)} +", ran.err)
    assert run("receipts", "--check").code == 0
    ran = run("ship", place, *there, "--since", "tomorrow", **CREDENTIALS)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "since tomorrow: write a time such as" in ran.err
    ran = run("ship", "--until", "1d", "x.log", **CREDENTIALS)
    assert (ran.code, ran.err) == (
        2,
        "error: --until: none of the sources has such a setting; see `tailrace settings`\n",
    )


def test_a_control_object_has_a_receipt_and_no_record(run: Run, endpoint: str, bucket: Any) -> None:
    bucket.put_object(Key="smoke/TailraceSmokeTest-4f", Body=alb("2026-09-23") + b"no log line")
    place = f"s3://{bucket.name}/smoke"
    assert run("parse", place, "--endpoint-url", endpoint, **CREDENTIALS).out == ""
    assert run("ship", place, "--endpoint-url", endpoint, **CREDENTIALS).code == 0
    assert run("receipts", "--check").out == "1 receipt over 2 lines: all balance\n"
    assert "0" in run("query", "SELECT count(*) FROM requests").out


@pytest.mark.parametrize(("to", "told"), [("store", "; its receipt says so\n"), ("stdout", "\n")])
def test_an_object_of_the_list_that_is_not_there_is_named(
    run: Run, endpoint: str, bucket: Any, to: str, told: str
) -> None:
    bucket.put_object(Key="there.log", Body=alb("2026-09-23", 1))
    words = ("ship", f"s3://{bucket.name}", "--list", "-", "--to", to, "--endpoint-url", endpoint)
    ran = run(*words, stdin=b"nowhere.log\nthere.log\n", **CREDENTIALS)
    sentence = f"warning: {bucket.name}/nowhere.log does not exist, or was replaced"
    assert f"{sentence}{told}" in ran.err
    assert (ran.code, "1 gone" in ran.err) == (0, True)


def test_where_receipts_are_is_told_only_if_some_are_kept(run: Run, endpoint: str, bucket: Any) -> None:
    bucket.put_object(Key="a.log", Body=alb("2026-09-23", 1) + b"rubbish\n")
    words = ("ship", f"s3://{bucket.name}", "--endpoint-url", endpoint)
    ran = run(*words, "--to", "stdout", **CREDENTIALS)
    assert ran.err.endswith("to stdout; no receipts are kept, dead letters in tailrace-store/dead\n")
    ran = run(*words, "--to", "stdout", "--to", "store:here", **CREDENTIALS)
    assert ran.err.endswith("to stdout, store:here; receipts in here, dead letters in here/dead\n")
    ran = run(*words, "--to", "stdout", "--to", "store:here", "--store", "there", **CREDENTIALS)
    assert "to stdout, store:here; receipts in here, dead letters in " in ran.err
