"""The smoke test: a control object takes the way of logs, and its receipts tell that it came through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from tailrace.deploy.cloud import Cloud
from tailrace.deploy.wanted import Wanted
from tailrace.errors import Fatal, TailraceError
from tailrace.keys import SMOKE
from tailrace.model import Identity
from tailrace.permissions import Need, needs_on
from tailrace.receipts import Receipt
from tailrace.state.dynamodb import DynamodbState

_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 5.0
_TABLE: Final = "dynamodb:"


class Unproven(Fatal):
    """The control object did not come through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoke:
    """A smoke test of a deployment. `mark`: what makes this one's object its own."""

    cloud: Cloud
    wanted: Wanted
    mark: str

    @property
    def key(self) -> str:
        """The key of the control object."""
        return f"{self.wanted.prefix}{self.wanted.names.account}/{SMOKE}{self.mark}"

    @property
    def expected(self) -> int:
        """How many receipts the object will have."""
        return len(set(self.wanted.settings.to))

    def prove(self) -> Sequence[Receipt]:
        """The receipts of a control object. Raises Unproven if there are none in time, or if they tell of records."""
        self._tidy()
        body = f"# Tailrace tries out {self.wanted.names.stack}: this is no log.\n".encode()
        put = self.cloud("s3:PutObject", Bucket=self.wanted.bucket, Key=self.key, Body=body)
        try:
            receipts = self._awaited(Identity("s3", self.wanted.bucket, self.key, put["ETag"].strip('"')))
        finally:
            self._remove(put)
        for receipt in receipts:
            if receipt.counts.records or receipt.counts.rejects:
                message = f"the control object s3://{self.wanted.bucket}/{self.key} was read as a log by {receipt.sink}"
                raise Unproven(message)
        return receipts

    def _awaited(self, item: Identity) -> Sequence[Receipt]:
        clock, patience = self.cloud.clock, self.wanted.own.smoke_timeout
        until, pause, found = clock.monotonic() + patience, _PAUSE, list[Receipt]()
        table = self.wanted.settings.state.removeprefix(_TABLE)
        state = DynamodbState(table, self.cloud.of("dynamodb"), clock)
        while clock.monotonic() < until:
            found = list(self.cloud.patiently(lambda: state.receipts_of(item)).values())
            if sum(receipt.state == "complete" for receipt in found) >= self.expected:
                return found
            clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        missing = f"{len(found)} of {self.expected} receipts" if found else "no receipt"
        message = (
            f"the control object s3://{item.name} had {missing} after {patience}; its way is told by the log group"
            f" {self.wanted.names.function_log} and by `tailrace doctor {self.wanted.environment}`"
        )
        raise Unproven(message)

    def _tidy(self) -> None:
        """Remove the control objects of runs that were broken off."""
        prefix = self.key.removesuffix(self.mark)
        with suppress(TailraceError):  # as below
            found = self.cloud("s3:ListObjectsV2", Bucket=self.wanted.bucket, Prefix=prefix).get("Contents", ())
            for each in found:
                if each["LastModified"].timestamp() < self.cloud.clock.now() - self.wanted.own.smoke_timeout:
                    self.cloud("s3:DeleteObject", Bucket=self.wanted.bucket, Key=each["Key"])

    def _remove(self, put: Mapping[str, Any]) -> None:
        version = {"VersionId": put["VersionId"]} if put.get("VersionId", "null") != "null" else {}
        with suppress(TailraceError):  # it is an object of one line, and the test has told what it had to
            self.cloud("s3:DeleteObject", Bucket=self.wanted.bucket, Key=self.key, **version)


def smoke_needs(wanted: Wanted) -> Sequence[Need]:
    """What a smoke test calls."""
    arn = f"arn:${{AWS::Partition}}:s3:::{wanted.bucket}/{wanted.prefix}*/{SMOKE}*"
    table = wanted.settings.state.removeprefix(_TABLE)
    return [
        *needs_on(arn, "s3:PutObject", "s3:DeleteObject", "s3:DeleteObject?VersionId"),
        Need("s3:ListObjectsV2", f"arn:${{AWS::Partition}}:s3:::{wanted.bucket}"),
        Need("dynamodb:Query", wanted.names.arn("dynamodb", f"table/{table}")),
    ]
