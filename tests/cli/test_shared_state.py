"""Receipts that are kept in DynamoDB, as the commands see them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cloud import REGION, served
from tailrace.clock import SystemClock
from tailrace.model import Counts, Identity, Totals
from tailrace.receipts import Receipt
from tailrace.state.dynamodb import DynamodbState, definition

GOOD = Receipt(
    item=Identity("s3", "logs", "a\udcff.log", "e1"), sink="cloudwatch:x", state="complete", finished=1_790_000_000.0,
    counts=Counts(lines=3, records=3, record_lines=3), totals=Totals(routed=3, accepted=3),
)  # fmt: skip


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with served("dynamodb") as made:
        made.create_table(**definition("receipts"))
        yield made


@pytest.fixture
def there(client: Any) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_DYNAMODB": client.meta.endpoint_url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example",
    }


def test_receipts_are_listed_and_checked(run: Any, client: Any, there: dict[str, str]) -> None:
    state = DynamodbState.open("receipts", client, SystemClock())
    state.commit(GOOD, ())
    ran = run("receipts", "--state", "dynamodb:receipts", "--json", **there)
    assert (ran.code, json.loads(ran.out)["totals"]["accepted"]) == (0, 3), ran.err
    assert (
        "1 receipt over 3 lines: all balance" in run("receipts", "--check", "--state", "dynamodb:receipts", **there).out
    )
    state.commit(replace(GOOD, sink="bad", filtered=1), ())
    ran = run("receipts", "--check", "--state", "dynamodb:receipts", **there)
    assert ran.code == 1
    assert "3 records, but 1 filtered" in ran.out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("receipts", "--state", "dynamodb:nowhere"), 3, "there is no table nowhere at http://127.0.0.1"),
        (
            ("receipts", "--state", "postgres:x"),
            2,
            "state: expected sqlite, dynamodb:TABLE or memory, not 'postgres:x'",
        ),
        (("ship", "-", "--state", "dynamodb:"), 2, "store keeps its receipts beside its files: it cannot be used with"),
        (
            ("ship", "-", "--to", "stdout", "--state", "dynamodb:"),
            2,
            "state: expected sqlite, dynamodb:TABLE or memory",
        ),
        (("ship", "-", "--to", "stdout", "--state", "dynamodb:receipts"), 0, "to stdout; no receipts are kept\n"),
    ],
)
def test_what_cannot_be_is_told(run: Any, there: dict[str, str], words: tuple[str, ...], code: int, told: str) -> None:
    ran = run(*words, **there)
    assert (ran.code, told in ran.err) == (code, True), ran.err
