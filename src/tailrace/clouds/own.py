"""Clouds of `tailrace.toml`: the tables [clouds.NAME]."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tailrace.clouds import services, telling
from tailrace.clouds.cloud import Told, User
from tailrace.clouds.secrets import Vault
from tailrace.clouds.telling import Given, Part
from tailrace.errors import UsageError
from tailrace.privatecloud import PrivateCloud
from tailrace.quantities import Secret
from tailrace.settings import struct_of

Named = Callable[[str, str], User]
"""Finds the keys of a user, or of a profile, by name; the second argument tells who asks."""


@dataclass(frozen=True, slots=True)
class Own:
    """The tables, and how a `user` and a `profile` of theirs are found in others' files."""

    given: Given
    named_user: Named
    named_profile: Callable[[str, str], User | None]

    def names(self) -> Iterable[str]:
        """Their names."""
        for name in self.given.clouds:
            if not name or "@" in name or not name.isprintable() or " " in name:
                message = f"{self._origin(name)}: a cloud's name has no blanks and no @; choose another"
                raise UsageError(message)
            yield name

    def part(self, region: str) -> Part | None:
        """What a table tells. Raises UsageError."""
        if region not in list(self.names()):
            return None
        origin = self._origin(region)
        told = struct_of(PrivateCloud, self.given.clouds[region], origin)
        return Part(
            own=True,
            kind=Told(told.kind, origin) if told.kind else None,
            region=Told(told.region, origin) if told.region else None,
            shared=telling.url(Told(told.endpoint_url, f"{origin} endpoint_url")) if told.endpoint_url else None,
            endpoints=_endpoints(told.endpoints, origin),
            signatures=_by_service(dict(told.signatures), f"{origin} signatures"),
            verify=_verify(told, self.given, origin),
            profile=Told(told.profile, origin) if told.profile else None,
            user=lambda: self._user(told, origin),
        )

    def user(self, name: str) -> User | None:  # noqa: ARG002 - users have tables elsewhere
        """None."""
        return None

    def users(self) -> Iterable[str]:
        """None."""
        return ()

    def default_region(self) -> Told | None:
        """The setting `region`, or --region."""
        return self.given.region

    def _origin(self, name: str) -> str:
        return f"{self.given.origin} [clouds.{name}]"

    def _user(self, told: PrivateCloud, origin: str) -> User | None:
        ways = [name for name in ("access_key", "user", "profile") if getattr(told, name)]
        if told.secret_key and not told.access_key:
            ways.append("secret_key")
        if len(ways) > 1:
            message = f"{origin}: {ways[0]} and {ways[1]} contradict each other; keep one of them"
            raise UsageError(message)
        account = Told(told.account, origin) if told.account else None
        if told.user:
            return self.named_user(told.user, origin)
        if told.profile:
            return self.named_profile(told.profile, origin)
        if not ways:
            return None
        if not (told.access_key and told.secret_key):
            missing = "secret_key" if told.access_key else "access_key"
            message = f"{origin}: {ways[0]} is there, but no {missing}; add it"
            raise UsageError(message)
        return User(
            name=Told("own keys", origin),
            access_key=self._key(told.access_key, origin, "access_key"),
            secret_key=self._key(told.secret_key, origin, "secret_key"),
            session_token=self._key(told.session_token, origin, "session_token") if told.session_token else None,
            account=account,
        )

    def _key(self, secret: Secret, origin: str, option: str) -> Told:
        def client(service: str) -> Any:
            if self.given.client is None:
                message = (
                    f"{origin}: {option} is kept in AWS ({service}), which is not asked here; use env:NAME or file:PATH"
                )
                raise UsageError(message)
            return self.given.client(service)

        where = (
            f"{origin} {secret.told}"
            if secret.told.startswith(("env:", "file:", "ssm:", "secretsmanager:"))
            else origin
        )
        return telling.key(Vault(client, self.given.environ).read(secret), where, option)


def _endpoints(told: dict[str, str], origin: str) -> dict[str, Told]:
    urls = {service: telling.url(Told(url, f"{origin} endpoints.{service}")) for service, url in told.items()}
    return _by_service({service: url.value for service, url in urls.items()}, f"{origin} endpoints")


def _by_service(told: dict[str, str], origin: str) -> dict[str, Told]:
    """By boto3's names. A name of one service counts before one of several. Raises UsageError for a contradiction."""
    found: dict[str, tuple[int, str, str]] = {}
    for name, value in told.items():
        canonical = services.checked(name, origin)
        for service in canonical:
            width, other, before = found.get(service, (9, "", ""))
            if width == len(canonical) and before != value:
                message = (
                    f"{origin}: {other} and {name} are the same service, but tell different things; keep one of them"
                )
                raise UsageError(message)
            if len(canonical) < width:
                found[service] = (len(canonical), name, value)
    return {service: Told(value, f"{origin}.{name}") for service, (_, name, value) in found.items()}


def _verify(told: PrivateCloud, given: Given, origin: str) -> Told | None:
    if told.ca_certificates and not told.verify:
        message = f"{origin}: verify = false and ca_certificates contradict each other; keep one of them"
        raise UsageError(message)
    if told.ca_certificates:
        return Told(str(given.path(told.ca_certificates)), origin)
    return None if told.verify else Told("false", origin)
