"""HAProxy, `option httplog`: one line for each HTTP request.

https://docs.haproxy.org/3.2/configuration.html#8.2.3
"""

from __future__ import annotations

from tailrace.formats._haproxy import compile_log_format, with_slack
from tailrace.kernel.layout import Format

LOG_FORMAT = (
    "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r"
)

FORMAT = Format(
    name="haproxy_http",
    title="HAProxy, option httplog",
    about="One line for each request, alone or behind a syslog header. The date has no zone: set `timezone` where "
    "HAProxy does not run in UTC. One block of captured headers alone is taken for the request's unless `captures` "
    "says how many there are. A line cut at HAProxy's length limit is a record with `truncated`.",
    source="https://docs.haproxy.org/3.2/configuration.html#8.2.3",
    layouts=(with_slack(compile_log_format(LOG_FORMAT), "server"),),
    framing="syslog",
    vendor="haproxy",
    precedence=12,
    example="<134>Nov 20 19:54:26 lb1 haproxy[8482]: 192.0.2.7:52170 [20/Nov/2026:19:54:26.882] web app/s1 0/0/0/1/1 "
    '200 79 - - ---- 1/1/0/0/0 0/0 {www.example.com|curl/8} {text/html} "GET /q?a=#22b#22 HTTP/1.1"',
)
