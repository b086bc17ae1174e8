"""Amazon CloudWatch Logs: every record an event of a log stream, with its own time.

Requests are as large as they may be and go out several at a time, so that events of a stream do not arrive in the order of
their times; CloudWatch Logs shows them in that order. It does not recognise what it has had before: where the answer to a
request is lost, the request is sent again and its events may be there twice. Receipts keep all else from coming twice.

Refusals: `too_old` (more than 14 days), `expired` (longer ago than the group keeps events), `too_new` (more than 2 hours
ahead), `too_large` (more than 1,048,550 bytes), `empty`, and `invalid` for what is refused with another code.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from typing import Annotated, Any, Final, Literal

import msgspec

from tailrace.clock import Clock
from tailrace.clouds import failures
from tailrace.clouds.recursion import refuse_own_group
from tailrace.errors import Fatal, Retryable, UsageError
from tailrace.kinds import SinkKind, Surroundings
from tailrace.model import NO_TIME, Batch, Flushed, Item, Records, Refusal, Rendering
from tailrace.permissions import Need, log_group, log_stream
from tailrace.sinks._cloudwatch_batches import Gathering, Lot, Put
from tailrace.sinks._cloudwatch_events import Made, Making, formats_of, refusal
from tailrace.sinks._cloudwatch_groups import RETENTIONS, Groups
from tailrace.sinks._cloudwatch_places import DAY_MS, Place, Places
from tailrace.sinks._cloudwatch_senders import Senders
from tailrace.sinks._cloudwatch_wire import Doubtful, Invalid, Missing, Outcome, Wire

_HOPELESS: Final = 100
"""After so many requests in a row that break a rule it is not the records that are wrong."""


class CloudwatchSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set of a log group."""

    stream: str = "{load_balancer}"
    """Name of the log stream; as in the group's, in braces may stand load_balancer, account, region, date (of the record), format, bucket."""
    message: Literal["raw", "json"] = "raw"
    """What an event says: the line as it was logged, or the record as JSON."""
    oversize: Literal["refuse", "cut"] = "refuse"
    """What becomes of an event of more than 1,048,550 bytes: a dead letter, or its beginning is sent."""
    out_of_range: Literal["refuse", "now"] = "refuse"
    """What becomes of records that are too old or too new for CloudWatch: dead letters, or sent with the time of delivery, their own time
    in the message."""
    create_group: bool = False
    """Create log groups that are not there. Streams are always created."""
    retention_days: int = 0
    """For how many days groups that are created keep their events; 0 for ever."""
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    """How many requests are under way at a time, for all workers together."""
    gzip: bool = False
    """Whether requests are compressed: less to send, more to compute. AWS takes that though its API's documentation does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What the sinks of all workers have in common."""

    name: str
    places: Places
    making: Making
    wire: Wire
    groups: Groups
    senders: Senders
    clock: Clock
    allowed: Callable[[str], None]
    """Raises UsageError for a log group that must not be written to."""

    def deliver(self, put: Put) -> Outcome:
        """Send a request; if group or stream are missing, make them and send it again."""
        self.allowed(put.place.group)
        try:
            return self.wire.put(put)
        except Missing:
            self.groups.make(put.place)
        try:
            return self.wire.put(put)
        except Missing as error:
            message = f"the log stream {put.place.stream} of {put.place.group} cannot be used yet, though it was made"
            raise Retryable(message) from error


