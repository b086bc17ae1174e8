"""The smoke test: a control object takes the way of logs, and its receipts tell that it came through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from tailrace.deploy.cloud import Cloud
from tailrace.deploy.wanted import Wanted
from tailrace.errors import Fatal, TailraceError
from tailrace.keys import SMOKE
from tailrace.model import Identity
from tailrace.permissions import Need, needs_on
from tailrace.quantities import Duration
from tailrace.receipts import Receipt
from tailrace.state.dynamodb import DynamodbState

_PAUSE: Final = 1.0
_SLOWER: Final = 1.5
_LONGEST_PAUSE: Final = 10.0
_AGAIN_S: Final = 60.0
"""So long after an object another one is sent."""
_FRESH_S: Final = 300.0
"""So much longer a notification may take when it is new."""
_TABLE: Final = "dynamodb:"


class Unproven(Fatal):
    """The control object did not come through."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A control object on its way. `version`: of the object, where its bucket keeps some."""

    item: Identity
    version: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoke:
    """A smoke test of a deployment. `mark`: what makes its objects its own. `fresh`: S3 may not tell of objects yet, for it has just been asked to.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html
    """

    cloud: Cloud
    wanted: Wanted
    mark: str
    fresh: bool = False

    @property
    def prefix(self) -> str:
        """What the keys of control objects begin with."""
        return f"{self.wanted.prefix}{self.wanted.names.account}/{SMOKE}"

    @property
    def expected(self) -> int:
        """How many receipts an object will have."""
        return len(set(self.wanted.settings.to))

    @property
    def patience(self) -> Duration:
        """For how long receipts are waited for."""
        return Duration(self.wanted.own.smoke_timeout + (_FRESH_S if self.fresh else 0))

    def prove(self) -> Sequence[Receipt]:
        """The receipts of a control object. Raises Unproven if there are none in time, or if they tell of records.

        Another object is sent now and then, for the event of one may be lost while its notification is new.
        """
        self._tidy()
        sent: list[Sent] = []
        try:
            receipts = self._awaited(sent)
        finally:
            for each in sent:
                with suppress(TailraceError):  # it is an object of one line, and the test has told what it had to
                    self.cloud("s3:DeleteObject", Bucket=self.wanted.bucket, Key=each.item.key, **each.version)
        for receipt in receipts:
            if receipt.counts.records or receipt.counts.rejects:
                message = f"the control object s3://{receipt.item.name} was read as a log by {receipt.sink}"
                raise Unproven(message)
        return receipts

    def _awaited(self, sent: list[Sent]) -> Sequence[Receipt]:
        clock, pause = self.cloud.clock, _PAUSE
        now = send_at = clock.monotonic()
        until = now + self.patience
        state = DynamodbState(self.wanted.settings.state.removeprefix(_TABLE), self.cloud.of("dynamodb"), clock)
        found: Sequence[Receipt] = ()
        while now < until:
            if now >= send_at:
                sent.append(self._send(len(sent)))
                send_at = now + _AGAIN_S
            found = self._best(state, sent)
            if self._complete(found) >= self.expected:
                return found
            clock.sleep(pause)
            now, pause = clock.monotonic(), min(pause * _SLOWER, _LONGEST_PAUSE)
        raise self._missing(found, sent)

    def _best(self, state: DynamodbState, sent: Sequence[Sent]) -> Sequence[Receipt]:
        """The receipts of the object that has come furthest."""
        receipts = [list(self.cloud.patiently(partial(state.receipts_of, each.item)).values()) for each in sent]
        return max(receipts, key=self._complete)

    def _complete(self, receipts: Sequence[Receipt]) -> int:
        return sum(receipt.state == "complete" for receipt in receipts)

    def _missing(self, found: Sequence[Receipt], sent: Sequence[Sent]) -> Unproven:
        missing = f"{self._complete(found)} of {self.expected} receipts" if found else "no receipt"
        return Unproven(
            f"the control object s3://{sent[0].item.name} had {missing} after {self.patience}; its way is told by the log group"
            f" {self.wanted.names.function_log} and by `tailrace doctor {self.wanted.environment}`"
        )

    def _send(self, number: int) -> Sent:
        key, bucket = f"{self.prefix}{self.mark}{f'-{number}' if number else ''}", self.wanted.bucket
        body = f"# Tailrace tries out {self.wanted.names.stack}: this is no log.\n".encode()
        put = self.cloud("s3:PutObject", Bucket=bucket, Key=key, Body=body)
        version = {"VersionId": put["VersionId"]} if put.get("VersionId", "null") != "null" else {}
        return Sent(Identity("s3", bucket, key, put["ETag"].strip('"')), version)

    def _tidy(self) -> None:
        """Remove the control objects of runs that were broken off."""
        with suppress(TailraceError):  # as above
            found = self.cloud("s3:ListObjectsV2", Bucket=self.wanted.bucket, Prefix=self.prefix).get("Contents", ())
            for each in found:
                if each["LastModified"].timestamp() < self.cloud.clock.now() - self.wanted.own.smoke_timeout - _FRESH_S:
                    self.cloud("s3:DeleteObject", Bucket=self.wanted.bucket, Key=each["Key"])


def smoke_needs(wanted: Wanted) -> Sequence[Need]:
    """What a smoke test calls."""
    arn = f"arn:${{AWS::Partition}}:s3:::{wanted.bucket}/{wanted.prefix}*/{SMOKE}*"
    table = wanted.settings.state.removeprefix(_TABLE)
    return [
        *needs_on(arn, "s3:PutObject", "s3:DeleteObject", "s3:DeleteObject?VersionId"),
        Need("s3:ListObjectsV2", f"arn:${{AWS::Partition}}:s3:::{wanted.bucket}"),
        Need("dynamodb:Query", wanted.names.arn("dynamodb", f"table/{table}")),
    ]
