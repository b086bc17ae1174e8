"""Keys of the role of the instance that this runs on, from its metadata service; they end, and are fetched again before that.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
"""

from __future__ import annotations

import time
from dataclasses import replace
from threading import Lock
from typing import Final
from urllib.parse import quote

import msgspec

from tailrace.clock import Clock
from tailrace.clouds._http import PORTS, Server, ask
from tailrace.clouds.signatures import Keys
from tailrace.errors import Fatal, Retryable
from tailrace.quantities import moment
from tailrace.transport import Answer, endpoint_of

_TOKEN: Final = "/latest/api/token"  # noqa: S105 - a path
_ROLES: Final = "/latest/meta-data/iam/security-credentials/"
_TOKENLESS: Final = (403, 404, 405)
"""How services answer that know nothing of tokens: Eucalyptus', for one."""
_MISSING: Final = 404
_TOKEN_PATIENCE: Final = 1.0
"""Where the answer with the token is dropped on its way (a hop too many), nothing comes; then it is tried without."""
_EARLY_S: Final = 600.0


class _Told(msgspec.Struct):
    AccessKeyId: str
    SecretAccessKey: str
    Token: str
    Expiration: str
    Code: str = "Success"


class InstanceKeys:
    """The keys of an instance's role. Threads may share it."""

    def __init__(self, url: str, clock: Clock, *, role: str = "", patience: float = 5.0) -> None:
        """`url`: of the metadata service. `role`: the instance's only one, if empty. `patience`: for all its answers together.

        Raises UsageError for a URL that is none.
        """
        self._server = Server(endpoint_of(url, {"http": PORTS["http"]}))
        self._clock, self._role, self._patience = clock, role, patience
        self._keys: Keys | None = None
        self._until = 0.0
        self._lock = Lock()

    def read(self, *, anew: bool = False) -> Keys:
        """The keys that are valid now. `anew`: they were refused, and are fetched again.

        Raises Retryable if the service does not answer and there are no keys of before that are still valid, Fatal if the instance has no role.
        """
        with self._lock:
            now = self._clock.now()
            if anew or self._keys is None or now > self._until - _EARLY_S:
                try:
                    self._keys, self._until = self._fetched()
                except Retryable:
                    if anew or self._keys is None or now >= self._until:
                        raise
            return self._keys

    def _fetched(self) -> tuple[Keys, float]:
        until = time.monotonic() + self._patience
        token = self._token()
        role = self._role or self._role_there(token, until)
        answer = self._got(_ROLES + quote(role), token, until)
        if answer.status == _MISSING:
            message = f"the instance has no role {role!r}; give it that, or set access_key and secret_key"
            raise Fatal(message)
        try:
            told = msgspec.json.decode(answer.body, type=_Told)
            if not answer.ok or told.Code != "Success":
                raise self._unusable(answer)
            return Keys(access=told.AccessKeyId, secret=told.SecretAccessKey, token=told.Token), moment(told.Expiration)
        except (msgspec.DecodeError, ValueError):
            raise self._unusable(answer) from None

    def _role_there(self, token: str, until: float) -> str:
        answer = self._got(_ROLES, token, until)
        names = answer.body.decode("utf-8", "replace").split()
        if answer.status == _MISSING or (answer.ok and not names):
            raise Fatal(
                "this instance has no role, and no keys are set; give it a role, or set access_key and secret_key"
            )
        if not answer.ok:
            raise self._unusable(answer)
        return names[0]

    def _token(self) -> str:
        """What the service wants to see with each question; empty where it knows no such thing."""
        headers = {"Host": self._server.host, "X-aws-ec2-metadata-token-ttl-seconds": "300", "Content-Length": "0"}
        patience = min(_TOKEN_PATIENCE, self._patience / 2)
        try:
            answer = ask(replace(self._server, patience=patience), f"PUT {_TOKEN}", headers)
        except Retryable:
            return ""
        if answer.status in _TOKENLESS:
            return ""
        if not answer.ok:
            raise self._unusable(answer)
        return answer.body.decode("latin-1").strip()

    def _got(self, path: str, token: str, until: float) -> Answer:
        headers = {"Host": self._server.host, **({"X-aws-ec2-metadata-token": token} if token else {})}
        patience = max(until - time.monotonic(), 0.1)
        return ask(replace(self._server, patience=patience), f"GET {path}", headers)

    def _unusable(self, answer: Answer) -> Retryable:
        return Retryable(f"the metadata service at {self._server.endpoint} gives no keys now ({answer.status})")
