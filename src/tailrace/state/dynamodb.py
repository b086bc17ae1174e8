"""The state that several machines share: receipts and leases in one table of DynamoDB.

The table has a partition key `pk` and a sort key `sk`, both text; whoever makes it may switch on its time to live for the
attribute `expires`. Its entries:

    pk                      sk                              holds
    object#OBJECT           receipt#ETAG#SINK               a receipt: its fields by name, those of `tail` as JSON
    object#OBJECT           lease#ETAG                      who is at work on it (`owner`), until when (`until`)
    tailrace                schema                          the version of this schema

OBJECT, ETAG and SINK are 32 hex digits, BLAKE2b-128 of kind, container and key (each behind its length), of the etag, and of the
sink's name; the names themselves are attributes, as text, or as bytes where they are no UTF-8. All versions of an object so
are one partition and are asked for by one query. Reads are strongly consistent. A commit is conditional on the lease that this
process has claimed: who has lost it to another machine cannot overwrite what that has delivered. Leases are compared
with the machine's own clock.

Files of a local store cannot be listed here: they are on one machine.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-general-nosql-design.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from hashlib import blake2b
from typing import Any, Final, Self

import msgspec

from tailrace.clock import Clock
from tailrace.clouds import failures
from tailrace.errors import Fatal, Retryable, SourceError, TailraceError, UsageError
from tailrace.model import Counts, Identity, StoredFile, Totals
from tailrace.permissions import Need, needs_on
from tailrace.permissions import table as arn_of
from tailrace.receipts import Receipt, Tail

VERSION: Final = 1
_SCHEMA: Final = {"pk": {"S": "tailrace"}, "sk": {"S": "schema"}}
_AFTER_LEASE_S: Final = 86_400
"""So long after its end a lease that nobody gave back may be removed by the time to live."""
_LOST: Final = "ConditionalCheckFailedException"
_LATER: Final = {
    "InternalServerError", "LimitExceededException", "ProvisionedThroughputExceededException", "RequestLimitExceeded",
    "ReplicatedWriteConflictException", "ServiceUnavailable", "ThrottlingException", "TransactionConflictException",
    "TransactionInProgressException",
}  # fmt: skip
_NAMES: Final = ("kind", "container", "key", "etag", "sink")
_NUMBERS: Final = ("offset", "parts", "size", "filtered", "nowhere", "dead_rejects")
_TIMES: Final = ("started", "finished")
_COUNTS: Final = tuple(field.name for field in fields(Counts))
_TOTALS: Final = tuple(field.name for field in fields(Totals))
Entry = Mapping[str, Mapping[str, Any]]
"""Attributes as DynamoDB writes them: `{"S": text}`, `{"N": "12"}`, `{"B": bytes}`, `{"BOOL": True}`."""


def definition(table: str) -> dict[str, Any]:
    """The arguments of CreateTable."""
    return {
        "TableName": table,
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "BillingMode": "PAY_PER_REQUEST",
    }


def needs(table: str) -> list[Need]:
    """What is called while something is delivered; who lists receipts needs dynamodb:Scan too."""
    calls = ("GetItem", "PutItem", "Query", "DeleteItem", "TransactWriteItems")
    return needs_on(arn_of(table), *(f"dynamodb:{call}" for call in calls))


class DynamodbState:
    """Receipts in a table; every method may be called from any thread. `retention`: receipts may expire so many seconds later."""

    def __init__(self, table: str, client: Any, clock: Clock, retention: float = 0.0) -> None:
        self._table, self._client, self._clock, self._retention = table, client, clock, retention
        self._owners: dict[Identity, str] = {}

    @classmethod
    def open(cls, table: str, client: Any, clock: Clock, *, retention: float = 0.0, read_only: bool = False) -> Self:
        """The state in a table. Raises UsageError if a newer Tailrace made it what it is, Fatal if there is no such table."""
        made = cls(table, client, clock, retention)
        made._settle(read_only=read_only)
        return made

    def receipts_of(self, item: Identity) -> Mapping[str, Receipt]:
        """The receipts of an item, by sink."""
        found = map(receipt_of, self._query(item, f"receipt#{_digest(item.etag)}#"))
        return {receipt.sink: receipt for receipt in found}

    def files_of(self, item: Identity, sink: str) -> Sequence[str]:  # noqa: ARG002 - as every state
        """None: there are no files here."""
        return ()

    def etags(self, kind: str, container: str, key: str) -> Sequence[str]:
        """The versions of an object that have receipts, the latest first."""
        found = map(receipt_of, self._query(Identity(kind, container, key, ""), "receipt#"))
        latest_first = sorted(found, key=lambda receipt: -receipt.finished)
        return list(dict.fromkeys(receipt.item.etag for receipt in latest_first))

    def commit(self, receipt: Receipt, files: Sequence[StoredFile], replaced: Sequence[str] = ()) -> None:
        """Write a receipt. Raises SourceError if another process has taken the item over, Fatal if there are files."""
        if files or replaced:
            message = f"files of a local store cannot be listed in {self._place}; set `state` to sqlite for the sink {receipt.sink}"
            raise Fatal(message)
        entry = {
            **_key(receipt.item, f"receipt#{_digest(receipt.item.etag)}#{_digest(receipt.sink)}"),
            **entry_of(receipt),
        }
        if self._retention:
            entry["expires"] = _number(int(receipt.finished + self._retention))
        owner = self._owners.get(receipt.item)
        if owner is None:
            self._called("put_item", **self._at, Item=entry)
            return
        held = {**self._at, "Key": _lease(receipt.item), **_only("#owner = :owner", owner=owner)}
        together = [{"ConditionCheck": held}, {"Put": {**self._at, "Item": entry}}]
        if not self._unless_lost("transact_write_items", TransactItems=together):
            message = f"{receipt.item.name} was taken over by another process"
            raise SourceError(message)

    def claim(self, item: Identity, owner: str, seconds: float) -> bool:
        """Take the lease of an item for so long; False if another owner holds it."""
        now = self._clock.now()
        entry = {
            **_lease(item), "owner": {"S": owner}, "until": _number(now + seconds),
            "expires": _number(int(now + seconds) + _AFTER_LEASE_S),
        }  # fmt: skip
        free = _only("attribute_not_exists(pk) OR #owner = :owner OR #until <= :until", owner=owner, until=now)
        taken = self._unless_lost("put_item", **self._at, Item=entry, **free)
        if taken:
            self._owners[item] = owner
        return taken

    def release(self, item: Identity, owner: str) -> None:
        """Give a lease back; if that cannot be done now, it ends by itself."""
        if self._owners.get(item) == owner:
            del self._owners[item]
        with suppress(Retryable):
            self._unless_lost("delete_item", **self._at, Key=_lease(item), **_only("#owner = :owner", owner=owner))

    def receipts(self) -> Iterator[Receipt]:
        """All receipts as of now, oldest first. They are in memory at once: some 2 KB for each."""
        wanted = {
            "FilterExpression": "begins_with(#sk, :sk)",
            "ExpressionAttributeNames": {"#sk": "sk"},
            "ExpressionAttributeValues": {":sk": {"S": "receipt#"}},
        }
        found = [receipt_of(entry) for entry in self._paged("scan", **wanted)]
        return iter(sorted(found, key=lambda receipt: (receipt.finished, receipt.item.token, receipt.sink)))

    def close(self) -> None:
        """Nothing to let go of: the client belongs to whoever made it."""

    @property
    def _place(self) -> str:
        return f"dynamodb:{self._table}"

    @property
    def _at(self) -> dict[str, str]:
        return {"TableName": self._table}

    def _settle(self, *, read_only: bool) -> None:
        """Make sure that the entries are of this version, or that there are none."""
        found = self._called("get_item", **self._at, Key=_SCHEMA, ConsistentRead=True).get("Item")
        version = int(found["version"]["N"]) if found else 0
        if version > VERSION:
            message = f"{self._place} was written by a newer Tailrace: its schema is {version}, this one knows {VERSION}; upgrade"
            raise UsageError(message)
        if version == 0 and read_only:
            message = f"there are no receipts in {self._place}: nothing has been delivered with this `state` yet"
            raise UsageError(message)
        if version == 0:
            entry = {**_SCHEMA, "version": _number(VERSION)}
            self._unless_lost("put_item", **self._at, Item=entry, ConditionExpression="attribute_not_exists(pk)")

    def _query(self, item: Identity, begin: str) -> Iterator[Entry]:
        wanted = {
            "KeyConditionExpression": "#pk = :pk AND begins_with(#sk, :sk)",
            "ExpressionAttributeNames": {"#pk": "pk", "#sk": "sk"},
            "ExpressionAttributeValues": {":pk": {"S": _object(item)}, ":sk": {"S": begin}},
        }
        return self._paged("query", **wanted)

    def _paged(self, call: str, **wanted: Any) -> Iterator[Entry]:
        begin: dict[str, Any] = {}
        while True:
            page = self._called(call, **self._at, ConsistentRead=True, **wanted, **begin)
            yield from page["Items"]
            if not page.get("LastEvaluatedKey"):
                return
            begin = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _called(self, call: str, **arguments: Any) -> Any:
        try:
            return getattr(self._client, call)(**arguments)
        except failures.raised() as error:
            raise self._told(error) from error

    def _unless_lost(self, call: str, **arguments: Any) -> bool:
        """Whether the condition of a write held."""
        try:
            getattr(self._client, call)(**arguments)
        except failures.raised() as error:
            if _code(error) == _LOST:
                return False
            raise self._told(error) from error
        return True

    def _told(self, error: Exception) -> TailraceError:
        """The error as a sentence. Everything of which it is not known that it lasts is tried again."""
        code = _code(error)
        if code == "ResourceNotFoundException":
            return Fatal(
                f"there is no table {self._table} at {failures.endpoint_of(self._client)}; create it with the text keys"
                " pk (partition) and sk (sort), or correct the setting `state`"
            )
        if code in {"ValidationException", "ParamValidationError"}:
            return Fatal(
                f"the table {self._table} at {failures.endpoint_of(self._client)} does not take receipts ({code}); its"
                " partition key must be pk and its sort key sk, both text"
            )
        lasting = None if code in _LATER else failures.fatal(error, f"the table {self._table}", self._client)
        if lasting and failures.unreachable(error):
            return Retryable(str(lasting))  # an outage passes
        return lasting or Retryable(f"{self._place} does not answer as it should now ({code})")


def _code(error: Exception) -> str:
    """The code of an error; of a transaction that was cancelled, that of what cancelled it."""
    code = failures.code_of(error)
    if code != "TransactionCanceledException":
        return code
    response: Mapping[str, Any] = getattr(error, "response", {})
    reasons = [str(reason.get("Code", "None")) for reason in response.get("CancellationReasons", ())]
    if "ConditionalCheckFailed" in reasons:
        return _LOST
    return next((reason for reason in reasons if reason != "None"), code)


def _object(item: Identity) -> str:
    token = Identity(item.kind, item.container, item.key, "").token
    return f"object#{blake2b(token, digest_size=16).hexdigest()}"


def _digest(name: str) -> str:
    return blake2b(name.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _key(item: Identity, sort: str) -> dict[str, Mapping[str, Any]]:
    return {"pk": {"S": _object(item)}, "sk": {"S": sort}}


def _lease(item: Identity) -> dict[str, Mapping[str, Any]]:
    return _key(item, f"lease#{_digest(item.etag)}")


def _only(condition: str, **values: str | float) -> dict[str, Any]:
    """A condition as an argument of a call; names are those of the values."""
    return {
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {f"#{name}": name for name in values},
        "ExpressionAttributeValues": {
            f":{name}": {"S": value} if isinstance(value, str) else _number(value) for name, value in values.items()
        },
    }


def _number(value: float) -> Mapping[str, str]:
    return {"N": repr(value)}


def _bound(text: str) -> Mapping[str, Any]:
    """Text as DynamoDB takes it: names on a disk need not be UTF-8, and come as surrogates then."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return {"B": text.encode("utf-8", "surrogateescape")}
    return {"S": text}


