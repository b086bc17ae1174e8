"""HAProxy without a log option: one line for each connection, when it is accepted.

https://docs.haproxy.org/3.2/configuration.html#8.2.1
"""

from __future__ import annotations

from tailrace.formats._haproxy import compile_log_format, named
from tailrace.kernel.layout import Format

LOG_FORMAT = "Connect from %ci:%cp to %fi:%fp (%f/%[mode])"

FORMAT = Format(
    name="haproxy_default",
    title="HAProxy, default format",
    about="One line for each connection of a proxy without a log option. The time is that of the syslog header.",
    source="https://docs.haproxy.org/3.2/configuration.html#8.2.1",
    layouts=(named(compile_log_format(LOG_FORMAT), mode=("mode", "TCP or HTTP")),),
    framing="syslog",
    vendor="haproxy",
    precedence=16,
    example="<134>Nov 20 19:54:43 lb1 haproxy[8482]: Connect from 192.0.2.7:34534 to 198.51.100.4:80 (web/HTTP)",
)
