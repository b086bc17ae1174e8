"""The request as AWS's load balancers write it: with the scheme, the host and the port in its URL."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from tailrace.loadbalancer.forms._escaping import unhashed
from tailrace.loadbalancer.forms._logged import Logged

_PORT = re.compile(r"(?:\]|^[^:]*):[0-9]*\Z")
_ABSOLUTE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)([^/?#]*)(.*)\Z", re.DOTALL)
_VERSION = re.compile(r"HTTP/[0-9](?:\.[0-9])?\Z")
TCP: Final = "- - - "
"""What stands for the request of a connection in TCP mode."""


def request(logged: Logged, own: str) -> str:
    """Method, URL and version, not escaped. `own`: the load balancer's host, where the client named none.

    What HAProxy could not read has a dash for each of the three, and the URL tells where it came in.
    """
    method, url, version = _parts(logged)
    scheme, port = ("https", 443) if logged.secure else ("http", 80)
    if logged.frontend_port is not None:
        port = logged.frontend_port
    if method is None:
        return f"- {scheme}://{_with_port(_bracketed(logged.frontend_ip or own), port)}- -"
    if url is None:
        url = "-"
    elif url[:1] in ("/", "*") or "://" not in url:
        host = _with_port(logged.request_host or _bracketed(logged.frontend_ip or own), port)
        url = f"{scheme}://{url}" if method == "CONNECT" else f"{scheme}://{host}{'' if url[:1] == '/' else '/'}{url}"
    elif match := _ABSOLUTE.match(url):
        url = match[1] + _with_port(match[2], port) + match[3]
    return f"{method} {url} {version or '-'}"


def _parts(logged: Logged) -> tuple[str | None, str | None, str | None]:
    method, url, version = logged.request_method, logged.request_url, logged.request_protocol
    if logged.request is not None and method is not None and "#" in logged.request:
        # The bytes themselves: the parts have U+FFFD for what is no UTF-8.
        method, _, rest = logged.request.partition(" ")
        before, space, last = rest.rpartition(" ")
        url, version = (before, last) if space and _VERSION.match(last) else (rest, None)
        method, url = unhashed(method), unhashed(url)
    if logged.request_url_whole is not None and method is not None:
        url = logged.request_url_whole
        version = f"HTTP/{logged.request_version}" if logged.request_version else version
    if method == "<BADREQ>":
        return None, None, None
    return method, url, version


@lru_cache(maxsize=1024)
def _with_port(host: str, port: int) -> str:
    return host if _PORT.search(host) else f"{host}:{port}"


def _bracketed(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip
