"""A queue of SQS: its calls, and what their answers mean.

Of a batch the service names each entry that succeeded; everything else has failed.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from tailrace.clouds import failures
from tailrace.errors import Fatal, Retryable, TailraceError

BATCH: Final = 10
"""So many messages one call takes or gives at most."""
_ABSENT: Final = {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "InvalidAddress"}
_ATTRIBUTES: Final = 10
"""A message has no more of them."""
_LONGEST: Final = 1000
"""Of a reason so many characters are kept."""
_PASSING: Final = ("Throttl", "OverLimit", "Unavailable", "Internal")
"""In the codes of failures that pass, whosever fault they are said to be."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was received this time; the handle is for this time only.

    `receives`: so often it has been received, this time included. `group`: of a FIFO queue. `attributes`: its sender's.
    """

    id: str
    handle: str
    body: str
    receives: int
    group: str
    attributes: Mapping[str, Any]


class Settled(NamedTuple):
    """What became of the messages of a batch: done, no longer this receiver's, or to be tried again."""

    done: Sequence[Message]
    lapsed: Sequence[Message]
    again: Sequence[Message]


class Queue:
    """A queue by its name, its URL or its ARN. Threads may share it.

    Calls raise Fatal where it will not be different next time, and Retryable otherwise; a queue that has never answered
    is no queue, and one that has may come back.
    """

    def __init__(self, client: Any, place: str) -> None:
        self._client, self._place = client, place
        self._url = place if place.startswith(("https://", "http://")) else ""
        self._answered = False

    @property
    def name(self) -> str:
        """Its name."""
        return self._place.rstrip("/").rpartition("/")[2].rpartition(":")[2]

    @property
    def fifo(self) -> bool:
        """Whether it keeps its messages in order."""
        return self.name.endswith(".fifo")

    def receive(self, most: int, wait: int, visibility: int) -> list[Message]:
        """Up to so many messages, waited for so long; others do not see them for so long."""
        answer = self._asked(
            self._client.receive_message,
            MaxNumberOfMessages=min(most, BATCH),
            WaitTimeSeconds=wait,
            VisibilityTimeout=visibility,
            AttributeNames=["All"],  # the older name of this parameter: clones of SQS do not know the newer one
            MessageAttributeNames=["All"],
        )
        return [_message(entry) for entry in answer.get("Messages", ())]

    def delete(self, messages: Sequence[Message]) -> Settled:
        """Remove up to ten messages."""
        entries = [{"Id": str(number), "ReceiptHandle": each.handle} for number, each in enumerate(messages)]
        return _settled(messages, self._asked(self._client.delete_message_batch, Entries=entries))

    def hide(self, messages: Sequence[tuple[Message, int]]) -> Settled:
        """Let others not see up to ten messages for so many seconds from now on."""
        entries = [
            {"Id": str(number), "ReceiptHandle": each.handle, "VisibilityTimeout": seconds}
            for number, (each, seconds) in enumerate(messages)
        ]
        answer = self._asked(self._client.change_message_visibility_batch, Entries=entries)
        return _settled([message for message, _seconds in messages], answer)

    def keep(self, message: Message, why: Mapping[str, str]) -> None:
        """Send a copy of a message, with its own attributes and, as far as there is room, those that tell why."""
        own = {name: {"DataType": "String", "StringValue": _plain(text)} for name, text in why.items()}
        attributes = dict(list({**message.attributes, **own}.items())[:_ATTRIBUTES])
        order = (
            {"MessageGroupId": message.group or "tailrace", "MessageDeduplicationId": message.id} if self.fifo else {}
        )
        self._asked(self._client.send_message, MessageBody=message.body, MessageAttributes=attributes, **order)

    def redrive(self) -> str:
        """The ARN of the queue to which SQS itself moves messages; empty if there is none."""
        text = self.attributes("RedrivePolicy").get("RedrivePolicy")
        return str(msgspec.json.decode(text).get("deadLetterTargetArn", "")) if text else ""

    def beside(self, place: str) -> Queue:
        """Another queue at the same place."""
        return Queue(self._client, place)

    def attributes(self, *names: str) -> Mapping[str, str]:
        """What the service tells of the queue."""
        answer: Mapping[str, str] = self._asked(self._client.get_queue_attributes, AttributeNames=list(names)).get(
            "Attributes", {}
        )
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _asked(self, call: Callable[..., Any], **words: Any) -> Any:
        try:
            answer = call(QueueUrl=self._url or self._found(), **words)
        except failures.raised() as error:
            raise self._told(error) from error
        self._answered = True
        return answer

    def _found(self) -> str:
        *_, account, name = ("", *self._place.split(":"))
        owner = {"QueueOwnerAWSAccountId": account} if account else {}
        self._url = str(self._client.get_queue_url(QueueName=name, **owner)["QueueUrl"])
        return self._url

    def _told(self, error: Exception) -> TailraceError:
        code, endpoint = failures.code_of(error), failures.endpoint_of(self._client)
        if code in _ABSENT:
            return Fatal(f"there is no queue {self._place} at {endpoint}; check its name, the region and the endpoint")
        lasting = failures.fatal(error, f"the queue {self.name}", self._client)
        if lasting and not (failures.unreachable(error) and self._answered):
            return lasting
        return Retryable(f"the queue {self.name} at {endpoint} does not do what it is asked for now ({code})")


def _message(entry: Mapping[str, Any]) -> Message:
    told = entry.get("Attributes", {})
    attributes = {
        name: {part: value[part] for part in ("DataType", "StringValue", "BinaryValue") if part in value}
        for name, value in entry.get("MessageAttributes", {}).items()
    }
    receives, group = int(told.get("ApproximateReceiveCount", 1)), str(told.get("MessageGroupId", ""))
    return Message(entry["MessageId"], entry["ReceiptHandle"], entry["Body"], receives, group, attributes)


def _settled(messages: Sequence[Message], answer: Mapping[str, Any]) -> Settled:
    done = {entry["Id"] for entry in answer.get("Successful", ())}
    lapsed = {
        entry["Id"]
        for entry in answer.get("Failed", ())
        if entry.get("SenderFault") and not any(word in str(entry.get("Code")) for word in _PASSING)
    }
    found: dict[bool | None, list[Message]] = {True: [], False: [], None: []}
    for number, message in enumerate(messages):
        key = str(number)
        found[True if key in done else False if key in lapsed else None].append(message)
    return Settled(found[True], found[False], found[None])


def _plain(text: str) -> str:
    """A text that an attribute can be: not empty, of characters that can be printed."""
    return "".join(each if each.isprintable() else "?" for each in text[:_LONGEST]) or "-"
