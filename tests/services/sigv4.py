"""AWS's signature version 4, worked out again from its description, to check what was signed by others.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
import re
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
    path, _, query = asked.path.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    canonical_query = "&".join(
        sorted(f"{quote(unquote(name), safe='-_.~')}={quote(unquote(value), safe='-_.~')}" for name, _, value in pairs)
    )
    canonical = "\n".join(
        [asked.method, quote(path, safe="/-_.~"), canonical_query, *(f"{name}:{headers[name]}" for name in names), "",
         ";".join(names), headers["x-amz-content-sha256"]]
    )  # fmt: skip
    stamp = headers["x-amz-date"]
    scope = f"{stamp[:8]}/{REGION}/{service}/aws4_request"
    if match[1] != f"{ACCESS}/{scope}":
        return f"it is signed for {match[1]}"
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    told = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, sha256(canonical.encode()).hexdigest()])
    expected = hmac.digest(key, told.encode(), "sha256").hex()
    return "" if hmac.compare_digest(expected, match[3]) else "the signature does not match"
