"""From a file or a bucket into a bucket, by the program as users run it."""

from __future__ import annotations

import gzip
import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from cli.conftest import AWS_REGION, CREDENTIALS, Run
from cloud import client_of
from making import alb, clb

DAY, NEXT = "2026-09-23", "2026-09-24"
_NUMBERS = itertools.count()


class Shelf:
    """A bucket and what is found in it."""

    def __init__(self, endpoint: str) -> None:
        self.name = f"to-{next(_NUMBERS)}"
        self.client = client_of("s3", endpoint, AWS_REGION)
        self.client.create_bucket(Bucket=self.name)

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        entries = self.client.list_objects_v2(Bucket=self.name, Prefix=prefix).get("Contents", ())
        return {
            each["Key"]: self.client.get_object(Bucket=self.name, Key=each["Key"])["Body"].read() for each in entries
        }

    def records(self, prefix: str = "") -> list[dict[str, Any]]:
        lines = (line for content in self.objects(prefix).values() for line in gzip.decompress(content).splitlines())
        return [msgspec.json.decode(line) for line in lines]


@pytest.fixture
def shelf(endpoint: str) -> Iterator[Shelf]:
    made = Shelf(endpoint)
    yield made
    made.client.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    made = tmp_path / "a.log"
    made.write_bytes(alb(DAY) + alb(NEXT, 1) + b"no log line\n" + clb(DAY))
    return made


def test_records_arrive_once_and_rejects_as_dead_letters(run: Run, endpoint: str, shelf: Shelf, log: Path) -> None:
    words = ("ship", log, "--to", f"s3://{shelf.name}/out", "--endpoint-url", endpoint)
    letters = ("--set", f"dead_letters=s3://{shelf.name}/dead")
    first = run(*words, *letters, **CREDENTIALS)
    assert first.code == 0, first.err
    assert sorted((record["format"], record["time"][:10]) for record in shelf.records("out/")) == [
        ("alb", DAY), ("alb", NEXT), ("clb", DAY),
    ]  # fmt: skip
    (letter,) = shelf.records("dead/")
    assert (letter["reason"], letter["payload"]) == ("unknown_format", "no log line")
    before = shelf.objects()
    assert run(*words, *letters, **CREDENTIALS).code == 0
    assert shelf.objects() == before, "it is delivered"
    again = run(*words, *letters, "--again", **CREDENTIALS)
    assert again.code == 0, again.err
    assert shelf.objects("out/") == {key: before[key] for key in before if key.startswith("out/")}
    assert len(shelf.objects("dead/")) == 1


def test_a_file_that_grows_is_continued(run: Run, endpoint: str, shelf: Shelf, log: Path) -> None:
    words = ("ship", log, "--to", f"s3://{shelf.name}/out", "--endpoint-url", endpoint)
    whole = log.read_bytes()
    for end in (len(whole) - 200, len(whole)):
        log.write_bytes(whole[:end])
        ran = run(*words, **CREDENTIALS)
        assert ran.code == 0, ran.err
    found = shelf.records()
    assert len(found) == 3
    assert len({msgspec.json.encode(record) for record in found}) == 3


def test_a_named_sink_writes_parquet_where_its_table_tells(
    run: Run, endpoint: str, shelf: Shelf, log: Path, tmp_path: Path
) -> None:
    (tmp_path / "tailrace.toml").write_text(
        f'to = ["archive"]\nendpoint_url = "{endpoint}"\n[sinks.archive]\nurl = "s3://{shelf.name}/lake"\n'
        'form = "parquet"\nkey = "{format}/{year}/{month}/{item}-{offset}.{extension}"\nstorage_class = "STANDARD_IA"\n'
    )
    ran = run("ship", log, **CREDENTIALS)
    assert ran.code == 0, ran.err
    found = shelf.objects()
    assert [key.rpartition("/")[0] for key in found] == ["lake/alb/2026/09", "lake/clb/2026/09"]
    assert [pq.read_table(io.BytesIO(content)).num_rows for content in found.values()] == [2, 1]


def test_from_bucket_to_bucket_but_never_round(run: Run, endpoint: str, shelf: Shelf) -> None:
    shelf.client.put_object(Bucket=shelf.name, Key="AWSLogs/a.log", Body=alb(DAY))
    ran = run(
        "ship",
        f"s3://{shelf.name}/AWSLogs/",
        "--to",
        f"s3://{shelf.name}/out",
        "--endpoint-url",
        endpoint,
        **CREDENTIALS,
    )
    assert ran.code == 0, ran.err
    assert len(shelf.records("out/")) == 1
    words = ("ship", f"s3://{shelf.name}", "--to", f"s3://{shelf.name}/out", "--endpoint-url", endpoint)
    refused = run(*words, **CREDENTIALS)
    assert refused.code == 2
    assert "round for ever" in refused.err


def test_what_cannot_be_written_is_told(run: Run, endpoint: str, log: Path) -> None:
    ran = run("ship", log, "--to", "s3://not-there/out", "--endpoint-url", endpoint, **CREDENTIALS)
    assert ran.code == 3
    assert "there is no bucket not-there" in ran.err