class CloudwatchSink:
    """Gathers the records of one item at a time into requests, and keeps account of them.

    `timeless`: records without a time, sent with that of delivery. `repeated`: events that were sent once more although
    nobody knows whether they had arrived: so many may be there too often.
    """

    keeps_receipts = True
    rendering: Rendering | None = None

    def __init__(self, shared: Shared) -> None:
        self.name = shared.name
        self.timeless = self.repeated = 0
        self._told = (0, 0)
        self._shared = shared
        self._gathering = Gathering()
        self._waiting: deque[Put] = deque()
        self._flying: dict[Future[Outcome], Put] = {}
        self._refusals: list[Refusal] = []
        self._already = 0
        self._failing = False
        self._invalid = 0
        self._entered = False

    def write(self, item: Item, batch: Batch, part: int) -> None:  # noqa: ARG002 - as every sink
        """Take the records of a batch. Raises Retryable or Fatal, before it has taken any, for what was written earlier."""
        # Once something has failed, nothing more is taken until all is confirmed: so the loop's deadline counts.
        self._drive(0 if self._failing else self._shared.senders.number)
        if not len(batch.records):
            return
        now_ms = int(self._shared.clock.now() * 1000)
        made = self._shared.making.made(batch.records, now_ms)
        for lot in made.lots:
            for place, part_of_lot in self._placed(item, batch.records, lot, now_ms):
                self._waiting.extend(self._gathering.add(place, part_of_lot))
        self._account(made)
        self._launch()

    def _placed(self, item: Item, records: Records, lot: Lot, now_ms: int) -> list[tuple[Place, Lot]]:
        """The events by where they go."""
        places, identity = self._shared.places, item.identity
        formats: list[str] = []
        only: str | None = None
        if places.by_format:
            found = {name for name, _day, _rows in records.partitions()}
            formats = list(formats_of(records)) if len(found) > 1 else []
            only = found.pop()
        if not formats and not places.by_day:
            return [(places.place(identity, None, only), lot)]
        rows: dict[tuple[int | None, str | None], list[int]] = {}
        for number, row in enumerate(lot.rows):
            own = lot.lines.times[row]
            time = now_ms if own == NO_TIME else own
            day = time // DAY_MS if places.by_day else None
            rows.setdefault((day, formats[row] if formats else only), []).append(number)
        return [(places.place(identity, *key), lot.part(numbers)) for key, numbers in rows.items()]

    def _account(self, made: Made) -> None:
        self.timeless += made.timeless
        self._refusals += made.refusals

    def _drive(self, left: int) -> None:
        """Send until so many requests are left. Raises the first failure, after which what failed waits again."""
        while True:
            failure = self._collected()
            if failure:
                self._failing = True
                wait(self._flying)
                raise self._collected() or failure
            self._launch()
            if len(self._waiting) + len(self._flying) <= left:
                self._failing = self._failing and left > 0
                return
            wait(self._flying, return_when=FIRST_COMPLETED)

    def _launch(self) -> None:
        if not self._entered:
            self._entered = True
            self._shared.senders.enter()
        while self._waiting and len(self._flying) < self._shared.senders.number:
            put = self._waiting.popleft()
            self._flying[self._shared.senders.submit(partial(self._shared.deliver, put))] = put

    def _collected(self) -> BaseException | None:
        """Take in all answers that are there; the failure among them that weighs most."""
        errors: list[BaseException] = []
        for future in [future for future in self._flying if future.done()]:
            put, error = self._flying.pop(future), future.exception()
            if error is None:
                self._confirm(put, future.result())
            elif isinstance(error, Invalid):
                errors += self._divide(put, str(error))
            else:
                doubtful = put.doubtful + isinstance(error, Doubtful)
                self._waiting.appendleft(replace(put, doubtful=doubtful))
                errors.append(error)
        lasting = (error for error in errors if not isinstance(error, Retryable))
        return next(lasting, errors[0] if errors else None)

    def _confirm(self, put: Put, outcome: Outcome) -> None:
        self._invalid = 0
        self.repeated += put.doubtful * put.count
        if outcome.known:
            self._already += put.count
        if outcome.all_taken:
            return
        origins = put.origins
        refused = [(index, reason) for index in range(put.count) if (reason := outcome.reason(index))]
        if not self._shared.making.retime or put.retimed:
            self._refusals += [refusal(origins[index], reason) for index, reason in refused]
            return
        events = put.events
        again = [(events[index], origins[index]) for index, _reason in refused]
        made = self._shared.making.again(again, int(self._shared.clock.now() * 1000))
        for lot in made.lots:
            self._waiting.extend(self._gathering.add(put.place, lot))
        self._account(made)

    def _divide(self, put: Put, code: str) -> Iterator[Fatal]:
        """Send the halves of a request that breaks a rule, until the event is found that does; Fatal if all seem to."""
        self._invalid += 1
        if self._invalid > _HOPELESS:
            self._waiting.appendleft(put)
            message = (
                f"nothing that is sent to the log group {put.place.group} is taken ({code}); check its name and class"
            )
            yield Fatal(message)
        elif put.count == 1:
            self._refusals.append(refusal(put.origins[0], "invalid", code))
        else:
            self._waiting.extendleft(reversed(put.halves()))

    def flush(self) -> Flushed:
        """Send what is left and wait for all answers. Raises Retryable or Fatal; then it goes on from there."""
        while True:
            self._waiting.extend(self._gathering.take())
            if not self._waiting and not self._flying:
                break
            self._drive(0)
        flushed = Flushed(
            already=self._already,
            refusals=tuple(self._refusals),
            repeated=self.repeated - self._told[0],
            timeless=self.timeless - self._told[1],
        )
        self._already, self._refusals, self._told = 0, [], (self.repeated, self.timeless)
        return flushed

    def abandon(self) -> None:
        """Forget what was written since the last flush; what is under way may arrive all the same."""
        for future in self._flying:
            future.cancel()
        self._flying = {}
        self._waiting.clear()
        self._gathering.clear()
        self._already, self._refusals, self._failing, self._invalid = 0, [], False, 0
        self.timeless = self._told[1]  # they come again, and are counted then

    def check(self) -> str:
        """Whether the group is there, or will be made. Raises TailraceError with the remedy."""
        group = self._shared.places.fixed_group
        if not group:
            return "its log groups are known only when records come"
        return self._shared.groups.look(group)

    def close(self) -> None:
        """Let go of everything. May be called twice."""
        self.abandon()
        if self._entered:
            self._entered = False
            self._shared.senders.leave()


