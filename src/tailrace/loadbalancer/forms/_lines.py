"""Lines as AWS's load balancers write them, from what HAProxy logged. docs/loadbalancer.md tells each field's origin."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from tailrace.loadbalancer.forms._escaping import application as escaped
from tailrace.loadbalancer.forms._escaping import classic as escaped_classic
from tailrace.loadbalancer.forms._escaping import cut
from tailrace.loadbalancer.forms._logged import SWITCHING, Logged, count, iso, status
from tailrace.loadbalancer.forms._request import TCP, request
from tailrace.loadbalancer.model import Balancer
from tailrace.loadbalancer.naming import resource

Writer = Callable[[Logged, int], str]
"""Writes the line of a request that began at a time in µs since 1970."""
_REDIRECTION = range(300, 400)
_NO_SERVER = frozenset(("SC", "sC", "sQ", "SQ"))


def classic(balancer: Balancer) -> Writer:
    """Lines of a Classic Load Balancer: HTTP requests and connections in TCP mode."""
    name, own = balancer.name, balancer.address or "-"

    def write(logged: Logged, begin_us: int) -> str:
        if not logged.is_http:
            return _connection(logged, begin_us, name)
        answered, agent = logged.answered, logged.agent
        return (
            f"{iso(begin_us)} {name} {logged.client_endpoint} {logged.server_endpoint if answered else '-'} "
            f"{_micro(logged.connected_ms if logged.dispatched else None)} "
            f"{_micro(logged.time_response_ms if answered else None)} {_micro(0 if answered else None)} "
            f"{status(logged.status_code)} {logged.server_status} {count(logged.bytes_uploaded)} {count(logged.bytes_read)} "
            f'"{escaped_classic(request(logged, own))}" "{escaped_classic(cut(agent)) if agent else "-"}" '
            f"{_hyphens(logged.ssl_cipher)} {logged.ssl_version or '-'}\n"
        )

    return write


def _connection(logged: Logged, begin_us: int, name: str) -> str:
    there = logged.dispatched
    return (
        f"{iso(begin_us)} {name} {logged.client_endpoint} {logged.server_endpoint if there else '-'} "
        f"{_micro(logged.connected_ms if there else None)} {_micro(logged.time_connect_ms if there else None)} "
        f"{_micro(0 if there else None)} - - {count(logged.bytes_uploaded)} {count(logged.bytes_read)} "
        f'"{TCP}" "-" {_hyphens(logged.ssl_cipher)} {logged.ssl_version or "-"}\n'
    )


def application(balancer: Balancer) -> Writer:
    """Lines of an Application Load Balancer: HTTP requests."""
    elb, own = resource(balancer), balancer.address or "-"

    def write(logged: Logged, begin_us: int) -> str:
        there, answered = logged.dispatched, logged.answered
        server, server_status = logged.server_endpoint if there else "-", logged.server_status
        agent, sni, action = logged.agent, logged.ssl_sni, _action(logged)
        location = logged.response_location if action == "redirect" else None
        return (
            f"{_type(logged)} {iso(begin_us + logged.responded_ms * 1000)} {elb} {logged.client_endpoint} {server} "
            f"{_milli(logged.connected_ms if there else None)} {_milli(logged.time_response_ms if answered else None)} "
            f"{_milli(0 if answered else None)} {status(logged.status_code)} {server_status} "
            f"{count(logged.bytes_uploaded)} {count(logged.bytes_read)} "
            f'"{escaped(request(logged, own))}" "{escaped(cut(agent)) if agent else "-"}" '
            f'{logged.ssl_cipher or "-"} {logged.ssl_version or "-"} - "-" "{escaped(sni) if sni else "-"}" "-" - '
            f'{iso(begin_us)} "{action}" "{escaped(location) if location else "-"}" "-" "{server}" "{server_status}" '
            f'"-" "-" - "-" "-" "-" {own}\n'
        )

    return write


def _hyphens(cipher: str | None) -> str:
    """A cipher as readers of a Classic Load Balancer's logs expect it: it has none of those whose names have underscores."""
    return cipher.replace("_", "-") if cipher else "-"


def _type(logged: Logged) -> str:
    if logged.status_code == SWITCHING:
        return "wss" if logged.secure else "ws"
    if not logged.secure:
        return "http"
    return "h2" if (logged.request_protocol or "")[:6] == "HTTP/2" else "https"


def _action(logged: Logged) -> str:
    """What was done with the request, as far as HAProxy tells."""
    state = (logged.termination_state or "")[:2]
    if logged.dispatched or state in _NO_SERVER:
        return "forward"
    if state == "LR":
        return "redirect" if logged.status_code in _REDIRECTION else "fixed-response"
    return "-"


@lru_cache(maxsize=2048)
def _micro(ms: int | None) -> str:
    """Seconds with six decimals."""
    return "-1" if ms is None or ms < 0 else f"{ms // 1000}.{ms % 1000:03d}000"


@lru_cache(maxsize=2048)
def _milli(ms: int | None) -> str:
    """Seconds with three decimals."""
    return "-1" if ms is None or ms < 0 else f"{ms // 1000}.{ms % 1000:03d}"
