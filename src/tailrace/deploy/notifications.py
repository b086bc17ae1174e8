"""Our notification in a bucket that belongs to somebody else: added to what is there, and taken out again.

S3 knows one document for each bucket, which every write replaces. So it is read, changed in memory, read again just before it is
written, and read once more after that. Ours has an id of its own; nothing of the others is touched.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from xml.etree import ElementTree as ET

import msgspec

from tailrace.changes import Change
from tailrace.deploy.cloud import Cloud, Refused
from tailrace.deploy.listing import listed
from tailrace.deploy.memory import NOTIFICATIONS, Memory
from tailrace.deploy.naming import ALIAS
from tailrace.deploy.wanted import Wanted
from tailrace.errors import Retryable, UsageError
from tailrace.permissions import Need, needs_on

Document = Mapping[str, Any]
"""A bucket's notifications, as boto3 reads and writes them."""
EVENT: Final = "s3:ObjectCreated:*"
DESTINATIONS: Final = {
    "TopicConfigurations": "TopicArn",
    "QueueConfigurations": "QueueArn",
    "LambdaFunctionConfigurations": "LambdaFunctionArn",
}
"""The lists of a bucket's notifications, and under which name an entry of each tells where it goes."""
_SWITCH: Final = "EventBridgeConfiguration"
_READ: Final = "s3:GetBucketNotificationConfiguration"
_CALL: Final = "s3:PutBucketNotificationConfiguration"
_ON: Final = "switched on"
_OFF: Final = "left as it was"
_VALIDATION_S: Final = 60
"""For so long S3 may not see yet what the policy of a new queue allows."""
_SETTLING_S: Final = 30
"""For so long a bucket may still tell its former notifications."""
_PAUSE_S: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a bucket is to tell us: the queue or the function of new objects below a prefix, or EventBridge; nothing if none is named.

    Ours is what has our `id`, or goes to one of `own`: CloudFormation gives no ids.
    """

    bucket: str
    id: str
    own: tuple[str, ...] = ()
    prefix: str = ""
    queue: str = ""
    function: str = ""
    eventbridge: bool = False

    @property
    def entry(self) -> tuple[str, dict[str, Any]] | None:
        """The list in which it stands, and what stands there."""
        rules = [{"Name": "prefix", "Value": self.prefix}]
        common = {"Id": self.id, "Events": [EVENT], "Filter": {"Key": {"FilterRules": rules}}}
        if self.queue:
            return "QueueConfigurations", {**common, "QueueArn": self.queue}
        if self.function:
            return "LambdaFunctionConfigurations", {**common, "LambdaFunctionArn": self.function}
        return None

    def ours(self, entry: Mapping[str, Any], destination: str) -> bool:
        """Whether an entry is our own."""
        return entry.get("Id") == self.id or entry[destination] in self.own


@dataclass(frozen=True, slots=True)
class Found:
    """What a bucket has. `switched`: that it tells EventBridge is our doing. `listening`: rules of others that need it."""

    document: Document
    switched: bool
    listening: tuple[str, ...] = ()


def notice_of(wanted: Wanted) -> Notice:
    """The notification that the settings want in their bucket."""
    names, trigger = wanted.names, wanted.own.trigger
    return Notice(
        bucket=wanted.bucket,
        id=names.rule,
        prefix=wanted.prefix,
        queue=names.arn("sqs", names.queue) if trigger == "sqs" else "",
        function=names.arn("lambda", f"function:{names.function}:{ALIAS}") if trigger == "s3" else "",
        eventbridge=trigger == "eventbridge",
    )


def setups(wanted: Wanted, cloud: Cloud, memory: Memory) -> Sequence[Notifications]:
    """What adds the notification to the existing bucket that is wanted, after having taken it out of others in which it was."""
    former = [name for name in memory.remembered(NOTIFICATIONS) if name != wanted.own.bucket]
    notices = [Notice(bucket=name, id=wanted.names.rule) for name in former]
    if wanted.own.bucket:
        notices.append(notice_of(wanted))
    return [Notifications(notice, cloud, memory) for notice in notices]


def needs(wanted: Wanted) -> Sequence[Need]:
    """What is called for it; also to take it out again."""
    if not wanted.own.bucket:
        return ()
    bucket = wanted.names.global_arn("s3", wanted.own.bucket)
    calls = needs_on(bucket, _READ, _CALL)
    return [*calls, Need("events:ListRules", "*")]


class Notifications:
    """Brings our part of a bucket's notifications into the state that is wanted; a notice that names nothing takes it out."""

    def __init__(self, notice: Notice, cloud: Cloud, memory: Memory) -> None:
        self._notice, self._cloud, self._memory = notice, cloud, memory

    @property
    def where(self) -> str:
        """The bucket, for messages."""
        return f"the notifications of the bucket {self._notice.bucket}"

    def look(self) -> Found:
        """Read the bucket's notifications. Raises UsageError if there is something in them that would not be written back."""
        document = self._read()
        known = self._memory.remembered(NOTIFICATIONS).get(self._notice.bucket) or {}
        switched = known.get("eventbridge") == _ON
        superfluous = switched and not self._notice.eventbridge and _SWITCH in document
        return Found(document, switched, tuple(self._listening()) if superfluous else ())

    def plan(self, found: Found) -> Sequence[Change]:
        """One write, or none if all is as it should be. Raises UsageError if somebody else is told of the same objects already."""
        _check(found.document, self._notice)
        merged = merge(found.document, self._notice, switched=found.switched and not found.listening)
        if canonical(merged) == canonical(found.document):
            return ()
        arguments = {"Bucket": self._notice.bucket, "NotificationConfiguration": merged}
        return [Change(_CALL, arguments, _why(found.document, self._notice))]

    def apply(self, change: Change) -> None:
        """Write, and make sure that it is there. Raises UsageError if somebody else has changed something meanwhile."""
        found = self.look()
        if change not in self.plan(found):
            message = f"{self.where} were changed by somebody else meanwhile; run it again"
            raise UsageError(message)
        on = self._notice.eventbridge and (found.switched or _SWITCH not in found.document)
        if self._present:
            self._memory.remember(NOTIFICATIONS, self._notice.bucket, {"eventbridge": _ON if on else _OFF})
        self._write(change.arguments)
        self._verify(change.arguments["NotificationConfiguration"])
        if not self._present:
            self.settle()

    def settle(self) -> None:
        """Remember no more of this bucket: nothing of ours is in it."""
        if self._notice.bucket in self._memory.remembered(NOTIFICATIONS):
            self._memory.forget(NOTIFICATIONS, self._notice.bucket)

    def close(self) -> None:
        """Nothing is open."""

    @property
    def _present(self) -> bool:
        return self._notice.eventbridge or self._notice.entry is not None

    def _read(self) -> dict[str, Any]:
        with _unread(self._cloud.of("s3")) as unknown:
            answer = self._cloud(_READ, Bucket=self._notice.bucket)
        if unknown:
            message = (
                f"{self.where}: this boto3 does not know {', '.join(sorted(set(unknown)))} in them and would drop it when it"
                " writes; install a newer one (pip install -U boto3)"
            )
            raise UsageError(message)
        return {key: value for key, value in answer.items() if key != "ResponseMetadata"}

    def _write(self, arguments: Mapping[str, Any]) -> None:
        # What is taken out needs no validation: a destination of somebody else that is gone must not hold it up.
        skip = {} if self._present else {"SkipDestinationValidation": True}
        last = self._cloud.clock.monotonic() + _VALIDATION_S
        while True:
            try:
                self._cloud(_CALL, **arguments, **skip)
            except Refused as error:
                if error.code != "InvalidArgument":
                    raise
                if self._cloud.clock.monotonic() >= last:
                    raise self._invalid(arguments["NotificationConfiguration"], error) from error
                self._cloud.clock.sleep(_PAUSE_S)
            else:
                return

    def _invalid(self, document: Document, error: Refused) -> UsageError:
        ours = self._notice.queue or self._notice.function
        others = sorted({arn for _, arn in _entries(document, self._notice)})
        perhaps = f"; or one of the others is gone: {', '.join(others)}" if others else ""
        return UsageError(
            f"{self.where}: S3 cannot reach a destination; check the policy of {ours}{perhaps} ({error.text})"
        )

    def _verify(self, written: Document) -> None:
        last = self._cloud.clock.monotonic() + _SETTLING_S
        while canonical(self._read()) != canonical(written):
            if self._cloud.clock.monotonic() >= last:
                message = f"{self.where} are not what was written: somebody else writes them too; run it again"
                raise Retryable(message)
            self._cloud.clock.sleep(_PAUSE_S)

    def _listening(self) -> Iterator[str]:
        """Rules of others that hear of this bucket's objects."""
        for rule in listed(self._cloud, "events:ListRules", "Rules"):
            pattern = str(rule.get("EventPattern") or "")
            heard = '"aws.s3"' in pattern and (f'"{self._notice.bucket}"' in pattern or '"bucket"' not in pattern)
            if heard and rule["Name"] != self._notice.id:
                yield rule["Name"]


