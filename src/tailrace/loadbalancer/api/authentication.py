"""Whose a request is: its signature is checked against the users that there are, and used but once for what changes something.

https://docs.aws.amazon.com/elasticloadbalancing/2012-06-01/APIReference/CommonErrors.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import Final

from tailrace.clouds.direct import signatures
from tailrace.clouds.direct.signatures import Expected, Fault, Verified, verify
from tailrace.loadbalancer.api.accounts import User
from tailrace.loadbalancer.api.database import Database
from tailrace.loadbalancer.api.http import Request
from tailrace.loadbalancer.api.refusals import Refusal

SERVICE: Final = "elasticloadbalancing"
_SPELLINGS: Final = frozenset({SERVICE, "elb", "loadbalancing", "loadbalancer", "lb", "localhost"})
"""As what boto 2 signs for us: it takes the first part of the host for the name of the service."""
_NUMBER: Final = re.compile(r"[0-9]{1,3}")
_KEPT_S: Final = 2 * signatures.TOLERANCE_S + 60
"""A signature may be made so much ahead of our clock, and is valid for as long after."""
_SAME_TIME_S: Final = 5.0
"""Whoever asks for the same twice in a second signs the same: a client that is told to slow down signs anew."""
_CODES: Final[Mapping[Fault, tuple[str, int]]] = {
    Fault.ABSENT: ("MissingAuthenticationToken", HTTPStatus.FORBIDDEN),
    Fault.MALFORMED: ("IncompleteSignature", HTTPStatus.BAD_REQUEST),
    Fault.UNKNOWN_KEY: ("InvalidClientTokenId", HTTPStatus.FORBIDDEN),
    Fault.WRONG: ("SignatureDoesNotMatch", HTTPStatus.FORBIDDEN),
    Fault.TOO_OLD: ("RequestExpired", HTTPStatus.BAD_REQUEST),
    Fault.TOO_NEW: ("RequestExpired", HTTPStatus.BAD_REQUEST),
    Fault.SCOPE: ("SignatureDoesNotMatch", HTTPStatus.FORBIDDEN),
    Fault.BODY: ("SignatureDoesNotMatch", HTTPStatus.FORBIDDEN),
}
_MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key"
    " and signing method. Consult the service documentation for details."
)


@dataclass(frozen=True, slots=True)
class Signed:
    """Whose a request is, and by which signature."""

    user: User
    verified: Verified


def signed(request: Request, users: Mapping[str, User], now: float) -> Signed:
    """Whose a request is. Raises Refusal."""

    def secret_of(access_key: str) -> str | None:
        user = users.get(access_key)
        return user.secret_key if user else None

    try:
        told = verify(_as_signed(request), secret_of, _expected(request), now)
    except signatures.Refused as error:
        raise _refusal(error) from error
    if (
        now - told.at > signatures.TOLERANCE_S
    ):  # a query may be signed for longer, but then it could be used again later
        msg = "RequestExpired"
        raise Refusal(msg, "The request was signed more than 15 minutes ago")
    if told.token:
        msg = "InvalidClientTokenId"
        raise Refusal(msg, "The security token included in the request is invalid.", HTTPStatus.FORBIDDEN)
    return Signed(users[told.access_key], told)


def use(by: Signed, database: Database, now: float) -> None:
    """Use up the signature of a request that changes something. Raises Refusal if it was used before."""
    digest = sha256(f"{by.verified.access_key}\n{by.verified.signature}".encode()).digest()
    before = database.use(digest, now, now - _KEPT_S)
    if before is None:
        return
    if 0 <= now - before < _SAME_TIME_S:
        msg = "Throttling"
        raise Refusal(msg, "Rate exceeded: the same request was made a moment ago; sign it anew")
    msg = "RequestExpired"
    raise Refusal(msg, "The signature of this request was used before; sign it anew")


def _expected(request: Request) -> Expected:
    """The service's name, or what boto 2 takes for it: the first part of the host, if that names us, or is of an address.

    The host is what the sender says it is: what was signed for any other service, such as s3, must never fit.
    """
    label = request.headers.get("host", "").partition(":")[0].partition(".")[0].lower()
    return Expected(services={SERVICE, label} if label in _SPELLINGS or _NUMBER.fullmatch(label) else {SERVICE})


def _as_signed(request: Request) -> signatures.Request:
    return signatures.Request(request.method, request.path, request.query, tuple(request.headers.items()), request.body)


def _refusal(error: signatures.Refused) -> Refusal:
    code, status = _CODES[error.fault]
    text = str(error)
    told = {
        Fault.ABSENT: "Request is missing Authentication Token",
        Fault.UNKNOWN_KEY: "The security token included in the request is invalid.",
        Fault.WRONG: _MISMATCH,
    }
    return Refusal(code, told.get(error.fault, f"{text[:1].upper()}{text[1:]}"), status)
