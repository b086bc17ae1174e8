"""Clients of a cloud's services, each as that cloud wants to be called.

Those of AWS are made as boto3 makes them. Those of a private cloud are called at its endpoints, path style, with the signature that it knows, without
the checksums that AWS introduced in 2025 but with Content-MD5 where that was asked for before, and by AWS's query API where boto3 would speak JSON.
Nothing that is meant for a private cloud is ever sent anywhere else.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from tailrace.clouds import amazon, clients, failures, services
from tailrace.clouds.cloud import Cloud, Endpoint, Told, User
from tailrace.clouds.connecting import queries, repairs
from tailrace.clouds.finding import Given, find, telling
from tailrace.clouds.finding.telling import ENVIRONMENT
from tailrace.clouds.whole import watch
from tailrace.errors import Fatal, MissingExtra, Retryable, TailraceError, UsageError
from tailrace.settings import resolve

_QUERIES: Final = (queries.QUERY, "ec2")
"""Protocols that Signature Version 2 is for."""
_ARGUMENT: Final = "argument"
SESSION: Final = "tailrace"
"""What an assumed role's session is called."""


def connect(cloud: Cloud, service: str, *, role_arn: str = "", **over: Any) -> Any:
    """A boto3 client of a cloud's service, which threads may share.

    `service`: as boto3 calls it, or boto 2, or euca2ools. `role_arn`: a role that is assumed at the cloud's own STS, and again before its keys end; the
    cloud's own role if empty.
    `over`: what boto3's `Session.client` takes besides, such as `config` and `aws_access_key_id`; it counts before what is known of the cloud.
    Raises MissingExtra without boto3, and UsageError for a service that a private cloud has no endpoint of.
    """
    name, cloud = services.named(service)[0], _as_user(cloud, over)
    if url := over.pop("endpoint_url", None):
        cloud = _with_endpoint(cloud, name, str(url))
    if cloud.private:
        endpoint_of(cloud, name)  # refused before anything is loaded
    session = _session(cloud, name)
    try:
        if role := role_arn or (cloud.role.value if cloud.role else ""):
            _assume(session, cloud, role)
        if cloud.private:
            return session.client(name, **over)
        return _of_aws(session, cloud, name, over)
    except clients.refused() as error:
        services.checked(service, "connect")
        raise clients.told(error, name, cloud.region.value or None) from error


def connect_to_region(
    service: str,
    region: str = "",
    *,
    endpoint_url: str | None = None,
    given: Given | None = None,
    **over: Any,
) -> Any:
    """A boto3 client of a service in a region, or in a cloud, which is found as `--region [USER@][REGION]` is.

    `over`: as for `connect`, and as with boto 2 `host`, `port`, `path` and `is_secure`, which replace that part of the endpoint. `endpoint_url` replaces it
    all; then the region need not be known. `given`: where to look, if not in the settings and files of this user. Raises UsageError for a region that
    nothing tells of, and what `connect` raises.
    """
    looked = given or Given.of(resolve({}, (), os.environ))
    name = services.checked(service, "connect_to_region")[0]
    parts = {part: over.pop(part, None) for part in ("host", "port", "path", "is_secure")}
    cloud = _with_endpoint(_known(region, looked), name, endpoint_url) if endpoint_url else find(region, looked)
    if any(value is not None for value in parts.values()):
        cloud = _with_endpoint(cloud, name, _moved(cloud, name, parts))
    return connect(cloud, name, **over)


def endpoint_of(cloud: Cloud, service: str) -> Endpoint:
    """Where a private cloud's service is, by boto3's name of it. Raises UsageError if that is not known, or at AWS."""
    found = cloud.endpoints.get(service) or cloud.shared
    if found is None:
        message = (
            f"the cloud {cloud.name} has no endpoint of {service}, and it is not asked for elsewhere; "
            f"write it into [clouds.{cloud.name}.endpoints] of tailrace.toml, or into {services.variable_of(service)}"
        )
        raise UsageError(message)
    if amazon.is_host(found.url.value):
        message = f"{found.url.origin}: the endpoint {found.url.value} is AWS's, but the cloud {cloud.name} is none of AWS; correct it"
        raise UsageError(message)
    return found


