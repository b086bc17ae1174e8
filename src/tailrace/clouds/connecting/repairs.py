"""What boto3's clients have to do otherwise for the clouds that speak AWS's older API, and what they must never do.

boto3 sends CRC32 where older servers want Content-MD5, signs the path of a bucket otherwise
than it asks for it, and leaves the endpoint that it was given for AWS's where an answer, a name or a setting leads there.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from tailrace.clouds.direct.signatures import content_md5
from tailrace.errors import Fatal

CONFIG: Final[dict[str, Any]] = {
    "s3": {
        "addressing_style": "path",
        "use_accelerate_endpoint": False,
        "use_dualstack_endpoint": False,
        "use_arn_region": False,
    },
    # Whatever the environment or a profile tells of AWS's hosts, requests go to the endpoint.
    "use_dualstack_endpoint": False,
    "use_fips_endpoint": False,
    "inject_host_prefix": False,
    "endpoint_discovery_enabled": False,
}


def repair(client: Any) -> None:
    """Let a client of a private cloud do what older servers ask for, and send nothing but to its endpoint."""
    events, service = client.meta.events, client.meta.service_model.service_name
    if service == "s3":
        events.register("before-call.s3", _sum, unique_id="tailrace-sum")
        events.register("before-call.s3", _stay, unique_id="tailrace-stay")
        if client.meta.config.signature_version == "s3":
            events.register("before-sign.s3", _sign_what_is_asked_for, unique_id="tailrace-path")
    endpoint = str(client.meta.endpoint_url)

    def guard(request: Any, **_: Any) -> None:
        if not within(str(request.url), endpoint):
            host = urlsplit(str(request.url)).netloc
            message = f"a request of {service} that is meant for {endpoint} would go to {host}: it is not sent; name the bucket or resource by its plain name"
            raise Fatal(message)

    events.register_first("before-send", guard, unique_id="tailrace-guard")


def within(url: str, endpoint: str) -> bool:
    """Whether a URL is below an endpoint: the same scheme, host and port, and a path that begins as its."""
    asked, given = urlsplit(url), urlsplit(endpoint)
    path = given.path.rstrip("/")
    same = (asked.scheme, asked.netloc.lower()) == (given.scheme, given.netloc.lower())
    return same and (asked.path == path or asked.path.startswith(f"{path}/"))


def _sum(params: Any, model: Any, **_: Any) -> None:
    """Add Content-MD5 where S3 asks for a sum."""
    body = params.get("body")
    wanted = model.http_checksum_required or (model.http_checksum or {}).get("requestChecksumRequired")
    if wanted and isinstance(body, bytes | bytearray) and "Content-MD5" not in params["headers"]:
        params["headers"]["Content-MD5"] = content_md5(bytes(body))


def _stay(context: Any, **_: Any) -> None:
    """Say that the request has been redirected already: botocore would ask where the bucket is, for ever if the answer is a redirect too."""
    context.get("s3_redirect", {})["redirected"] = True


def _sign_what_is_asked_for(request: Any, **_: Any) -> None:
    """The old signature is of the path as it is sent; botocore would sign a bucket's with a slash at its end."""
    request.auth_path = urlsplit(request.url).path
