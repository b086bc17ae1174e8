"""HAProxy, `option httplog clf` and `option tcplog clf`: the Common Log Format with HAProxy's fields behind.

https://docs.haproxy.org/3.2/configuration.html#4.2-option%20httplog
"""

from __future__ import annotations

from tailrace.formats._haproxy import compile_log_format
from tailrace.kernel.layout import Format

HTTP = (
    '%{+Q}o %{-Q}ci - - [%trg] %r %ST %B "" "" %cp %ms %ft %b %s %TR %Tw %Tc %Tr %Ta %tsc '
    "%ac %fc %bc %sc %rc %sq %bq %CC %CS %hrl %hsl"
)
TCP = (
    '%{+Q}o %{-Q}ci - - [%T] "TCP " 000 %B "" "" %cp %ms %ft %b %s %Th %Tw %Tc %Tt %U %ts-- '
    '%ac %fc %bc %sc %rc %sq %bq "" "" '
)

FORMAT = Format(
    name="haproxy_clf",
    title="HAProxy, Common Log Format",
    about="`option httplog clf`, and `option tcplog clf` of newer versions. The time has whole seconds; the column "
    "`ms` is that of accepting the connection, which need not be that of the request. Two captured headers are taken "
    "for one of the request and one of the response unless `captures` says otherwise.",
    source="https://docs.haproxy.org/3.2/configuration.html#8.2.3",
    layouts=(compile_log_format(TCP), compile_log_format(HTTP)),
    framing="syslog",
    vendor="haproxy",
    precedence=15,
    example="<134>Nov 20 19:54:42 lb1 haproxy[8482]: 192.0.2.7 - - [20/Nov/2026:19:54:42 +0000] "
    '"GET /clf?q=#22x#22 HTTP/1.1" 200 79 "" "" 53252 225 "web" "app" "s1" 0 0 0 0 0 ---- 1 1 0 0 0 0 0 "" "" '
    '"curl/8" "application/json"',
)
