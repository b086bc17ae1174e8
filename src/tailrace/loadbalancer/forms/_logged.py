"""A request or connection as HAProxy logged it, and what AWS's fields need of it."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec

SWITCHING: Final = 101
SECOND_US: Final = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_US: Final = 253_402_300_800 * SECOND_US - 1
"""The last moment of the year 9999."""
_NOTICES: Final = frozenset(("haproxy_admin", "haproxy_error", "haproxy_default"))
CUSTOM: Final = "haproxy_custom"
CUSTOM_WITH_IDLE: Final = "haproxy_custom_tq"
"""Formats of a `log-format` of the user's own; the second one's `time_request_ms` is `%Tq`."""
_WITH_IDLE: Final = frozenset(("haproxy_eucalyptus_http", CUSTOM_WITH_IDLE))
NO_ADDRESS: Final = "0.0.0.0:0"
"""Stands for a client without an address, on a Unix socket: fields of AWS's logs that every line has cannot be a dash."""


class Logged(msgspec.Struct, gc=False):
    """A record of HAProxy's log, under the names that the kernel gives; what the line does not tell is None."""

    format: str
    time: str = ""
    time_source: str = ""
    truncated: bool = False
    ms: int | None = None
    Th: int | None = None
    Ti: int | None = None
    client_ip: str | None = None
    client_port: int | None = None
    frontend_ip: str | None = None
    frontend_port: int | None = None
    frontend: str | None = None
    server: str | None = None
    server_ip: str | None = None
    server_port: int | None = None
    time_request_ms: int | None = None
    time_queue_ms: int | None = None
    time_connect_ms: int | None = None
    time_response_ms: int | None = None
    time_total_ms: int | None = None
    status_code: int | None = None
    server_status_code: int | None = None
    bytes_uploaded: int | None = None
    bytes_read: int | None = None
    termination_state: str | None = None
    ssl_version: str | None = None
    ssl_cipher: str | None = None
    ssl_sni: str | None = None
    request_host: str | None = None
    user_agent: str | None = None
    response_location: str | None = None
    request: str | None = None
    request_method: str | None = None
    request_url: str | None = None
    request_protocol: str | None = None
    request_url_whole: str | None = None
    request_version: str | None = None
    captured_request_headers: list[str] | None = None

    @property
    def is_http(self) -> bool:
        """Whether it is a request and not a connection in TCP mode."""
        return self.status_code is not None or self.request is not None or self.request_method is not None

    @property
    def is_notice(self) -> bool:
        """Whether it tells of something else than a request or connection that was served."""
        return self.format in _NOTICES

    @property
    def secure(self) -> bool:
        """Whether the client spoke TLS."""
        return self.ssl_version is not None or (self.frontend is not None and self.frontend[-1:] == "~")

    @property
    def dispatched(self) -> bool:
        """Whether there was a connection to a server."""
        return self.time_connect_ms is not None and self.time_connect_ms >= 0 and not self._applet

    @property
    def answered(self) -> bool:
        """Whether the server sent the head of a response."""
        return self.time_response_ms is not None and self.time_response_ms >= 0 and not self._applet

    @property
    def _applet(self) -> bool:
        """Whether no server was chosen, or something in HAProxy answers, as `<NOSRV>` and `<STATS>` tell."""
        return self.server is not None and self.server[:1] == "<"

    @property
    def connected_ms(self) -> int:
        """From the request's first byte until HAProxy was connected to the server.

        `%Tq`, in whose place newer formats have `%TR`, holds the idle time before the request too: it is left out.
        """
        received = 0 if self.format in _WITH_IDLE else known(self.time_request_ms)
        return received + known(self.time_queue_ms) + known(self.time_connect_ms)

    @property
    def responded_ms(self) -> int:
        """From the time that `begin_us` tells until the response began.

        It is the end where there was none, and of a WebSocket.
        """
        if not self.answered or self.status_code == SWITCHING:
            return known(self.time_total_ms)
        times = (self.time_request_ms, self.time_queue_ms, self.time_connect_ms, self.time_response_ms)
        return sum(map(known, times))

    @property
    def server_endpoint(self) -> str:
        """Address and port of the server; a dash where they are not told."""
        return endpoint(self.server_ip, self.server_port) or "-"

    @property
    def client_endpoint(self) -> str:
        """Address and port of the client."""
        return endpoint(self.client_ip, self.client_port) or NO_ADDRESS

    @property
    def server_status(self) -> str:
        """Status that the server sent; a dash where HAProxy itself answered, or was not told."""
        if self.server_status_code is not None and not self._applet:
            return status(self.server_status_code)
        replaced = self.termination_state is not None and self.termination_state[:2] in ("PH", "LH", "RH", "IH")
        if self.format == "haproxy_tailrace" or not self.answered or replaced:
            return "-"
        return status(self.status_code)

    @property
    def agent(self) -> str | None:
        """The User-Agent header, where it was logged."""
        if self.user_agent is None and self.format == "haproxy_eucalyptus_http" and self.captured_request_headers:
            return self.captured_request_headers[0]
        return self.user_agent


def begin_us(logged: Logged) -> int | None:
    """When HAProxy received the first byte of the request, or accepted the connection, in µs since 1970; None if unknown.

    Our own log-format tells that second, and how many ms of the clock had passed when HAProxy began to wait for it. A
    syslog header's time is that of the end.
    """
    if not logged.time:
        return None
    at = _second(logged.time[:19]) * SECOND_US
    if logged.format == "haproxy_tailrace":
        waited = (logged.Th or 0) + logged.Ti if logged.Ti is not None and logged.is_http else 0
        return at + ((logged.ms or 0) + waited) % 1000 * 1000
    at += int(logged.time[20:-1][:6].ljust(6, "0"))
    if logged.time_source == "syslog":
        at -= max(logged.time_total_ms or 0, 0) * 1000
    return at


def iso(at_us: int) -> str:
    """A time as AWS writes it, in UTC with six decimals."""
    second, fraction = divmod(min(max(at_us, 0), _LAST_US), SECOND_US)
    return f"{_text(second)}.{fraction:06d}Z"


@lru_cache(maxsize=512)
def _second(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@lru_cache(maxsize=512)
def _text(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).replace(tzinfo=None).isoformat()


def known(ms: int | None) -> int:
    """A duration; 0 where it is not told."""
    return ms if ms is not None and ms > 0 else 0


def status(code: int | None) -> str:
    """A status; a dash for none, which HAProxy may write as -1 or 0."""
    return str(code) if code is not None and code > 0 else "-"


def count(number: int | None) -> str:
    """A number of bytes; 0 where the log-format has none, since AWS's field is always a number."""
    return str(number) if number is not None and number > 0 else "0"


def endpoint(ip: str | None, port: int | None) -> str:
    """`ip:port` as AWS writes it; empty if it is no address of the Internet."""
    written = address(ip) if ip else ""
    return f"{written}:{port if port is not None and 0 <= port < 65536 else 0}" if written else ""  # noqa: PLR2004


@lru_cache(maxsize=2048)
def address(ip: str) -> str:
    """An address as AWS writes it, IPv6 without brackets in eight groups: so the last colon is beyond doubt."""
    try:
        if ":" not in ip:
            return socket.inet_ntop(socket.AF_INET, socket.inet_pton(socket.AF_INET, ip))
        packed = socket.inet_pton(socket.AF_INET6, ip)
    except (OSError, ValueError):
        return ""
    return ":".join(f"{packed[at] << 8 | packed[at + 1]:x}" for at in range(0, 16, 2))
