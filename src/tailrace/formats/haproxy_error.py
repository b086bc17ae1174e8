"""HAProxy's error lines: connections that failed before there was a request.

https://docs.haproxy.org/3.2/configuration.html#8.2.5
"""

from __future__ import annotations

from tailrace.formats._haproxy import compile_log_format, named
from tailrace.kernel.layout import Format

LOG_FORMAT = "%ci:%cp [%tr] %f/%[bind]: %[message]"

FORMAT = Format(
    name="haproxy_error",
    title="HAProxy, error format",
    about="A connection that failed before its request: a TLS handshake, a PROXY protocol header. `bind` is the name "
    "or number of the bind line; newer versions write the backend there.",
    source="https://docs.haproxy.org/3.2/configuration.html#8.2.5",
    layouts=(
        named(
            compile_log_format(LOG_FORMAT),
            bind=("bind", "name or number of the bind line, or the backend"),
            message=("message", "what failed"),
        ),
    ),
    framing="syslog",
    vendor="haproxy",
    precedence=17,
    example="<134>Nov 20 19:54:42 lb1 haproxy[8482]: 192.0.2.7:41650 [20/Nov/2026:19:54:42.074] web/1: "
    "SSL handshake failure",
)
