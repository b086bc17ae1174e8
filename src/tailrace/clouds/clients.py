"""Clients for AWS and for the clouds that speak its API.

Endpoints and credentials are found as boto3 finds them: an argument, then `AWS_ENDPOINT_URL_S3` and its like, then
`AWS_ENDPOINT_URL`, then the profile.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from tailrace.clouds.whole import watch
from tailrace.errors import MissingExtra, UsageError

_AWS_HOSTS: Final = (
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".api.aws",
    ".c2s.ic.gov",
    ".sc2s.sgov.gov",
    ".cloud.adc-e.uk",
    ".csp.hci.ic.gov",
)

_COMMON: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "read_timeout": 60,
    "retries": {"mode": "standard", "max_attempts": 5},
    "max_pool_connections": 32,  # workers share a client; one connection each is not too many
}

_PRIVATE: Final[dict[str, Any]] = {
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
        import boto3  # noqa: PLC0415 - an optional library, and slow to import
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    except ImportError as error:
        what = f"the client for {service}"
        raise MissingExtra(what, "aws") from error
    try:
        session = _session(boto3.Session, profile, region)
        made = session.client(service, endpoint_url=endpoint_url, config=Config(**_COMMON))
        if endpoint_url or not _is_aws(made.meta.endpoint_url):
            made = session.client(service, endpoint_url=endpoint_url, config=Config(**_COMMON, **_PRIVATE))
        elif private:
            raise UsageError(_endpointless(made.meta.service_model))
        elif session.region_name:
            session.get_partition_for_region(session.region_name)
    except (BotoCoreError, ValueError) as error:
        raise _told(error, service, region) from error
    watch(made)
    return made


def _session(kind: Callable[..., Any], profile: str | None, region: str | None) -> Any:
    """Where clients come from, with the environment of now."""
    from botocore.session import Session  # noqa: PLC0415

    core = Session(profile=profile)
    core.register_component("data_loader", _loader(core.get_config_variable("data_path")))
    core.get_component("config_store").set_config_variable("region", region or _region(core))
    return kind(botocore_session=core)


def _region(core: Any) -> str | None:
    """The region of the environment or the profile: from AWS_REGION too, which boto3 does not read, and what is empty is none."""
    told = core.get_config_variable("region") or os.environ.get("AWS_REGION")
    return told or core.get_scoped_config().get("region") or None


@cache
def _loader(folders: str | None) -> Any:
    """What reads the descriptions of services. They take megabytes, which all sessions can share."""
    from botocore.loaders import create_loader  # noqa: PLC0415

    return create_loader(folders)


def _is_aws(url: str) -> bool:
    return str(urlsplit(url).hostname).endswith(_AWS_HOSTS)


def _endpointless(model: Any) -> str:
    variable = f"AWS_ENDPOINT_URL_{model.service_id.hyphenize().replace('-', '_').upper()}"
    return f"S3 is in a private cloud, so {model.service_name} is not asked for at AWS: name its endpoint by {variable}"


def _told(error: Exception, service: str, region: str | None) -> UsageError:
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