def _unbound(value: Mapping[str, Any]) -> str:
    """The text that `_bound` was given."""
    return str(value["S"]) if "S" in value else bytes(value["B"]).decode("utf-8", "surrogateescape")


def entry_of(receipt: Receipt) -> dict[str, Mapping[str, Any]]:
    """A receipt as attributes."""
    item, numbers = receipt.item, {name: getattr(receipt, name) for name in _NUMBERS}
    texts = dict(zip(_NAMES, (item.kind, item.container, item.key, item.etag, receipt.sink), strict=True))
    numbers |= {name: getattr(receipt.counts, name) for name in _COUNTS}
    numbers |= {name: getattr(receipt.totals, name) for name in _TOTALS}
    entry = {name: _bound(text) for name, text in texts.items()}
    numbers |= {name: getattr(receipt, name) for name in _TIMES}
    entry |= {name: _number(value) for name, value in numbers.items() if value is not None}
    entry |= {"state": {"S": receipt.state}, "truncated": _bound(receipt.truncated)}
    entry["unconfirmed"] = {"BOOL": receipt.unconfirmed}
    if receipt.tail:
        entry["tail"] = {"S": msgspec.json.encode(receipt.tail).decode()}
    return entry


def receipt_of(entry: Entry) -> Receipt:
    """The receipt whose attributes these are."""
    kind, container, key, etag, sink = (_unbound(entry[name]) for name in _NAMES)
    own: dict[str, Any] = {name: int(entry[name]["N"]) for name in _NUMBERS if name in entry}
    own |= {name: float(entry[name]["N"]) for name in _TIMES}
    state: Any = entry["state"]["S"]
    return Receipt(
        item=Identity(kind, container, key, etag),
        sink=sink,
        state=state,
        counts=Counts(*(int(entry[name]["N"]) for name in _COUNTS)),
        totals=Totals(*(int(entry[name]["N"]) for name in _TOTALS)),
        truncated=_unbound(entry["truncated"]),
        unconfirmed=bool(entry["unconfirmed"]["BOOL"]),
        tail=msgspec.json.decode(entry["tail"]["S"], type=Tail) if "tail" in entry else None,
        **own,
    )
