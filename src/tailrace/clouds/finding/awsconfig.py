"""`~/.aws/config` and `~/.aws/credentials`, as boto3 reads them, but for what boto3 alone can do: roles, single sign-on, processes.

https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from tailrace.clouds import amazon, services
from tailrace.clouds.cloud import Told, User
from tailrace.clouds.finding import inifiles, telling
from tailrace.clouds.finding.inifiles import Dialect
from tailrace.clouds.finding.telling import Given, Part
from tailrace.errors import UsageError

_DIALECT: Final = Dialect()
_DEFAULT: Final = "default"
_IGNORED: Final = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
_BY_BOTO3: Final = (
    "role_arn",
    "sso_session",
    "sso_start_url",
    "credential_process",
    "web_identity_token_file",
    "login_session",
)
_V2: Final = ("s3", "v2", "s3-query")
Options = Mapping[str, Told]


@dataclass(frozen=True, slots=True)
class AwsConfig:
    """The profiles, and the sections [services NAME]."""

    given: Given
    profiles: Mapping[str, Options]
    services: Mapping[str, Options]

    @classmethod
    def read(cls, given: Given) -> AwsConfig:
        """Read both files. Raises UsageError."""

        def table(variable: str, name: str) -> inifiles.Table:
            told = given.environ.get(variable)
            return inifiles.read(given.path(told or f"~/.aws/{name}"), given, _DIALECT)

        profiles: dict[str, dict[str, Told]] = {}
        blocks: dict[str, Options] = {}
        for section, options in table("AWS_CONFIG_FILE", "config").items():
            kind, name = _section(section)
            if kind == "profile":
                profiles.setdefault(name, {}).update(options)
            elif kind == "services":
                blocks[name] = options
        for name, options in table("AWS_SHARED_CREDENTIALS_FILE", "credentials").items():
            profiles.setdefault(name, {}).update(options)
        return cls(given, profiles, blocks)

    def names(self) -> Iterable[str]:
        """The regions of profiles that are not AWS's, and the profiles with endpoints in a region that is."""
        for name, options in self.profiles.items():
            region = _plain(options, "region")
            if region and not amazon.is_region(region.value):
                yield region.value
            elif self._reaches(name) and name != "default":
                yield name

    def part(self, region: str) -> Part | None:
        """What the profile for a region tells."""
        profile = self._profile(region)
        if profile is None:
            return None
        name, options = profile.value, self.profiles[profile.value]
        endpoints, shared = ({}, None) if self._ignored(options) else self._endpoints(name)
        told, ca = _plain(options, "region"), _plain(options, "ca_bundle")
        aws = amazon.is_region(region)
        # The keys of AWS's default profile are for boto3 to find: it may know others that count before them.
        keyed = _has_keys(options) and not (aws and profile.origin == _DEFAULT)
        return Part(
            names=self._is_of(name, region) and not aws,
            endpoints=endpoints,
            shared=shared,
            signatures=_signatures(options),
            region=told if told and region in (name, told.value) else None,
            verify=Told(str(self.given.path(ca.value)), ca.origin) if ca else None,
            profile=profile if keyed or profile == self.given.profile else None,
            user=lambda: self.user(name) if keyed else None,
        )

    def user(self, name: str) -> User | None:
        """The keys of a profile; None where it has none, or boto3 must get them. Raises UsageError."""
        options = self.profiles.get(name)
        if options is None or any(option in options for option in _BY_BOTO3):
            return None
        access, secret = _plain(options, "aws_access_key_id"), _plain(options, "aws_secret_access_key")
        if not access and not secret:
            return None
        if not access or not secret:
            there, missing = (access, "aws_secret_access_key") if access else (secret, "aws_access_key_id")
            assert there
            message = f"{there.origin} has no {missing}; add it"
            raise UsageError(message)
        token = _plain(options, "aws_session_token") or _plain(options, "aws_security_token")
        return User(
            name=Told(name, access.origin),
            access_key=telling.key(access.value, access.origin, "aws_access_key_id"),
            secret_key=telling.key(secret.value, secret.origin, "aws_secret_access_key"),
            session_token=telling.key(token.value, token.origin, "aws_session_token") if token else None,
            account=_plain(options, "aws_account_id"),
        )

    def users(self) -> Iterable[str]:
        """The profiles."""
        return self.profiles

    def default_region(self) -> Told | None:
        """The region of the profile that is in use."""
        chosen = self._chosen() or Told(_DEFAULT, _DEFAULT)
        return _plain(self.profiles.get(chosen.value, {}), "region")

    def ignores(self, region: str) -> bool:
        """Whether endpoints do not count that are in the environment, or here: the profile for the region may tell so."""
        profile = self._profile(region)
        return self._ignored(self.profiles[profile.value] if profile else {})

    def _chosen(self) -> Told | None:
        """The profile that was asked for. Raises UsageError if there is no such profile."""
        variables = (Told(self.given.environ.get(name, ""), name) for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"))
        chosen = self.given.profile or next((each for each in variables if each.value), None)
        if chosen and chosen.value not in self.profiles:
            there = ", ".join(self.profiles) or "none"
            message = f"{chosen.origin}: there is no profile {chosen.value} in ~/.aws ({there}); name one of them, or write it"
            raise UsageError(message)
        return chosen

    def _profile(self, region: str) -> Told | None:
        """The profile that speaks of a region: the one that was asked for, `default`, or the only one. Raises UsageError."""
        chosen = self._chosen()
        if chosen and (chosen == self.given.profile or self._fits(chosen.value, region)):
            return chosen
        if "default" in self.profiles and self._fits("default", region):
            return Told("default", _DEFAULT)
        if region in self.profiles and self._reaches(region):
            return Told(region, "its name")
        if amazon.is_region(region):
            return None
        fitting = [name for name in self.profiles if self._is_of(name, region)]
        if len(fitting) > 1:
            message = f"the profiles {' and '.join(fitting)} of ~/.aws are both of the region {region}; choose one: {fitting[0]}@{region}, or AWS_PROFILE"
            raise UsageError(message)
        return Told(fitting[0], f"its region is {region}") if fitting else None

    def _fits(self, name: str, region: str) -> bool:
        """Whether a profile may speak of a region: every one of AWS's, but of another cloud's only if it is for it, or for all."""
        everywhere = _plain(self.profiles[name], "region") is None and self._reaches(name)
        return amazon.is_region(region) or everywhere or self._is_of(name, region)

    def _is_of(self, name: str, region: str) -> bool:
        told = _plain(self.profiles[name], "region")
        return (told is not None and told.value == region) or (name == region and self._reaches(name))

    def _reaches(self, name: str) -> bool:
        options = self.profiles[name]
        return ("endpoint_url" in options or "services" in options) and not self._ignored(options)

    def _ignored(self, options: Options) -> bool:
        told = self.given.environ.get(_IGNORED) or options.get("ignore_configured_endpoint_urls", Told("", "")).value
        return told.lower() == "true"

    def _endpoints(self, name: str) -> tuple[dict[str, Told], Told | None]:
        options = self.profiles[name]
        shared = _plain(options, "endpoint_url")
        block = _plain(options, "services")
        if block and block.value not in self.services:
            message = f"{block.origin}: there is no section [services {block.value}]; write it, or correct services"
            raise UsageError(message)
        found = {}
        for identity, nested in (self.services[block.value] if block else {}).items():
            inner = _nested(nested)
            service = services.of_id(identity)
            if service and "endpoint_url" in inner:
                told = inner["endpoint_url"]
                found[service] = telling.url(Told(told.value, f"{told.origin} {identity}"))
        return found, telling.url(shared) if shared else None


def _has_keys(options: Options) -> bool:
    return any(option in options for option in (*_BY_BOTO3, "aws_access_key_id", "aws_secret_access_key"))


def _section(section: str) -> tuple[str, str]:
    """What a section of `config` is, and its name."""
    if section == "default":
        return "profile", "default"
    try:
        words = shlex.split(section)
    except ValueError:
        return "", ""
    return (words[0], words[1]) if len(words) == 2 else ("", "")  # noqa: PLR2004 - kind and name


def _plain(options: Options, name: str) -> Told | None:
    told = options.get(name)
    return told if told and told.value and not told.value.startswith("\n") else None


def _nested(told: Told) -> dict[str, Told]:
    """The options of a block below an option. Raises UsageError."""
    if not told.value.startswith("\n"):
        return {}
    found = {}
    for line in filter(None, map(str.strip, told.value.splitlines())):
        name, equals, value = line.partition("=")
        if not equals:
            message = f"{told.origin}: a line of the block of a service is no OPTION = VALUE; correct it"
            raise UsageError(message)
        found[name.strip()] = Told(value.strip(), told.origin)
    return found


def _signatures(options: Options) -> dict[str, Told]:
    found = {}
    for service, told in options.items():
        version = _nested(told).get("signature_version")
        if version:
            found[service] = Told("v2" if version.value in _V2 else "v4", f"{version.origin} {service}")
    return found