def _as_user(cloud: Cloud, over: dict[str, Any]) -> Cloud:
    """The cloud with the keys of boto3's arguments, which are taken out of them."""
    access, secret, token = (
        over.pop(f"aws_{name}", None) for name in ("access_key_id", "secret_access_key", "session_token")
    )
    if not access and not secret and not token:
        return cloud
    if not access or not secret:
        raise UsageError("give aws_access_key_id and aws_secret_access_key together, or neither")
    user = User(
        name=Told(_ARGUMENT, _ARGUMENT),
        access_key=Told(access, _ARGUMENT),
        secret_key=Told(secret, _ARGUMENT),
        session_token=Told(token, _ARGUMENT) if token else None,
    )
    return replace(cloud, user=user, profile=None)


def _session(cloud: Cloud, what: str) -> Any:
    """Where the cloud's clients come from. Raises MissingExtra, UsageError."""
    try:
        import boto3  # noqa: PLC0415 - an optional library, and slow to import
    except ImportError as error:
        message = f"the client for {what}"
        raise MissingExtra(message, "aws") from error
    profile = cloud.profile.value if cloud.profile else None
    loaded = queries.loader if _is_old(cloud) else clients.loader
    try:
        core = clients.core_of(profile, _region(cloud), loaded)
        if cloud.user and (cloud.private or not _found_by_boto3(cloud)):
            user = cloud.user
            token = user.session_token.value if user.session_token else None
            core.set_credentials(user.access_key.value, user.secret_key.value, token)
        if cloud.private:
            core.create_client = _Private(cloud, core, core.create_client).client
        return boto3.Session(botocore_session=core)
    except clients.refused() as error:
        raise clients.told(error, what, cloud.region.value or None) from error


def _is_old(cloud: Cloud) -> bool:
    """Whether it speaks the query API where AWS speaks JSON by now: clouds of their own, but not what stands in for a region of AWS."""
    stands_in = amazon.is_region(cloud.region.value) and cloud.kind.value != "eucalyptus"
    return cloud.private and not stands_in


def _region(cloud: Cloud) -> str | None:
    """The region that requests are signed for; None where nothing tells it, and boto3 asks for it where it matters."""
    untold = cloud.name in ("", ENVIRONMENT) and cloud.region.origin == "default" and cloud.kind.value != "eucalyptus"
    return None if untold else cloud.region.value or cloud.name or None


def _of_aws(session: Any, cloud: Cloud, service: str, over: dict[str, Any]) -> Any:
    """A client of a cloud of AWS. Raises UsageError where its S3 is none of AWS's, and nothing tells that this service is there: these keys may be S3's."""
    told = cloud.endpoints.get(service) or cloud.shared
    own = {"verify": _verify(cloud), **over}
    return clients.made(session, service, told.url.value if told else None, private=cloud.elsewhere, **own)


def _found_by_boto3(cloud: Cloud) -> bool:
    """Whether the keys are those that boto3 finds by itself, and refreshes."""
    return bool(cloud.profile) or bool(cloud.user and cloud.user.name.value == "environment")


def _assume(session: Any, cloud: Cloud, role_arn: str) -> None:
    """From now on the session has the keys of a role, which are fetched when they are needed and again before they end."""
    from botocore.credentials import DeferredRefreshableCredentials, create_assume_role_refresher  # noqa: PLC0415 - an optional library

    if cloud.private:
        endpoint_of(cloud, "sts")
    asked = session.client("sts") if cloud.private else _of_aws(session, cloud, "sts", {})  # with the keys of before
    fetch = create_assume_role_refresher(asked, {"RoleArn": role_arn, "RoleSessionName": SESSION})

    def fetched() -> Any:
        try:
            return fetch()
        except failures.raised() as error:
            raise untold(error, f"the role {role_arn}", asked) from error

    core = session._session  # noqa: SLF001 - boto3 keeps it to itself
    core._credentials = DeferredRefreshableCredentials(fetched, "assume-role")  # noqa: SLF001 - only sets keys that do not end


