"""A search server as one thread speaks to it: requests with authorization, and what their failure means."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from tailrace.clock import Clock
from tailrace.errors import Fatal, Retryable, UsageError
from tailrace.kinds import Surroundings, Vault
from tailrace.quantities import Secret
from tailrace.sinks._bulk_answer import failure, named
from tailrace.transport import UNAUTHORIZED, Answer, Connection, basic, endpoint_of, passing, retry_after

_BAD_REQUEST, _NOT_FOUND = 400, 404
_SCHEMES: Final = {"http": 80, "https": 443}


_NOTHING: Final = Secret("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who sends: at most one of a user with a password, an API key, and AWS's signature for a service."""

    username: str = ""
    password: Secret = _NOTHING
    api_key: Secret = _NOTHING
    aws: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """What a URL names: the server, the path before its API, and the index."""

    server: str
    prefix: str
    index: str

    @property
    def url(self) -> str:
        """As it stands in messages."""
        return f"{self.server}{self.prefix}/{self.index}"


def place_of(address: str) -> Place:
    """Raises UsageError."""
    server = endpoint_of(address, _SCHEMES)
    prefix, _, index = server.path.rpartition("/")
    if not index:
        message = f"{address}: name the index or data stream, as in {server!s}/logs-tailrace-default"
        raise UsageError(message)
    return Place(str(server), prefix, index)


class Authorization(Protocol):
    """Adds to a request who sends it."""

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, anew: bool) -> dict[str, str]:
        """The headers with it. `anew`: what was sent last was refused. Raises UsageError, Fatal, Retryable."""


def authorization(own: Credentials, given: Surroundings) -> Authorization | None:
    """As the settings tell. Raises UsageError if they tell several."""
    told = [name for name, there in (("username", own.username), ("api_key", own.api_key), ("aws", own.aws)) if there]
    if len(told) > 1:
        message = f"{' and '.join(told)} are given; a request can carry only one of them"
        raise UsageError(message)
    if bool(own.password) != bool(own.username):
        raise UsageError("username and password belong together; give both or neither")
    if own.aws:
        return _signed(own.aws, given)
    if own.username:
        return _by_header(own.password, given.vault, lambda secret: basic(own.username, secret))
    if own.api_key:
        return _by_header(own.api_key, given.vault, _api_key)
    return None


def _by_header(secret: Secret, vault: Vault, written: Callable[[str], str]) -> Authorization:
    def authorized(method: str, url: str, headers: Mapping[str, str], body: bytes, *, anew: bool) -> dict[str, str]:  # noqa: ARG001
        return {**headers, "Authorization": written(vault.read(secret, anew=anew))}

    return authorized


def _api_key(secret: str) -> str:
    return f"ApiKey {b64encode(secret.encode()).decode() if ':' in secret else secret}"


def _signed(service: str, given: Surroundings) -> Authorization:
    from tailrace.clouds.signing import Signer  # noqa: PLC0415 - rarely needed

    signer = Signer(given.client("opensearch" if service == "es" else "opensearchserverless"), service)

    def authorized(method: str, url: str, headers: Mapping[str, str], body: bytes, *, anew: bool) -> dict[str, str]:  # noqa: ARG001
        return signer.headers(method, url, headers, body)

    return authorized


class SearchServer:
    """Speaks to one server, for one thread."""

    def __init__(self, place: Place, connection: Connection, authorized: Authorization | None, clock: Clock) -> None:
        self._connection = connection
        self._place, self._authorized, self._clock = place, authorized, clock
        self.where = place.url

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """The answer, whatever its status. Raises Retryable if there is none, and Fatal if the credentials are refused.

        What is refused for its credentials is asked again once, with credentials that are read anew.
        """
        target = f"{self._place.prefix}/{path}"
        for anew in (False, True):
            sent: Mapping[str, str] = headers
            if self._authorized:
                sent = self._authorized(method, f"{self._place.server}{target}", headers, body, anew=anew)
            sent = {name: value for name, value in sent.items() if name.lower() not in {"host", "content-length"}}
            answer = self._connection.request(method, target, sent, body)
            if answer.status not in UNAUTHORIZED or not self._authorized:
                break
        if answer.status in UNAUTHORIZED:
            raise Fatal(self._unauthorized(answer.status))
        return answer

    def _unauthorized(self, status: int) -> str:
        if not self._authorized:
            return f"{self.where} asks for credentials ({status}): set username and password, api_key, or aws"
        return f"{self.where} does not accept the credentials, or they may not write there ({status}): check them and their rights"

    def again(self, answer: Answer) -> Retryable | None:
        """What to raise if the same may be asked again later."""
        if passing(answer.status):
            message = f"{self.where} cannot take records now ({answer.status})"
            return Retryable(message, retry_after(answer, self._clock.now()))
        return None

    def fatal(self, answer: Answer) -> Fatal:
        """What to raise for an answer that will stay the same."""
        kind, _reason = failure(answer.body)
        told = f"{answer.status} {named(kind)}" if kind else str(answer.status)
        return Fatal(f"{self.where} does not do what a search server does ({told}): check the URL, and what is there")

    def check(self, path: str) -> str:
        """Whether bulk requests are answered there; sends an empty one. Raises Retryable and Fatal."""
        answer = self.ask("POST", path, {"Content-Type": "application/x-ndjson"})
        if again := self.again(answer):
            raise again
        if not answer.ok and (answer.status != _BAD_REQUEST or not failure(answer.body)[0]):
            raise self.fatal(answer)
        return f"{self.where} takes bulk requests, and these credentials if it asks for any"

    def json(self, method: str, path: str, document: Any = None) -> Any:
        """What a small request is answered with; None for 404. Raises Retryable, and Fatal with the server's own words."""
        headers = {"Content-Type": "application/json"} if document is not None else {}
        answer = self.ask(method, path, headers, b"" if document is None else msgspec.json.encode(document))
        if again := self.again(answer):
            raise again
        if answer.status == _NOT_FOUND:
            return None
        if not answer.ok:
            kind, reason = failure(answer.body)
            message = f"{self.where}: {method} {path.partition('?')[0]} is refused ({answer.status} {named(kind)}: {reason[:500]})"
            raise Fatal(message)
        try:
            return msgspec.json.decode(answer.body)
        except msgspec.DecodeError:
            raise self.fatal(answer) from None

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self._connection.close()
