"""Finds a cloud by what is written after --region, in all that people have written down for other programs.

What counts first, value by value:

    1  `endpoint_url`, of a command or the settings: for S3
    2  [clouds.NAME] of tailrace.toml
    3  the environment: AWS_ENDPOINT_URL_S3 and its like, then EC2_URL and its like
    4  ~/.aws/config and ~/.aws/credentials
    5  euca2ools: /etc/euca2ools, ~/.euca
    6  boto 2: /etc/boto.cfg, ~/.boto, its JSON of endpoints
    7  AWS's own table, for AWS's regions

What `eucarc` sets (EC2_URL and its like, EC2_ACCESS_KEY) is one cloud's. A region that is asked for by name, and that a place below the environment tells
endpoints of, gets nothing of it unless its URLs are those of that place: else a request meant for the region would go to another cloud.

Keys come from one place together; USER@ counts before all of these, then the keys of [clouds.NAME], then a profile that is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final

from tailrace.clouds import amazon
from tailrace.clouds.cloud import Cloud, Told, User
from tailrace.clouds.finding.awsconfig import AwsConfig
from tailrace.clouds.finding.boto2 import Boto2
from tailrace.clouds.finding.environment import Environment
from tailrace.clouds.finding.euca2ools import Euca2ools
from tailrace.clouds.finding.merging import Keys, Naming, merged
from tailrace.clouds.finding.own import Own
from tailrace.clouds.finding.telling import ENVIRONMENT, Given, Part, Place
from tailrace.errors import UsageError

__all__ = ["Given", "find", "names", "split"]

_MOST_NAMES: Final = 20


@dataclass(frozen=True, slots=True)
class _Places:
    """Where clouds are told of. `foreign`: `eucarc` tells of another cloud than the one that is asked for."""

    given: Given
    aws: AwsConfig
    euca2ools: Euca2ools
    boto2: Boto2
    foreign: bool = False

    @classmethod
    def read(cls, given: Given) -> _Places:
        """Read all files. Raises UsageError."""
        return cls(given, AwsConfig.read(given), Euca2ools.read(given), Boto2.read(given))

    @property
    def order(self) -> tuple[Place, ...]:
        """The one that counts first at the beginning."""
        own = Own(self.given, self.keys_of, self.profile)
        return own, self.environment, self.aws, self.euca2ools, self.boto2

    @property
    def environment(self) -> Environment:
        """The variables, as far as they count."""
        return Environment(self.given, self.aws.ignores, self.foreign)

    def as_profile(self, name: Told) -> _Places:
        """The same where a user is asked for who is a profile of ~/.aws."""
        return replace(self, aws=replace(self.aws, given=replace(self.given, profile=name)))

    def naming(self, region: str) -> _Places:
        """The same where a region is asked for by name: what `eucarc` sets does not count if others know the region, and none of them as it is there."""
        parts = [part for place in (self.aws, self.euca2ools, self.boto2) if (part := place.part(region))]
        knowing = [part for part in parts if part.names and part.reaches]
        return replace(self, foreign=bool(knowing) and not any(map(self.environment.agrees, knowing)))

    def keys(self, name: Told) -> Keys:
        """Those of a user who is asked for by name. Raises UsageError if there is none."""
        profile = Told(name.value, name.origin or "asked for")
        for place in (self.euca2ools, self.aws, self.boto2):
            if user := place.user(name.value):
                return Keys(user, profile if place is self.aws else None)
        if name.value in self.aws.profiles:
            return Keys(None, profile)
        there = ", ".join(dict.fromkeys((*self.euca2ools.users(), *self.aws.users(), *self.boto2.users()))) or "none"
        message = (
            f"{_where(name)}there is no user {name.value} with keys; known are: {there}; name one of them, or write "
            f"[user {name.value}] into a file of ~/.euca"
        )
        raise UsageError(message)

    def keys_of(self, name: str, origin: str) -> User:
        """Those of a user, which must be written down. Raises UsageError."""
        if user := self.keys(Told(name, origin)).user:
            return user
        message = f"{origin}: the profile {name} has no keys of its own; name it as `profile`"
        raise UsageError(message)

    def profile(self, name: str, origin: str) -> User | None:
        """Those of a profile of ~/.aws, if it has its own. Raises UsageError if there is no such profile."""
        if name in self.aws.profiles:
            return self.aws.user(name)
        message = f"{origin}: there is no profile {name} in ~/.aws ({', '.join(self.aws.profiles) or 'none'}); name one of them, or write it"
        raise UsageError(message)

    def asked(self, region: str) -> tuple[Told | None, Told]:
        """User and region, as they are told; each half that is not comes from the first place that has one. Raises UsageError."""
        user, name = split(Told(region, ""))
        for place in self.order:
            default = place.default_region()
            if default and not (user and name):
                other, there = split(default)
                user, name = user or other, name or there
        return user, name or Told("", "nowhere")

    def names(self) -> list[str]:
        """All clouds that anything names, and the region that is in use."""
        found = [name for place in self.order for name in place.names()]
        return list(dict.fromkeys(filter(None, (*found, self.asked("")[1].value))))


def find(region: str, given: Given) -> Cloud:
    """The cloud of a `[USER@][REGION]`; of the region that is in use, where none is asked for.

    Where nothing names a region, that is AWS with the region "": boto3 may find one. Raises UsageError: for a region that nothing here knows, for what
    is contradictory, and for files that cannot be read; each tells the remedy.
    """
    places = _Places.read(given)
    user, name = places.asked(region)
    if name.value == ENVIRONMENT and name.value not in given.clouds:
        name = Told("", "nowhere")
    named = not name.origin or (given.region is not None and name == split(given.region)[1])
    if not named:
        _check(name, places.environment)
    keys = places.keys(user) if user else None
    if keys and keys.profile:
        places = places.as_profile(keys.profile)
    if named:
        places = places.naming(name.value)
    parts = [part for place in places.order if (part := place.part(name.value))]
    if given.endpoint_url:
        parts.insert(0, Part(endpoints={"s3": given.endpoint_url}))
    # Who has a region in use, by --region or AWS_REGION, has said that there is one.
    newer = bool(name.origin) or name.value == places.asked("")[1].value
    cloud = merged(Naming(name, keys, given.profile, newer), parts)
    if cloud is None:
        raise UsageError(_unknown(name, [each for each in places.names() if each != name.value]))
    return cloud


def names(given: Given) -> list[str]:
    """The clouds that anything here names, and the region that is in use. Raises UsageError for files that cannot be read."""
    return _Places.read(given).names()


def split(told: Told) -> tuple[Told | None, Told | None]:
    """User and region of a `[USER@][REGION]`, each if it is there. Raises UsageError."""
    first, at, rest = told.value.partition("@")
    user, region = (first, rest) if at else ("", first)
    if "@" in rest or not told.value.isprintable() or any(sign.isspace() for sign in told.value):
        message = f"{_where(told)}{told.value[:80]!r} is no region; write REGION, USER@ or USER@REGION"
        raise UsageError(message)
    return Told(user, told.origin) if user else None, Told(region, told.origin) if region else None


def _check(default: Told, environment: Environment) -> None:
    """Refuse to take a region of AWS as the one in use where `eucarc` was sourced: it is not told which of both is meant."""
    url = environment.of_eucarc() if amazon.is_region(default.value) else None
    if url:
        message = (
            f"{default.origin} names {default.value}, a region of AWS, but {url.origin} leads to {url.value}: "
            f"say which is meant by --region, or unset one of them"
        )
        raise UsageError(message)


def _where(told: Told) -> str:
    """Where a name was told, unless it was asked for just now."""
    return f"{told.origin}: " if told.origin else ""


def _unknown(name: Told, known: list[str]) -> str:
    there = ", ".join(known[:_MOST_NAMES]) + (", …" if len(known) > _MOST_NAMES else "") or "none"
    close = get_close_matches(name.value, known, n=1)
    hint = f"did you mean {close[0]}? Else " if close else ""
    of_aws = ', or with kind = "aws" if it is a new one of AWS' if amazon.is_region(name.value) else ""
    return (
        f"{_where(name)}there is no region {name.value}: it is none of AWS, and nothing here tells its endpoints (known: {there}); {hint}"
        f"write [clouds.{name.value}] with endpoint_url or endpoints into tailrace.toml{of_aws}"
    )
