"""AWS's signature version 4, worked out again from its description, to check what was signed by others.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, unquote

from botocore.credentials import Credentials

from services.strict_bulk import Asked

ACCESS, SECRET, REGION = "AKIDEXAMPLE", "A SECRET", "eu-west-1"
_AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=(.*?), ?SignedHeaders=(.*?), ?Signature=([0-9a-f]{64})")


def client_with(secret: str, token: str | None = None, region: str = REGION) -> Any:
    """As much of a client as signing takes."""
    credentials = Credentials(ACCESS, secret, token) if secret else None
    signer = SimpleNamespace(_credentials=credentials)
    meta = SimpleNamespace(region_name=region, endpoint_url="https://es.example.net")
    return SimpleNamespace(meta=meta, _request_signer=signer)


def canonical(request: tuple[str, str], headers: Mapping[str, str], names: Sequence[str], content: str) -> str:
    """What is signed of a request: its method and target, those of its headers, and the hash of its body."""
    method, target = request
    path, _, query = target.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    told = sorted(f"{_quoted(name)}={_quoted(value)}" for name, _, value in pairs)
    lines = (f"{name}:{' '.join(headers[name].split())}" for name in names)
    return "\n".join([method, quote(path, safe="/-_.~"), "&".join(told), *lines, "", ";".join(names), content])


def _quoted(text: str) -> str:
    return quote(unquote(text), safe="-_.~")


def signature(secret: str, stamp: str, scope: str, text: str) -> str:
    """The signature of a canonical request; `scope`: day, region, service and `aws4_request`."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    told = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, sha256(text.encode()).hexdigest()])
    return hmac.digest(key, told.encode(), "sha256").hex()


def refusal_of(asked: Asked, service: str) -> str:
    """Why a request would be refused by AWS; empty if it would not."""
    headers = {name.lower(): value.strip() for name, value in asked.headers.items()}
    match = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if match is None:
        return "there is no signature"
    if headers.get("x-amz-content-sha256") != sha256(asked.body).hexdigest():
        return "the hash of the body is missing or does not match"
    names = match[2].split(";")
    if names != sorted(names) or not {"host", "x-amz-content-sha256", "x-amz-date"} <= set(names):
        return "headers are missing in the signature"
    stamp = headers["x-amz-date"]
    scope = f"{stamp[:8]}/{REGION}/{service}/aws4_request"
    if match[1] != f"{ACCESS}/{scope}":
        return f"it is signed for {match[1]}"
    text = canonical((asked.method, asked.path), headers, names, headers["x-amz-content-sha256"])
    return (
        "" if hmac.compare_digest(signature(SECRET, stamp, scope, text), match[3]) else "the signature does not match"
    )
