"""The queues: who may send, how long messages stay hidden, how often they are tried, and what was set aside.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tailrace.deploy.balancers.policy import Request, Verdict, verdict
from tailrace.deploy.doctor.checking import FOREIGN, REMOVED, Check, gone
from tailrace.deploy.doctor.finding import Finding, aws, compact, ok, unknown, wrong
from tailrace.deploy.doctor.looking import Looking
from tailrace.deploy.listing import NO_QUEUE, NO_RESOURCE
from tailrace.deploy.naming import ALIAS
from tailrace.deploy.template import template
from tailrace.deploy.wanted import Wanted

_TIMEOUTS: Final = 6
_LEAST_RECEIVES: Final = 5
_OWN_KEY: Final = "alias/aws/sqs"
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html"""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue as it is. `attributes`: as SQS tells them."""

    url: str
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def policy(self) -> Mapping[str, Any]:
        """Who may do what with it."""
        told: Mapping[str, Any] = msgspec.json.decode(self.attributes.get("Policy") or "{}")
        return told

    def seconds(self, name: str) -> int:
        """An attribute that is a number."""
        return int(self.attributes.get(name) or 0)


def queue_of(looking: Looking, name: str) -> Queue | None:
    """The queue of that name; None if there is none."""
    found = looking("sqs:GetQueueUrl", *NO_QUEUE, QueueName=name)
    if not found:
        return None
    told = looking("sqs:GetQueueAttributes", *NO_QUEUE, QueueUrl=found["QueueUrl"], AttributeNames=["All"])
    return Queue(found["QueueUrl"], (told or {}).get("Attributes", {}))


# --- who may send ---


def look_at_queue(wanted: Wanted, looking: Looking) -> Queue | None:
    """The queue of events; None if there is none."""
    return queue_of(looking, wanted.names.queue)


def sending(wanted: Wanted, queue: Queue | None) -> Iterator[Finding]:
    """Whether those who are to send may, and others may not."""
    if queue is None:
        yield wrong(_POLICY, f"there is no queue {wanted.names.queue}{REMOVED}", gone(wanted))
        return
    if wanted.own.trigger == "s3":
        yield ok(_POLICY, "the function itself sends to it, by its role")
        return
    ours, foreign = _requests(wanted)
    if queue.attributes.get("KmsMasterKeyId", "").endswith(_OWN_KEY):
        text = f"{wanted.names.queue} is encrypted with AWS's own key {_OWN_KEY}, which {ours.service} cannot use"
        yield wrong(_POLICY, text, _set(queue, SqsManagedSseEnabled="true"))
        return
    told = verdict(queue.policy, ours)
    who = f"{ours.service} in the name of {ours.context['aws:sourcearn']}"
    remedy = aws(
        "sqs", "set-queue-attributes", "--queue-url", queue.url, "--attributes", compact({"Policy": _wanted(wanted)})
    )
    if told is Verdict.UNKNOWN:
        yield unknown(
            _POLICY, f"whether {who} may send depends on conditions that only AWS knows", _read(queue, "Policy")
        )
    elif told is not Verdict.ALLOWED:
        yield wrong(_POLICY, f"{who} may not send to {wanted.names.queue}", remedy)
    elif verdict(queue.policy, foreign) is Verdict.ALLOWED:
        yield wrong(
            _POLICY, f"{ours.service} may send in anybody's name: aws:SourceArn or aws:SourceAccount is missing", remedy
        )
    else:
        yield ok(_POLICY, f"{who} may send, and nobody else's")


def _requests(wanted: Wanted) -> tuple[Request, Request]:
    """That of our own bucket or rule, and that of somebody else's."""
    names = wanted.names
    service, source, other = "s3.amazonaws.com", names.global_arn("s3", wanted.bucket), "arn:aws:s3:::somebody-elses"
    if wanted.own.trigger == "eventbridge":
        service, source = "events.amazonaws.com", names.arn("events", f"rule/{names.rule}")
        other = f"arn:aws:events:{names.region}:{FOREIGN}:rule/somebody-elses"
    return _request(wanted, service, source, names.account), _request(wanted, service, other, FOREIGN)


def _request(wanted: Wanted, service: str, source: str, account: str) -> Request:
    context = {
        "aws:sourcearn": source,
        "aws:sourceaccount": account,
        "aws:securetransport": "true",
        "aws:principalisawsservice": "true",
    }
    arn = wanted.names.arn("sqs", wanted.names.queue)
    return Request(service=service, action="sqs:SendMessage", resource=arn, context=context)


def _wanted(wanted: Wanted) -> str:
    """The policy that the template gives the queue."""
    document = template(wanted)["Resources"]["EventQueuePolicy"]["Properties"]["PolicyDocument"]
    return compact(document)


def _read(queue: Queue, attribute: str) -> str:
    return aws("sqs", "get-queue-attributes", "--queue-url", queue.url, "--attribute-names", attribute)


# --- how long and how often ---


