"""Lines of HAProxy, written from what a record says: the other way round than the parser, and without it.

It follows the configuration manual (8.2 and 8.6) and knows no layout. A record from which the line is written again to
its last byte has lost nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Record = dict[str, Any]
MONTHS = ["", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def hashed(text: str, also: str = "") -> str:
    """The text as HAProxy writes it in requests: `#HH` for control bytes, bytes above 126, `"` and `#`."""
    odd = [byte < 32 or byte >= 127 or chr(byte) in '"#' + also for byte in text.encode()]
    return "".join(f"#{byte:02X}" if each else chr(byte) for byte, each in zip(text.encode(), odd, strict=True))


def captured(values: list[str] | None) -> str:
    """A block of captured headers; nothing if none are captured."""
    return "" if values is None else "{" + "|".join(hashed(value, "{|}") for value in values) + "} "


def apache(time: str, *, zone: bool = False) -> str:
    """RFC 3339 in UTC as HAProxy writes it."""
    year, month, day, clock = time[:4], MONTHS[int(time[5:7])], time[8:10], time[11:].removesuffix("Z")
    return f"{day}/{month}/{year}:{clock}" + (" +0000" if zone else "")


def line_of(record: Record) -> str:
    """The line behind the syslog header, without the plus signs of `logasap` and redispatches."""
    return _WRITERS[record["format"]](_Values(record))


def without_plus(line: str) -> str:
    """The line without the plus signs that say "at least" or "redispatched"."""
    return re.sub(r"(?<=[/ ])\+(?=[0-9]+[ /])", "", line)


class _Values:
    """The values of a record as they are logged: a dash or -1 for none."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def __getattr__(self, names: str) -> str:
        """Values by name; several names, joined by two underscores, give several values with spaces between."""
        return " ".join(
            str(self._record.get(name, "-1" if name.endswith("_ms") else "-")) for name in names.split("__")
        )

    def get(self, name: str) -> Any:
        return self._record.get(name)

    def address(self, of: str) -> str:
        return f"{getattr(self, of + '_ip')}:{getattr(self, of + '_port')}"

    def slashed(self, names: str) -> str:
        return "/".join(getattr(self, name) for name in names.split())


def _http(v: _Values) -> str:
    return (
        f"{v.address('client')} [{apache(v.time)}] {v.frontend} {v.backend}/{v.server} "
        f"{v.slashed('time_request_ms time_queue_ms time_connect_ms time_response_ms time_total_ms')} "
        f"{v.status_code__bytes_read__captured_request_cookie__captured_response_cookie__termination_state} "
        f"{v.slashed('actconn feconn beconn srvconn retries')} {v.slashed('srv_queue backend_queue')} "
        f"{captured(v.get('captured_request_headers'))}{captured(v.get('captured_response_headers'))}"
        f'"{v.request}"'
    )


def _https(v: _Values) -> str:
    return f"{_http(v)} {v.slashed('fc_err ssl_fc_err ssl_c_err ssl_c_ca_err ssl_resumed')} {v.slashed('ssl_sni ssl_version ssl_cipher')}"


def _tcp(v: _Values) -> str:
    return (
        f"{v.address('client')} [{apache(v.time)}] {v.frontend} {v.backend}/{v.server} "
        f"{v.slashed('time_queue_ms time_connect_ms time_total_ms')} {v.bytes_read__termination_state} "
        f"{v.slashed('actconn feconn beconn srvconn retries')} {v.slashed('srv_queue backend_queue')}"
    )


def _clf(v: _Values) -> str:
    headers = [*(v.get("captured_request_headers") or []), *(v.get("captured_response_headers") or [])]
    cookies = [v.get("captured_request_cookie") or "", v.get("captured_response_cookie") or ""]
    return (
        f'{v.client_ip} - - [{apache(v.time, zone=True)}] "{v.request}" {v.status_code__bytes_read} "" "" '
        f'{v.client_port__ms} "{v.frontend}" "{v.backend}" "{v.server}" '
        f"{v.time_request_ms__time_queue_ms__time_connect_ms__time_response_ms__time_total_ms} "
        f"{v.termination_state__actconn__feconn__beconn__srvconn__retries__srv_queue__backend_queue} "
        + " ".join([*(f'"{cookie}"' for cookie in cookies), *(f'"{hashed(header, "{|}")}"' for header in headers)])
    )


def _eucalyptus_http(v: _Values) -> str:
    return (
        f"httplog {v.frontend__backend__server__status_code__termination_state} "
        f"{v.time_request_ms__time_queue_ms__time_connect_ms__time_response_ms__time_total_ms} "
        f'"{v.request}" {v.address("client")} {v.address("frontend")} {v.address("server")} '
        f"req_size={v.bytes_uploaded} resp_size={v.bytes_read}"
    )


def _eucalyptus_tcp(v: _Values) -> str:
    return (
        f"tcplog {v.frontend__backend__server__termination_state__time_queue_ms__time_connect_ms__time_total_ms} "
        f"{v.address('client')} {v.address('frontend')} {v.address('server')} "
        f"req_size={v.bytes_uploaded} resp_size={v.bytes_read}"
    )


def _default(v: _Values) -> str:
    return f"Connect from {v.address('client')} to {v.address('frontend')} ({v.frontend}/{v.mode})"


def _error(v: _Values) -> str:
    return f"{v.address('client')} [{apache(v.time)}] {v.frontend}/{v.bind}: {v.message}"


def _admin(v: _Values) -> str:
    if v.get("server"):
        return f"Server {v.backend}/{v.server} is {v.state}, {v.detail}"
    return f"backend {v.backend} has {v.detail}"


_WRITERS: dict[str, Callable[[_Values], str]] = {
    "haproxy_http": _http,
    "haproxy_https": _https,
    "haproxy_tcp": _tcp,
    "haproxy_clf": _clf,
    "haproxy_eucalyptus_http": _eucalyptus_http,
    "haproxy_eucalyptus_tcp": _eucalyptus_tcp,
    "haproxy_default": _default,
    "haproxy_error": _error,
    "haproxy_admin": _admin,
}
