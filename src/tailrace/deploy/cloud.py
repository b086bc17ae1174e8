"""Calls to an account of AWS, each made again while it may yet succeed, and told in a sentence where it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from tailrace.clock import Clock
from tailrace.clouds import failures
from tailrace.errors import Fatal, Retryable
from tailrace.permissions import Need
from tailrace.retry import Patience
from tailrace.settings import Retry

T = TypeVar("T")
_LATER: Final = {
    "InternalError", "InternalFailure", "InternalServerError", "LimitExceeded", "OperationAborted", "RequestLimitExceeded",
    "RequestTimeout", "ServiceException", "ServiceUnavailable", "ServiceUnavailableException", "SlowDown", "Throttling",
    "ThrottlingException", "ThrottledException", "TooManyRequestsException",
}  # fmt: skip
_SERVER_ERROR: Final = 500


class Refused(Fatal):
    """A service has understood a call and will not do it. `code`: the service's; `text`: what it said."""

    def __init__(self, call: str, code: str, text: str) -> None:
        super().__init__(f"{call} was refused ({code}){f': {text}' if text else ''}")
        self.code, self.text = code, text


@dataclass(frozen=True, slots=True)
class Cloud:
    """The account and region that are worked in.

    `client`: makes the client of a service, by its name. `lasting`: is told, in a sentence, of what does not pass at once.
    """

    client: Callable[[str], Any]
    clock: Clock
    retry: Retry = field(default_factory=Retry)
    lasting: Callable[[str], None] = lambda _sentence: None
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __call__(self, call: str, **arguments: Any) -> Any:
        """What a call answers, which is named as in `Need`: `lambda:GetAlias`. Raises Refused, Fatal, Retryable."""
        return self.patiently(partial(self._made, call, arguments))

    def patiently(self, call: Callable[[], T]) -> T:
        """What something returns, tried again while it raises Retryable and there is time."""
        return self._patience.trying(call)

    def pages(self, call: str, **arguments: Any) -> Any:
        """The pages of an answer, each with the token of the next as `NextToken`."""
        token: dict[str, Any] = {}
        while True:
            page = self(call, **arguments, **token)
            yield page
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}

    def of(self, service: str) -> Any:
        """The client of a service."""
        if service not in self._clients:
            self._clients[service] = self.client(service)
        return self._clients[service]

    @property
    def region(self) -> str:
        """The region that is worked in."""
        return str(self.of("cloudformation").meta.region_name)

    @property
    def _patience(self) -> Patience:
        def wait(seconds: float) -> bool:
            self.clock.sleep(seconds)
            return False

        return Patience(self.retry, self.clock, wait, lasting=self.lasting)

    def _made(self, call: str, arguments: dict[str, Any]) -> Any:
        from botocore import xform_name  # noqa: PLC0415 - an optional library

        service, _, operation = call.partition(":")
        client = self.of(service)
        try:
            return getattr(client, xform_name(operation))(**arguments)
        except failures.raised() as error:
            raise told(error, call, client) from error


def told(error: Exception, call: str, client: Any) -> Fatal | Retryable:
    """What is to be raised for the error of a call."""
    code, status = failures.code_of(error), failures.status_of(error)
    if code in _LATER or status >= _SERVER_ERROR or isinstance(error, OSError):
        return Retryable(f"{call} is not answered now ({code}) by {failures.endpoint_of(client)}")
    lasting = failures.fatal(error, call, client)
    if lasting and failures.unreachable(error):
        return Retryable(str(lasting))
    if lasting and code != "403":
        return lasting
    response: Any = getattr(error, "response", {})
    return Refused(call, code, str(response.get("Error", {}).get("Message", "") if response else error))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a deployment is: of which account, in which region."""

    partition: str
    region: str
    account: str


def place_of(cloud: Cloud) -> Place:
    """Where these credentials work. Raises Fatal, Retryable, and UsageError without a region, which the call does not need everywhere."""
    region = cloud.region
    arn = str(cloud("sts:GetCallerIdentity")["Arn"])
    _, partition, _service, _everywhere, account, _who = arn.split(":", 5)
    return Place(partition, region, account)


PLACE_NEEDS: Final = (Need("sts:GetCallerIdentity", "*"),)