@dataclass(frozen=True, slots=True)
class Times:
    """The queues, and the seconds after which the function is stopped; None if there is none."""

    queue: Queue | None
    dead: Queue | None
    timeout: int | None


def _look_at_times(wanted: Wanted, looking: Looking) -> Times:
    names = wanted.names
    told = looking(
        "lambda:GetFunctionConfiguration", *NO_RESOURCE, FunctionName=names.function, Qualifier=ALIAS
    ) or looking("lambda:GetFunctionConfiguration", *NO_RESOURCE, FunctionName=names.function)
    queue, dead = queue_of(looking, names.queue), queue_of(looking, names.dead_letter_queue)
    return Times(queue, dead, told and told["Timeout"])


def timing(wanted: Wanted, found: Times) -> Iterator[Finding]:
    """Whether a message stays hidden while it is worked on, is tried often enough, and is kept when it is set aside."""
    if found.queue is None or found.timeout is None:
        yield wrong(_TIMES, f"the queue or the function is not there{REMOVED}", gone(wanted))
        return
    yield from _hidden(found.queue, found.timeout)
    yield from _tried(wanted, found.queue)
    if found.dead is None:
        yield wrong(_TIMES, f"there is no queue {wanted.names.dead_letter_queue}{REMOVED}", gone(wanted))
    elif found.dead.seconds(_KEPT) < found.queue.seconds(_KEPT):
        # A message's age counts from the first queue on.
        told = f"{found.dead.seconds(_KEPT):,} s, and those that wait for {found.queue.seconds(_KEPT):,} s"
        remedy = _set(found.dead, **{_KEPT: str(14 * 86_400)})
        yield wrong(_TIMES, f"messages that were set aside are kept for {told}; they may be gone at once", remedy)


def _hidden(queue: Queue, timeout: int) -> Iterator[Finding]:
    visible, least = queue.seconds("VisibilityTimeout"), _TIMEOUTS * timeout
    told = f"messages stay hidden for {visible:,} s, and the function's timeout is {timeout:,} s"
    if visible >= least:
        yield ok(_TIMES, told)
    else:
        remedy = _set(queue, VisibilityTimeout=str(least))
        yield wrong(_TIMES, f"{told}: Lambda asks for six times that, or messages are worked on twice", remedy)


def _tried(wanted: Wanted, queue: Queue) -> Iterator[Finding]:
    redrive: Any = msgspec.json.decode(queue.attributes.get("RedrivePolicy") or "{}")
    receives, dead = int(redrive.get("maxReceiveCount") or 0), redrive.get("deadLetterTargetArn", "")
    ours = wanted.names.arn("sqs", wanted.names.dead_letter_queue)
    policy = {"deadLetterTargetArn": ours, "maxReceiveCount": 10}
    remedy = _set(queue, RedrivePolicy=compact(policy))
    if not dead:
        yield wrong(_TIMES, "messages that cannot be delivered are tried until they expire, and are lost then", remedy)
    elif dead != ours:
        yield wrong(_TIMES, f"messages are set aside in {dead}, where nobody looks, not in {ours}", remedy)
    elif receives < _LEAST_RECEIVES:
        few = f"messages are set aside after {receives} tries; when the function is throttled these are soon used up"
        yield wrong(_TIMES, few, remedy)


def _set(queue: Queue, **attributes: str) -> str:
    return aws("sqs", "set-queue-attributes", "--queue-url", queue.url, "--attributes", compact(attributes))


# --- what was set aside ---


def _look_at_dead(wanted: Wanted, looking: Looking) -> Queue | None:
    return queue_of(looking, wanted.names.dead_letter_queue)


def undelivered(wanted: Wanted, dead: Queue | None) -> Iterator[Finding]:
    """Whether messages were set aside."""
    if dead is None:
        yield wrong(_DEAD, f"there is no queue {wanted.names.dead_letter_queue}{REMOVED}", gone(wanted))
        return
    count = dead.seconds("ApproximateNumberOfMessages") + dead.seconds("ApproximateNumberOfMessagesNotVisible")
    if not count:
        yield ok(_DEAD, "it is empty")
        return
    names = wanted.names
    arns = names.arn("sqs", names.dead_letter_queue), names.arn("sqs", names.queue)
    remedy = aws("sqs", "start-message-move-task", "--source-arn", arns[0], "--destination-arn", arns[1])
    text = f"{count:,} messages could not be delivered; {names.function_log} tells why, and when that is repaired they can be sent back"
    yield wrong(_DEAD, text, remedy)


_POLICY: Final = "queue policy"
_TIMES: Final = "timeouts"
_DEAD: Final = "dead-letter queue"
_KEPT: Final = "MessageRetentionPeriod"
CHECKS: Final = (
    Check(subject=_POLICY, look=look_at_queue, judge=sending),
    Check(subject=_TIMES, look=_look_at_times, judge=timing),
    Check(subject=_DEAD, look=_look_at_dead, judge=undelivered),
)
