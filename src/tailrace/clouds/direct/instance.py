"""Keys of the role of the instance that this runs on; they end, and are fetched again before that.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
"""

from __future__ import annotations

from threading import Lock
from typing import Final, Protocol
from urllib.parse import quote

import msgspec

from tailrace.clock import Clock
from tailrace.clouds.direct.signatures import Keys
from tailrace.errors import Fatal, Retryable
from tailrace.quantities import moment

_ROLES: Final = "latest/meta-data/iam/security-credentials/"
_EARLY_S: Final = 600.0
"""New keys are there long before those of before end."""


class Metadata(Protocol):
    """The instance's metadata service."""

    def get(self, path: str) -> str | None:
        """What is at a path; None if there is nothing. Raises Retryable, in a bounded time."""


class _Told(msgspec.Struct):
    AccessKeyId: str = ""
    SecretAccessKey: str = ""
    Token: str = ""
    Expiration: str = ""
    Code: str = "Success"


class InstanceKeys:
    """The keys of an instance's role. Threads may share it."""

    def __init__(self, metadata: Metadata, clock: Clock, role: str = "") -> None:
        """`role`: the instance's only one, if empty."""
        self._metadata, self._clock, self._role = metadata, clock, role
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
        role = self._role or self._only_role()
        answer = self._metadata.get(_ROLES + quote(role, safe=""))
        if answer is None:
            message = f"the instance has no role {role!r}; give it that, or set access_key and secret_key"
            raise Fatal(message)
        try:
            told = msgspec.json.decode(answer, type=_Told)
            until = moment(told.Expiration)
        except (msgspec.DecodeError, ValueError) as error:
            raise Retryable("the metadata service gives what are no keys; they are asked for again") from error
        if told.Code != "Success" or not told.AccessKeyId or not told.SecretAccessKey:
            message = f"the metadata service has no keys of the role {role!r} now ({told.Code[:64]!r})"
            raise Retryable(message)
        return Keys(access=told.AccessKeyId, secret=told.SecretAccessKey, token=told.Token), until

    def _only_role(self) -> str:
        names = (self._metadata.get(_ROLES) or "").split()
        if not names:
            raise Fatal(
                "this instance has no role, and no keys are set; give it a role, or set access_key and secret_key"
            )
        return names[0]
