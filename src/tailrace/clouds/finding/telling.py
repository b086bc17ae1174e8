"""What is given to find clouds, and what each place tells of one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from tailrace.clouds.cloud import Told, User
from tailrace.errors import UsageError
from tailrace.settings import CONFIG, PREFIX, Resolved

_LONGEST_URL: Final = 2000
_LONGEST_KEY: Final = 8192
"""Session tokens of some clouds have kilobytes."""
ENVIRONMENT: Final = "environment"
"""What a cloud is called whose endpoints are in the environment, but whose region nothing names."""
_TRUE: Final = ("true", "1", "yes", "on")
_FALSE: Final = ("false", "0", "no", "off")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Where clouds are looked for.

    `clouds`: the tables [clouds.NAME]; `origin`: the file in which they are; `origins`: where settings are that are not there, by their keys. `region`, `profile`, `endpoint_url`: as settings tell them, the last
    of S3. `root`: where `etc` is. `client`: makes clients of AWS, for keys that are secrets there.
    """

    environ: Mapping[str, str]
    home: Path
    clouds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    origin: str = CONFIG
    origins: Mapping[str, str] = field(default_factory=dict)
    region: Told | None = None
    profile: Told | None = None
    endpoint_url: Told | None = None
    root: Path = Path("/")
    client: Callable[[str], Any] | None = None

    @classmethod
    def of(cls, resolved: Resolved, environ: Mapping[str, str] = os.environ) -> Given:
        """What a run's settings and environment give."""

        def told(key: str) -> Told | None:
            value = getattr(resolved.settings, key)
            return Told(value, resolved.origins.get(key, "settings")) if value else None

        return cls(
            environ=environ,
            home=Path(environ.get("HOME") or Path.home()),
            clouds=resolved.settings.clouds,
            origins={key: origin for key, origin in resolved.origins.items() if key.startswith("clouds.")},
            region=told("region"),
            profile=told("profile"),
            endpoint_url=told("endpoint_url"),
        )

    def origin_of(self, cloud: str, key: str = "") -> str:
        """Where a setting of [clouds.NAME] is, as people are told."""
        found = self.origins.get(f"clouds.{cloud}.{key}", self.origin)
        return found if found == "--set" or found.startswith(PREFIX) else f"{found} [clouds.{cloud}]"

    def path(self, text: str) -> Path:
        """A path as people write it, with ~ and $VARIABLES."""
        for name, value in sorted(self.environ.items(), key=lambda each: -len(each[0])):
            text = text.replace(f"${{{name}}}", value).replace(f"${name}", value) if "$" in text else text
        return self.home / text[2:] if text.startswith("~/") else Path(text)

    def shown(self, path: Path) -> str:
        """A path as people read it."""
        return f"~/{path.relative_to(self.home)}" if path.is_relative_to(self.home) else str(path)


def _nobody() -> User | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one place tells of a cloud.

    `names`: it speaks of this region, not of all. `own`: it is a table of tailrace.toml. `usual`: the signature of services for which it tells none, if that is not v4. `user`: reads its
    keys; raises UsageError where they are not complete.
    """

    names: bool = True
    own: bool = False
    endpoints: Mapping[str, Told] = field(default_factory=dict)
    shared: Told | None = None
    signatures: Mapping[str, Told] = field(default_factory=dict)
    usual: Mapping[str, Told] = field(default_factory=dict)
    kind: Told | None = None
    region: Told | None = None
    verify: Told | None = None
    profile: Told | None = None
    role: Told | None = None
    user: Callable[[], User | None] = _nobody

    @property
    def reaches(self) -> bool:
        """Whether it tells where a service is."""
        return bool(self.endpoints or self.shared)


class Place(Protocol):
    """Where clouds are told of: a file, a set of files, the environment. All of these raise UsageError for what is contradictory."""

    def names(self) -> Iterable[str]:
        """The clouds that it names."""

    def part(self, region: str) -> Part | None:
        """What it tells of one."""

    def user(self, name: str) -> User | None:
        """The keys of a user that it names."""

    def users(self) -> Iterable[str]:
        """The users that it names."""

    def default_region(self) -> Told | None:
        """`[USER@][REGION]` where none is asked for."""


def url(told: Told) -> Told:
    """A URL of a service, without the slash at its end. Raises UsageError."""
    value, origin = told
    try:
        parts = urlsplit(value)
        fitting = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fitting = False
    plain = value.isascii() and value.isprintable() and " " not in value and len(value) <= _LONGEST_URL
    if not fitting or not plain or parts.query or parts.fragment or "@" in parts.netloc:
        message = f"{origin}: the endpoint of a service must be a URL such as https://s3.example.net:8773/services/objectstorage, without user, query or fragment"
        raise UsageError(message)
    return Told(value.rstrip("/"), origin)


def key(value: str, origin: str, what: str) -> Told:
    """A key or token. Raises UsageError, never with the key."""
    if not value or not value.isascii() or not value.isprintable() or " " in value or len(value) > _LONGEST_KEY:
        message = f"{origin}: {what} is no key: it is empty, or holds blanks or characters that keys do not have"
        raise UsageError(message)
    return Told(value, origin)


def boolean(told: Told, option: str) -> bool:
    """A yes or no. Raises UsageError."""
    lower = told.value.strip().lower()
    if lower not in (*_TRUE, *_FALSE):
        message = f"{told.origin}: {option} must be true or false, not {told.value!r}"
        raise UsageError(message)
    return lower in _TRUE