def untold(error: Exception, what: str, client: Any) -> TailraceError:
    """Why an STS gives no keys: Retryable if it may later."""
    where, code = failures.endpoint_of(client), failures.code_of(error)
    if failures.passing(error) or failures.unreachable(error):
        return Retryable(f"{where} gives no keys for {what} now ({code})")
    told = failures.fatal(error, what, client)
    return told or Fatal(f"{where} gives no keys for {what} ({code}); check its name, and who may have them")


@dataclass(frozen=True, slots=True)
class _Private:
    """Makes the clients of a session that is for a private cloud: those that are asked for, and those that fetch keys for them."""

    cloud: Cloud
    core: Any
    create: Any

    def client(self, service_name: str, *args: Any, **told: Any) -> Any:
        """As botocore's `Session.create_client`, but to the cloud's own endpoint only."""
        from botocore.config import Config  # noqa: PLC0415 - an optional library

        endpoint = endpoint_of(self.cloud, service_name)
        usual = {**clients.COMMON, **clients.PRIVATE, **repairs.CONFIG}
        config = Config(**usual, signature_version=self._signature(service_name, endpoint))
        own = {
            **told,
            "region_name": told.get("region_name") or _region(self.cloud),
            "endpoint_url": told.get("endpoint_url") or endpoint.url.value,
            "config": config.merge(told["config"]) if told.get("config") else config,
            "verify": _verify(self.cloud) if told.get("verify") is None else told["verify"],
        }
        made = self.create(service_name, *args, **own)
        repairs.repair(made)
        watch(made)
        return made

    def _signature(self, service: str, endpoint: Endpoint) -> str | None:
        """What botocore calls the signature of a service; None for its own choice, which is version 4."""
        if endpoint.signature.value != "v2":
            return "s3v4" if service == "s3" else None
        if service == "s3":
            return "s3"
        model = self.core.get_component("data_loader").load_service_model(service, "service-2")
        return "v2" if model["metadata"]["protocol"] in _QUERIES else None


def _verify(cloud: Cloud) -> bool | str | None:
    """How boto3 is told to check certificates; None for its own way."""
    told = cloud.verify.value
    if told == "false":
        from urllib3.exceptions import InsecureRequestWarning  # noqa: PLC0415 - comes with boto3

        warnings.simplefilter("ignore", InsecureRequestWarning)  # who wrote verify = false knows
    return {"true": None, "false": False}.get(told, told)


def _known(region: str, given: Given) -> Cloud:
    """The cloud, or one of which nothing is known but its name."""
    try:
        return find(region, given)
    except UsageError:
        name = region.rpartition("@")[2]
        if not name or "@" in region:
            raise
        return Cloud(name=name, kind=Told("other", _ARGUMENT), region=Told(name, _ARGUMENT), private=True, endpoints={})


def _with_endpoint(cloud: Cloud, service: str, url: str) -> Cloud:
    """The cloud, whose service is there; if that is none of AWS, neither is the cloud. Raises UsageError."""
    before = cloud.endpoints.get(service) or cloud.shared
    endpoint = Endpoint(telling.url(Told(url, _ARGUMENT)), before.signature if before else Told("v4", "default"))
    return replace(
        cloud, endpoints={**cloud.endpoints, service: endpoint}, private=cloud.private or not amazon.is_host(url)
    )


def _moved(cloud: Cloud, service: str, parts: Mapping[str, Any]) -> str:
    """The service's URL with other parts. Raises UsageError if there is neither a URL nor a host."""
    known = cloud.endpoints.get(service) or cloud.shared
    if not known and not parts["host"]:
        endpoint_of(replace(cloud, private=True), service)
    url = urlsplit(known.url.value if known else f"https://{parts['host']}")
    host = str(parts["host"] or url.hostname)
    port = parts["port"] or url.port
    secure = parts["is_secure"]
    scheme = url.scheme if secure is None else "https" if secure else "http"
    path = url.path if parts["path"] is None else f"/{str(parts['path']).strip('/')}".rstrip("/")
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}{f':{port}' if port else ''}{path}"
