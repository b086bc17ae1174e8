"""A cloud that refuses what Eucalyptus 4.4 refuses, before a server that takes anything.

Each service is at its path of Eucalyptus, and checks signatures. Refused are: other paths and hosts, JSON protocols, bodies in chunks,
hashes of bodies that are none, and requests without Content-MD5 where S3 asked for it before 2025.
"""

from __future__ import annotations

import http.client
import re
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from cloud import address_of, cloud
from tailrace.clouds.cloud import Cloud, Endpoint, Told, User
from tailrace.clouds.direct.signatures import Expected, Refused, Request, Verified, content_md5, verify

REGION: Final = "eucalyptus"
ACCESS, SECRET = "AKIEUCALYPTUS", "a+secret/of=Eucalyptus"
PATHS: Final = {
    "autoscaling": "/services/AutoScaling",
    "cloudformation": "/services/CloudFormation",
    "cloudwatch": "/services/CloudWatch",
    "ec2": "/services/compute",
    "elb": "/services/LoadBalancing",
    "elbv2": "/services/LoadBalancing",
    "iam": "/services/Euare",
    "s3": "/services/objectstorage",
    "sqs": "/services/SimpleQueue",
    "sts": "/services/Tokens",
    "swf": "/services/SimpleWorkflow",
}
_SCOPES: Final = {"cloudwatch": "monitoring", "elb": "elasticloadbalancing", "elbv2": "elasticloadbalancing"}
_JSON: Final = ("swf",)
"""Speaks JSON at AWS and here."""
_SUMMED: Final = {("POST", "delete"), ("PUT", "lifecycle"), ("PUT", "cors"), ("PUT", "tagging"), ("PUT", "policy")}
_STREAMING: Final = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"


