"""HAProxy with clients in front, a server behind, and two receivers of its log: ours, and one that has nothing to do with ours."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.balancing import HAProxy, haproxy
from services.certificates import Authority
from services.origin import origin
from services.real import free_port
from services.traffic import Clients, Doors
from services.witness import Witness, witness
from tailrace.loadbalancer.logformat import HTTP, HTTP_RULES, LENGTH, TCP

PATIENCE_S = 60.0
_CONFIGURATION = """
global
    {targets}
    stats socket {folder}/stats.sock mode 600 level admin
    maxconn 500
    nbthread 1
defaults
    log global
    option abortonclose
    timeout connect 1s
    timeout client 3s
    timeout server 3s
    timeout http-request 300ms
    retries 1
frontend plain
    mode http
    bind 127.0.0.1:{doors.plain}
    bind [::1]:{doors.plain}
    option accept-invalid-http-request
    {http}
    http-request deny if {{ path_beg /denied }}
    http-request redirect location / if {{ path_beg /elsewhere }}
    use_backend nobody if {{ path_beg /nobody }}
    use_backend deadend if {{ path_beg /deadend }}
    default_backend app
frontend tls
    mode http
    bind 127.0.0.1:{doors.tls} ssl crt {certificate} alpn h2,http/1.1
    {http}
    default_backend app
frontend tcp
    mode tcp
    bind 127.0.0.1:{doors.tcp}
    {tcp}
    default_backend echo
frontend dead
    mode tcp
    bind 127.0.0.1:{doors.dead}
    {tcp}
    default_backend tcp_deadend
backend app
    mode http
    server s1 127.0.0.1:{origin.http}
backend nobody
    mode http
backend deadend
    mode http
    server d1 127.0.0.1:1
backend echo
    mode tcp
    server e1 127.0.0.1:{origin.echo}
backend tcp_deadend
    mode tcp
    server d1 127.0.0.1:1
"""


@dataclass
class Stage:
    """All of it."""

    folder: Path
    clients: Clients
    witness: Witness
    haproxy: HAProxy

    def handled(self) -> int:
        """How many requests and connections HAProxy itself has counted at its frontends: each of them is a line of the log."""
        rows = [line.split(",") for line in self.haproxy.ask("show stat").lstrip("# ").splitlines() if line]
        names = rows[0]
        told = [dict(zip(names, row, strict=False)) for row in rows[1:] if row[1] == "FRONTEND"]
        return sum(int(each["req_tot" if each["mode"] == "http" else "stot"] or 0) for each in told)

    def dropped(self) -> int:
        """How many lines HAProxy could not send."""
        told = dict(line.split(": ", 1) for line in self.haproxy.ask("show info").splitlines() if ": " in line)
        return int(told["DroppedLogs"])

    def logged(self, of: int) -> list[bytes]:
        """The lines that the other receiver has, once there are so many."""
        wait_for(lambda: len(self.witness.lines) >= of, lambda: f"{len(self.witness.lines)} of {of} lines are logged")
        return self.witness.lines


@contextmanager
def stage(folder: Path, target: str, *, seed: int = 1, configured: bool = True) -> Iterator[Stage]:
    """A load balancer that logs to `target` too: a path of a socket, or an address of UDP.

    If it is not `configured`, it logs to the other receiver only, as the appliance did before.
    """
    authority = Authority(folder)
    pair = authority.pair("balancer")
    certificate = folder / "both.pem"
    certificate.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    first = free_port(*range(4))
    doors = Doors(*range(first, first + 4))
    with ExitStack() as stack:
        behind, heard = stack.enter_context(origin()), stack.enter_context(witness())
        config = folder / "haproxy.cfg"
        logging = _ours(heard.port, target) if configured else _theirs(heard.port)
        text = _CONFIGURATION.format(folder=folder, doors=doors, origin=behind, certificate=certificate, **logging)
        config.write_text(text, encoding="utf-8")
        running = stack.enter_context(haproxy(config, doors.plain, doors.tls, doors.tcp, doors.dead))
        trusted = ssl.create_default_context(cafile=str(authority.path))
        yield Stage(folder, Clients(doors, trusted, seed), heard, running)


def _ours(port: int, target: str) -> dict[str, str]:
    to = (f"log {each} len {LENGTH} format rfc5424 local0" for each in (f"127.0.0.1:{port}", target))
    return {
        "targets": "\n    ".join(to),
        "http": "\n    ".join([f"log-format '{HTTP}'", *HTTP_RULES]),
        "tcp": f"log-format '{TCP}'",
    }


def _theirs(port: int) -> dict[str, str]:
    return {"targets": f"log 127.0.0.1:{port} len 8192 local0", "http": "option httplog", "tcp": "option tcplog"}


def wait_for(come: Callable[[], bool], told: Callable[[], str], step: float = 0.05) -> None:
    """Wait until something has come; fail with what is told if it does not."""
    end = time.monotonic() + PATIENCE_S
    while not come():
        assert time.monotonic() < end, told()
        time.sleep(step)
