"""Puts objects into a cloud's object store without boto3, in a few megabytes of memory: what the agent on a load balancer does."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import md5, sha256
from ssl import SSLContext
from typing import BinaryIO, Final, Literal, NamedTuple, Protocol
from urllib.parse import quote

from tailrace.clock import Clock
from tailrace.clouds import failures
from tailrace.clouds.cloud import Cloud, User
from tailrace.clouds.direct.http import PORTS, Server, ask, check
from tailrace.clouds.direct.signatures import Keys, Request, Scope, sign_s3, sign_v4
from tailrace.errors import Fatal, Retryable, TailraceError, UsageError
from tailrace.quantities import Secret
from tailrace.transport import UNAUTHORIZED, Answer, Endpoint, Tls, endpoint_of, passing, retry_after

_PIECE: Final = 256 << 10
_CODE: Final = re.compile(rb"<Code>([A-Za-z0-9._-]{1,64})</Code>")
_MD5: Final = re.compile(r'"?([0-9a-f]{32})"?')
_PASSING: Final = {
    "400", "BadDigest", "IncompleteBody", "InternalError", "NoSuchKey", "OperationAborted", "RequestTimeout", "ServiceUnavailable", "SlowDown",
    "XAmzContentSHA256Mismatch", "Throttling", "TooManyRequests",
}  # fmt: skip
"""Codes after which the same may be put again, whatever their status. Half a request, which something on the way broke off, Ceph answers with
NoSuchKey, and others with 400 without a code."""
_ENDED: Final = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired"}
"""Codes of keys that were valid once, which come with status 400."""
_NOT_IMPLEMENTED: Final = 501


class Vault(Protocol):
    """Reads secrets from where settings say they are."""

    def read(self, secret: Secret, *, anew: bool = False) -> str:
        """The text itself."""


class KeySource(Protocol):
    """Knows the keys to sign with."""

    def read(self, *, anew: bool = False) -> Keys:
        """The keys that are valid now; `anew`: those of before were refused. Raises Fatal, Retryable, UsageError."""


class UserKeys:
    """The keys of a user, who was found in settings and files."""

    def __init__(self, user: User, vault: Vault) -> None:
        self._user, self._vault = user, vault

    def read(self, *, anew: bool = False) -> Keys:
        """The keys, each of which may be a reference."""
        token = self._user.session_token
        told = [self._user.access_key.value, self._user.secret_key.value, token.value if token else ""]
        access, secret, session = (self._vault.read(Secret(each), anew=anew) if each else "" for each in told)
        if not access or not secret:
            message = f"{self._user.name.value} has no access key, or no secret key; set both"
            raise UsageError(message)
        return Keys(access=access, secret=secret, token=session)


@dataclass(frozen=True, slots=True)
class Target:
    """An object store. `url`: with port and path; `verify`: true, false, or a file of authorities."""

    url: str
    region: str
    signature: Literal["v2", "v4"] = "v4"
    verify: str = "true"


def target_of(cloud: Cloud) -> Target:
    """The object store of a cloud. Raises UsageError if it has none."""
    endpoint = cloud.endpoints.get("s3") or cloud.shared
    if endpoint is None:
        message = f"the cloud {cloud.name} has no endpoint of s3; write it into [clouds.{cloud.name}.endpoints]"
        raise UsageError(message)
    old = endpoint.signature.value == "v2"
    return Target(endpoint.url.value, cloud.region.value or cloud.name, "v2" if old else "v4", cloud.verify.value)


class _Measured(NamedTuple):
    """What is told of a body before it is sent."""

    length: int
    md5: bytes
    sha256: str


class Putting:
    """Puts objects into a store, path style, each with its length and its sums, so that no part of one is taken for the whole.

    Threads may share it. Redirects are not followed: nothing goes where nobody has sent it.
    """

    def __init__(self, target: Target, keys: KeySource, clock: Clock, *, patience: float = 60.0) -> None:
        """Does not connect yet. Raises UsageError for a URL or a file of authorities that cannot be used."""
        endpoint = endpoint_of(target.url, PORTS)
        self._server = Server(endpoint, _context(target, endpoint), patience)
        self._target, self._keys, self._clock = target, keys, clock
        self._where = f"{endpoint}{endpoint.path.rstrip('/')}"

    def put(self, bucket: str, key: str, body: BinaryIO, headers: Mapping[str, str]) -> None:
        """Make an object of all that is in `body`, which can be read again from its start; whole or not at all.

        Raises Retryable if it cannot be done now, Fatal or UsageError if something has to be put right first.
        """
        check(f"{name}: {value}" for name, value in headers.items())
        measured = _measured(body)
        keys = self._keys.read()
        answer = self._sent(f"/{quote(bucket)}/{quote(key, safe='/-_.~')}", body, measured, headers, keys)
        ended = answer.status in UNAUTHORIZED or _code_of(answer) in _ENDED
        if ended and (others := self._keys.read(anew=True)) != keys:
            answer = self._sent(f"/{quote(bucket)}/{quote(key, safe='/-_.~')}", body, measured, headers, others)
        if not answer.ok:
            raise self._refusal(answer, bucket, key)
        etag = _MD5.fullmatch(answer.headers.get("etag", ""))
        if etag and etag[1] != measured.md5.hex() and not _encrypted(answer):
            message = f"{self._where} stored something else than was sent as {bucket}/{key}; it is put again"
            raise Retryable(message)

    def _sent(
        self, path: str, body: BinaryIO, measured: _Measured, headers: Mapping[str, str], keys: Keys
    ) -> Answer:  # fmt: skip
        path = self._server.endpoint.path.rstrip("/") + path
        told = {
            "Host": self._server.host,
            "Content-Length": str(measured.length),
            "Content-MD5": b64encode(measured.md5).decode(),
            **headers,
        }
        request = Request("PUT", path, "", list(told.items()))
        if self._target.signature == "v2":
            told |= sign_s3(request, keys, self._clock.now())
        else:
            scope = Scope(self._target.region, "s3")
            told |= sign_v4(request, keys, scope, self._clock.now(), measured.sha256)
        return ask(self._server, f"PUT {path}", told, _pieces(body, measured.length))

    def _refusal(self, answer: Answer, bucket: str, key: str) -> TailraceError:
        code = _code_of(answer)
        if 300 <= answer.status < 400:  # noqa: PLR2004 - as HTTP defines them
            place = answer.headers.get("location", "").partition("?")[0] or "elsewhere"
            return Fatal(
                f"{self._where} sends {bucket} {place[:256]!r}; nothing is sent there: set that as its endpoint"
            )
        what = f"the object {bucket}/{key}"
        if code in _PASSING or (passing(answer.status) and answer.status != _NOT_IMPLEMENTED):
            return Retryable(
                f"{what} cannot be put at {self._where} now ({code})", retry_after(answer, self._clock.now())
            )
        told = failures.code_of_bucket(code, what, bucket, self._where)
        return told or Fatal(
            f"{self._where} does not take {what} ({code}); check the bucket, its name, and the settings"
        )


def _code_of(answer: Answer) -> str:
    match = _CODE.search(answer.body)
    return match[1].decode() if match else str(answer.status)


def _context(target: Target, endpoint: Endpoint) -> SSLContext | None:
    if endpoint.scheme != "https":
        return None
    own = target.verify not in ("true", "false")
    return Tls(ca=target.verify if own else "", verify=target.verify != "false").context()


def _measured(body: BinaryIO) -> _Measured:
    sums, length = (md5(usedforsecurity=False), sha256()), 0
    for piece in _pieces(body):
        length += len(piece)
        for each in sums:
            each.update(piece)
    return _Measured(length, sums[0].digest(), sums[1].hexdigest())


def _pieces(body: BinaryIO, length: int | None = None) -> Iterator[bytes]:
    """All that is in a body, from its start; exactly so much, if that was told of before."""
    missing = length
    try:
        body.seek(0)
        while missing != 0 and (piece := body.read(_PIECE if missing is None else min(missing, _PIECE))):
            missing = None if missing is None else missing - len(piece)
            yield piece
    except OSError as error:
        message = f"what is to be put into an object cannot be read: {error.strerror}"
        raise Retryable(message) from error
    if missing:
        msg = "what is to be put into an object became shorter while it was sent"
        raise Retryable(msg)


def _encrypted(answer: Answer) -> bool:
    """Whether the etag is no sum of what was sent."""
    told = [value for name, value in answer.headers.items() if name.startswith("x-amz-server-side-encryption")]
    return any(value != "AES256" for value in told)
