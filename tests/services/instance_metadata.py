"""Instance metadata as EC2 serves it: with session tokens (required or not), or as clouds serve it that know of none.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

TOKEN = "/latest/api/token"


@dataclass
class InstanceMetadata:
    """What is served, by path without the first slash, and how.

    `tokens`: required, optional, or the status that asking for one is answered with. `asked`: method and path of each request.
    """

    told: dict[str, str | bytes] = field(default_factory=dict)
    tokens: str | int = "required"
    asked: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""
    valid: set[str] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=count)

    def answer(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body."""
        self.asked.append((method, path))
        if method == "PUT":
            return self._token(path, headers)
        token = headers.get("X-aws-ec2-metadata-token")
        if (token is None and self.tokens == "required") or (token is not None and token not in self.valid):
            return 401, b"Unauthorized"
        told = self.told.get(path.removeprefix("/"))
        if told is None:
            return 404, b"<html><title>404 - Not Found</title></html>"
        return 200, told if isinstance(told, bytes) else told.encode()

    def _token(self, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        if isinstance(self.tokens, int):
            return self.tokens, b"no tokens here"
        if path != TOKEN or "X-Forwarded-For" in headers:
            return 403, b""
        if not 1 <= int(headers.get("X-aws-ec2-metadata-token-ttl-seconds", "0")) <= 21600:
            return 400, b""
        token = f"AQAEA{next(self._numbers):04}NvWxyz-_=="
        self.valid.add(token)
        return 200, token.encode()


@contextmanager
def instance_metadata(**settings: Any) -> Iterator[InstanceMetadata]:
    """The service, on a port of its own."""
    made = InstanceMetadata(**settings)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = made.answer(self.command, self.path, self.headers)
            self.send_response(status)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_GET  # noqa: N815 - as the standard library has it

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
