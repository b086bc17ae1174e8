"""Clients for AWS and for the clouds that speak its API.

Endpoints and credentials are found as boto3 finds them: an argument, then `AWS_ENDPOINT_URL_S3` and its like, then
`AWS_ENDPOINT_URL`, then the profile.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from tailrace.clouds import amazon
from tailrace.clouds.parsing import guard
from tailrace.clouds.whole import watch
from tailrace.errors import MissingExtra, UsageError

COMMON: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "read_timeout": 60,
    "retries": {"mode": "standard", "max_attempts": 5},
    "max_pool_connections": 32,  # workers share a client; one connection each is not too many
}

PRIVATE: Final[dict[str, Any]] = {
    # Names of buckets are rarely in a private cloud's DNS, and its S3 refuses the checksums that AWS introduced in 2025.
    "s3": {"addressing_style": "path"},
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}


def client(
    service: str,
    *,
    region: str | None = None,
    endpoint_url: str | None = None,
    profile: str | None = None,
    private: bool = False,
) -> Any:
    """A boto3 client, which threads may share. `private`: the cloud is none of AWS, so nothing may be sent there.

    Raises MissingExtra without boto3, and UsageError if settings do not fit together; among them the region of a
    private cloud without its endpoint, so that nothing meant for it leaves for AWS.
    """
    try:
        return made(session_of(service, profile, region), service, endpoint_url, private=private)
    except refused() as error:
        raise told(error, service, region) from error


def made(session: Any, service: str, endpoint_url: str | None, *, private: bool = False, **over: Any) -> Any:
    """The client that a session makes: for AWS, or for what an endpoint that was told is of. `over`: counts before what is usual."""
    from botocore.config import Config  # noqa: PLC0415 - an optional library

    own = over.pop("config", None) or Config()
    client = session.client(service, endpoint_url=endpoint_url, config=Config(**COMMON).merge(own), **over)
    if endpoint_url or not amazon.is_host(client.meta.endpoint_url):
        config = Config(**COMMON, **PRIVATE).merge(own)
        client = session.client(service, endpoint_url=endpoint_url, config=config, **over)
    elif private:
        raise UsageError(_endpointless(client.meta.service_model))
    elif session.region_name:
        session.get_partition_for_region(session.region_name)
    watch(client)
    return client


def refused() -> tuple[type[Exception], ...]:
    """What making a client raises."""
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - an optional library

    return (BotoCoreError, ValueError)


def session_of(what: str, profile: str | None, region: str | None) -> Any:
    """Where clients come from, with the environment of now. `what`: a service that is wanted. Raises MissingExtra without boto3."""
    try:
        import boto3  # noqa: PLC0415 - an optional library, and slow to import
    except ImportError as error:
        message = f"the client for {what}"
        raise MissingExtra(message, "aws") from error
    return boto3.Session(botocore_session=core_of(profile, region, loader))


def core_of(profile: str | None, region: str | None, loaded: Callable[[str | None], Any]) -> Any:
    """What is below a session. `loaded`: what reads the descriptions of services, by the folders in which there are more."""
    from botocore.session import Session  # noqa: PLC0415 - an optional library

    core = Session(profile=profile)
    core.register_component("data_loader", loaded(core.get_config_variable("data_path")))
    guard(core)
    core.get_component("config_store").set_config_variable("region", region or _region(core))
    return core


def _region(core: Any) -> str | None:
    """The region of the environment or the profile: from AWS_REGION too, which boto3 does not read, and what is empty is none."""
    told = core.get_config_variable("region") or os.environ.get("AWS_REGION")
    return told or core.get_scoped_config().get("region") or None


@cache
def loader(folders: str | None) -> Any:
    """What reads the descriptions of services. They take megabytes, which all sessions can share."""
    from botocore.loaders import create_loader  # noqa: PLC0415

    return create_loader(folders)


def _endpointless(model: Any) -> str:
    variable = f"AWS_ENDPOINT_URL_{model.service_id.hyphenize().replace('-', '_').upper()}"
    return f"S3 is in a private cloud, so {model.service_name} is not asked for at AWS: name its endpoint by {variable}"


def told(error: Exception, service: str, region: str | None) -> UsageError:
    """The error as a sentence; boto3's own names the cause but not the remedy."""
    kind = type(error).__name__
    if kind == "UnknownRegionError":
        where = f"the region {region}" if region else "the configured region"
        return UsageError(f"{where} is none of AWS; name the endpoint of its cloud with --endpoint-url")
    if kind == "NoRegionError":
        return UsageError(
            f"no region is known for {service}: set AWS_REGION, or region in the settings or in the profile"
        )
    if kind == "ValueError":
        return UsageError(f"the endpoint of {service} must be a URL such as https://s3.example.net:8773")
    return UsageError(f"no client for {service} can be made: {error}")
