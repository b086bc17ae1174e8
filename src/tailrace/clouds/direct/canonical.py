"""What is signed of a request: the texts that AWS's signatures are made of."""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import md5, sha256
from typing import Final, Literal, NamedTuple
from urllib.parse import quote, unquote_to_bytes

V4: Final = "AWS4-HMAC-SHA256"
STAMP: Final = "%Y%m%dT%H%M%SZ"
_BLANKS: Final = re.compile(r"[ \t\r\n]+")
_SUBRESOURCES: Final = frozenset(
    {
        "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location", "logging", "metrics",
        "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment", "restore", "select", "select-type",
        "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
        "response-cache-control", "response-content-disposition", "response-content-encoding", "response-content-language",
        "response-content-type", "response-expires",
    }
)  # fmt: skip
"""What a query of S3 names besides the object, as far as it is signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """With what a request is signed. `token`: belongs to temporary keys."""

    access: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it goes over the line. `path` and `query`: encoded, as in its first line. `headers`: each character is one byte."""

    method: str
    path: str
    query: str = ""
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str:
        """A header's value, empty if there is none; that of one which came twice joined by commas."""
        return ",".join(value.strip(" \t") for told, value in self.headers if told.lower() == name)


class Scope(NamedTuple):
    """Of what a signature of version 4 is valid."""

    region: str
    service: str


def content_md5(body: bytes) -> str:
    """What Content-MD5 tells of a body."""
    return b64encode(md5(body, usedforsecurity=False).digest()).decode()


def canonical_v4(request: Request, names: Sequence[str], content: str, service: str) -> str:
    """What version 4 signs of a request, besides when and where. `names`: of the signed headers, in order; `content`: the hash of its body."""
    path = request.path or "/"
    if service == "s3":
        path = "/".join(quoted(unquote_to_bytes(part.encode("latin-1"))) for part in path.split("/"))
    else:
        path = quote(_without_dots(path).encode("latin-1"), safe="/-_.~")
    query = "&".join(
        f"{name}={value}" for name, value in sorted((quoted(a), quoted(b)) for a, b in pairs_of(request.query))
    )
    headers = [f"{name}:{_BLANKS.sub(' ', request.header(name))}" for name in names]
    return "\n".join([request.method, path, query, *headers, "", ";".join(names), content])


def signature_v4(text: str, secret: str, scope: Scope, stamp: str) -> str:
    """The signature of such a text, in hex. `stamp`: when it is made, as stamp_of tells."""
    key = f"AWS4{secret}".encode()
    within = credential_scope(stamp, scope)
    for part in within.split("/"):
        key = hmac.digest(key, part.encode("latin-1"), "sha256")
    told = "\n".join([V4, stamp, within, sha256(text.encode("latin-1")).hexdigest()])
    return hmac.digest(key, told.encode("latin-1"), "sha256").hex()


def credential_scope(stamp: str, scope: Scope) -> str:
    """The scope as it follows the access key."""
    return f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"


def text_v2(method: str, host: str, path: str, pairs: Iterable[tuple[bytes, bytes]]) -> str:
    """What version 2 signs. `pairs`: the parameters, but for the signature, sorted."""
    return "\n".join([method, host, path or "/", joined(pairs)])


def text_s3(request: Request) -> str:
    """What S3's old signature signs."""
    date = "" if request.header("x-amz-date") else request.header("date")
    told = sorted({name.lower() for name, _ in request.headers if name.lower().startswith("x-amz-")})
    asked = sorted(each.partition("=") for each in request.query.split("&"))
    named = [(name + equal).encode() + unquote_to_bytes(value) for name, equal, value in asked if name in _SUBRESOURCES]
    resource = (request.path or "/") + ("?" if named else "") + b"&".join(named).decode("latin-1")
    standard = [request.header("content-md5"), request.header("content-type"), date]
    return "\n".join([request.method, *standard, *(f"{name}:{request.header(name)}" for name in told), resource])


def keyed(secret: str, text: str, digest: Literal["sha1", "sha256"]) -> str:
    """The old signatures: base64 of the text's HMAC."""
    return b64encode(hmac.digest(secret.encode(), text.encode("latin-1"), digest)).decode()


def pairs_of(query: str) -> list[tuple[bytes, bytes]]:
    """Names and values of a query, as whoever reads it understands them."""
    found = (each.replace("+", " ").encode("latin-1").partition(b"=") for each in query.split("&") if each)
    return [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in found]


def joined(pairs: Iterable[tuple[bytes, bytes]]) -> str:
    """Names and values as they go over the line, in the order given."""
    return "&".join(f"{quoted(name)}={quoted(value)}" for name, value in pairs)


def quoted(text: str | bytes) -> str:
    """All but letters, digits and `-_.~` as %XX."""
    return quote(text, safe="-_.~")


def _without_dots(path: str) -> str:
    """The path as services other than S3 see it: without `.`, `..` and empty parts."""
    parts: list[str] = []
    for each in path.split("/"):
        if each == "..":
            del parts[-1:]
        elif each not in ("", "."):
            parts.append(each)
    return f"/{'/'.join(parts)}/" if parts and path.endswith("/") else f"/{'/'.join(parts)}"


def stamp_of(at: float) -> str:
    """A moment as version 4 writes it."""
    return datetime.fromtimestamp(int(at), UTC).strftime(STAMP)
