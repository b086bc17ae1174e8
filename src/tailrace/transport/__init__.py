"""Connections to what is not a cloud's service: TCP, TLS, and HTTP/1.1 on them.

`Connection` speaks HTTP, `Channel` carries bytes. Each is one connection for one thread. Proxies of the environment
(`HTTPS_PROXY` and its like) are not used: what is named is what is called.
"""

from tailrace.transport.answers import UNAUTHORIZED, Answer, basic, passing, retry_after
from tailrace.transport.channel import Channel
from tailrace.transport.endpoints import Endpoint, Tls, endpoint_of
from tailrace.transport.failures import told, told_of_tls
from tailrace.transport.http import Connection

__all__ = [
    "UNAUTHORIZED",
    "Answer",
    "Channel",
    "Connection",
    "Endpoint",
    "Tls",
    "basic",
    "endpoint_of",
    "passing",
    "retry_after",
    "told",
    "told_of_tls",
]
