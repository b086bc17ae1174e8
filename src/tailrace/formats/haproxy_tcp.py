"""HAProxy, `option tcplog`: one line for each TCP connection.

https://docs.haproxy.org/3.2/configuration.html#8.2.2
"""

from __future__ import annotations

from tailrace.formats._haproxy import compile_log_format, with_slack
from tailrace.kernel.layout import Format

LOG_FORMAT = "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq"

FORMAT = Format(
    name="haproxy_tcp",
    title="HAProxy, option tcplog",
    about="One line for each connection, alone or behind a syslog header.",
    source="https://docs.haproxy.org/3.2/configuration.html#8.2.2",
    layouts=(with_slack(compile_log_format(LOG_FORMAT), "server"),),
    framing="syslog",
    vendor="haproxy",
    precedence=14,
    example="<150>Nov 20 19:54:44 haproxy[8482]: 192.0.2.7:44464 [20/Nov/2026:19:54:44.064] db pg/s1 1/0/9 91 -- "
    "1/1/0/0/0 0/0",
)
