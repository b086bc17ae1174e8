"""Clouds of `tailrace.toml`: the tables [clouds.NAME]."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from tailrace.clouds import services
from tailrace.clouds.cloud import Told, User
from tailrace.clouds.finding import telling
from tailrace.clouds.finding.telling import Given, Part
from tailrace.clouds.secrets import Vault
from tailrace.errors import UsageError
from tailrace.privatecloud import PrivateCloud
from tailrace.quantities import Secret
from tailrace.settings import struct_of

_REFERENCES = ("env:", "file:", "ssm:", "secretsmanager:")


@dataclass(frozen=True, slots=True)
class Own:
    """The tables, and how a `user` and a `profile` of theirs are found in others' files: by name, for whoever the second argument tells."""

    given: Given
    named_user: Callable[[str, str], User]
    named_profile: Callable[[str, str], User | None]

    def names(self) -> Iterable[str]:
        """Their names. Raises UsageError for one that cannot be asked for."""
        for name in self.given.clouds:
            if not name or "@" in name or not name.isprintable() or " " in name:
                message = f"{self.given.origin_of(name)}: a cloud's name has no blanks and no @; choose another"
                raise UsageError(message)
            yield name

    def part(self, region: str) -> Part | None:
        """What a table tells. Raises UsageError."""
        if region not in list(self.names()):
            return None
        told = struct_of(PrivateCloud, self.given.clouds[region], self.given.origin_of(region))
        table = _Table(region, told, self.given)
        return Part(
            own=True,
            kind=table.plain("kind"),
            region=table.plain("region"),
            shared=telling.url(Told(told.endpoint_url, table.at("endpoint_url"))) if told.endpoint_url else None,
            endpoints=table.endpoints(),
            signatures=_by_service(
                {name: Told(each, table.at("signatures")) for name, each in told.signatures.items()}
            ),
            verify=table.verify(),
            profile=table.plain("profile"),
            role=table.plain("role_arn"),
            user=lambda: self._user(table),
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

    def _user(self, table: _Table) -> User | None:
        told, account = table.told, table.plain("account")
        ways = [name for name in ("user", "profile") if getattr(told, name)]
        ways += [name for name in ("access_key", "secret_key", "session_token") if getattr(told, name)][:1]
        if len(ways) > 1:
            message = f"{table.at(ways[0])}: {ways[0]} and {ways[1]} contradict each other; keep one of them"
            raise UsageError(message)
        if told.user:
            found: User | None = self.named_user(told.user, table.at("user"))
        elif told.profile:
            found = self.named_profile(told.profile, table.at("profile"))
        else:
            found = table.keys() if ways else None
        return replace(found, account=account) if found and account else found


@dataclass(frozen=True, slots=True)
class _Table:
    """A table, and where it is."""

    name: str
    told: PrivateCloud
    given: Given

    def at(self, key: str) -> str:
        """Where a setting of it is, as people are told."""
        return self.given.origin_of(self.name, key)

    def plain(self, key: str) -> Told | None:
        """A setting that is there."""
        value = getattr(self.told, key)
        return Told(value, self.at(key)) if value else None

    def endpoints(self) -> dict[str, Told]:
        """Its endpoints by boto3's names of services."""
        at = self.at("endpoints")
        told = {name: telling.url(Told(value, f"{at} endpoints.{name}")) for name, value in self.told.endpoints.items()}
        return _by_service(told)

    def verify(self) -> Told | None:
        """Whether certificates are checked, or the file of authorities."""
        told = self.told
        if told.ca_certificates and not told.verify:
            message = f"{self.at('verify')}: verify = false and ca_certificates contradict each other; keep one of them"
            raise UsageError(message)
        if told.ca_certificates:
            return Told(str(self.given.path(told.ca_certificates)), self.at("ca_certificates"))
        return None if told.verify else Told("false", self.at("verify"))

    def keys(self) -> User:
        """Its own keys. Raises UsageError if they are not complete."""
        told = self.told
        if not (told.access_key and told.secret_key):
            missing = "secret_key" if told.access_key else "access_key"
            message = f"{self.given.origin_of(self.name)}: there are keys, but no {missing}; add it"
            raise UsageError(message)
        return User(
            name=Told("own keys", self.at("access_key")),
            access_key=self._key("access_key"),
            secret_key=self._key("secret_key"),
            session_token=self._key("session_token") if told.session_token else None,
        )

    def _key(self, option: str) -> Told:
        secret: Secret = getattr(self.told, option)
        referred = secret.told.startswith(_REFERENCES)
        where = f"{self.at(option)} {secret.told}" if referred else self.at(option)

        def client(service: str) -> Any:
            if self.given.client is None:
                message = f"{where}: secrets in AWS ({service}) are not asked for here; use env:NAME or file:PATH"
                raise UsageError(message)
            return self.given.client(service)

        try:
            return telling.key(Vault(client, self.given.environ).read(secret), where, option)
        except UsageError as error:
            message = str(error) if str(error).startswith(where) else f"{self.at(option)} {option}: {error}"
            raise UsageError(message) from error


def _by_service(told: dict[str, Told]) -> dict[str, Told]:
    """By boto3's names. A name of one service counts before one of several. Raises UsageError for a contradiction."""
    found: dict[str, tuple[int, str, Told]] = {}
    for name, value in told.items():
        canonical = services.checked(name, value.origin)
        for service in canonical:
            width, other, before = found.get(service, (9, "", value))
            if width == len(canonical) and before.value != value.value:
                message = f"{value.origin}: {other} and {name} are the same service, but are told differently; keep one of them"
                raise UsageError(message)
            if len(canonical) < width:
                found[service] = (len(canonical), name, value)
    return {service: value for service, (_, _, value) in found.items()}
