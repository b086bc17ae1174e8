"""What an event tells a Lambda: messages, each of which succeeds or fails by itself, and what each one has to be carried.

The event of an SQS queue holds several messages, every other event is one. A message announces objects in any form that
`events.py` knows, or continues an object that an earlier invocation had no more time for; or it is what a subscription
filter of CloudWatch Logs sends.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import quote, unquote

import msgspec

from tailrace.events import Announced, NotUnderstood, announced
from tailrace.model import Item
from tailrace.sources._objects import Objects
from tailrace.subscriptions import Form, subscribed

HOPS: Final = 20
"""An object is continued so often at most: 20 invocations of 15 minutes read some terabytes."""


@dataclass(frozen=True, slots=True)
class Message:
    """Part of an event. `id`: by which SQS knows it; empty for an event that is one message."""

    id: str
    content: str | Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An item that a message tells of; `told`: the object, of which `hop` and `offsets` are as in the Continuation that may follow."""

    item: Item
    told: Announced | None = None
    hop: int = 0
    offsets: Mapping[str, int] = field(default_factory=dict)


class Continuation(msgspec.Struct, frozen=True, kw_only=True):
    """Goes through a queue when an invocation ends before its object does.

    `hop`: how often the object has been continued with this message. `offsets`: up to where it is confirmed, by sink. `key` and the sinks
    are percent-encoded, because keys need not be UTF-8.
    """

    tailrace: Literal["continuation"] = "continuation"
    version: Literal[1] = 1
    bucket: str
    key: str
    etag: str
    object_version: str
    size: int | None
    time: str
    hop: int
    offsets: dict[str, int]

    @classmethod
    def of(cls, part: Part, told: Announced, offsets: Mapping[str, int]) -> Continuation:
        """What has to be carried after a part of it was."""
        return cls(
            bucket=told.bucket,
            key=_quoted(told.key),
            etag=part.item.identity.etag,
            object_version=told.version,
            size=part.item.size,
            time=told.time,
            hop=part.hop + 1,
            offsets={_quoted(sink): offset for sink, offset in offsets.items()},
        )

    def part(self, objects: Objects) -> Part:
        """The rest of the object."""
        told = Announced(
            bucket=self.bucket,
            key=unquote(self.key, errors="surrogateescape"),
            etag=self.etag,
            version=self.object_version,
            size=self.size,
            time=self.time,
        )
        offsets = {unquote(sink, errors="surrogateescape"): offset for sink, offset in self.offsets.items()}
        return Part(item=objects.announced(told), told=told, hop=self.hop, offsets=offsets)


def messages(event: object) -> Sequence[Message]:
    """The messages of an event. Raises NotUnderstood if it is none that AWS sends."""
    if not isinstance(event, Mapping):
        raise NotUnderstood("an event that is no JSON object: nothing is known that could have sent it")
    records = event.get("Records")
    if not isinstance(records, list) or not all(_of_sqs(record) for record in records):
        return [Message("", event)]
    return [Message(record["messageId"], record["body"]) for record in records]


def in_order(event: Mapping[str, Any]) -> bool:
    """Whether the messages are those of a queue that keeps them in order: none may overtake one that failed."""
    return any(str(record.get("eventSourceARN", "")).endswith(".fifo") for record in event.get("Records", ()))


def _of_sqs(record: object) -> bool:
    return (
        isinstance(record, Mapping)
        and record.get("eventSource") == "aws:sqs"
        and isinstance(record.get("messageId"), str)
        and isinstance(record.get("body"), str)
    )


def parts(message: Message, objects: Callable[[], Objects], form: Form) -> Iterator[Part]:
    """What a message has to be carried; `form`: of what a subscription filter sends. Raises NotUnderstood."""
    continuation = _continuation(message.content)
    if continuation is not None:
        yield continuation.part(objects())
        return
    found = subscribed(message.content, form) if isinstance(message.content, Mapping) else None
    if found is not None:
        yield from (Part(item=item) for item in found)
        return
    for told in announced(message.content):
        yield Part(item=objects().announced(told), told=told)


def _continuation(content: str | Mapping[str, Any]) -> Continuation | None:
    """The continuation that a message is, if it is one. Raises NotUnderstood for one of another version."""
    try:
        document = msgspec.json.decode(content) if isinstance(content, str) else content
    except (msgspec.DecodeError, UnicodeError):
        return None
    if not isinstance(document, Mapping) or document.get("tailrace") != "continuation":
        return None
    try:
        return msgspec.convert(document, Continuation)
    except msgspec.ValidationError as error:
        message = f"a continuation that this version of Tailrace does not know ({error}); it is left where it is"
        raise NotUnderstood(message) from error


def _quoted(text: str) -> str:
    return quote(text, errors="surrogateescape")
