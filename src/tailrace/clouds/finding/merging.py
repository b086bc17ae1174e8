"""Makes one cloud of what the places tell of it, and sees to it that nothing of a private one leads to AWS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tailrace.clouds import amazon, services
from tailrace.clouds.cloud import Cloud, Endpoint, Told, User
from tailrace.clouds.finding.telling import ENVIRONMENT, Part
from tailrace.errors import UsageError

_DEFAULT: Final = "default"
_V4: Final = Told("v4", _DEFAULT)


class Keys(NamedTuple):
    """Whose keys are used; with a profile alone boto3 finds them."""

    user: User | None
    profile: Told | None


@dataclass(frozen=True, slots=True)
class Naming:
    """How a cloud is asked for: by which name, as which user if one is named, with which profile if one is asked for.

    `newer`: a region that is only named like AWS's is taken for one that is newer than this program.
    """

    name: Told
    keys: Keys | None
    profile: Told | None
    newer: bool


def merged(asked: Naming, parts: Sequence[Part]) -> Cloud | None:
    """The cloud that the parts tell of, the part that counts first at the beginning; None if nothing knows it. Raises UsageError."""
    endpoints, shared = _endpoints(parts)
    told = next((part.kind for part in parts if part.kind), None)
    urls = [endpoint.url for endpoint in (*endpoints.values(), *([shared] if shared else []))]
    region = _region(asked.name, parts, urls)
    ours = amazon.is_region if asked.newer else amazon.is_known_region
    private = _leads_elsewhere(parts) or (
        (told is None or told.value != "aws") and bool(region.value) and not ours(region.value)
    )
    if private:
        _check(asked.name.value, urls)
        if not urls:
            if any(part.names for part in parts):
                raise UsageError(_endpointless(asked.name.value))
            return None
    keys = asked.keys or _keys(parts, asked.profile)
    return Cloud(
        name=asked.name.value or (ENVIRONMENT if private else ""),
        kind=told or _guessed(private, urls),
        region=region,
        private=private,
        endpoints=endpoints,
        shared=shared,
        user=keys.user,
        profile=keys.profile,
        role=None if asked.keys else next((part.role for part in parts if part.role), None),
        verify=_verify(parts),
    )


def _endpoints(parts: Sequence[Part]) -> tuple[dict[str, Endpoint], Endpoint | None]:
    """Each service's, from the first part that tells one; a part's shared endpoint hides what comes after it."""
    found: dict[str, Endpoint] = {}
    for number, part in enumerate(parts):
        told = _signatures(parts[: number + 1])
        for service, url in part.endpoints.items():
            found.setdefault(service, Endpoint(url, _signature(url, told.get(service) or part.usual.get(service))))
        if part.shared:
            for service, signature in told.items():
                found.setdefault(service, Endpoint(part.shared, _signature(part.shared, signature)))
            return found, Endpoint(part.shared, _V4)
    return found, None


def _signatures(parts: Sequence[Part]) -> Mapping[str, Told]:
    """What is told before, or by, the part that tells the endpoint."""
    found: dict[str, Told] = {}
    for part in parts:
        found = {**part.signatures, **found}
    return found


def _signature(url: Told, told: Told | None) -> Told:
    return _V4 if told is None or amazon.is_host(url.value) else told


def _region(name: Told, parts: Sequence[Part], urls: Sequence[Told]) -> Told:
    told = next((part.region for part in parts if part.region), None)
    if told or name.value:
        return told or Told(name.value, name.origin or "its name")
    if all(amazon.is_host(url.value) for url in urls):
        return name
    return Told("eucalyptus" if any(services.of_eucalyptus(url.value) for url in urls) else "us-east-1", _DEFAULT)


def _leads_elsewhere(parts: Sequence[Part]) -> bool:
    """Whether what speaks of a cloud, or of all its services, leads to none of AWS."""
    for part in parts:
        speaking = [*(part.endpoints.values() if part.names else ()), *([part.shared] if part.shared else ())]
        if any(not amazon.is_host(url.value) for url in speaking):
            return True
    return False


def _check(name: str, urls: Sequence[Told]) -> None:
    for url in urls:
        if amazon.is_host(url.value):
            message = f'{url.origin} leads to AWS ({url.value}), but {name or "the cloud"} is none of AWS; correct it, or set kind = "aws" in [clouds.{name}]'
            raise UsageError(message)


def _endpointless(name: str) -> str:
    return f"the cloud {name} has no endpoint of any service; write endpoint_url or endpoints into [clouds.{name}] of tailrace.toml"


def _guessed(private: bool, urls: Sequence[Told]) -> Told:  # noqa: FBT001 - said where it is called
    if not private:
        return Told("aws", "its region")
    found = next((url for url in urls if services.of_eucalyptus(url.value)), None)
    return Told("eucalyptus", f"guessed from {found.value}") if found else Told("other", _DEFAULT)


def _keys(parts: Sequence[Part], profile: Told | None) -> Keys:
    """Of the first part that has some. A profile that is asked for counts before the environment."""
    first = [part for part in parts if part.own or (profile and part.profile == profile)]
    for part in (*first, *parts):
        user = part.user()
        if user or part.profile:
            return Keys(user, part.profile)
    return Keys(None, None)


def _verify(parts: Sequence[Part]) -> Told:
    told = next((part.verify for part in parts if part.verify), None) or Told("true", _DEFAULT)
    if told.value not in ("true", "false") and not Path(told.value).is_file():
        message = f"{told.origin}: there is no file {told.value} of certificate authorities; name the right one"
        raise UsageError(message)
    return told
