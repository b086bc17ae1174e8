"""How a deployment is: looked up where each thing is known, and nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from tailrace.deploy.cloud import Cloud
from tailrace.deploy.ledger import Book, Ledger, Release
from tailrace.deploy.listing import NO_BUCKET, known, queue_attributes
from tailrace.deploy.stack.condition import Stack, stack_of
from tailrace.deploy.stack.releases import Function, Releases
from tailrace.deploy.wanted import Wanted
from tailrace.errors import TailraceError
from tailrace.model import Identity
from tailrace.permissions import Need, needs_on
from tailrace.receipts import Receipt
from tailrace.state.dynamodb import DynamodbState

T = TypeVar("T")
_TABLE: Final = "dynamodb:"
_PERIOD_S: Final = 300
_BACK: Final = timedelta(minutes=30)
"""So far back the newest figure of a metric is looked for."""
_PAGES: Final = 5
"""Of a day's listing so many pages of a thousand objects are looked at."""
LAST: Final = 5
"""So many objects are told of."""
_DEPTHS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that could not be looked up, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """An object of the bucket, when it was written, and its receipts."""

    key: str
    written: float
    receipts: Sequence[Receipt]


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm and its state, since when."""

    name: str
    state: str
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """All of it; each may be Unknown.

    `figures`: the time from an object's writing to its delivery, and for how long the oldest message has been waiting, both in seconds and None if
    nothing was told of it in the last half hour.
    """

    stack: Stack | Unknown | None
    function: Function | Unknown | None
    releases: Sequence[Release] | Unknown
    figures: tuple[float | None, float | None] | Unknown
    queue: int | Unknown | None
    dead: int | Unknown | None
    alarms: Sequence[Alarm] | Unknown
    deliveries: Sequence[Delivery] | Unknown

    @property
    def release(self) -> Release | None:
        """What is known of the live version."""
        if isinstance(self.function, Unknown | None) or isinstance(self.releases, Unknown):
            return None
        return Ledger(releases=tuple(self.releases)).release(self.function.live)


@dataclass(frozen=True, slots=True)
class Looking:
    """Looks at a deployment."""

    cloud: Cloud
    wanted: Wanted

    def look(self) -> Status:
        """How everything is. Raises Fatal or Retryable only if the stack itself cannot be looked at."""
        names = self.wanted.names
        stack = stack_of(self.cloud, names.stack)
        book = Book(self.cloud, self.wanted.artifacts, names.stack)
        return Status(
            stack=stack,
            function=_seen(Releases(self.cloud, names.function).look),
            releases=_seen(lambda: book.read().ledger.releases),
            figures=_seen(self._figures),
            queue=_seen(lambda: self._depth(names.queue)),
            dead=_seen(lambda: self._depth(names.dead_letter_queue)),
            alarms=_seen(self._alarms),
            deliveries=_seen(self._deliveries),
        )

    def _figures(self) -> tuple[float | None, float | None]:
        """The newest lag and the newest age of the oldest message, in seconds."""
        names, now = self.wanted.names, datetime.fromtimestamp(self.cloud.clock.now(), UTC)
        own = self.wanted.settings.awslambda.metrics_namespace
        queries = [_query("waiting", "AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", names.queue)]
        queries += [_query("lag", own, "Lag", "FunctionName", names.function)] if own else []
        found = self.cloud(
            "cloudwatch:GetMetricData",
            MetricDataQueries=queries,
            StartTime=now - _BACK,
            EndTime=now,
            ScanBy="TimestampDescending",
        )
        newest = {each["Id"]: float(each["Values"][0]) for each in found["MetricDataResults"] if each.get("Values")}
        return newest.get("lag"), newest.get("waiting")

    def _depth(self, queue: str) -> int | None:
        """How many messages there are in a queue, also those that are being worked on; None without such a queue."""
        found = queue_attributes(self.cloud, queue, _DEPTHS)
        return None if found is None else sum(int(found.get(name, 0)) for name in _DEPTHS)

    def _alarms(self) -> Sequence[Alarm]:
        pages = self.cloud.pages("cloudwatch:DescribeAlarms", AlarmNamePrefix=f"{self.wanted.names.stack}-")
        found = [each for page in pages for each in page.get("MetricAlarms", ())]
        return [
            Alarm(each["AlarmName"], each["StateValue"], each["StateUpdatedTimestamp"].timestamp()) for each in found
        ]

    def _deliveries(self) -> Sequence[Delivery]:
        """The objects written last, of today and yesterday, each with its receipts: one query for each."""
        found = sorted(self._written(), key=lambda each: -each["LastModified"].timestamp())[:LAST]
        state = self.wanted.settings.state
        if not state.startswith(_TABLE):
            return []
        table = DynamodbState(state.removeprefix(_TABLE), self.cloud.of("dynamodb"), self.cloud.clock)
        return [self._delivery(each, table) for each in found]

    def _delivery(self, entry: Mapping[str, Any], table: DynamodbState) -> Delivery:
        item = Identity("s3", self.wanted.bucket, entry["Key"], entry["ETag"].strip('"'))
        return Delivery(entry["Key"], entry["LastModified"].timestamp(), list(table.receipts_of(item).values()))

    def _written(self) -> Sequence[Mapping[str, Any]]:
        names, now = self.wanted.names, datetime.fromtimestamp(self.cloud.clock.now(), UTC)
        found: list[Mapping[str, Any]] = []
        for account in self.wanted.own.accounts or (names.account,):
            for day in (now, now - timedelta(days=1)):
                place = f"{self.wanted.prefix}{account}/elasticloadbalancing/{names.region}/{day:%Y/%m/%d}/"
                found += self._listed(place)
                if len(found) >= LAST:
                    break
        return found

    def _listed(self, prefix: str) -> Sequence[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        token: dict[str, str] = {}
        for _ in range(_PAGES):
            page = known(self.cloud, "s3:ListObjectsV2", *NO_BUCKET, Bucket=self.wanted.bucket, Prefix=prefix, **token)
            if page is None:
                return found
            found += page.get("Contents", ())
            if not page.get("NextContinuationToken"):
                break
            token = {"ContinuationToken": page["NextContinuationToken"]}
        return found


def _query(name: str, namespace: str, metric: str, dimension: str, value: str) -> dict[str, Any]:
    """What asks for a metric's largest values."""
    told = {"Namespace": namespace, "MetricName": metric, "Dimensions": [{"Name": dimension, "Value": value}]}
    return {"Id": name, "MetricStat": {"Metric": told, "Period": _PERIOD_S, "Stat": "Maximum"}}


def _seen(look: Callable[[], T]) -> T | Unknown:
    """What a look finds, or why it finds nothing: one that fails hides no other."""
    try:
        return look()
    except TailraceError as error:
        return Unknown(str(error))


def status_needs(wanted: Wanted) -> Sequence[Need]:
    """What looking calls, beside what a rollback does."""
    names = wanted.names
    bucket, table = f"arn:${{AWS::Partition}}:s3:::{wanted.bucket}", wanted.settings.state.removeprefix(_TABLE)
    return [
        Need("cloudwatch:GetMetricData", "*"),
        Need("cloudwatch:DescribeAlarms", "*"),
        *(
            need
            for queue in (names.queue, names.dead_letter_queue)
            for need in needs_on(names.arn("sqs", queue), "sqs:GetQueueUrl", "sqs:GetQueueAttributes")
        ),
        Need("s3:ListObjectsV2", bucket),
        Need("dynamodb:Query", names.arn("dynamodb", f"table/{table}")),
    ]