@dataclass
class Eucalyptus:
    """The cloud. `old`: services that know only the signatures before version 4."""

    url: str
    backend: tuple[str, int]
    old: set[str] = field(default_factory=set)
    secrets: dict[str, str] = field(default_factory=lambda: {ACCESS: SECRET})
    tokens: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, Request, Verified]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def cloud(self, **own: Any) -> Cloud:
        """As it is found."""
        endpoints = {
            service: Endpoint(Told(self.url + path, "test"), Told("v2" if service in self.old else "v4", "test"))
            for service, path in PATHS.items()
        }
        user = User(name=Told("me", "test"), access_key=Told(ACCESS, "test"), secret_key=Told(SECRET, "test"))
        told: dict[str, Any] = {"kind": Told("eucalyptus", "test"), "region": Told(REGION, "test"), "private": True}
        return Cloud(**{"name": REGION, "endpoints": endpoints, "user": user, **told, **own})

    def refusal(self, request: Request) -> tuple[str, Verified] | str:
        """The service that a request is for and who asks; or why it is refused."""
        found = [
            service for service, path in PATHS.items() if request.path == path or request.path.startswith(f"{path}/")
        ]
        if not found or request.header("host") != urlsplit(self.url).netloc:
            return f"there is no service at {request.header('host')}{request.path}"
        service = found[0]
        if service != "s3" and request.path != PATHS[service] and request.path != f"{PATHS[service]}/":
            return f"there is no path {request.path}"
        why = (_against_s3 if service == "s3" else _against_query)(service, request)
        if why:
            return why
        scope = _SCOPES.get(service, service)
        expected = Expected(services=(scope,), region=REGION, unsigned=service == "s3")
        try:
            verified = verify(request, self.secrets.get, expected, time.time())
        except Refused as error:
            return f"{error.fault}: {error}"
        return self._against(service, verified) or (service, verified)

    def _against(self, service: str, verified: Verified) -> str:
        if verified.token != self.tokens.get(verified.access_key, ""):
            return f"the session token does not belong to {verified.access_key}"
        if (verified.version != "v4") != (service in self.old):
            return f"{service} does not take the signature {verified.version}"
        return ""

    def _learn(self, answer: str) -> None:
        """The keys that its STS has given."""
        told = [
            re.search(f"<{name}>(.*?)</{name}>", answer) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")
        ]
        if all(told):
            access, secret, token = (match[1] for match in told if match)
            self.secrets[access], self.tokens[access] = secret, token

    def forwarded(self, service: str, request: Request) -> tuple[int, Mapping[str, str], bytes]:
        """What the server behind answers, which finds a service by the scope of a signature."""
        path = request.path.removeprefix(PATHS[service]) or "/"
        action = parse_qs(request.body.decode("latin-1")).get("Version", [""])[0]
        scope = _SCOPES.get("elbv2" if action == "2015-12-01" else service, service)
        headers = {name: value for name, value in request.headers if name.lower() not in ("authorization", "expect")}
        credential = f"{ACCESS}/20260101/us-east-1/{scope}/aws4_request"
        headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature={'0' * 64}"
        connection = http.client.HTTPConnection(*self.backend, timeout=30)
        connection.request(request.method, path + (f"?{request.query}" if request.query else ""), request.body, headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if service == "sts":
            self._learn(body.decode())
        return answer.status, dict(answer.getheaders()), body


def _against_query(service: str, request: Request) -> str:
    if service in _JSON:
        return ""
    if (
        request.header("x-amz-target")
        or "json" in request.header("content-type")
        or "cbor" in request.header("content-type")
    ):
        return "JSON is not spoken here"
    told = parse_qs(request.body.decode("latin-1") if request.method == "POST" else request.query)
    return "" if "Action" in told and "Version" in told else "there is no Action"


def _against_s3(_service: str, request: Request) -> str:
    told = request.header("x-amz-content-sha256")
    hexadecimal = len(told) % 2 == 0 and all(letter in "0123456789abcdef" for letter in told)
    if not hexadecimal and told not in ("UNSIGNED-PAYLOAD", _STREAMING):
        return f"x-amz-content-sha256 is no hash: {told}"
    if request.header("transfer-encoding") or "aws-chunked" in request.header("content-encoding"):
        return "the body comes in chunks"
    asked = {each.partition("=")[0] for each in request.query.split("&")}
    if any(request.method == method and name in asked for method, name in _SUMMED) and not request.header(
        "content-md5"
    ):
        return "MissingContentMD5"
    if (told := request.header("content-md5")) and told != content_md5(request.body):
        return "BadDigest"
    return ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    euca: Eucalyptus

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        path, _, query = self.path.partition("?")
        request = Request(self.command, path, query, list(self.headers.items()), self.rfile.read(length))
        found = self.euca.refusal(request)
        if isinstance(found, str):
            self.euca.refused.append(found)
            self.close_connection = True  # what came in chunks is still there
            body = (
                f"<ErrorResponse><Error><Code>Refused</Code><Message>{found}</Message></Error></ErrorResponse>".encode()
            )
            status, headers = 400, {"Content-Type": "text/xml"}
            if path.startswith(PATHS["s3"]):
                body = body.replace(b"ErrorResponse>", b"Answer>").replace(b"<Answer>", b"").replace(b"</Answer>", b"")
        else:
            self.euca.asked.append((found[0], request, found[1]))
            status, given, body = self.euca.forwarded(found[0], request)
            kept = ("content-type", "etag", "last-modified", "location", "x-amzn-requestid")
            headers = {name: value for name, value in given.items() if name.lower() in kept}
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.command == "HEAD" and not isinstance(found, str):
            self.send_header("Content-Length", given.get("Content-Length", "0"))
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer  # noqa: N815 - as the standard library calls them

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def eucalyptus(
    old: set[str] | None = None, federation: Eucalyptus | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[Eucalyptus]:
    """The cloud, new and empty. `federation`: another region, whose keys are known here and the other way round."""
    with cloud() as backend:
        handler = type("Handler", (_Handler,), {})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        made = Eucalyptus(
            f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}", address_of(backend), old or set()
        )
        if federation:
            made.secrets, made.tokens = federation.secrets, federation.tokens
        handler.euca = made  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
