"""PutLogEvents as a request of our own: our body, boto's signature, endpoint, credentials and connections.

boto3 itself checks and writes every event in Python, which takes several times as long as all the rest. What an answer means is
told by its code alone. Only an answer that is understood is a success.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from isal import igzip

from tailrace.clouds import failures
from tailrace.errors import Fatal, Retryable, TailraceError
from tailrace.sinks._cloudwatch_batches import Put
from tailrace.sinks._cloudwatch_places import Place

OPERATION: Final = "PutLogEvents"
_OK: Final = 200
_UNAVAILABLE: Final = 503
_PASSING: Final = {
    "InternalFailure", "InternalServerError", "InternalServerException", "LimitExceeded", "OperationAbortedException",
    "PriorRequestNotComplete", "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "RequestTimeout",
    "RequestTimeoutException", "ServiceUnavailable", "ServiceUnavailableException", "SlowDown", "ThrottledException",
    "Throttling", "ThrottlingException", "TooManyRequestsException", "TransactionInProgressException",
}  # fmt: skip
_INVALID: Final = {
    "InvalidParameterException",
    "SerializationException",
    "ValidationException",
    "RequestEntityTooLarge",
}
_TOO_LARGE: Final = 413
_UNSENT: Final = {"ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError", "SSLError"}
"""Errors of the connection before anything was sent."""
_LONGEST_PAUSE: Final = 300


class Missing(Exception):
    """The group or the stream is not there."""


class Invalid(Exception):
    """A request that will never be taken as it is, by its code: an event in it breaks a rule."""


class Doubtful(Retryable):
    """A request may have been taken or not; sent again, its events may be there twice."""


class _Info(msgspec.Struct, rename="camel"):
    too_new_log_event_start_index: int | None = None
    too_old_log_event_end_index: int | None = None
    expired_log_event_end_index: int | None = None


class _Answer(msgspec.Struct, rename="camel"):
    rejected_log_events_info: _Info | None = None


class _Refusal(msgspec.Struct):
    type: str = msgspec.field(default="", name="__type")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the events of a request: those before `too_old` and `expired` and those from `too_new` on were refused.

    `known`: all of them had been taken before.
    """

    too_old: int = 0
    expired: int = 0
    too_new: int | None = None
    known: bool = False

    def reason(self, index: int) -> str:
        """Why an event was refused; empty if it was taken."""
        if index < self.too_old:
            return "too_old"
        if index < self.expired:
            return "expired"
        return "too_new" if self.too_new is not None and index >= self.too_new else ""

    @property
    def all_taken(self) -> bool:
        """Whether no event was refused."""
        return not self.too_old and not self.expired and self.too_new is None


class Wire:
    """Sends requests. Threads may share it."""

    def __init__(self, client: Any, *, compress: bool = False) -> None:
        self._client = client
        self._compress = compress
        self._reached = False
        self._headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "User-Agent": str(client.meta.config.user_agent),
            "X-Amz-Target": f"{client.meta.service_model.metadata['targetPrefix']}.{OPERATION}",
        }
        # boto3 offers no public way to send a body of one's own; these two have been there since its early days.
        self._sign: Callable[[str, Any], None] = client._request_signer.sign  # noqa: SLF001
        self._send: Callable[[Any], Any] = client._endpoint.http_session.send  # noqa: SLF001

    def put(self, put: Put) -> Outcome:
        """Send a request once. Raises Missing, Invalid, Retryable (Doubtful if nobody knows what became of it) and Fatal."""
        try:
            answer = self._asked(put.body)
            status, content = answer.status_code, answer.content
        except failures.raised() as error:
            raise self._unanswered(error, put.place) from error
        self._reached = True
        if status == _OK:
            return _outcome(content, put.place)
        return self._refused(answer, content, put.place)

    def _asked(self, body: bytes) -> Any:
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415 - an optional library

        headers = dict(self._headers)
        if self._compress:
            body = igzip.compress(body, 1)
            headers["Content-Encoding"] = "gzip"
        request = AWSRequest("POST", self._client.meta.endpoint_url, headers, body)
        self._sign(OPERATION, request)
        return self._send(request.prepare())

    def _unanswered(self, error: Exception, place: Place) -> TailraceError:
        what, code = f"the log group {place.group}", failures.code_of(error)
        if self._reached and code in _UNSENT:
            return Retryable(f"{what} cannot be reached now ({code})")
        lasting: Fatal | None = failures.fatal(error, what, self._client)
        return lasting or Doubtful(f"nothing is known of what was sent to {what} ({code})")

    def _refused(self, answer: Any, content: bytes, place: Place) -> Outcome:
        from botocore.exceptions import ClientError  # noqa: PLC0415 - an optional library

        status, code = answer.status_code, _code(answer, content)
        if code == "DataAlreadyAcceptedException":
            return Outcome(known=True)
        if code == "ResourceNotFoundException":
            raise Missing
        if code in _INVALID or status == _TOO_LARGE:
            raise Invalid(code or str(status))
        error = ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, OPERATION)
        meant = told(error, f"the log group {place.group}", self._client, _pause(answer))
        if status >= 500 and status != _UNAVAILABLE:  # noqa: PLR2004 - HTTP
            raise Doubtful(str(meant), _pause(answer))
        raise meant


def _outcome(content: bytes, place: Place) -> Outcome:
    try:
        info = msgspec.json.decode(content, type=_Answer).rejected_log_events_info or _Info()
    except msgspec.DecodeError as error:
        message = f"the answer for the log group {place.group} is cut off or not of CloudWatch Logs"
        raise Doubtful(message) from error
    return Outcome(
        too_old=info.too_old_log_event_end_index or 0,
        expired=info.expired_log_event_end_index or 0,
        too_new=info.too_new_log_event_start_index,
    )


def told(error: Exception, what: str, client: Any, after: float | None = None) -> TailraceError:
    """What the failure of a call means for the log group that it was about."""
    code, status = failures.code_of(error), failures.status_of(error)
    if code in _PASSING or failures.passing(error):
        return Retryable(f"{what} does not take more now ({code})", after)
    lasting: Fatal | None = failures.fatal(error, what, client)
    if lasting or not status:
        return lasting or Retryable(f"{what} cannot be reached now ({code})")
    return Fatal(f"{failures.endpoint_of(client)} refuses the call for {what} ({code}); look up what that code means")


def _code(answer: Any, content: bytes) -> str:
    """The code of a refusal: in the header, or in the body behind the service's name."""
    code = str(answer.headers.get("x-amzn-errortype") or "")
    if not code:
        try:
            code = msgspec.json.decode(content, type=_Refusal).type
        except msgspec.DecodeError:
            return ""
    return code.partition(":")[0].rpartition("#")[2]


def _pause(answer: Any) -> float | None:
    """For how long the service asks to wait, if it does and if that is no trick."""
    wanted = str(answer.headers.get("retry-after") or "")
    return float(wanted) if wanted.isdecimal() and int(wanted) <= _LONGEST_PAUSE else None
