"""A load balancer as an appliance has it: servers, HAProxy, and the socket where the appliance counts requests."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PATIENCE = 20.0
_RECIPE = r"httplog\ {moment}%ci\ %si\ %sp\ %ST\ %U\ %B\ %f\ %b\ %s\ %ts\ %r\ %hrl"
"""What Eucalyptus' servo has HAProxy log, without ports and durations where lines are compared byte for byte."""


def free_port() -> int:
    for port in range(23_500 + os.getpid() % 400, 24_000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no free port")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        found = self.path.startswith("/moved")
        self.send_response(302 if found else 200)
        if found:
            self.send_header("Location", "https://example.com/there")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """HAProxy resets connections that it needs no more."""


@contextmanager
def server() -> Iterator[int]:
    """Its port."""
    with _Server(("127.0.0.1", 0), Handler) as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield found.server_port
        found.shutdown()
        thread.join()


@dataclass
class Receiver:
    """A datagram socket; `lines`: all that has come, but for what HAProxy says of itself."""

    path: Path
    lines: list[bytes] = field(default_factory=list)

    def await_lines(self, count: int) -> list[bytes]:
        await_that(lambda: len(self.lines) >= count)
        return self.lines[:]


@contextmanager
def receiver(path: Path) -> Iterator[Receiver]:
    found, ended = Receiver(path), threading.Event()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
        own.bind(str(path))
        own.settimeout(0.05)

        def receive() -> None:
            while not ended.is_set():
                try:
                    line = own.recv(1 << 17)
                except TimeoutError:
                    continue
                if b"Proxy " not in line and b"Stopping " not in line:
                    found.lines.append(line)

        thread = threading.Thread(target=receive, daemon=True)
        thread.start()
        yield found
        ended.set()
        thread.join()


def await_that(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.01)


def send(port: int, *requests: bytes) -> list[bytes]:
    """Send each over a connection of its own, until the other side has closed it; what came back."""
    told = []
    for request in requests:
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(request)
            line.settimeout(PATIENCE)
            parts = []
            while part := line.recv(65536):
                parts.append(part)
        told.append(b"".join(parts))
    return told


def get(path: bytes, agent: bytes = b"probe") -> bytes:
    return b"GET %s HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: %s\r\nConnection: close\r\n\r\n" % (path, agent)


def configuration(
    folder: Path, front: int, back: int, *, header: str = "priority", moment: str = "", tcp: int = 0
) -> str:
    """HAProxy's, with a line for the appliance; its format has no times if lines have to be equal."""
    second = f"""
frontend tcp-{tcp}
  mode tcp
  bind 127.0.0.1:{tcp}
  log {folder}/appliance.sock len 8192 format {header} local2 info
  log-format tcplog\\ {moment}%ci\\ %si\\ %sp\\ %U\\ %B\\ %f\\ %b\\ %s\\ %ts
  default_backend backend-tcp
backend backend-tcp
  mode tcp
  server t 127.0.0.1:{back}
"""
    return f"""\
# A load balancer of the appliance
global
  maxconn 200
  stats socket {folder}/stats.sock mode 600 level admin

defaults
  timeout connect 5s
  timeout client 5s
  timeout server 5s
  timeout http-request 1s

frontend http-{front}
  # lb-balancer-1
  mode http
  option forwardfor except 127.0.0.1
  bind 127.0.0.1:{front}
  log {folder}/appliance.sock len 8192 format {header} local2 info
  capture request header User-Agent len 8192
  log-format {_RECIPE.format(moment=moment)}
  http-request deny deny_status 403 if {{ path_beg /deny }}
  use_backend backend-none if {{ path_beg /none }}
  default_backend backend-http

backend backend-http
  mode http
  server s 127.0.0.1:{back}
backend backend-none
  mode http
{second if tcp else ""}"""
