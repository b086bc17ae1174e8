"""What HAProxy says of itself on the log stream: proxies that start and stop, servers that go up and down.

https://docs.haproxy.org/3.2/configuration.html#8.1
"""

from __future__ import annotations

from tailrace.formats._haproxy import compile_log_format, named
from tailrace.kernel.layout import Format

NAMES = {
    "kind": ("kind", "Server or Backup Server"),
    "proxy": ("proxy", "the proxy that started or stopped"),
    "state": ("state", "UP, DOWN, MAINT, … or what the proxy did"),
    "detail": ("detail", "the rest of the line"),
}
PATTERNS = (
    "Server %b/%s is %[state], %[detail]",
    "Server %b/%s is %[detail]",
    "Backup Server %b/%s is %[detail]",
    "backend %b has %[detail]",
    "Proxy %[proxy] %[detail]",
    "Stopping %[kind] %[proxy] in %[detail]",
)

FORMAT = Format(
    name="haproxy_admin",
    title="HAProxy, messages about proxies and servers",
    about="Not about a request: a server that went down, a backend without servers, a proxy that stopped.",
    source="https://docs.haproxy.org/3.2/configuration.html#8.1",
    layouts=tuple(named(compile_log_format(pattern), **NAMES) for pattern in PATTERNS),
    framing="syslog",
    vendor="haproxy",
    precedence=18,
    example="<137>Nov 20 20:29:36 haproxy[9150]: Server app/s1 is DOWN, reason: Layer4 connection problem, "
    'info: "Connection refused", check duration: 0ms. 0 active and 0 backup servers left. 0 sessions active, '
    "0 requeued, 0 remaining in queue.",
)