def merge(document: Document, notice: Notice, *, switched: bool) -> dict[str, Any]:
    """The notifications with ours as it is wanted, and all others as they are. `switched`: that EventBridge is told is our doing."""
    merged = {key: value for key, value in document.items() if key not in DESTINATIONS}
    for key, destination in DESTINATIONS.items():
        if others := [each for each in document.get(key, ()) if not notice.ours(each, destination)]:
            merged[key] = others
    if notice.entry:
        key, entry = notice.entry
        merged[key] = [*merged.get(key, ()), entry]
    if notice.eventbridge:
        merged.setdefault(_SWITCH, {})
    elif switched:
        merged.pop(_SWITCH, None)
    return merged


def canonical(document: Document) -> bytes:
    """The same bytes for documents that mean the same: order says nothing, nor how the name of a rule is written."""
    kept: dict[str, Any] = {key: value for key, value in document.items() if key not in DESTINATIONS}
    for key in DESTINATIONS:
        entries = sorted(msgspec.json.encode(_plain(each), order="sorted") for each in document.get(key, ()))
        if entries:
            kept[key] = [each.decode() for each in entries]
    return msgspec.json.encode(kept, order="sorted")


def overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether an object could be told to both; S3 refuses that."""
    events = any(_covers(a, b) or _covers(b, a) for a in one.get("Events", ()) for b in other.get("Events", ()))
    (prefix, suffix), (others_prefix, others_suffix) = _filter(one), _filter(other)
    return (
        events
        and (prefix.startswith(others_prefix) or others_prefix.startswith(prefix))
        and (suffix.endswith(others_suffix) or others_suffix.endswith(suffix))
    )


def _covers(wide: str, event: str) -> bool:
    return wide == event or (wide.endswith("*") and event.startswith(wide[:-1]))


def _check(document: Document, notice: Notice) -> None:
    if not notice.entry:
        return
    _, ours = notice.entry
    for theirs, arn in _entries(document, notice):
        if overlap(ours, theirs):
            prefix, suffix = _filter(theirs)
            message = (
                f"the bucket {notice.bucket} already tells {arn} of {', '.join(theirs['Events'])} for {prefix}*{suffix}"
                f" (notification {theirs.get('Id', 'without id')}), and S3 tells an object to one only, not to {notice.id} for"
                f" {notice.prefix}* too; narrow that one or set deploy.trigger=eventbridge"
            )
            raise UsageError(message)


def _entries(document: Document, notice: Notice, *, ours: bool = False) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The entries of others, or our own, and where they go."""
    for key, destination in DESTINATIONS.items():
        for entry in document.get(key, ()):
            if notice.ours(entry, destination) == ours:
                yield entry, entry[destination]


