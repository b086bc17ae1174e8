"""The signatures of AWS's API, made and checked: version 4 in headers and in queries, version 2 in queries, and HMAC-SHA1 of S3.

With the standard library only, for those who may not load boto3, and for servers.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final, Literal

from tailrace.clouds.direct.canonical import (
    STAMP,
    V4,
    Keys,
    Request,
    Scope,
    canonical_v4,
    content_md5,
    credential_scope,
    joined,
    keyed,
    pairs_of,
    quoted,
    signature_v4,
    stamp_of,
    text_s3,
    text_v2,
)  # fmt: skip
from tailrace.errors import TailraceError
from tailrace.quantities import moment

__all__ = [
    "TOLERANCE_S", "UNSIGNED", "Expected", "Fault", "Keys", "Refused", "Request", "Scope", "Secrets", "Verified", "content_md5",
    "presign_v4", "sign_s3", "sign_v2", "sign_v4", "verify",
]  # fmt: skip

UNSIGNED: Final = "UNSIGNED-PAYLOAD"
"""Stands for the hash of a body that is not signed."""
TOLERANCE_S: Final = 15 * 60
"""A request may be so much older, or newer, than the clock of whoever checks it."""
_LONGEST_S: Final = 7 * 24 * 3600
_PARTS: Final = {"Credential", "SignedHeaders", "Signature"}
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


Secrets = Callable[[str], str | None]
"""The secret of an access key, None if there is no such key."""


class Fault(StrEnum):
    """What can be wrong with a signature."""

    ABSENT = "absent"
    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown key"
    WRONG = "wrong"
    TOO_OLD = "too old"
    TOO_NEW = "too new"
    SCOPE = "scope"
    BODY = "body"
    """The body is not the one whose hash was signed."""


class Refused(TailraceError):
    """A request whose signature does not prove whose it is. The message is meant for whoever sent it, and holds no secret."""

    def __init__(self, fault: Fault, message: str, access_key: str = "") -> None:
        super().__init__(message)
        self.fault, self.access_key = fault, access_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a server takes. `services`: names in signatures of version 4. `region`: empty for any.

    Only a server of S3 and of nothing else takes S3's own old signature, presigned queries without the body's hash, and,
    if `unsigned`, bodies that are not signed: such a signature fits any parameters.
    """

    services: Collection[str]
    region: str = ""
    unsigned: bool = False

    @property
    def only_s3(self) -> bool:
        """Whether the server is one of S3."""
        return set(self.services) == {"s3"}


@dataclass(frozen=True, slots=True)
class Verified:
    """Whose a request is. `at`: when it was signed, in seconds since 1970. `token`: must still be looked at by those who give tokens."""

    access_key: str
    version: Literal["v4", "v2", "s3"]
    signature: str
    at: float
    token: str = field(default="", repr=False)


# Making signatures


def sign_v4(request: Request, keys: Keys, scope: Scope, at: float, content: str = "") -> dict[str, str]:
    """The headers to add to a request; all headers that it has now are signed, of which Host must be one.

    `content`: SHA-256 of the body in hex, where the body is not in the request, or UNSIGNED.
    """
    content = content or sha256(request.body).hexdigest()
    added = {"X-Amz-Date": stamp_of(at)}
    if keys.token:
        added["X-Amz-Security-Token"] = keys.token
    if scope.service == "s3":
        added["X-Amz-Content-SHA256"] = content
    whole = Request(request.method, request.path, request.query, [*request.headers, *added.items()])
    names = sorted({name.lower() for name, _ in whole.headers})
    signature = signature_v4(
        canonical_v4(whole, names, content, scope.service), keys.secret, scope, added["X-Amz-Date"]
    )
    credential = f"{keys.access}/{credential_scope(added['X-Amz-Date'], scope)}"
    told = f"{V4} Credential={credential}, SignedHeaders={';'.join(names)}, Signature={signature}"
    return {**added, "Authorization": told}