def _name(group: str, own: CloudwatchSettings, schema: str, client: Any) -> str:
    """The group, and a hash of what changes what arrives where."""
    region, endpoint = str(client.meta.region_name), failures.endpoint_of(client)
    changing = [own.stream, own.message, own.message == "json" and schema, own.oversize, own.out_of_range, region]
    if not any(ours in endpoint for ours in (".amazonaws.", ".api.aws")):
        changing.append(endpoint)
    return f"cloudwatch:{group}#{blake2b(msgspec.json.encode(changing), digest_size=4).hexdigest()}"


def _opened(address: str, own: CloudwatchSettings, given: Surroundings) -> Callable[[], CloudwatchSink]:
    if not address:
        raise UsageError("cloudwatch needs the name of a log group; write --to cloudwatch:/logs/alb")
    if own.retention_days and (own.retention_days not in RETENTIONS or not own.create_group):
        message = (
            f"retention_days: {own.retention_days} needs create_group=true"
            if own.retention_days in RETENTIONS
            else f"retention_days: expected one of {', '.join(map(str, RETENTIONS))}, not {own.retention_days}"
        )
        raise UsageError(message)
    Places(address, own.stream, "")  # what is wrong with it is told before what may be wrong with the cloud
    allowed = partial(refuse_own_group, environ=given.environ)
    allowed(address)
    client = given.client("logs")
    shared = Shared(
        name=_name(address, own, given.settings.schema, client),
        places=Places(address, own.stream, str(client.meta.region_name)),
        making=Making(
            schema=given.settings.schema if own.message == "json" else None,
            cut=own.oversize == "cut",
            retime=own.out_of_range == "now",
        ),
        wire=Wire(client, compress=own.gzip),
        groups=Groups(client, create=own.create_group, retention=own.retention_days),
        senders=Senders(own.concurrency, client.close),
        clock=given.clock,
        allowed=allowed,
    )
    return partial(CloudwatchSink, shared)


def _needs(address: str, own: CloudwatchSettings) -> Sequence[Need]:
    # `check` looks for the group too, and says so where it may not.
    group = log_group(address)
    found = [Need("logs:PutLogEvents", log_stream(address, own.stream)), Need("logs:CreateLogStream", group)]
    if own.create_group:
        found.append(Need("logs:CreateLogGroup", group))
    if own.create_group and own.retention_days:
        found.append(Need("logs:PutRetentionPolicy", group))
    return found


SINK = SinkKind(
    form="cloudwatch:GROUP",
    about="a log group of Amazon CloudWatch Logs; each record an event with its own time (see docs/cloudwatch.md)",
    settings=CloudwatchSettings,
    open=_opened,
    needs=_needs,
)
