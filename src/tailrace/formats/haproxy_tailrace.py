"""The `log-format` that Tailrace gives an HAProxy load balancer: all that AWS's access logs tell, and more.

https://docs.haproxy.org/3.2/configuration.html#8.2.6
"""

from __future__ import annotations

from tailrace.formats._haproxy import compile_log_format, named
from tailrace.kernel.layout import Format, Template

HTTP = (
    "tailrace-http [%trg] %ms %ci:%cp %fi:%fp %si:%sp %ft %b/%s %Th/%Ti/%TR/%Tw/%Tc/%Tr/%Ta "
    "%ST %[var(txn.tailrace_status)] %U %B %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %lc %sslv %sslc "
    "%{+Q,+E}[ssl_fc_sni] %{+Q,+E}[var(txn.tailrace_host)] %{+Q,+E}[var(txn.tailrace_agent)] "
    "%{+Q,+E}[var(txn.tailrace_location)] %{+Q}r %{+Q,+E}[var(txn.tailrace_url)] %[var(txn.tailrace_version)]"
)
TCP = (
    "tailrace-tcp %Ts %ms %ci:%cp %fi:%fp %si:%sp %ft %b/%s %Th/%Tw/%Tc/%Tt "
    "%U %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq %lc %sslv %sslc %{+Q,+E}[ssl_fc_sni]"
)
END = "tailrace-end"
"""Stands behind the fields where HAProxy has to write the line of its other log targets into the same message."""


def beside(text: str) -> str:
    """The format of lines with another line behind `END`. Their first word is another one, or what stands there could be taken for fields."""
    word, _, rest = text.partition(" ")
    return f"{word}-beside {rest} {END}"


def _beside(text: str) -> Template:
    return named(
        compile_log_format(f"{beside(text)} %[beside]"), beside=("beside", "the line of HAProxy's other log targets")
    )


FORMAT = Format(
    name="haproxy_tailrace",
    title="HAProxy of a load balancer that Tailrace configured",
    about="Lines that begin with `tailrace-http` or `tailrace-tcp`, as `tailrace lb configure` has them written; in those that begin "
    "with `tailrace-http-beside` or `tailrace-tcp-beside`, the line that HAProxy's other log targets are sent stands behind "
    "`tailrace-end`. `time` is that of the request in whole seconds; its milliseconds are `ms` + `Th` + `Ti`, modulo 1000.",
    source="https://docs.haproxy.org/3.2/configuration.html#8.2.6",
    layouts=(compile_log_format(HTTP), compile_log_format(TCP), _beside(HTTP), _beside(TCP)),
    framing="syslog",
    vendor="haproxy",
    precedence=9,
    example="<150>1 2026-11-22T08:05:08.082254+00:00 - haproxy 16127 - - tailrace-http [22/Nov/2026:08:05:08 +0000] 081 "
    "192.0.2.7:40440 198.51.100.4:443 10.0.0.9:8080 web~ app/s1 4/0/0/0/1/2/3 200 200 147 260 ---- 1/1/0/0/0 0/0 2 "
    r'TLSv1.3 TLS_AES_256_GCM_SHA384 "www.example.com" "www.example.com" "\"probe\" 1.0" "" "GET /q?a=#22b#22 HTTP/1.1" "" -',
)
