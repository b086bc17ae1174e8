"""`tailrace ship --to elasticsearch:…`: the whole way, with what the server refuses, is short of, or has already."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Run
from making import alb
from services.strict_bulk import BUSY, LOST, UNFIT, Error, StrictBulk, refused

COUNT = 3000


@pytest.fixture
def server() -> Iterator[StrictBulk]:
    server = StrictBulk()
    yield server
    assert server.wrongs == []
    server.close()


@pytest.fixture
def log(tmp_path: Path) -> str:
    path = tmp_path / "access.log"
    path.write_bytes(b"".join(alb("2026-09-23", number) for number in range(COUNT)) + b"no log line\n")
    return str(path)


def totals(run: Run) -> dict[str, int]:
    (line,) = run("receipts", "--json").out.splitlines()
    found: dict[str, int] = json.loads(line)["totals"]
    return found


def test_everything_arrives_once_whatever_happens_on_the_way(run: Run, server: StrictBulk, log: str) -> None:
    waits = dict.fromkeys(range(0, COUNT, 7), 2)

    def judge(_index: str, _id: str, document: dict[str, Any]) -> Error | None:
        number = int(document["url.original"].partition("/search/")[2].partition("?")[0])
        if waits.get(number):
            waits[number] -= 1
            return BUSY
        return UNFIT if number % 1000 == 1 else None

    server.judge = judge
    server.instead = [None, refused(503), LOST, refused(429, Retry_After="0")]
    to = ("--to", f"elasticsearch:{server.url}/logs-alb-default", "--set", "batch_bytes=300KiB")
    pauses = ("--set", "retry.first_pause=10ms", "--set", "retry.longest_pause=20ms")
    ran = run("ship", log, *to, *pauses)
    assert ran.code == 0, ran.err
    assert len(server.documents) == COUNT - 3
    found = totals(run)
    assert (found["routed"], found["dead"]) == (COUNT, 3)
    assert found["accepted"] + found["already"] == COUNT - 3
    assert found["already"] > 0, "those whose answer was lost"
    assert run("receipts", "--check").out == f"1 receipt over {COUNT + 1:,} lines: all balance\n"
    letters = [
        json.loads(line) for path in Path("tailrace-store/dead").iterdir() for line in path.read_text().splitlines()
    ]
    assert sorted(letter["reason"] for letter in letters) == ["mapping", "mapping", "mapping", "unknown_format"]
    again = run("ship", log, *to, "--again")
    assert again.code == 0
    assert totals(run)["already"] == COUNT - 3
    assert len(server.documents) == COUNT - 3


def test_dead_letters_may_go_to_an_index(run: Run, server: StrictBulk, log: str) -> None:
    server.judge = lambda index, _id, document: (
        UNFIT if index == "x" and "/search/5?" in document["request_url"] else None
    )
    letters = ("--set", f"dead_letters=elasticsearch:{server.url}/logs-dead-default")
    ran = run("ship", log, "--to", f"elasticsearch:{server.url}/x", *letters)
    assert ran.code == 0, ran.err
    found = [document for (index, _), document in server.documents.items() if index == "logs-dead-default"]
    assert sorted(document["reason"] for document in found) == ["mapping", "unknown_format"]
    assert all(document["@timestamp"] for document in found)
    assert run("receipts", "--check", *letters).code == 0


def test_a_server_that_has_no_room_for_long_leaves_the_object_for_the_next_run(
    run: Run, server: StrictBulk, log: str
) -> None:
    server.judge = lambda _index, id_, _document: BUSY if id_ < "8" else None
    to = ("--to", f"elasticsearch:{server.url}/x")
    impatient = ("--set", "retry.deadline=50ms", "--set", "retry.first_pause=10ms")
    ran = run("ship", log, *to, *impatient)
    assert ran.code == 3, "nothing was delivered whole"
    assert "/x has no room for " in ran.err
    server.judge = lambda *_: None
    assert run("ship", log, *to).code == 0
    found = totals(run)
    assert found["accepted"] + found["already"] == len(server.documents) == COUNT


@pytest.mark.parametrize(("status", "told"), [
    (401, "asks for credentials (401): set username and password, api_key, or aws"),
    (404, "does not do what a search server does (404): check the URL, and what is there"),
])  # fmt: skip
def test_what_cannot_go_on_ends_the_run_with_a_sentence(
    run: Run, server: StrictBulk, log: str, status: int, told: str
) -> None:
    server.welcome = lambda _asked: status
    ran = run("ship", log, "--to", f"elasticsearch:{server.url}/x")
    assert (ran.code, ran.err) == (3, f"error: {server.url}/x {told}\n")


def test_it_is_said_once_that_ids_are_refused(run: Run, server: StrictBulk, log: str) -> None:
    server.ids = False
    ran = run("ship", log, "--to", f"elasticsearch:{server.url}/x", "--set", "batch_bytes=500KiB")
    assert ran.code == 0
    assert ran.err.count("warning: ") == 1
    assert ran.err.startswith(f"warning: {server.url}/x takes no documents with ids: ")
    assert len(server.documents) == COUNT
