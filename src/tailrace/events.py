"""What the events of object stores announce: objects that have appeared in a bucket.

Understood are S3's own notifications (also those of Ceph and MinIO) and EventBridge's, each plain or inside the
envelopes of SNS and SQS. What is not understood is an error and never "nothing": the message must stay where it is.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus

import msgspec

from tailrace.errors import SourceError

_DEPTH: Final = 4
"""Envelopes in envelopes up to here; deeper ones are nobody's."""
_APPEARED: Final = ("ObjectCreated:", "ObjectRestore:Completed")
_PASSED: Final = ("ObjectRemoved:", "ObjectRestore:", "ObjectTagging:", "ObjectAcl:", "LifecycleExpiration:",
                  "LifecycleTransition", "Replication:", "ReducedRedundancyLostObject", "IntelligentTiering",
                  "ObjectAccessed:", "TestEvent")  # fmt: skip
_DETAILS: Final = {"Object Created": True, "Object Restore Completed": True}
_PLAIN_KEYS: Final = {"ceph:s3"}
"""Stores that write keys as they are; all others encode them as forms are: `+` for a space, `%2B` for a plus."""


class NotUnderstood(SourceError):
    """A message that is no event of an object store, or of a form that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """An object that an event tells of. What the event does not tell is empty, or None.

    `sequencer`: of two events of the same key, the later one has the larger one, compared as text after padding with
    zeros on the right. `time`: RFC 3339, when the store wrote the event.
    """

    bucket: str
    key: str
    etag: str = ""
    version: str = ""
    size: int | None = None
    sequencer: str = ""
    time: str = ""
    region: str = ""


def announced(message: bytes | str | Mapping[str, Any]) -> Sequence[Announced]:
    """The objects that a message announces; none for a test event and for events of other kinds.

    Raises NotUnderstood, with what the message looks like and without its content.
    """
    return list(_opened(message, _DEPTH))


def _opened(message: object, depth: int) -> Iterator[Announced]:
    if isinstance(message, bytes | str):
        message = _decoded(message)
    if not isinstance(message, Mapping) or not depth:
        raise NotUnderstood(_unknown(message))
    if message.get("Event") == "s3:TestEvent":
        return
    if message.get("source") == "aws.s3" and isinstance(message.get("detail"), Mapping):
        yield from _of_eventbridge(message)
    elif message.get("Type") == "Notification" and "Message" in message:
        yield from _opened(message["Message"], depth - 1)
    elif isinstance(message.get("Records"), list):
        for record in message["Records"]:
            yield from _of_record(record, depth)
    else:
        raise NotUnderstood(_unknown(message))


def _of_record(record: object, depth: int) -> Iterator[Announced]:
    if not isinstance(record, Mapping):
        raise NotUnderstood(_unknown(record))
    if isinstance(record.get("s3"), Mapping):
        yield from _of_notification(record)
    elif record.get("eventSource") == "aws:sqs" and "body" in record:
        yield from _opened(record["body"], depth - 1)
    elif record.get("EventSource") == "aws:sns" and isinstance(record.get("Sns"), Mapping):
        yield from _opened(record["Sns"].get("Message"), depth - 1)
    else:
        raise NotUnderstood(_unknown(record))


def _of_notification(record: Mapping[str, Any]) -> Iterator[Announced]:
    name = str(record.get("eventName", "")).removeprefix("s3:")
    version = str(record.get("eventVersion", ""))
    if version.partition(".")[0] != "2":
        message = f"a notification of S3 in version {version or 'unknown'}: only version 2 is known"
        raise NotUnderstood(message)
    if not name.startswith(_APPEARED):
        if name.startswith(_PASSED):
            return
        message = f"a notification of S3 called {name or 'nothing'}: that is not known"
        raise NotUnderstood(message)
    bucket, found = _text(record["s3"], "bucket", "name"), record["s3"].get("object")
    key = _text(record["s3"], "object", "key")
    if record.get("eventSource") not in _PLAIN_KEYS:
        key = unquote_plus(key, errors="surrogateescape")
    yield _made(bucket, key, found, record, "eTag", "versionId", "eventTime", "awsRegion")


def _of_eventbridge(event: Mapping[str, Any]) -> Iterator[Announced]:
    kind = str(event.get("detail-type", ""))
    if not kind.startswith("Object "):
        message = f"an event of S3 of the type {kind or 'unknown'}: that is not known"
        raise NotUnderstood(message)
    if _DETAILS.get(kind):
        detail = event["detail"]
        bucket, key = _text(detail, "bucket", "name"), _text(detail, "object", "key")
        yield _made(bucket, key, detail["object"], event, "etag", "version-id", "time", "region")


def _made(bucket: str, key: str, found: Mapping[str, Any], event: Mapping[str, Any], *names: str) -> Announced:
    etag, version, time, region = names
    size = found.get("size")
    return Announced(
        bucket=bucket,
        key=key,
        etag=str(found.get(etag) or found.get("eTag") or "").strip('"'),
        version=_version(found.get(version)),
        size=size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
        sequencer=str(found.get("sequencer") or ""),
        time=str(event.get(time) or ""),
        region=str(event.get(region) or ""),
    )


def _version(told: object) -> str:
    """An object written before its bucket had versions has the version `null`, which is a name like any other."""
    return str(told) if told else ""


def _text(document: Mapping[str, Any], *path: str) -> str:
    found: object = document
    for part in path:
        found = found.get(part) if isinstance(found, Mapping) else None
    if not isinstance(found, str) or not found:
        message = f"an event of S3 without {'.'.join(path)}"
        raise NotUnderstood(message)
    return found


def _decoded(text: bytes | str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise NotUnderstood("a message that is no JSON") from error


def _unknown(message: object) -> str:
    looks = (
        f"with {', '.join(sorted(str(name)[:40] for name in message)[:8]) or 'nothing'}"
        if isinstance(message, Mapping)
        else "of another kind"
    )
    return f"a message {looks}: no event of an object store that is known"
