"""The state in DynamoDB against a real server: what machines that share it may rely on, and what it says when it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from cloud import client_of, served
from making import StillClock
from tailrace.errors import Fatal, Retryable, SourceError, UsageError
from tailrace.model import Identity, StoredFile
from tailrace.receipts import Receipt
from tailrace.state.dynamodb import DynamodbState, definition

ITEM = Identity("s3", "bucket", "a/b.log.gz", "e1")
RECEIPT = Receipt(item=ITEM, sink="cloudwatch:x", state="complete", offset=10, finished=1.0)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with served("dynamodb") as made:
        yield made


@pytest.fixture
def table(client: Any) -> str:
    name = f"receipts-{uuid4()}"
    client.create_table(**definition(name))
    return name


def test_who_has_lost_its_lease_cannot_overwrite_what_the_other_delivered(
    client: Any, table: str, clock: StillClock
) -> None:
    one, two = (DynamodbState.open(table, client, clock) for _ in range(2))
    assert one.claim(ITEM, "one", 60)
    clock.sleep(61)
    assert two.claim(ITEM, "two", 60)
    two.commit(replace(RECEIPT, offset=99), ())
    with pytest.raises(SourceError, match=r"a/b\.log\.gz was taken over by another process"):
        one.commit(RECEIPT, ())
    assert one.receipts_of(ITEM)[RECEIPT.sink].offset == 99
    two.release(ITEM, "two")
    with pytest.raises(SourceError):
        one.commit(RECEIPT, ())


def test_a_lease_that_has_ended_but_was_not_taken_still_counts(client: Any, table: str, clock: StillClock) -> None:
    state = DynamodbState.open(table, client, clock)
    assert state.claim(ITEM, "one", 60)
    clock.sleep(600)
    state.commit(RECEIPT, ())
    assert state.receipts_of(ITEM) == {RECEIPT.sink: RECEIPT}


@pytest.mark.parametrize(
    ("files", "replaced"), [([StoredFile("data/1", "alb", "2026-09-23", 1, 1)], []), ([], ["data/1"])]
)
def test_files_of_a_local_store_are_refused(
    client: Any, table: str, clock: StillClock, files: list[StoredFile], replaced: list[str]
) -> None:
    state = DynamodbState.open(table, client, clock)
    with pytest.raises(Fatal, match="files of a local store cannot be listed in dynamodb:receipts"):
        state.commit(RECEIPT, files, replaced)
    assert state.files_of(ITEM, RECEIPT.sink) == ()
    assert not state.receipts_of(ITEM)


def test_receipts_and_leases_carry_the_time_after_which_they_may_go(client: Any, table: str, clock: StillClock) -> None:
    state = DynamodbState.open(table, client, clock, retention=100)
    state.claim(ITEM, "one", 60)
    state.commit(replace(RECEIPT, finished=clock.now()), ())
    expires = {
        entry["sk"]["S"].partition("#")[0]: entry.get("expires") for entry in client.scan(TableName=table)["Items"]
    }
    assert expires == {
        "schema": None,
        "receipt": {"N": str(int(clock.now()) + 100)},
        "lease": {"N": str(int(clock.now()) + 60 + 86400)},
    }
    kept = DynamodbState.open(table, client, clock)
    kept.commit(RECEIPT, ())
    (entry,) = (entry for entry in client.scan(TableName=table)["Items"] if entry["sk"]["S"].startswith("receipt"))
    assert "expires" not in entry


def test_a_table_of_many_pages_is_read_to_its_end(client: Any, table: str, clock: StillClock) -> None:
    state = DynamodbState.open(table, client, clock)
    long = "x" * 200_000  # a page ends at 1 MB
    for number in range(12):
        state.commit(replace(RECEIPT, sink=f"{number:02}{long}"), ())
    assert [receipt.sink[:2] for receipt in state.receipts()] == [f"{number:02}" for number in range(12)]
    assert len(state.receipts_of(ITEM)) == 12


def test_a_newer_schema_is_refused(client: Any, table: str, clock: StillClock) -> None:
    DynamodbState.open(table, client, clock)
    entry = {"pk": {"S": "tailrace"}, "sk": {"S": "schema"}, "version": {"N": "7"}}
    client.put_item(TableName=table, Item=entry)
    with pytest.raises(UsageError, match=r"written by a newer Tailrace: its schema is 7, this one knows 1; upgrade"):
        DynamodbState.open(table, client, clock)


def test_who_only_reads_changes_nothing(client: Any, table: str, clock: StillClock) -> None:
    with pytest.raises(UsageError, match="no receipts in dynamodb:"):
        DynamodbState.open(table, client, clock, read_only=True)
    assert client.scan(TableName=table)["Count"] == 0
    DynamodbState.open(table, client, clock).commit(RECEIPT, ())
    assert list(DynamodbState.open(table, client, clock, read_only=True).receipts()) == [RECEIPT]


def test_a_missing_table_is_told_with_the_remedy(client: Any, clock: StillClock) -> None:
    with pytest.raises(Fatal, match=r"there is no table nowhere at http.*create it with the text keys pk .* and sk"):
        DynamodbState.open("nowhere", client, clock)


def test_a_table_with_other_keys_is_told(client: Any, clock: StillClock) -> None:
    name = f"other-{uuid4()}"
    client.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(Fatal, match="its partition key must be pk and its sort key sk"):
        DynamodbState.open(name, client, clock)


class Refusing:
    """A client all of whose calls fail in one way."""

    def __init__(self, client: Any, error: Exception) -> None:
        self.meta, self._error = client.meta, error

    def __getattr__(self, _call: str) -> Any:
        def refuse(**_: Any) -> None:
            raise self._error

        return refuse


def refused(code: str, **more: Any) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "whispered"}, **more}, "PutItem")


CONFLICT = refused(
    "TransactionCanceledException", CancellationReasons=[{"Code": "None"}, {"Code": "TransactionConflict"}]
)


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (refused("ProvisionedThroughputExceededException"), Retryable, "ProvisionedThroughputExceeded"),
        (refused("ThrottlingException"), Retryable, "ThrottlingException"),
        (refused("InternalServerError"), Retryable, "InternalServerError"),
        (CONFLICT, Retryable, "TransactionConflict"),
        (refused("AccessDeniedException"), Fatal, "access to the table receipts at http.*is denied; give"),
        (refused("UnrecognizedClientException"), Fatal, "the credentials are not accepted"),
        (
            EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
            Retryable,
            "cannot be reached for the table receipts",
        ),
    ],
)
def test_what_passes_is_tried_again_and_what_lasts_is_told(
    client: Any, clock: StillClock, error: Exception, kind: type[Exception], told: str
) -> None:
    state = DynamodbState("receipts", Refusing(client, error), clock)
    for call in (
        lambda: state.receipts_of(ITEM),
        lambda: state.commit(RECEIPT, ()),
        lambda: state.claim(ITEM, "one", 60),
        lambda: state.etags("s3", "bucket", "k"),
        lambda: list(state.receipts()),
    ):
        with pytest.raises(kind, match=told) as raised:
            call()
        assert "whispered" not in str(raised.value)


def test_a_lease_that_cannot_be_given_back_now_ends_by_itself(client: Any, clock: StillClock) -> None:
    DynamodbState("receipts", Refusing(client, refused("ThrottlingException")), clock).release(ITEM, "one")


def test_a_server_that_is_gone_is_told(clock: StillClock) -> None:
    nobody = client_of("dynamodb", "http://127.0.0.1:9")
    with pytest.raises(Retryable, match=r"http://127\.0\.0\.1:9 cannot be reached for the table receipts"):
        DynamodbState.open("receipts", nobody, clock)
    nobody.close()
