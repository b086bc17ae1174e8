"""The API as a whole: a request comes in, an answer goes out, and a line tells of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

from tailrace.clock import Clock
from tailrace.loadbalancer.api import classic, second
from tailrace.loadbalancer.api.accounts import Accounts, Registered
from tailrace.loadbalancer.api.asking import Actions, Asked, Desk
from tailrace.loadbalancer.api.authentication import Signed, signed, use
from tailrace.loadbalancer.api.database import Author, Database
from tailrace.loadbalancer.api.http import Answer, Request
from tailrace.loadbalancer.api.parameters import Parameters, parameters_of
from tailrace.loadbalancer.api.refusals import Refusal, malformed, shown
from tailrace.loadbalancer.api.xml import CLASSIC, FAULT, NAMESPACES, answer, refused

_ACTIONS: Final[dict[str, Actions]] = {"2012-06-01": classic.ACTIONS, "2015-12-01": second.ACTIONS}
_FORM: Final = "application/x-www-form-urlencoded"
Journal = Callable[[dict[str, Any]], None]
"""Is told of each request: who, what, of which load balancer, and how it ended. Nothing secret."""


@dataclass(slots=True)
class _Line:
    """What is told of a request."""

    request: str
    told: dict[str, Any] = field(default_factory=dict)
    namespace: str = FAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Answers requests. Threads may share it."""

    accounts: Callable[[], Accounts]
    database: Database
    desk: Desk
    clock: Clock
    journal: Journal

    def answer(self, request: Request) -> Answer:
        """The answer to a request; raises nothing."""
        line = _Line(str(uuid4()), {"address": request.address, "method": request.method})
        begun = self.clock.monotonic()
        try:
            made = self._answered(request, line)
        except Refusal as error:
            made = self._refused(error, line)
        except Exception as error:  # noqa: BLE001 - whatever it is
            line.told["error"] = type(error).__name__
            made = self._refused(Refusal("InternalFailure", "Internal error", HTTPStatus.INTERNAL_SERVER_ERROR), line)
        self._tell(line, made.status, begun)
        return made

    def refused(self, error: Refusal, address: str) -> Answer:
        """The answer to what is no request."""
        line = _Line(str(uuid4()), {"address": address})
        made = self._refused(error, line)
        self._tell(line, made.status, self.clock.monotonic())
        return made

    def _tell(self, line: _Line, status: int, begun: float) -> None:
        took = round((self.clock.monotonic() - begun) * 1000, 1)
        self.journal(
            {"at": round(self.clock.now(), 3), "request": line.request, **line.told, "status": status, "ms": took}
        )

    def _refused(self, error: Refusal, line: _Line) -> Answer:
        line.told["code"] = error.code
        sender = error.status < HTTPStatus.INTERNAL_SERVER_ERROR
        body = refused(error.code, error.message, line.namespace, line.request, sender=sender)
        return Answer(error.status, body, {"x-amzn-RequestId": line.request})

    def _answered(self, request: Request, line: _Line) -> Answer:
        parameters = _parameters(request)
        version = parameters.get("Version", "")
        line.namespace = NAMESPACES.get(version, FAULT)
        by = signed(request, self.accounts().users, self.clock.now())
        line.told |= {"user": by.user.name, "account": by.user.account, "signature": by.verified.version}
        action = parameters.get("Action", "")
        line.told |= {"action": shown(action), "version": shown(version)}
        if not action:
            msg = "MissingAction"
            raise Refusal(msg, "The request must contain the parameter Action")
        if version not in _ACTIONS:
            message = f"Could not find operation {shown(action)} for version {shown(version) or 'NO_VERSION_SPECIFIED'}"
            msg = "InvalidAction"
            raise Refusal(msg, message)
        return self._done(self._asked(request, parameters, by, line), line)

    def _asked(self, request: Request, parameters: Parameters, by: Signed, line: _Line) -> Asked:
        def seen(balancer: Registered) -> None:
            line.told["balancer"] = str(balancer)

        return Asked(
            action=parameters["Action"],
            version=parameters["Version"],
            parameters=parameters,
            by=Author(by.user, request.address, self.clock.now(), line.request),
            use=partial(use, by, self.database, self.clock.now()),
            seen=seen,
        )

    def _done(self, asked: Asked, line: _Line) -> Answer:
        action = _ACTIONS[asked.version].get(asked.action)
        if action is None:
            if passed := self.desk.forwarded(asked):
                line.told["forwarded"] = True
                return passed
            message = f"Could not find operation {shown(asked.action)} for version {asked.version}"
            msg = "InvalidAction"
            raise Refusal(msg, message)
        made = action(asked, self.desk)
        if isinstance(made, Answer):
            line.told["forwarded"] = True
            return made
        body = answer(asked.action, made, NAMESPACES.get(asked.version, CLASSIC), line.request)
        return Answer(HTTPStatus.OK, body, {"x-amzn-RequestId": line.request})


def _parameters(request: Request) -> dict[str, str]:
    """What is asked for. Raises Refusal."""
    if request.method not in ("GET", "POST"):
        msg = "InvalidHttpRequest"
        raise Refusal(msg, "Only GET and POST are answered", HTTPStatus.METHOD_NOT_ALLOWED)
    if request.method == "GET" and request.body:
        msg = "A GET request has no body"
        raise malformed(msg)
    if request.body and request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        msg = "InvalidHttpRequest"
        raise Refusal(msg, f"The body must be {_FORM}", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    try:
        return parameters_of(request.query, request.body.decode("ascii"))
    except UnicodeDecodeError as error:
        msg = "The body holds characters that have to be written as %XX"
        raise malformed(msg) from error