def presign_v4(request: Request, keys: Keys, scope: Scope, at: float, expires: int) -> str:
    """The query with which anybody may make this request for `expires` seconds; its headers, of which Host must be one, are signed."""
    stamp = stamp_of(at)
    names = sorted({name.lower() for name, _ in request.headers})
    told = {
        "X-Amz-Algorithm": V4,
        "X-Amz-Credential": f"{keys.access}/{credential_scope(stamp, scope)}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(expires),
        "X-Amz-SignedHeaders": ";".join(names),
    }
    if keys.token:
        told["X-Amz-Security-Token"] = keys.token
    query = "&".join(filter(None, [request.query, *(f"{name}={quoted(value)}" for name, value in told.items())]))
    whole = Request(request.method, request.path, query, request.headers)
    content = UNSIGNED if scope.service == "s3" else sha256(request.body).hexdigest()
    signature = signature_v4(canonical_v4(whole, names, content, scope.service), keys.secret, scope, stamp)
    return f"{query}&X-Amz-Signature={signature}"


def sign_v2(request: Request, parameters: Mapping[str, str], keys: Keys, at: float) -> str:
    """The parameters of a request with its signature, encoded: its query if it is GET, its body if it is POST. Host must be among its headers."""
    told = {
        **parameters,
        "AWSAccessKeyId": keys.access,
        "SignatureVersion": "2",
        "SignatureMethod": "HmacSHA256",
        "Timestamp": datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if keys.token:
        told["SecurityToken"] = keys.token
    pairs = sorted((name.encode(), value.encode()) for name, value in told.items())
    text = text_v2(request.method, request.header("host").lower(), request.path, pairs)
    return f"{joined(pairs)}&Signature={quoted(keyed(keys.secret, text, 'sha256'))}"


def sign_s3(request: Request, keys: Keys, at: float) -> dict[str, str]:
    """The headers to add to a request to S3, signed as before version 4; its path must begin with the bucket, after the endpoint's own path."""
    added = {"Date": formatdate(int(at), usegmt=True)}
    if keys.token:
        added["X-Amz-Security-Token"] = keys.token
    whole = Request(request.method, request.path, request.query, [*request.headers, *added.items()])
    return {**added, "Authorization": f"AWS {keys.access}:{keyed(keys.secret, text_s3(whole), 'sha1')}"}


# Checking them


def verify(request: Request, secret_of: Secrets, expected: Expected, now: float) -> Verified:
    """Whose a request is, as its signature proves. `now`: in seconds since 1970.

    What is signed in the body of a POST, or in the query of any other method, is all that there is: the other one must be empty. Raises Refused.
    """
    try:
        "".join([request.method, *(text for pair in request.headers for text in pair)]).encode("latin-1")
        (request.path + request.query).encode("ascii")
        authorization = request.header("authorization")
        pairs = pairs_of(request.query)
    except UnicodeError:
        raise Refused(Fault.MALFORMED, "the request holds characters that HTTP does not allow") from None
    names = {name for name, _ in pairs}
    in_query = b"X-Amz-Algorithm" in names or b"X-Amz-Signature" in names
    if authorization and (in_query or b"AWSAccessKeyId" in names):
        raise Refused(Fault.MALFORMED, "the request is signed twice: in Authorization and in the query; sign it once")
    if in_query:
        return _verify_presigned(request, secret_of, expected, now)
    if not authorization:
        return _verify_v2(request, secret_of, expected, now)
    if authorization.startswith(V4):
        return _verify_v4(request, secret_of, expected, now)
    if authorization.startswith("AWS ") and expected.only_s3:
        return _verify_s3(request, secret_of, now)
    raise Refused(Fault.MALFORMED, "Authorization holds no signature that is known here; sign with version 4")


def _verify_v4(request: Request, secret_of: Secrets, expected: Expected, now: float) -> Verified:
    parts = [part.strip().partition("=")[::2] for part in request.header("authorization")[len(V4) :].split(",")]
    told = dict(parts)
    if set(told) != _PARTS or len(parts) != len(_PARTS):
        raise Refused(Fault.MALFORMED, "Authorization must hold Credential, SignedHeaders and Signature, each once")
    access, day, scope = _scope_of(told["Credential"])
    secret = _secret(access, secret_of)
    dated = "x-amz-date" if request.header("x-amz-date") else "date"
    at = _stamped(request.header(dated))
    _check_time(at, now, access)
    _check_scope(day, scope, at, expected, access)
    names = _signed_names(told["SignedHeaders"], request, ("x-amz-", dated))
    content = _content_of(request, expected, access)
    text = canonical_v4(request, names, content, scope.service)
    _compare(signature_v4(text, secret, scope, stamp_of(at)), told["Signature"], access)
    return Verified(access, "v4", told["Signature"], at, request.header("x-amz-security-token"))


def _verify_presigned(request: Request, secret_of: Secrets, expected: Expected, now: float) -> Verified:
    told = _told_once(pairs_of(request.query))
    if told.get("X-Amz-Algorithm") != V4:
        raise Refused(Fault.MALFORMED, f"X-Amz-Algorithm must be {V4}")
    access, day, scope = _scope_of(told.get("X-Amz-Credential", ""))
    secret = _secret(access, secret_of)
    at, expires = _stamped(told.get("X-Amz-Date", "")), told.get("X-Amz-Expires", "")
    if not re.fullmatch(r"[0-9]{1,6}", expires) or not 1 <= int(expires) <= _LONGEST_S:
        raise Refused(Fault.MALFORMED, "X-Amz-Expires must be a number of seconds from 1 to 604800", access)
    _check_time(at, now, access, lasting=float(expires))
    _check_scope(day, scope, at, expected, access)
    names = _signed_names(told.get("X-Amz-SignedHeaders", ""), request, ("x-amz-",))
    content = UNSIGNED if expected.only_s3 else sha256(request.body).hexdigest()
    query = "&".join(each for each in request.query.split("&") if not each.startswith("X-Amz-Signature="))
    text = canonical_v4(Request(request.method, request.path, query, request.headers), names, content, scope.service)
    signature = told.get("X-Amz-Signature", "")
    _compare(signature_v4(text, secret, scope, stamp_of(at)), signature, access)
    return Verified(access, "v4", signature, at, told.get("X-Amz-Security-Token", ""))


def _verify_v2(request: Request, secret_of: Secrets, expected: Expected, now: float) -> Verified:
    told, pairs = _parameters_v2(request)
    access = told.get("AWSAccessKeyId", "")
    if not access or "Signature" not in told or expected.only_s3:
        raise Refused(Fault.ABSENT, "the request is not signed")
    if told.get("SignatureVersion") != "2" or told.get("SignatureMethod") != "HmacSHA256":
        raise Refused(Fault.MALFORMED, "SignatureVersion must be 2 and SignatureMethod HmacSHA256", access)
    secret = _secret(access, secret_of)
    at = _moment(told.get("Timestamp") or "")
    _check_time(at, now, access)
    host = request.header("host")
    # Some clients sign the host with its port, as it is in the header, and some without it.
    hosts = {host, host.lower(), re.sub(r":[0-9]+$", "", host).lower()}
    pairs = [pair for pair in pairs if pair[0] != b"Signature"]
    made = [keyed(secret, text_v2(request.method, each, request.path, pairs), "sha256") for each in sorted(hosts)]
    fitting = [each for each in made if hmac.compare_digest(each.encode(), told["Signature"].encode())]
    _compare((fitting or made)[0], told["Signature"], access)
    return Verified(access, "v2", told["Signature"], at, told.get("SecurityToken", ""))


def _verify_s3(request: Request, secret_of: Secrets, now: float) -> Verified:
    access, colon, signature = request.header("authorization")[len("AWS ") :].strip().rpartition(":")
    if not colon or not access:
        raise Refused(Fault.MALFORMED, "Authorization must be AWS, the access key, a colon, and the signature")
    secret = _secret(access, secret_of)
    at = _stamped(request.header("x-amz-date") or request.header("date"))
    _check_time(at, now, access)
    _compare(keyed(secret, text_s3(request), "sha1"), signature, access)
    if (told := request.header("content-md5")) and told != content_md5(request.body):
        raise Refused(Fault.BODY, "the body is not the one that Content-MD5 tells", access)
    return Verified(access, "s3", signature, at, request.header("x-amz-security-token"))


def _secret(access: str, secret_of: Secrets) -> str:
    secret = secret_of(access)
    if secret is None:
        message = f"there is no access key {access[:128]!r}"
        raise Refused(Fault.UNKNOWN_KEY, message, access)
    return secret


def _compare(made: str, told: str, access: str) -> None:
    if not hmac.compare_digest(made.encode(), told.encode("latin-1", "replace")):
        message = "the signature does not match: check the secret key, and that the request arrives as it was signed"
        raise Refused(Fault.WRONG, message, access)


def _check_time(at: float, now: float, access: str, *, lasting: float = TOLERANCE_S) -> None:
    ours = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    if now > at + lasting:
        message = f"the request was signed {now - at:.0f} s ago, which is too long; here it is {ours}"
        raise Refused(Fault.TOO_OLD, message, access)
    if at > now + TOLERANCE_S:
        message = f"the request was signed {at - now:.0f} s from now; here it is {ours}: set the clock"
        raise Refused(Fault.TOO_NEW, message, access)


def _check_scope(day: str, scope: Scope, at: float, expected: Expected, access: str) -> None:
    if day != stamp_of(at)[:8]:
        message = f"the signature is for the day {day[:16]!r}, the request for {stamp_of(at)[:8]}"
    elif scope.service not in expected.services:
        message = (
            f"the signature is for the service {scope.service[:64]!r}, not {' or '.join(sorted(expected.services))}"
        )
    elif expected.region and scope.region != expected.region:
        message = f"the signature is for the region {scope.region[:64]!r}, not {expected.region}"
    else:
        return
    raise Refused(Fault.SCOPE, message, access)


def _scope_of(credential: str) -> tuple[str, str, Scope]:
    """The access key, the day, and the rest."""
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or parts[4] != "aws4_request" or not parts[0] or not credential.isascii():  # noqa: PLR2004 - of the form that follows
        raise Refused(Fault.MALFORMED, "the credential must be KEY/DAY/REGION/SERVICE/aws4_request")
    return parts[0], parts[1], Scope(parts[2], parts[3])


def _signed_names(told: str, request: Request, needed: tuple[str, ...]) -> list[str]:
    """The names of signed headers; Host, and each that begins as one of `needed`, has to be one of them."""
    names = told.lower().split(";")
    present = {name.lower() for name, _ in request.headers}
    if names != sorted(set(names)) or not present.issuperset(names):
        raise Refused(Fault.MALFORMED, "SignedHeaders must name headers that there are, in alphabetical order")
    missing = {"host"} | {name for name in present if name.startswith(needed)}
    if lacking := sorted(missing.difference(names)):
        message = f"these headers have to be signed: {', '.join(lacking)[:256]}"
        raise Refused(Fault.MALFORMED, message)
    return names


def _content_of(request: Request, expected: Expected, access: str) -> str:
    """The hash that was signed, if the body is the one that it tells of."""
    made = sha256(request.body).hexdigest()
    told = request.header("x-amz-content-sha256") or made
    if told == UNSIGNED and expected.unsigned and expected.only_s3:
        return told
    if not _SHA256.fullmatch(told):
        message = f"x-amz-content-sha256 must be the SHA-256 of the body in hex, not {told[:64]!r}"
        raise Refused(Fault.MALFORMED, message, access)
    if not hmac.compare_digest(told, made):
        raise Refused(Fault.BODY, "the body is not the one that x-amz-content-sha256 tells", access)
    return told


def _parameters_v2(request: Request) -> tuple[dict[str, str], list[tuple[bytes, bytes]]]:
    """All parameters by name, and as they are signed."""
    try:
        body = request.body.decode("ascii") if request.method == "POST" else ""
    except UnicodeError:
        raise Refused(Fault.ABSENT, "the request is not signed") from None
    source, other = (body, request.query) if request.method == "POST" else (request.query, request.body)
    pairs = pairs_of(source)
    if b"Signature" in {name for name, _ in pairs} and other:
        raise Refused(Fault.MALFORMED, "parameters stand in the query or in the body, but not in both")
    return _told_once(pairs), sorted(pairs)


def _told_once(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Parameters by name. Each may be there but once, for nobody knows which one would be meant."""
    told: dict[str, str] = {}
    for name, value in pairs:
        key = name.decode("utf-8", "replace")
        if key in told:
            message = f"the parameter {key[:64]!r} is there twice"
            raise Refused(Fault.MALFORMED, message)
        told[key] = value.decode("utf-8", "replace")
    return told


def _stamped(told: str) -> float:
    """The moment that a header or a query names, as version 4 writes it or as HTTP does."""
    try:
        if re.fullmatch(r"[0-9]{8}T[0-9]{6}Z", told):
            return datetime.strptime(told, STAMP).replace(tzinfo=UTC).timestamp()
        return parsedate_to_datetime(told).timestamp()
    except (ValueError, OverflowError):
        raise Refused(Fault.MALFORMED, "the request needs its date: X-Amz-Date as in 20261122T080000Z") from None


def _moment(told: str) -> float:
    """The moment that Timestamp names; UTC if it names no zone."""
    try:
        return moment(told)
    except ValueError:
        raise Refused(Fault.MALFORMED, "Timestamp must be a time as in 2026-11-22T08:00:00Z") from None
