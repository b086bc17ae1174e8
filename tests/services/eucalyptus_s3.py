"""Eucalyptus's object storage, as far as access goes: strict where it is, by its documentation and source (4.4).

Grantees are canonical ids or numbers of accounts, which it turns into canonical ids; each object has its own list, and its owner
reads it only by that; lifecycle rules have the old form, need Content-MD5, and no bucket with versions; there is one way to list.
"""

from __future__ import annotations

import re
import threading
import xml.etree.ElementTree as ET
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

PATH = "/services/objectstorage"
_NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
_HEADERS = {"x-amz-grant-read": "READ", "x-amz-grant-write": "WRITE", "x-amz-grant-full-control": "FULL_CONTROL"}

Acl = set[tuple[str, str]]


def canonical(account: str) -> str:
    """The id that an account has in lists."""
    return sha256(account.encode()).hexdigest()


class RefusedError(Exception):
    """The service answers with an error."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


@dataclass
class Thing:
    """An object: or a bucket, with the rest of what it is like."""

    owner: str
    acl: Acl
    content: bytes = b""
    objects: dict[str, Thing] = field(default_factory=dict)
    rules: bytes = b""
    versioning: str = ""


class Asked(NamedTuple):
    """A request of an account."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    who: str


@dataclass
class Eucalyptus:
    """The service. `accounts`: numbers by access key."""

    accounts: dict[str, str]
    buckets: dict[str, Thing] = field(default_factory=dict)
    url: str = ""

    def known(self, path: str, headers: Mapping[str, str]) -> str:
        """Who asks, by his canonical id. Raises RefusedError."""
        told = re.search(r"Credential=([^/]+)/|AWS ([^:]+):", headers.get("Authorization", ""))
        account = self.accounts.get((told[1] or told[2]) if told else "")
        if account is None or not path.startswith(PATH):
            raise RefusedError(403, "InvalidAccessKeyId")
        if "aws-chunked" in headers.get("Content-Encoding", "") or "X-Amz-Trailer" in headers:
            raise RefusedError(501, "NotImplemented")
        return canonical(account)

    def answer(self, asked: Asked) -> bytes:
        """The body of the answer. Raises RefusedError."""
        if not asked.bucket:
            names = "".join(
                f"<Bucket><Name>{n}</Name></Bucket>" for n, b in self.buckets.items() if b.owner == asked.who
            )
            return f"<ListAllMyBucketsResult>{_owner(asked.who)}<Buckets>{names}</Buckets></ListAllMyBucketsResult>".encode()
        if asked.method == "PUT" and not asked.key and not asked.query:
            self.buckets[asked.bucket] = Thing(asked.who, {(asked.who, "FULL_CONTROL")})
            return b""
        bucket = self.buckets.get(asked.bucket)
        if bucket is None:
            raise RefusedError(404, "NoSuchBucket")
        return self._of_object(asked, bucket) if asked.key else self._of_bucket(asked, bucket)

    def _of_bucket(self, asked: Asked, bucket: Thing) -> bytes:
        if "acl" in asked.query:
            return self._acl(asked, bucket)
        if "lifecycle" in asked.query:
            return self._lifecycle(asked, bucket)
        if "versioning" in asked.query:
            _allow(asked.who == bucket.owner)
            if asked.method == "PUT":
                bucket.versioning = str(ET.fromstring(asked.body).findtext(f"{_NAMESPACE}Status"))
            state = f"<Status>{bucket.versioning}</Status>" if bucket.versioning else ""
            return f"<VersioningConfiguration>{state}</VersioningConfiguration>".encode()
        if asked.method != "GET" or "list-type" in asked.query:
            raise RefusedError(501, "NotImplemented")
        _allow(_may(bucket, asked.who, "READ"))
        keys = sorted(key for key in bucket.objects if key.startswith(asked.query.get("prefix", "")))
        items = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in keys)
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>".encode()

    def _of_object(self, asked: Asked, bucket: Thing) -> bytes:
        if asked.method == "PUT" and "acl" not in asked.query:
            _allow(_may(bucket, asked.who, "WRITE"))
            bucket.objects[asked.key] = Thing(asked.who, self._granted(asked, bucket), asked.body)
            return b""
        thing = bucket.objects.get(asked.key)
        if asked.method == "DELETE":
            _allow(_may(bucket, asked.who, "WRITE"))
            bucket.objects.pop(asked.key, None)
            return b""
        if thing is None:
            raise RefusedError(404, "NoSuchKey")
        if "acl" in asked.query:
            return self._acl(asked, thing)
        _allow(_may(thing, asked.who, "READ"))
        return thing.content

    def _granted(self, asked: Asked, bucket: Thing) -> Acl:
        """What headers grant, and nothing else; if there are none, all to the owner."""
        told = {
            (self._known(who), what) for name, what in _HEADERS.items() for who in _ids(asked.headers.get(name, ""))
        }
        canned = asked.headers.get("x-amz-acl", "private")
        if canned not in ("private", "bucket-owner-full-control") or (told and "x-amz-acl" in asked.headers):
            raise RefusedError(400, "InvalidArgument")
        both = {asked.who, bucket.owner} if canned != "private" else {asked.who}
        return told or {(who, "FULL_CONTROL") for who in both}

    def _acl(self, asked: Asked, thing: Thing) -> bytes:
        _allow(asked.who == thing.owner or (asked.who, "FULL_CONTROL") in thing.acl)
        if asked.method == "PUT":
            grants = ET.fromstring(asked.body).iter(f"{_NAMESPACE}Grant")
            thing.acl = {
                (self._known(str(grant.findtext(f"{_NAMESPACE}Grantee/{_NAMESPACE}ID"))), str(grant.findtext(f"{_NAMESPACE}Permission")))
                for grant in grants
            }  # fmt: skip
            return b""
        grants_ = "".join(
            f'<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>{who}</ID>'
            f"</Grantee><Permission>{what}</Permission></Grant>"
            for who, what in sorted(thing.acl)
        )
        return f"<AccessControlPolicy>{_owner(thing.owner)}<AccessControlList>{grants_}</AccessControlList></AccessControlPolicy>".encode()

    def _lifecycle(self, asked: Asked, bucket: Thing) -> bytes:
        _allow(asked.who == bucket.owner)
        if asked.method == "PUT":
            if asked.headers.get("Content-MD5") != b64encode(md5(asked.body, usedforsecurity=False).digest()).decode():
                raise RefusedError(400, "InvalidDigest")
            if bucket.versioning:
                raise RefusedError(409, "InvalidBucketState")
            rules = list(ET.fromstring(asked.body).iter(f"{_NAMESPACE}Rule"))
            if not rules or any(rule.find(f"{_NAMESPACE}Prefix") is None for rule in rules):
                raise RefusedError(400, "MalformedXML")
            bucket.rules = asked.body
        elif asked.method == "DELETE":
            bucket.rules = b""
        elif not bucket.rules:
            raise RefusedError(404, "NoSuchLifecycleConfiguration")
        return bucket.rules

    def _known(self, who: str) -> str:
        known = {canonical(account): canonical(account) for account in self.accounts.values()}
        known |= {account: canonical(account) for account in self.accounts.values()}
        if who not in known:
            raise RefusedError(400, "InvalidArgument")
        return known[who]


def _ids(header: str) -> list[str]:
    return re.findall(r'id="([^"]*)"', header)


def _may(thing: Thing, who: str, what: str) -> bool:
    return bool({(who, what), (who, "FULL_CONTROL")} & thing.acl)


def _allow(allowed: bool) -> None:  # noqa: FBT001
    if not allowed:
        raise RefusedError(403, "AccessDenied")


def _owner(who: str) -> str:
    return f"<Owner><ID>{who}</ID><DisplayName>x</DisplayName></Owner>"


@contextmanager
def eucalyptus(accounts: dict[str, str]) -> Iterator[Eucalyptus]:
    """The service, on a port of its own."""
    made = Eucalyptus(accounts)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            bucket, _, key = unquote(parts.path.removeprefix(PATH).lstrip("/")).partition("/")
            query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            query.pop("encoding-type", None)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                headers: Any = self.headers
                who = made.known(parts.path, headers)
                self._say(200, made.answer(Asked(self.command, bucket, key, query, headers, body, who)))
            except RefusedError as error:
                self._say(error.status, f"<Error><Code>{error.code}</Code></Error>".encode())

        do_PUT = do_DELETE = do_GET  # noqa: N815 - as the standard library has it

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}{PATH}"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