def _why(document: Document, notice: Notice) -> str:
    there = any(_entries(document, notice, ours=True))
    if notice.entry:
        done = "is brought to what is wanted" if there else f"for {notice.prefix}* is added"
        return f"notification {notice.id} {done}; those of others stay"
    if notice.eventbridge:
        return "EventBridge is told of its objects; those who are told by notifications are told as before"
    return (
        f"notification {notice.id} is taken out; those of others stay"
        if there
        else "EventBridge is told no more, as before"
    )


def _filter(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Prefix and suffix of the keys that an entry is for."""
    rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    told = {str(rule.get("Name", "")).lower(): str(rule.get("Value", "")) for rule in rules}
    return told.get("prefix", ""), told.get("suffix", "")


def _plain(entry: Mapping[str, Any]) -> dict[str, Any]:
    plain = {**entry, "Events": sorted(entry.get("Events", ()))}
    rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    if "Filter" in entry:
        lower = [{**rule, "Name": str(rule.get("Name", "")).lower()} for rule in rules]
        plain["Filter"] = sorted(lower, key=lambda rule: rule["Name"])
    return plain


@contextmanager
def _unread(s3: Any) -> Iterator[list[str]]:
    """The names of elements in what a bucket tells that boto3 does not read; filled by calls made within."""
    unknown: list[str] = []
    event = "before-parse.s3.GetBucketNotificationConfiguration"

    def seen(operation_model: Any, response_dict: Mapping[str, Any], **_: Any) -> None:
        if response_dict["status_code"] == 200 and response_dict["body"]:  # noqa: PLR2004 - as HTTP counts
            unknown.extend(_unknown(ET.fromstring(response_dict["body"]), operation_model.output_shape))  # noqa: S314 - as boto3

    s3.meta.events.register(event, seen)
    try:
        yield unknown
    finally:
        s3.meta.events.unregister(event, seen)


def _unknown(element: Any, shape: Any) -> Iterator[str]:
    while shape.type_name == "list":
        shape = shape.member
    if shape.type_name != "structure":
        return
    members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
    for child in element:
        name = child.tag.rpartition("}")[2]
        if name not in members:
            yield name
        else:
            yield from _unknown(child, members[name])
