"""Events of CloudWatch Logs as items, and what a subscription filter tells a Lambda function, itself or through Kinesis.

Events travel as JSON objects (the format `cloudwatch_event`), so that any message can be carried on, or as the plain lines
that they are; a message of several lines then is several lines.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
"""

from __future__ import annotations

import io
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, BinaryIO, Final, Literal, NamedTuple

import msgspec

from tailrace.events import NotUnderstood
from tailrace.model import Identity, Item

KIND: Final = "cloudwatch"
"""The kind of source in the identities of items."""
_MOST: Final = 32 << 20
"""A message is no larger, decompressed; CloudWatch sends at most 1 MB at a time."""
_GZIP: Final = 31

Form = Literal["events", "lines"]
_EXTENSIONS: Final[dict[Form, str]] = {"events": "json", "lines": "log"}


class LogEvent(NamedTuple):
    """An event; times in ms since 1970. `ingested` is 0 if it is not known."""

    id: str
    at: int
    stream: str
    message: str
    ingested: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """A log group, whose account it is if that is known, and in what form its events travel."""

    name: str
    owner: str = ""
    form: Form = "events"

    def item(self, streams: str, start: int, end: int, events: Sequence[LogEvent]) -> Item:
        """The item of some events from `start` on (ms), none of them younger than `end`; named by streams and start."""
        identity = Identity(KIND, self.name, self.key(streams, start), etag(event.id for event in events))
        content = self._content(sorted(events, key=lambda event: (event.at, event.id)))
        opened: Callable[[], BinaryIO] = lambda: io.BytesIO(content)  # noqa: E731
        return Item(identity, opened, len(content), end / 1000)

    def key(self, streams: str, start: int) -> str:
        """The name of items of these streams, from a time on."""
        told = _time(start).translate({ord(mark): None for mark in "-:"})
        return f"{streams}@{told}.{_EXTENSIONS[self.form]}"

    def _content(self, events: Sequence[LogEvent]) -> bytes:
        if self.form == "lines":
            return b"".join(_bytes(event.message.rstrip("\r\n")) + b"\n" for event in events)
        return b"".join(self._object(event) + b"\n" for event in events)

    def _object(self, event: LogEvent) -> bytes:
        told = {
            "timestamp": _time(event.at),
            "message": event.message,
            "logGroup": self.name,
            "logStream": event.stream,
            "eventId": event.id,
            **({"ingestionTime": _time(event.ingested)} if event.ingested else {}),
            **({"owner": self.owner} if self.owner else {}),
        }
        try:
            return msgspec.json.encode(told)
        except UnicodeEncodeError:
            return msgspec.json.encode({name: _bytes(text).decode() for name, text in told.items()})


def digest(event_id: str) -> int:
    """A hash of an event's id; hashes are added up, so that those of many sets of events are quickly told."""
    return int.from_bytes(blake2b(_bytes(event_id), digest_size=16).digest(), "little")


def etag(ids: Iterable[str]) -> str:
    """What tells apart the events of items of one name: how many they are, and the sum of their ids' hashes."""
    hashes = [digest(each) for each in ids]
    return etag_of(len(hashes), sum(hashes))


def etag_of(number: int, total: int) -> str:
    """The same of so many events, and the sum of their hashes."""
    return f"{number}-{total % (1 << 128):032x}"


def subscribed(event: Mapping[str, Any], form: Form = "events") -> Sequence[Item] | None:
    """The events that a subscription filter sent, as items; None if the event is of another kind.

    Control messages tell nothing. Raises NotUnderstood, with what the message looks like and without its content.
    """
    if isinstance(event.get("awslogs"), Mapping):
        return list(_items(event["awslogs"].get("data"), form))
    records = event.get("Records")
    if isinstance(records, list) and records and all(_is_kinesis(record) for record in records):
        return [item for record in records for item in _items(record["kinesis"].get("data"), form)]
    return None


def _is_kinesis(record: object) -> bool:
    return isinstance(record, Mapping) and isinstance(record.get("kinesis"), Mapping)


class _Event(msgspec.Struct):
    id: str
    timestamp: int
    message: str


class _Message(msgspec.Struct):
    messageType: str  # noqa: N815 - CloudWatch's own name, as the others
    owner: str = ""
    logGroup: str = ""  # noqa: N815
    logStream: str = ""  # noqa: N815
    logEvents: list[_Event] = []  # noqa: N815


_decoder = msgspec.json.Decoder(_Message)


def _items(data: object, form: Form) -> Iterator[Item]:
    try:
        message = _decoder.decode(_inflated(b64decode(data if isinstance(data, str) else b"", validate=True)))
    except (ValueError, zlib.error) as error:
        what = "a message that no subscription filter of CloudWatch Logs has written; it is left where it is"
        raise NotUnderstood(what) from error
    if message.messageType == "CONTROL_MESSAGE":
        return
    if message.messageType != "DATA_MESSAGE" or not message.logGroup:
        what = (
            f"a message of CloudWatch Logs of the type {message.messageType}: that is not known; it is left where it is"
        )
        raise NotUnderstood(what)
    events = [LogEvent(each.id, each.timestamp, message.logStream, each.message) for each in message.logEvents]
    if events:
        times = [each.at for each in events]
        yield Group(message.logGroup, message.owner, form).item(message.logStream, min(times), max(times), events)


def _inflated(data: bytes) -> bytes:
    """The content of gzip data. Raises ValueError if it is too large or does not end."""
    parts: list[bytes] = []
    left = _MOST
    while data:
        inflater = zlib.decompressobj(_GZIP)
        part = inflater.decompress(data, left)
        left -= len(part)
        if not inflater.eof or not left:
            raise ValueError("it is too large, or does not end")
        parts.append(part)
        data = inflater.unused_data
    return b"".join(parts)


def _time(at: int) -> str:
    """A time in ISO 8601; one that no calendar has stays a number, so that its event becomes a reject."""
    try:
        return datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{at % 1000:03}Z"
    except (ValueError, OverflowError, OSError):
        return str(at)


def _bytes(text: str) -> bytes:
    """Text as UTF-8; halves of characters, which it cannot hold, are replaced."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
